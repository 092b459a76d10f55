/**
 * Push, pull and merge, over plain pipelined `SET key value PX ttl` of the same records by the same
 * client library, in rounds whose order is shuffled. A push is a sidecar telling the ledger what
 * has changed; a pull is a sidecar with copies of everything that follows; a merge is the part of
 * it that happens in the core, after records have been read.
 *
 * Wall time is what somebody waits, with Redis on one processor and the sidecar on the other;
 * processor time of each tells what one core of it would do.
 */
import { Redis } from 'ioredis';
import { seededRandom } from '../replay/random.ts';
import { atLeast, type Row } from '../row.ts';
import { lowerQuartile, printRows, quick, shuffled } from '../script.ts';
import { NO_CURSOR, type PulledRecord } from '../../src/ledger/ledger.ts';
import { murmur3, placementOf } from '../../src/ledger/placement.ts';
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { CoreReplica } from '../../src/replica/core-replica.ts';
import { keyOf, NAMESPACE, putOf } from '../core/population.ts';
import { type Cost, costOf, startPinnedRedis } from './measure.ts';
import { MeteredLedger } from './metered-ledger.ts';
import { BenchSidecar, BenchTime, DEFAULTS, newCore, until } from './sidecar.ts';

const ROUNDS = quick ? 2 : 9;
const RECORDS = quick ? 5_000 : 40_000;
/** Before anything counts: compilers on both sides, tables that grow. */
const WARM_UP_ROUNDS = quick ? 1 : 2;
const TTL_MS = 3_600_000;
/** As the sidecar's pushes: records a request, and requests in flight. */
const BATCH = 64;
const IN_FLIGHT = DEFAULTS.requestsInFlight;
const READER = 'ffffffffffffffff';
const BY = { wallUs: 'wall', redisUs: 'processor of Redis', clientUs: 'processor of the client' } as const;
const ALL = (ROUNDS + WARM_UP_ROUNDS) * RECORDS;

const NAMES = [
  'SET, new', 'SET, new, again', 'SET, over', 'SET, over, again',
  'push, new', 'pull, new', 'push, over', 'pull, over', 'push, kept', 'pull, kept',
  'merge, new', 'merge, over',
] as const;
type Name = (typeof NAMES)[number];
type Costs = Map<Name, Cost[]>;

const redis = await startPinnedRedis();
const plain = new Redis({ host: redis.host, port: redis.port, db: 1, protocol: 2 });
const time = new BenchTime();
const random = seededRandom(1);
const text = new TextEncoder();
const reader = new RedisLedger({
  address: { kind: 'single', tls: false, host: redis, database: 0 },
  keyPrefix: 'lh:',
  timeoutMs: DEFAULTS.timeoutMs,
});
const owner = await connect('none', ALL, 0);
const mirror = await connect('all', 0, ALL);

try {
  const costs: Costs = new Map(NAMES.map((name) => [name, []]));
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) await once(round, new Map());
  for (let round = 0; round < ROUNDS; round += 1) {
    process.stderr.write(`  round ${round + 1} of ${ROUNDS}\n`);
    await once(round + WARM_UP_ROUNDS, costs);
  }
  printRows(rowsOf(costs));
} finally {
  plain.disconnect();
  await reader.close();
  mirror.link.open();
  await owner.sidecar.close();
  await mirror.sidecar.close();
  await redis.stop();
}

async function connect(kind: 'none' | 'all', entries: number, copies: number) {
  let link!: MeteredLedger;
  const sidecar = new BenchSidecar({
    redis, time, entries, copies, mirror: kind,
    // Beats of their own are not what is measured here.
    settings: { beatMs: 600_000, pullMs: 10, truthCheckMs: 86_400_000, sweepMs: 600_000 },
    through: (ledger) => {
      link = new MeteredLedger(ledger);
      return link;
    },
  });
  await sidecar.start();
  return { sidecar, link };
}

/** Everything once, in an order of its own; what belongs to a push follows it. */
async function once(round: number, costs: Costs): Promise<void> {
  const from = round * RECORDS;
  const note = (name: Name, cost: Cost): void => {
    costs.get(name)?.push(cost);
  };
  const works: (() => Promise<void>)[] = [
    async () => {
      await plain.flushdb();
      note('SET, new', await set(from));
      note('SET, over', await set(from));
    },
    async () => {
      await plain.flushdb();
      note('SET, new, again', await set(from));
      note('SET, over, again', await set(from));
    },
    async () => {
      // Keys of this round are new, and then written over, as their SETs are.
      await followed('new', () => owner.sidecar.put(from, from + RECORDS, () => TTL_MS), note);
      const into = emptyReplica();
      note('merge, new', await merge(into, from));
      await followed('over', () => owner.sidecar.put(from, from + RECORDS, () => TTL_MS - 1), note);
      note('merge, over', await merge(into, from));
      await followed('kept', () => owner.sidecar.putAgain(from, from + RECORDS), note);
    },
  ];
  for (const work of shuffled(works, () => random.next())) await work();
}

/** One push of what `write` changes, with the mirror shut; then its pull, with the owner shut. */
async function followed(
  how: 'new' | 'over' | 'kept',
  write: () => void,
  note: (name: Name, cost: Cost) => void,
): Promise<void> {
  const { sidecar: writer, link } = owner;
  const { sidecar: reader, link: readerLink } = mirror;
  readerLink.shut();
  write();
  note(`push, ${how}`, await costOf(redis, RECORDS, async () => {
    writer.changed();
    await writer.pushed();
  }));
  link.shut();
  const { tally } = reader.reconciliation;
  const enough = tally.pulled + RECORDS;
  note(`pull, ${how}`, await costOf(redis, RECORDS, async () => {
    readerLink.open();
    await until('the mirror has read everything', () => tally.pulled >= enough);
  }));
  readerLink.shut();
  link.open();
}

/** `SET … PX` of the records of a round, as many at once as a sidecar pushes. */
function set(from: number): Promise<Cost> {
  const records = Array.from({ length: RECORDS }, (_, index) => {
    const { key, value } = putOf(from + index, TTL_MS);
    return { key: `lh:${key}`, value: Buffer.from(value) };
  });
  return costOf(redis, RECORDS, async () => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < RECORDS) {
        const pipeline = plain.pipeline();
        for (const { key, value } of records.slice(next, next + BATCH)) pipeline.set(key, value, 'PX', TTL_MS);
        next += BATCH;
        await pipeline.exec();
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  });
}

/** The round's records, as a pull answers them. */
async function readBack(from: number): Promise<PulledRecord[]> {
  const byPartition = new Map<number, string[]>();
  for (let index = from; index < from + RECORDS; index += 1) {
    const id = keyOf(index);
    const { partition } = placementOf(murmur3(text.encode(id)), DEFAULTS.partitions, DEFAULTS.buckets);
    const ids = byPartition.get(partition);
    if (ids === undefined) byPartition.set(partition, [id]);
    else ids.push(id);
  }
  const read: PulledRecord[] = [];
  for (const [partition, ids] of byPartition) {
    for (let at = 0; at < ids.length; at += BATCH) {
      const { wanted } = await reader.pull(
        { namespace: NAMESPACE, partition },
        {
          caller: { actor: READER, predecessors: [], epoch: 0 },
          cursor: NO_CURSOR, limit: 0, records: true, ids: ids.slice(at, at + BATCH),
        },
      );
      read.push(...wanted);
    }
  }
  return read;
}

/** Takes them into a core that has none of them or, the second time, an earlier version of each. */
async function merge(into: CoreReplica, from: number): Promise<Cost> {
  const read = await readBack(from);
  let copied = 0;
  const cost = await costOf(redis, RECORDS, () => {
    for (const { id, record } of read) copied += into.merge(NAMESPACE, id, record, 0, 'all').copied;
  });
  if (copied < RECORDS) throw new Error(`Cannot measure: only ${copied} of ${RECORDS} were merged`);
  return cost;
}

function emptyReplica(): CoreReplica {
  const core = newCore({ time, mirror: 'all', entries: 0, copies: RECORDS, settings: DEFAULTS });
  return new CoreReplica(core.state, {
    apply: (step) => {
      const result = core.reconcile(time.now(), step);
      core.facts.reset();
      return result;
    },
    restateContacts: () => {},
    becomes: () => {},
  });
}

/** The lower quartile of the rounds: what else a machine does can only add to a cost. */
function typical(costs: readonly Cost[]): Cost {
  const of = (part: keyof Cost): number => lowerQuartile(costs.map((cost) => cost[part]));
  return { wallUs: of('wallUs'), redisUs: of('redisUs'), clientUs: of('clientUs') };
}

function rowsOf(costs: Costs): Row[] {
  const cost = (name: Name): Cost => typical(costs.get(name)!);
  const rate = (us: number): string => `${Math.round(1_000_000 / us)}/s`;
  const note = (name: Name): string => {
    const { wallUs, redisUs, clientUs } = cost(name);
    const ofRedis = redisUs > 0.05 ? `, ${rate(redisUs)} a core of Redis (${redisUs.toFixed(1)} µs)` : '';
    return `${rate(wallUs)}${ofRedis}, ${rate(clientUs)} a core of its own (${clientUs.toFixed(1)} µs)`;
  };
  const over = (what: string, name: Name, base: Name, by: keyof Cost, bar?: Row['bar']): Row => ({
    what: `${what}, ${BY[by]}`,
    value: cost(base)[by] / cost(name)[by],
    unit: '×',
    ...(by === 'wallUs' ? { note: note(name) } : {}),
    ...(bar === undefined ? {} : { bar }),
  });
  const all = (what: string, name: Name, base: Name, bar?: Row['bar']): Row[] => [
    over(what, name, base, 'wallUs', bar),
    over(what, name, base, 'redisUs'),
    over(what, name, base, 'clientUs'),
  ];
  const perCore = (what: string, name: Name, bar?: Row['bar']): Row => ({
    what: `${what}, per core of Redis`,
    value: 1_000_000 / cost(name).redisUs,
    unit: '/s',
    ...(bar === undefined ? {} : { bar }),
  });
  return [
    ...all('control: SET … PX over SET … PX, new keys', 'SET, new, again', 'SET, new'),
    ...all('control: the same over keys that are there', 'SET, over, again', 'SET, over'),
    ...all('push of new records over SET … PX', 'push, new', 'SET, new', atLeast(0.3, 0.7)),
    perCore('push of new records', 'push, new', atLeast(25_000, 60_000)),
    ...all('push of overwrites under fresh leases over SET … PX', 'push, over', 'SET, over', atLeast(0.3, 0.7)),
    perCore('push of overwrites under fresh leases', 'push, over', atLeast(25_000, 60_000)),
    ...all('push of overwrites that keep their deadline over SET … PX', 'push, kept', 'SET, over', atLeast(0.3, 0.7)),
    perCore('push of overwrites that keep their deadline', 'push, kept', atLeast(25_000, 60_000)),
    ...all('pull of new records over SET … PX', 'pull, new', 'SET, new'),
    ...all('pull of overwrites over SET … PX', 'pull, over', 'SET, over'),
    over('merge of new records into the core over SET … PX', 'merge, new', 'SET, new', 'wallUs'),
    over('merge of overwrites into the core over SET … PX', 'merge, over', 'SET, over', 'wallUs'),
  ];
}
