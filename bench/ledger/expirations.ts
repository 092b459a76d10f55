/**
 * A million entries that are in the ledger and at a mirror come to their deadlines within seconds.
 * Their owner ends them and has them swept, the mirror follows; digests are compared all the while,
 * far more often than by default, and must find nothing to repair (promise P9).
 *
 * Time is moved on to the deadlines, for the ledger too, so that the fill may take as long as it
 * takes.
 */
import { atMost, type Row } from '../row.ts';
import { seededRandom } from '../replay/random.ts';
import { pause, printRows, quick } from '../script.ts';
import { costOf, startPinnedRedis } from './measure.ts';
import { MeteredLedger } from './metered-ledger.ts';
import { BenchSidecar, BenchTime, until } from './sidecar.ts';

const ENTRIES = quick ? 20_000 : 1_000_000;
const SPREAD_MS = quick ? 1_000 : 10_000;
/** The first deadline comes so long after the fill began, by the moved clock. */
const TTL_MS = 7_200_000;
/** What is left of that when time has been moved on. */
const HEAD_START_MS = 2_000;
const TRUTH_CHECK_MS = quick ? 200 : 1_000;

const time = new BenchTime();
const random = seededRandom(1);
const redis = await startPinnedRedis();
const owner = connect('none', ENTRIES, 0);
const mirror = connect('all', 0, ENTRIES);
await owner.sidecar.start();
await mirror.sidecar.start();

// The first comparison of a partition is of nothing.
const started = { owner: repairsOf(owner), mirror: repairsOf(mirror) };
const filledAt = time.now();
owner.sidecar.put(0, ENTRIES, () => TTL_MS + Math.ceil(random.next() * SPREAD_MS));
owner.sidecar.changed();
await owner.sidecar.pushed();
await until('the mirror has everything', () => mirror.sidecar.copies === ENTRIES);
process.stderr.write('  everything is in ledger and mirror\n');

time.moveOn(filledAt + TTL_MS - HEAD_START_MS - time.now());
owner.sidecar.timeMoved();
const filled = { owner: repairsOf(owner), mirror: repairsOf(mirror) };
const before = { owner: sizeOf(owner), mirror: sizeOf(mirror) };
const cost = await costOf(redis, ENTRIES, async () => {
  await until('everything has ended and is swept', () => owner.sidecar.entries + mirror.sidecar.copies === 0);
});
const took = (cost.wallUs * ENTRIES) / 1_000;
const after = { owner: sizeOf(owner), mirror: sizeOf(mirror) };
// Whatever is found late would be found now.
await pause(3 * TRUTH_CHECK_MS);
for (const { sidecar } of [owner, mirror]) {
  const done = await sidecar.reconciliation.reconcile({ dryRun: false });
  if (!('outcome' in done)) throw new Error('Cannot measure: the ledger has gone');
}

printRows([
  repairsRow(`${shown(ENTRIES)} writes, their owner`, started.owner, filled.owner, owner),
  repairsRow(`${shown(ENTRIES)} writes, a mirror`, started.mirror, filled.mirror, mirror),
  repairsRow(`${shown(ENTRIES)} expirations, their owner`, filled.owner, repairsOf(owner), owner),
  repairsRow(`${shown(ENTRIES)} expirations, a mirror`, filled.mirror, repairsOf(mirror), mirror),
  bytesRow('its owner, which sweeps', before.owner, after.owner),
  bytesRow('a mirror, which follows', before.mirror, after.mirror),
  {
    what: 'processor of Redis an expiration',
    value: cost.redisUs,
    unit: 'µs',
    note: `sidecars ${cost.clientUs.toFixed(1)} µs together; all gone everywhere ${((took - HEAD_START_MS - SPREAD_MS) / 1_000).toFixed(1)} s after the last deadline`,
  },
]);
await mirror.sidecar.close();
await owner.sidecar.close();
await redis.stop();

function connect(kind: 'none' | 'all', entries: number, copies: number) {
  let link!: MeteredLedger;
  const sidecar = new BenchSidecar({
    redis, time, entries, copies, mirror: kind,
    settings: { partitions: 256, truthCheckMs: TRUTH_CHECK_MS },
    instant: () => ({ now: time.now(), replid: 'bench' }),
    through: (ledger) => {
      link = new MeteredLedger(ledger);
      return link;
    },
  });
  return { sidecar, link };
}

type Member = ReturnType<typeof connect>;

interface Size {
  readonly bytes: number;
  readonly requests: number;
}

function sizeOf({ sidecar, link }: Member): Size {
  const { sent, received } = sidecar.traffic;
  return { bytes: sent + received, requests: link.requests };
}

function repairsOf({ sidecar }: Member): number {
  const { pushed, pulled, ended } = sidecar.reconciliation.tally.repairs;
  return pushed + pulled + ended;
}

function repairsRow(what: string, from: number, to: number, { link }: Member): Row {
  return {
    what: `repairs through ${what}`,
    value: to - from,
    unit: '',
    bar: atMost(0, 0),
    note: `${link.usage('beat').requests} beats and comparisons in the whole run`,
  };
}

function bytesRow(who: string, from: Size, to: Size): Row {
  return {
    what: `bytes an expiration, ${who}`,
    value: (to.bytes - from.bytes) / ENTRIES,
    unit: 'B',
    note: `${to.requests - from.requests} requests`,
  };
}

function shown(count: number): string {
  return count.toLocaleString('en').replaceAll(',', ' ');
}
