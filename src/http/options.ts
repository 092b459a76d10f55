/** What the HTTP edge is told at start: bounds and timeouts, each with what happens beyond it. */

/**
 * What kind of work a request is. Classes do not borrow from each other: a flood of grants must
 * not keep a renewal waiting, because a refused renewal turns load into a storm of endings.
 */
export type RequestClass = 'renew' | 'read' | 'put' | 'grant' | 'list';

export interface HttpOptions {
  /** Shown in the OpenAPI document. */
  readonly version: string;
  /** Host names taken in `Host` beside the loopback ones; any port. */
  readonly hosts: readonly string[];
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Open connections; further ones are closed at once. */
  readonly connections: number;
  /** Beyond it 503 `under-pressure`, by class. */
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
