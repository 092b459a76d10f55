/**
 * A million entries at one sidecar, copies of all of them at another: what it costs to find that
 * everything is in step, and to put right what is not. Two ways to drift apart: a mirror has lost
 * copies, and the ledger has lost the last writes, as a failover loses them.
 *
 * Bytes are those on the sidecar's own sockets, both ways. Requests to one partition follow one
 * another, those to different ones do not: the most that any partition took are the round trips.
 */
import type { NamespaceContract } from '../../src/core/contract.ts';
import { SCRIPTS } from '../../src/ledger/redis/scripts.ts';
import { atMost, type Row } from '../row.ts';
import { printRows, quick } from '../script.ts';
import { costOf, memoryBytes, pinAgain, startPinnedRedis } from './measure.ts';
import { MeteredLedger } from './metered-ledger.ts';
import { BenchSidecar, BenchTime, until } from './sidecar.ts';

const ENTRIES = quick ? 20_000 : 1_000_000;
/** PROTOCOL §4.5 computes for these. */
const PARTITIONS = quick ? 16 : 256;
const BUCKETS = 256;
const TTL_MS = 36_000_000;
/** Nothing of its own accord: only what is asked for here goes over the wire. */
const NEVER_MS = 36_000_000;
/** Around a tenth of a percent, so that it is seen what the bytes grow with. */
const DRIFTS = [ENTRIES / 4_000, ENTRIES / 1_000, ENTRIES / 250];
const DRIFT = ENTRIES / 1_000;
/** What §4.5 computes, bytes: without drift; with 0.1 %, ids in full or as 12 bytes; the records. */
const IDLE_BYTES = (7_000 * PARTITIONS) / 256;
const DRIFT_FULL_BYTES = 1_400_000;
const DRIFT_HASHED_BYTES = 970_000;
const RECORDS_BYTES = 220_000;
/** Digests, what is behind them, records; and the look that finds them right. */
const ROUND_TRIPS = 4;

interface Member {
  readonly sidecar: BenchSidecar;
  readonly link: MeteredLedger;
}

interface Traffic {
  readonly bytes: number;
  readonly requests: number;
  readonly roundTrips: number;
  readonly wallMs: number;
  readonly redisMs: number;
  readonly clientMs: number;
}

const redis = await startPinnedRedis();
const time = new BenchTime();
const rows: Row[] = [];

const empty = await memoryBytes(redis);
const owner = await fill('all');
rows.push({
  what: `bytes of Redis an entry, ${shown(ENTRIES)} of them in ${PARTITIONS} partitions`,
  value: ((await memoryBytes(redis)) - empty) / ENTRIES,
  unit: 'B',
});
const mirror = connect('all', 0, ENTRIES);
await mirror.sidecar.start();
await until('the mirror has everything', () => mirror.sidecar.copies === ENTRIES);
process.stderr.write('  everything is in the mirror\n');
await idle('of its owner', owner);
await idle('of a mirror', mirror);
for (const drift of DRIFTS) await lostCopies(drift);
await lostWrites('owner, mirror: all', owner);
await mirror.sidecar.close();
await owner.sidecar.close();

await redis.command('FLUSHALL');
const keepsOwn = await fill('none');
await idle('of its owner, mirror: none', keepsOwn);
await lostWrites('owner, mirror: none', keepsOwn);
await keepsOwn.sidecar.close();
await redis.stop();
printRows(rows);

function connect(kind: NamespaceContract['mirror'], entries: number, copies: number): Member {
  let link!: MeteredLedger;
  const sidecar = new BenchSidecar({
    redis, time, entries, copies, mirror: kind,
    settings: {
      partitions: PARTITIONS, buckets: BUCKETS, logEntries: 4 * ENTRIES,
      beatMs: NEVER_MS, pullMs: NEVER_MS, truthCheckMs: NEVER_MS, sweepMs: NEVER_MS,
    },
    through: (ledger) => {
      link = new MeteredLedger(ledger);
      return link;
    },
  });
  return { sidecar, link };
}

/** A sidecar that owns everything, and has told the ledger so. */
async function fill(kind: NamespaceContract['mirror']): Promise<Member> {
  const member = connect(kind, ENTRIES, 0);
  await member.sidecar.start();
  member.sidecar.put(0, ENTRIES, () => TTL_MS);
  member.sidecar.changed();
  await member.sidecar.pushed();
  // The first comparison of each partition is not an idle one.
  await check(member);
  process.stderr.write('  everything is in the ledger\n');
  return member;
}

async function idle(whose: string, member: Member): Promise<void> {
  const { repaired, traffic } = await check(member);
  if (repaired) throw new Error('Cannot measure: there was something to repair');
  const what = `idle truth check of ${shown(ENTRIES)} entries ${whose}`;
  rows.push(bytesRow(what, traffic, atMost(IDLE_BYTES, IDLE_BYTES)), tripsRow(what, traffic, atMost(3, 1)));
}

async function lostCopies(drift: number): Promise<void> {
  mirror.sidecar.loseCopies(drift);
  const { repaired, traffic } = await check(mirror);
  if (!repaired || mirror.sidecar.copies !== ENTRIES) {
    throw new Error(`Cannot measure: there are ${mirror.sidecar.copies} copies`);
  }
  driftRows(`a mirror that lost ${shown(drift)} of ${shown(ENTRIES)} copies`, drift, traffic);
}

/** The ledger goes back to before the last writes, as a dump of that moment has it. */
async function lostWrites(who: string, member: Member): Promise<void> {
  const { sidecar } = member;
  const dump = await redis.dump();
  const step = ENTRIES / DRIFT;
  for (let index = 0; index < DRIFT; index += 1) sidecar.put(index * step, index * step + 1, () => TTL_MS);
  sidecar.changed();
  await sidecar.pushed();
  await redis.restart({ dump });
  pinAgain(redis);
  // A server that has run for a while knows them, and the sidecars need not send their text.
  for (const { text } of Object.values(SCRIPTS)) await redis.command('SCRIPT', 'LOAD', text);
  const { repaired, traffic } = await check(member);
  if (!repaired) throw new Error('Cannot measure: nothing was lost');
  driftRows(`${who}: a ledger that lost the last ${shown(DRIFT)} writes`, DRIFT, traffic);
}

/** Truth checks of everything until nothing is left to be put right; the last, idle one aside. */
async function check(member: Member): Promise<{ repaired: boolean; traffic: Traffic }> {
  const traffic = { bytes: 0, requests: 0, roundTrips: 0, wallMs: 0, redisMs: 0, clientMs: 0 };
  for (let checks = 0; ; checks += 1) {
    const once = await checkOnce(member);
    if (once.inStep && checks > 0) return { repaired: true, traffic };
    traffic.bytes += once.bytes;
    traffic.requests += once.requests;
    traffic.roundTrips += once.roundTrips;
    traffic.wallMs += once.wallMs;
    traffic.redisMs += once.redisMs;
    traffic.clientMs += once.clientMs;
    if (once.inStep) return { repaired: false, traffic };
  }
}

async function checkOnce({ sidecar, link }: Member): Promise<Traffic & { readonly inStep: boolean }> {
  link.reset();
  const before = sidecar.traffic;
  let inStep = false;
  const cost = await costOf(redis, 1_000, async () => {
    const done = await sidecar.reconciliation.reconcile({ dryRun: false });
    inStep = 'outcome' in done && done.outcome === 'in-step';
    await sidecar.pushed();
  });
  const after = sidecar.traffic;
  return {
    inStep,
    bytes: after.sent - before.sent + after.received - before.received,
    requests: link.requests,
    roundTrips: link.mostInOnePartition,
    // Of a thousand things, in microseconds: milliseconds of all.
    wallMs: cost.wallUs, redisMs: cost.redisUs, clientMs: cost.clientUs,
  };
}

function driftRows(what: string, drift: number, traffic: Traffic): void {
  const bars = drift === DRIFT;
  const share = ENTRIES / 1_000_000;
  const [must, aims] = [DRIFT_FULL_BYTES, DRIFT_HASHED_BYTES].map((bytes) => (bytes + RECORDS_BYTES) * share);
  rows.push(
    bytesRow(what, traffic, bars ? atMost(must!, aims!) : undefined),
    { what: `${what}: bytes a drifted record`, value: traffic.bytes / drift, unit: 'B' },
    tripsRow(what, traffic, bars ? atMost(ROUND_TRIPS + 1, ROUND_TRIPS) : undefined),
  );
}

function bytesRow(what: string, traffic: Traffic, bar: Row['bar']): Row {
  const { requests, wallMs, redisMs, clientMs } = traffic;
  const took = `${wallMs.toFixed(0)} ms (processor: Redis ${redisMs.toFixed(0)} ms, sidecar ${clientMs.toFixed(0)} ms)`;
  return {
    what: `${what}: bytes`,
    value: traffic.bytes,
    unit: 'B',
    note: `${requests} requests, ${took}`,
    ...(bar === undefined ? {} : { bar }),
  };
}

function tripsRow(what: string, { roundTrips }: Traffic, bar: Row['bar']): Row {
  const row = { what: `${what}: round trips`, value: roundTrips, unit: '' } as const;
  return bar === undefined ? row : { ...row, bar };
}

function shown(count: number): string {
  return count.toLocaleString('en').replaceAll(',', ' ');
}
