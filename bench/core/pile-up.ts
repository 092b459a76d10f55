/**
 * A million live leases on the real engine and journal: how late endings are recorded while
 * renewals run, and what happens when two hundred thousand fall due in one millisecond. An ending
 * counts as recorded when a reader of the feed has it, which is after it was written.
 */
import type { Engine } from '../../src/engine/engine.ts';
import type { Feed } from '../../src/engine/feed.ts';
import { Histogram } from '../replay/histogram.ts';
import { seededRandom } from '../replay/random.ts';
import { atMost, type Row } from '../row.ts';
import { pause, printRows, quick } from '../script.ts';
import { watchLoopDelay } from './loop-delay.ts';
import { engineOver, fill, newCore } from './population.ts';

const LIVE = quick ? 100_000 : 1_000_000;
const PILED = LIVE / 5;
const SECONDS = quick ? 2 : 10;
/** Deadlines are spread over ten minutes: about 1 300 endings a second at full size. */
const SPREAD_MS = 600_000;
const RENEWED = LIVE / 10;
const RENEWAL_TTL_MS = 3_600_000;
/** Time for the fill, before anything may fall due. */
const HEAD_START_MS = quick ? 3_000 : 20_000;
const READ_FACTS = 4_096;

const random = seededRandom(1);
const { core, timeline } = newCore(LIVE);
const filledAt = timeline.now();
const ids = fill(
  core,
  { from: 0, to: LIVE - PILED },
  filledAt,
  (index) => (index < RENEWED ? RENEWAL_TTL_MS : HEAD_START_MS + Math.ceil(random.next() * SPREAD_MS)),
  (index) => index < RENEWED,
);
// All at one instant and for one TTL: one deadline.
const piledTtlMs = HEAD_START_MS + (SECONDS + 4) * 2_000;
fill(core, { from: LIVE - PILED, to: LIVE }, filledAt, () => piledTtlMs);
const running = await engineOver(core, timeline);

const rows: Row[] = [];
while (timeline.now() < filledAt + HEAD_START_MS + 1_000) await pause(50);
for (const perSecond of [20_000, 100_000]) {
  const { lateness, delay, renewals } = await renewFor(running.engine, running.feed, perSecond);
  const at = `${shown(LIVE)} live, ${shown(perSecond)} renewals/s`;
  const note = `p50 ${ms(lateness.percentile(0.5))}, max ${ms(lateness.max)} of ${lateness.count} endings; ${shown(Math.round(renewals / SECONDS))}/s renewed`;
  rows.push({
    what: `expiry lateness p99, ${at}`,
    value: lateness.percentile(0.99),
    unit: 'ms',
    bar: atMost(10, 3),
    note,
  });
  rows.push({
    what: `event-loop delay p99, ${at}`,
    value: delay.p99,
    unit: 'ms',
    note: `p50 ${ms(delay.p50)}, max ${ms(delay.max)}`,
  });
}
rows.push(...(await pileUp()));
await running.stop();
printRows(rows);

async function renewFor(engine: Engine, feed: Feed, perSecond: number) {
  const lateness = new Histogram();
  const reader = feed.open();
  const read = (): void => {
    const facts = reader.read(READ_FACTS);
    if ('reason' in facts) throw new Error(`Cannot measure: the reader ${facts.reason}`);
    const now = engine.now();
    for (const { fact } of facts) {
      if (fact.kind === 'entry.ended') lateness.record(now - fact.deadline);
    }
    if (facts.length === READ_FACTS) read();
  };
  reader.onFact = read;
  const stopDelay = watchLoopDelay();
  const startedAt = performance.now();
  let renewals = 0;
  while (performance.now() - startedAt < SECONDS * 1_000) {
    // What is due, in shares of a turn: a neighbour's renewals do not come all at once either.
    const due = Math.min(((performance.now() - startedAt) * perSecond) / 1_000, renewals + perSecond / 500);
    for (; renewals < due; renewals += 1) {
      engine.submit({ op: 'renew', id: ids[renewals % ids.length]! }, () => {});
    }
    await pause(1);
  }
  const delay = stopDelay();
  reader.close();
  return { lateness, delay, renewals };
}

/** Everything with one deadline: when was the last of them written, and did the loop go on? */
async function pileUp(): Promise<Row[]> {
  const deadline = filledAt + piledTtlMs;
  if (timeline.now() > deadline - 200) throw new Error('Cannot measure: the pile fell due too soon');
  while (timeline.now() < deadline - 100) await pause(20);
  const before = core.usage().entries;
  const written = running.journal.onAdvance;
  let recordedAt = 0;
  let others = 0;
  running.journal.onAdvance = () => {
    written();
    const { entries } = core.usage();
    others = before - entries - PILED;
    if (recordedAt === 0 && others >= 0) recordedAt = timeline.now();
  };
  const stopDelay = watchLoopDelay();
  while (recordedAt === 0 && timeline.now() < deadline + 10_000) await pause(1);
  const delay = stopDelay();
  running.journal.onAdvance = written;
  if (recordedAt === 0) throw new Error('Cannot measure: the pile did not end within 10 s');
  const what = `${shown(PILED)} ending in one millisecond of ${shown(before)} live`;
  return [
    { what: `${what}: all recorded within`, value: recordedAt - deadline, unit: 'ms', bar: atMost(250, 60) },
    {
      what: `${what}: loop delay p99`,
      value: delay.p99,
      unit: 'ms',
      bar: atMost(10, 5),
      note: `max ${ms(delay.max)}`,
    },
  ];
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function shown(count: number): string {
  return count.toLocaleString('en').replaceAll(',', ' ');
}
