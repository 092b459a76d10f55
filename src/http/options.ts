/** What the HTTP edge is told at start: bounds and timeouts, each with what happens beyond it. */
import type { RequestClass } from '../admission/classes.ts';

export interface HttpOptions {
  /** Shown in the OpenAPI document. */
  readonly version: string;
  /** Host names taken in `Host` beside the loopback ones; any port. */
  readonly hosts: readonly string[];
  /** Permissions of the files of Unix sockets, as octal digits. */
  readonly socketMode: string;
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Open connections; further ones are closed at once. */
  readonly connections: number;
  /**
   * Beyond it 503 `under-pressure`, by class. Classes do not borrow from each other, so that what
   * is kept for renewals and releases stays theirs in any flood.
   */
  readonly requestsInFlight: Readonly<Record<RequestClass, number>>;
  /** Request line and headers together; 431 beyond. Half of it for the target alone; 414 beyond. */
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly valueBytes: number;
  readonly keyBytes: number;
  /** Request bodies and large replies held at once; 503 `under-pressure` beyond. */
  readonly inFlightBodyBytes: number;
  readonly pageItems: number;
  readonly batchOperations: number;
  readonly renewIds: number;
  /** Open event streams; 503 `under-pressure` beyond. */
  readonly watchers: number;
}
