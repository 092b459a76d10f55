/** What a watcher saw of the feeds of sidecars, in its order. Checkers judge by this. */
interface Seen {
  readonly atMs: number;
  readonly client: string;
  readonly session: string;
  readonly sidecar: string;
  readonly run: number;
  /** Of this client, counted from 1. */
  readonly connection: number;
}

export type WatchedEvent = Seen &
  (
    | {
        readonly kind: 'opened';
        /** Where it resumed; undefined: at what is new. */
        readonly since: string | undefined;
        /** Only this namespace. */
        readonly namespace: string | undefined;
      }
    | {
        readonly kind: 'event';
        readonly cursor: string;
        readonly type: string;
        /** The CloudEvent, decoded from JSON. */
        readonly event: { readonly [member: string]: unknown };
      }
    | {
        readonly kind: 'resync';
        readonly cursor: string;
        readonly from: string;
        readonly to: string;
        readonly reason: string;
      }
    | {
        readonly kind: 'closed';
        /** 200: in good order; another: it was refused; 0: see `code`. */
        readonly status: number;
        readonly code?: string;
      }
  );
