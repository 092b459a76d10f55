/**
 * A rolling restart: several sidecars on one Redis and one NATS under replayed traffic, each of
 * them in turn told to end and started again. Clients do what `docs/clients.md` asks of them. Every
 * answer is judged while it runs; in the end what all hold, what the ledger holds and what both
 * streams tell must agree, and no client may have been left without an answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Driver, type DriverCounts } from '../../../bench/replay/driver.ts';
import { EventStream } from '../../../bench/replay/event-stream.ts';
import { parseAddress } from '../../../bench/replay/http-client.ts';
import { type KeyNames, keyNames, opaqueValues, type Values } from '../../../bench/replay/payload.ts';
import { distinct, sumOf } from '../../../bench/replay/shared/run.ts';
import { seededRandom } from '../../../bench/replay/random.ts';
import { DOCUMENTED_RULES, Retries, RetryCounts } from '../../../bench/replay/retries.ts';
import { settle, SWEEP_KEYS } from '../../../bench/replay/run.ts';
import { SharedEndings } from '../../../bench/replay/shared/endings.ts';
import { SharedJudge } from '../../../bench/replay/shared/judge.ts';
import { type Difference, judgeRest } from '../../../bench/replay/shared/rest.ts';
import { drawSource } from '../../../bench/replay/traffic.ts';
import { violationText } from '../../../bench/replay/report.ts';
import { ViolationLog } from '../../../bench/replay/violation.ts';
import { type Cluster, type Plan, planOf } from '../../../bench/replay/workload.ts';
import { startNats } from '../../servers/nats.ts';
import { startRedis } from '../../servers/redis.ts';
import { Account } from '../bus/account.ts';
import { Archive } from '../bus/archive.ts';
import { judge as judgeStreams } from '../bus/judge.ts';
import { Reader } from '../bus/reader.ts';
import { Fleet, type Restart } from './fleet.ts';
import { accounting, type Listed, listedEtags } from './told.ts';

export interface RollingSettings {
  readonly sidecars: number;
  /** Requests a second, at all of them together. */
  readonly rate: number;
  /** How long it goes on; every sidecar is restarted once at least. */
  readonly seconds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface Figures extends DriverCounts {
  readonly restarts: readonly Restart[];
  readonly retries: RetryCounts;
  readonly endings: number;
  readonly events: number;
  readonly repeats: number;
  readonly unjudged: number;
  readonly resyncs: number;
  readonly held: number;
  readonly slowestMs: number;
}

const NAMESPACE = 'replay';
const LONG_MS = 20_000;
const CONNECTIONS = 2;
const PIPELINE = 4;
/** Traffic before the first restart, and between two. */
const CALM_MS = 500;
const ENDING_GRACE_MS = 10_000;
const REST_MAX_MS = 60_000;

/** What ends soon, what ends while its sidecar is down, and what lives through all of it. */
const TRAFFIC: Cluster = {
  name: 'mixed',
  keyBytes: 12, valueBytes: 100, meanFrequency: 12,
  ttls: [{ ttlMs: 400, share: 0.3 }, { ttlMs: 2_500, share: 0.4 }, { ttlMs: LONG_MS, share: 0.3 }],
  operations: { get: 0.5, set: 0.3, add: 0.1, cas: 0.1 },
  zipfAlpha: 0.8,
};

const CONFIGURATION = `
namespaces:
  ${NAMESPACE}:
    owner: test
    class: shared
    conflict: lww
    mirror: all
    ttl: { defaultMs: ${LONG_MS}, minMs: 100, maxMs: ${LONG_MS} }
    capacity: { leases: 20000, entries: 20000, bytes: 32Mi }
logLevel: warn
`;

export class RollingCampaign {
  readonly wrong: string[] = [];
  readonly #settings: RollingSettings;
  readonly #account = new Account();
  readonly #archive = new Archive();
  readonly #retries = new RetryCounts();
  readonly #restarts: Restart[] = [];

  constructor(settings: RollingSettings) {
    this.#settings = settings;
  }

  async run(): Promise<Figures> {
    const { sidecars, seed, rate, seconds } = this.#settings;
    const [redis, nats] = await Promise.all([startRedis(), startNats()]);
    const fleet = await Fleet.start({
      size: sidecars, configuration: CONFIGURATION, redis, busUrl: `nats://${nats.address}`,
    });
    const reader = new Reader(nats, this.#archive);
    reader.follow();

    const plan = planOf(TRAFFIC, { seconds, expectedRate: rate, timeScale: 1, minTtlMs: 100 });
    const names = keyNames(TRAFFIC.keyBytes, plan.keys, { next: Math.random });
    const values = opaqueValues(TRAFFIC.valueBytes, seededRandom(seed));
    const log = new ViolationLog(performance.now(), (violation) => this.wrong.push(violationText(violation)));
    const judge = new SharedJudge({ sidecars, log, render: values.render, defaultTtlMs: LONG_MS });
    const endings = new SharedEndings(judge, log, ENDING_GRACE_MS);
    const watched = new Set<string>();
    const streams = fleet.sidecars.map(({ url }, index) => follow(url, index, names, endings, log, watched));
    const drivers = this.#driversOf({ fleet, plan, names, values, judge, endings });
    try {
      await Promise.all(streams.map((stream) => stream.open()));
      for (const driver of drivers) driver.start();
      await this.#roll(fleet, judge, endings);
      await Promise.all(drivers.map((driver) => driver.stop()));
      const counts = sumOf(drivers.map((driver) => driver.counts));
      const report = ({ rank, kind, detail }: Difference): void => log.report(kind, rank, detail);
      const rest = await judgeRest({ fleet, namespace: NAMESPACE, names, judge, restMaxMs: REST_MAX_MS, report });
      const readAt = performance.now();
      await settle(endings, readAt, ENDING_GRACE_MS);
      endings.finish(readAt);
      const listed = await listedEtags(fleet.sidecars.map(({ url }) => url), NAMESPACE);
      await fleet.close();
      for (const stream of streams) stream.close();
      await reader.stop();
      const repeats = await reader.readWhole();
      this.#compare(listed, watched);
      this.wrong.push(...fleet.wrong);
      return {
        ...counts, repeats,
        restarts: this.#restarts,
        retries: this.#retries,
        endings: this.#archive.endings.size,
        events: this.#archive.messages - this.#archive.repeats,
        unjudged: judge.unjudged,
        resyncs: endings.counts.resyncs,
        held: rest.held,
        slowestMs: Math.max(...drivers.flatMap(({ latency }) => [...latency.values()].map(({ max }) => max))),
      };
    } finally {
      for (const driver of drivers) driver.close();
      for (const stream of streams) stream.close();
      await reader.stop();
    }
  }

  /** Each in turn, again and again until the time is over. */
  async #roll(fleet: Fleet, judge: SharedJudge, endings: SharedEndings): Promise<void> {
    const { seconds, sidecars, say } = this.#settings;
    const until = performance.now() + seconds * 1_000;
    do {
      for (let index = 0; index < sidecars; index++) {
        await sleep(CALM_MS);
        endings.noteDown(index);
        const restart = await fleet.restart(index, 'kept', () => judge.noteRestart(index));
        endings.noteBack(index, performance.now());
        this.#restarts.push(restart);
        const { leavingMs, startingMs } = restart;
        say(`s${index} left in ${leavingMs.toFixed(0)} ms, and was back ${startingMs.toFixed(0)} ms later`);
      }
    } while (performance.now() < until);
    await sleep(CALM_MS);
  }

  #driversOf({ fleet, plan, names, values, judge, endings }: Parts): Driver[] {
    const { sidecars, rate, seed } = this.#settings;
    return fleet.sidecars.map(({ url, unixUrl }, index) => {
      const random = seededRandom(seed + index);
      return new Driver({
        // Half of them as neighbours on the host reach an agent.
        address: parseAddress(index % 2 === 0 ? url : unixUrl),
        namespace: NAMESPACE,
        names,
        connections: CONNECTIONS,
        pipeline: PIPELINE,
        rate: rate / sidecars,
        draws: drawSource(plan, random),
        values: distinct(values, index, sidecars),
        model: accounting(judge.at(index), this.#account),
        retries: new Retries(DOCUMENTED_RULES, random, this.#retries),
        onIdle: (now) => endings.sweep(now, SWEEP_KEYS / sidecars),
      });
    });
  }

  #compare({ etags, sinceMs }: Listed, watched: ReadonlySet<string>): void {
    const ended = new Set<string>();
    for (const { what, atMs } of this.#archive.endings.values()) if (atMs >= sinceMs) ended.add(what);
    const rest = { leases: new Set<string>(), watched, etags: new Set([...etags].filter((etag) => !ended.has(etag))) };
    this.wrong.push(...judgeStreams(this.#account, this.#archive, rest, { eventsLost: false, severalWriters: true }));
    for (const [why, count] of Object.entries(this.#retries.failed)) {
      this.wrong.push(`${count} requests have failed after all retries: ${why}`);
    }
  }
}

interface Parts {
  readonly fleet: Fleet;
  readonly plan: Plan;
  readonly names: KeyNames;
  readonly values: Values;
  readonly judge: SharedJudge;
  readonly endings: SharedEndings;
}

function follow(
  url: string, index: number, names: KeyNames, endings: SharedEndings, log: ViolationLog, watched: Set<string>,
): EventStream {
  return new EventStream({
    address: parseAddress(url),
    namespace: NAMESPACE,
    onEnding: (ending, receivedAt) => {
      watched.add(ending.endingId);
      const rank = names.rankOf(ending.key);
      if (rank !== undefined) endings.note(index, { ...ending, rank }, receivedAt);
    },
    onResync: (receivedAt) => endings.noteGap(index, receivedAt),
    onMalformed: (detail) => log.report('unknown ending', 0, detail),
  });
}
