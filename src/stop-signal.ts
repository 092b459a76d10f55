/**
 * What asks this process to stop. The first process of a container has no default action for signals:
 * one that comes before somebody listens is dropped by the kernel, and the container is killed when
 * its grace period is over. So `main.ts` listens before it loads anything.
 */

/** Resolves with the first SIGTERM or SIGINT. From the second on they act as if nobody listened. */
export function nextStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}
