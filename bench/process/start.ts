/** From spawning the process to its `leasehold ready` line, and what it resides in when idle. */
import { residentBytes } from '../http/processes.ts';
import { startSidecar } from '../replay/sidecar-process.ts';
import { atMost } from '../row.ts';
import { median, pause, printRows, quick } from '../script.ts';

const STARTS = quick ? 2 : 9;
const IDLE_MS = quick ? 500 : 3_000;
const CONFIGURATION = 'autoCreateNamespaces: true\n';
const MEBIBYTE = 1024 * 1024;

const readyMs: number[] = [];
const residentMb: number[] = [];
for (let start = 0; start < STARTS; start += 1) {
  const sidecar = await startSidecar({ configuration: CONFIGURATION, memoryLimitMb: 1024 });
  readyMs.push(sidecar.readyMs);
  await pause(IDLE_MS);
  residentMb.push(residentBytes(sidecar.pid) / MEBIBYTE);
  await sidecar.stop();
}
printRows([
  {
    what: 'time from start to ready, empty',
    value: median(readyMs),
    unit: 'ms',
    bar: atMost(400, 200),
    note: `${Math.round(Math.min(...readyMs))} to ${Math.round(Math.max(...readyMs))} ms in ${STARTS} starts`,
  },
  { what: 'idle resident memory, empty', value: median(residentMb), unit: 'MB', bar: atMost(90, 60) },
]);
