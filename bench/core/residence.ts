/**
 * Resident bytes of an entry with everything it needs (its lease, its place in the wheel and in
 * the indexes), as the process grows by them, and what the tables' own arithmetic says.
 */
import { SLOT_COSTS } from '../../src/core/costs.ts';
import { seededRandom } from '../replay/random.ts';
import { atMost } from '../row.ts';
import { pause, printRows, quick } from '../script.ts';
import { fill, KEY_BYTES, newCore, VALUE_BYTES } from './population.ts';

const LIVE = quick ? 100_000 : 1_000_000;
const SPREAD_MS = 86_400_000;
/** Enough to compile the paths, so that the compiler's memory is not counted as entries. */
const WARM_UP = 20_000;

const warm = newCore(WARM_UP);
fill(warm.core, { from: 0, to: WARM_UP }, warm.timeline.now(), () => SPREAD_MS);

const before = await resident();
const { core, timeline } = newCore(LIVE);
const random = seededRandom(1);
fill(core, { from: 0, to: LIVE }, timeline.now(), () => 1_000 + Math.floor(random.next() * (SPREAD_MS - 1_000)));
const after = await resident();
const usage = core.usage();
if (usage.entries !== LIVE) throw new Error(`Cannot measure: ${usage.entries} entries are there`);

const columns = SLOT_COSTS.entrySlotBytes + SLOT_COSTS.leaseSlotBytes;
printRows([
  {
    what: `resident bytes of an entry (${KEY_BYTES} B key, ${VALUE_BYTES} B value) at ${LIVE / 1000} 000`,
    value: (after - before) / LIVE,
    unit: 'B',
    bar: atMost(400, 260),
    note: `by arithmetic: ${columns} B columns and ${Math.round(usage.slabHeldBytes / LIVE)} B slab`,
  },
]);

async function resident(): Promise<number> {
  // Twice, with a turn between: what finalizers let go of goes with the second.
  for (let round = 0; round < 2; round += 1) {
    globalThis.gc?.();
    await pause(100);
  }
  return process.memoryUsage.rss();
}
