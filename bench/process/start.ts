/** From spawning the process to its `leasehold ready` line, and what it resides in when idle. */
import { atMost } from '../row.ts';
import { median, printRows } from '../script.ts';
import { rangeOf, starts } from './starts.ts';

const empty = await starts();
printRows([
  {
    what: 'time from start to ready, empty', value: median(empty.readyMs), unit: 'ms',
    bar: atMost(400, 200), note: rangeOf(empty),
  },
  { what: 'idle resident memory, empty', value: median(empty.residentMb), unit: 'MB', bar: atMost(90, 60) },
]);
