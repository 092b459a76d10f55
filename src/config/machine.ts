/** What defaults depend on and only the machine knows. Handed to the loader, so tests choose it. */
import { hostname, totalmem } from 'node:os';

export interface Machine {
  readonly hostName: string;
  readonly memoryBytes: number;
  /** What the control group allows (version 2 or 1); undefined when it sets no limit. */
  readonly groupMemoryBytes: number | undefined;
}

const UNCONFIGURED_MAX_BYTES = 1024 ** 3;
/** More by what telemetry needs at worst, so that nothing has to be configured to turn it on. */
const OBSERVED_MAX_BYTES = 1.25 * 1024 ** 3;

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
 * share, since a sidecar is the guest of the service beside it. `isObserved`: telemetry is on.
 */
export function defaultMemoryLimitBytes(machine: Machine, isObserved: boolean): number {
  if (machine.groupMemoryBytes !== undefined) return machine.groupMemoryBytes;
  const most = isObserved ? OBSERVED_MAX_BYTES : UNCONFIGURED_MAX_BYTES;
  return Math.min(Math.floor(machine.memoryBytes / 2), most);
}
