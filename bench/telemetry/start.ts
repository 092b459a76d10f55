/** What telemetry adds to a start and to a sidecar that does nothing. */
import { rangeOf, starts } from '../process/starts.ts';
import { atMost } from '../row.ts';
import { median, printRows } from '../script.ts';
import { settings, startCollector } from './settings.ts';

const collector = await startCollector(undefined);
const on = await starts(settings(collector.url)['1 %']);
const off = await starts();
await collector.stop();
printRows([
  {
    what: 'time from start to ready, with telemetry', value: median(on.readyMs), unit: 'ms',
    bar: atMost(900, 500), note: `${rangeOf(on)}; without: ${Math.round(median(off.readyMs))} ms`,
  },
  {
    what: 'idle resident memory that telemetry adds', unit: 'MB',
    value: median(on.residentMb) - median(off.residentMb),
  },
]);
