/** Sidecars started one after the other, and what each took until it was ready. */
import { residentBytes } from '../http/processes.ts';
import { startSidecar } from '../replay/sidecar-process.ts';
import { pause, quick } from '../script.ts';

const STARTS = quick ? 2 : 9;
const IDLE_MS = quick ? 500 : 3_000;
const CONFIGURATION = 'autoCreateNamespaces: true\n';
const MEBIBYTE = 1024 * 1024;

export interface Starts {
  /** From spawning the process to its `leasehold ready` line. */
  readonly readyMs: readonly number[];
  /** When it has been idle for a while. */
  readonly residentMb: readonly number[];
}

export async function starts(environment: Readonly<Record<string, string>> = {}): Promise<Starts> {
  const readyMs: number[] = [];
  const residentMb: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    const sidecar = await startSidecar({ configuration: CONFIGURATION, memoryLimitMb: 2048, environment });
    readyMs.push(sidecar.readyMs);
    await pause(IDLE_MS);
    residentMb.push(residentBytes(sidecar.pid) / MEBIBYTE);
    await sidecar.stop();
  }
  return { readyMs, residentMb };
}

/** How far the starts lie apart. */
export function rangeOf({ readyMs }: Starts): string {
  return `${Math.round(Math.min(...readyMs))} to ${Math.round(Math.max(...readyMs))} ms in ${readyMs.length} starts`;
}
