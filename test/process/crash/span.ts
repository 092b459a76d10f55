/**
 * When something happened, as far as a client can know: after it asked and before it was told. All
 * instants are monotonic milliseconds of the testing process; `SLACK_MS` is what its clock and the
 * sidecar's may differ by across one restart, where the sidecar goes by the wall clock, in whole
 * milliseconds, and is late rather than early.
 */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export const SLACK_MS = 10;

const firstOffsetMs = Date.now() - performance.now();

/** The slack, and by how much the wall clock has been set since this process began. */
export function slackMs(): number {
  return SLACK_MS + Math.abs(Date.now() - performance.now() - firstOffsetMs);
}

/** Wall-clock milliseconds as the sidecar writes them, on this process's monotonic clock. */
export function monotonicOf(wallMs: number): number {
  return wallMs - (Date.now() - performance.now());
}
