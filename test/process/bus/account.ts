/**
 * What the clients of a campaign were told: the leases they got, and the lives of their entries. Of
 * each of these there must be one ending in the end, or it must still be there.
 */

/** An unbroken run of overwrites of a key under one lease. */
export interface Run {
  readonly key: string;
  readonly lease: string;
  /** Of its writes that were answered, in order. */
  readonly etags: string[];
}

export class Account {
  /** Ids of explicit leases. */
  readonly leases = new Set<string>();
  readonly runs: Run[] = [];

  /** A write was answered. `before`: what the client took the key to hold. */
  written({ key, lease, etag, created }: WriteTold, before: Run | undefined): Run {
    if (!created && before?.lease === lease) {
      before.etags.push(etag);
      return before;
    }
    const run: Run = { key, lease, etags: [etag] };
    this.runs.push(run);
    return run;
  }
}

/** The answer to a write. */
export interface WriteTold {
  readonly key: string;
  readonly lease: string;
  readonly etag: string;
  readonly created: boolean;
}
