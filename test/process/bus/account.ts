/**
 * What the clients of a campaign were told: the leases they got, and the lives of their entries. Of
 * each of these there must be one ending in the end, or it must still be there.
 */

export interface LeaseTold {
  readonly id: string;
  /** Its release was answered: it ended by that and by nothing else. */
  released: boolean;
}

/** An unbroken run of overwrites of a key under one lease. */
export interface Run {
  readonly key: string;
  readonly lease: string;
  /** Of its writes that were answered, in order. */
  readonly etags: string[];
}

export class Account {
  readonly leases = new Map<string, LeaseTold>();
  readonly runs: Run[] = [];

  granted(id: string): void {
    this.leases.set(id, { id, released: false });
  }

  released(id: string): void {
    const lease = this.leases.get(id);
    if (lease !== undefined) lease.released = true;
  }

  /** A write was answered. `before`: what the client took the key to hold. */
  written(
    { key, lease, etag, created }: WriteTold, before: Run | undefined,
  ): Run {
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
