/**
 * The longest stop for garbage collection while a million entries are overwritten, 50 000 a
 * second, on the real engine and journal.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { seededRandom } from '../replay/random.ts';
import { atMost } from '../row.ts';
import { pause, printRows, quick } from '../script.ts';
import { engineOver, fill, newCore, putOf } from './population.ts';

const LIVE = quick ? 100_000 : 1_000_000;
const PER_SECOND = 50_000;
const SECONDS = quick ? 2 : 15;
/** The first seconds compile; they are not what a service lives with. */
const WARM_SECONDS = quick ? 1 : 3;
const TTL_MS = 3_600_000;

const { core, timeline } = newCore(LIVE);
fill(core, { from: 0, to: LIVE }, timeline.now(), () => TTL_MS);
const running = await engineOver(core, timeline);
const random = seededRandom(1);

const stops: number[] = [];
const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) stops.push(entry.duration);
});

let done = 0;
await mutateFor(WARM_SECONDS);
observer.observe({ entryTypes: ['gc'] });
done = 0;
await mutateFor(SECONDS);
observer.disconnect();
await running.stop();

const total = stops.reduce((sum, duration) => sum + duration, 0);
printRows([
  {
    what: `longest stop for garbage collection, ${PER_SECOND / 1000} 000 mutations/s, ${LIVE / 1000} 000 entries`,
    value: Math.max(0, ...stops),
    unit: 'ms',
    bar: atMost(15, 5),
    note: `${stops.length} stops, ${((total / (SECONDS * 1000)) * 100).toFixed(1)} % of the time; ${Math.round(done / SECONDS)} mutations/s done`,
  },
]);

async function mutateFor(seconds: number): Promise<void> {
  const startedAt = performance.now();
  let issued = 0;
  while (performance.now() - startedAt < seconds * 1_000) {
    const due = Math.min(((performance.now() - startedAt) * PER_SECOND) / 1_000, issued + PER_SECOND / 100);
    for (; issued < due; issued += 1) {
      running.engine.submit(putOf(Math.floor(random.next() * LIVE), TTL_MS), () => {
        done += 1;
      });
    }
    await pause(1);
  }
}
