/** No answer is waited for without end. */
import type { Scheduler } from './scheduler.ts';

/**
 * What `promise` settles with, or a rejection with `onTimeout()` when that takes `limitMs` or more.
 * What it settles with afterwards is ignored; the work behind it is not called off.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  limitMs: number,
  scheduler: Scheduler,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = scheduler.after(limitMs, () => reject(onTimeout()));
    promise.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
