/** What defaults depend on and only the machine knows. Handed to the loader, so tests choose it. */
import { hostname, totalmem } from 'node:os';

export interface Machine {
  readonly hostName: string;
  readonly memoryBytes: number;
  /** What the control group allows (version 2 or 1); undefined when it sets no limit. */
  readonly groupMemoryBytes: number | undefined;
}

const UNCONFIGURED_MAX_BYTES = 1024 ** 3;

export function thisMachine(): Machine {
  const memoryBytes = totalmem();
  // The kernel writes "no limit" as a number far above any memory; libuv as 0 where it knows none.
  const constrained = process.constrainedMemory();
  return {
    hostName: hostname(),
    memoryBytes,
    groupMemoryBytes: constrained > 0 && constrained < memoryBytes ? constrained : undefined,
  };
}

/**
 * The memory limit when nobody sets one: the control group's, which somebody chose; else a modest
 * share, since a sidecar is the guest of the service beside it.
 */
export function defaultMemoryLimitBytes(machine: Machine): number {
  if (machine.groupMemoryBytes !== undefined) return machine.groupMemoryBytes;
  return Math.min(Math.floor(machine.memoryBytes / 2), UNCONFIGURED_MAX_BYTES);
}
