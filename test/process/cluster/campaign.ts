/**
 * Several sidecars on one ledger, clients at each of them, and faults from a plan: afterwards all
 * is healed, everybody comes to rest, and the judge compares what is there with what was answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../../bench/replay/random.ts';
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import { startRedis, type RedisServer } from '../../servers/redis.ts';
import { type RedisCluster, startCluster } from '../../servers/redis-cluster.ts';
import { askJson, type Document, jsonOf } from '../requests.ts';
import { disagreements } from './agreement.ts';
import { Fleet } from './fleet.ts';
import { History, placeName, storyOf } from './history.ts';
import { judge } from './judge.ts';
import { dumpLedger } from './ledger-dump.ts';
import { Neighbour } from './neighbour.ts';
import { type LedgerStep, planOf, type Plan, type SidecarStep } from './plan.ts';
import { readSidecar, type ReadNamespace } from './read.ts';
import type { Rest } from './view.ts';

export interface CampaignSettings {
  readonly seed: number;
  readonly changes: number;
  readonly sidecars: number;
  readonly ledger: 'single' | 'cluster';
  /** How often each fault of a sidecar comes. */
  readonly rounds: number;
  readonly cutOffMs: number;
  readonly say: (line: string) => void;
}

export interface Figures {
  readonly changes: number;
  readonly acknowledged: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly keysAtRest: number;
  /** From the last fault healed and the last answer to everybody in agreement. */
  readonly toRestMs: number;
}

const NEIGHBOURS_EACH = 4;
const LONG_MS = 3_600_000;
const AUTONOMY_MS = 2_000;
/** Until everybody agrees; a guard against never, not a measure of speed. */
const REST_MAX_MS = 40_000;
const LOOK_MS = 250;
const LOG_LINES = 30;

const POLICIES: readonly ReadNamespace[] = [
  { name: 'latest', policy: 'lww' },
  { name: 'firm', policy: 'lww' },
  { name: 'asked', policy: 'lww', keys: [] },
  { name: 'several', policy: 'siblings' },
  { name: 'counts', policy: 'counter' },
];

/**
 * Everything quick, so that a minute holds many beats, checks and sweeps; but tombstones are kept
 * here for longer than any campaign lasts, so that a ledger that goes back brings nothing back.
 */
export const CONFIGURATION = `
autoCreateNamespaces: false
namespaces:
  default: { class: local }
  latest: ${namespace('lww', 'mirror: all')}
  firm: ${namespace('lww', 'mirror: all, durability: ledger')}
  asked: ${namespace('lww', 'mirror: none')}
  several: ${namespace('siblings', 'mirror: all')}
  counts: ${namespace('counter', 'mirror: all')}
ledger:
  partitions: 8
  buckets: 16
  beatMs: 300
  pullMs: 100
  truthCheckMs: 2000
  sweepMs: 200
  timeoutMs: 500
  ackMs: 1500
  slackMs: 200
  stepMs: 200
  windowMs: 3600000
limits: { entries: 200000, leases: 200000, tombstones: 200000, copies: 200000, bytes: 256Mi }
logLevel: warn
`;

function namespace(conflict: ConflictPolicy, more: string): string {
  const ttl = `ttl: { defaultMs: ${LONG_MS}, minMs: 100, maxMs: ${LONG_MS} }`;
  return `{ class: shared, conflict: ${conflict}, autonomyMs: ${AUTONOMY_MS}, ${ttl}, ${more} }`;
}

export class ClusterCampaign {
  readonly history = new History();
  readonly wrong: string[] = [];
  /** Where something is wrong: what was done there, and what each sidecar says of itself. */
  readonly evidence: string[] = [];
  figures: Figures | undefined;
  readonly #settings: CampaignSettings;
  readonly #plan: Plan;
  readonly #startedAt = performance.now();

  constructor(settings: CampaignSettings) {
    this.#settings = settings;
    this.#plan = planOf(settings.seed, {
      sidecars: settings.sidecars,
      ledger: settings.ledger,
      rounds: settings.rounds,
      pauseMs: { min: 100, max: 700 },
      forMs: { min: 200, max: 1_000 },
      cutOffMs: settings.cutOffMs,
    });
  }

  async run(): Promise<void> {
    const { ledger, sidecars } = this.#settings;
    const cluster = ledger === 'cluster' ? await startCluster(3, 1) : undefined;
    const single = ledger === 'single' ? await startRedis() : undefined;
    const fleet = await Fleet.start(sidecars, cluster?.url ?? single!, CONFIGURATION);
    const neighbours = this.#neighbours(fleet);
    const each = Math.ceil(this.#settings.changes / neighbours.length);
    const everyMs = this.#plan.workMs / each;
    const work = Promise.all(neighbours.map((neighbour) => neighbour.work(each, everyMs)));
    await Promise.all([this.#spoilLedger(single, cluster), this.#spoilSidecars(fleet)]);
    await this.#answered(work, neighbours);

    const workedAt = performance.now();
    const rest = await this.#rest(fleet, single, cluster);
    if (rest !== undefined) this.wrong.push(...judge(this.history, rest));
    this.wrong.push(...neighbours.flatMap(({ wrong }) => wrong));
    this.figures = this.#figuresOf(neighbours, rest?.sidecars[0]?.size ?? 0, performance.now() - workedAt);
    if (this.wrong.length > 0) await this.#gatherEvidence(fleet);
    for (const neighbour of neighbours) neighbour.giveUp();
    await fleet.close();
    this.wrong.push(...fleet.wrong);
    await Promise.all([cluster?.close(), single?.stop()]);
  }

  /** Nothing is wrong any more, so everybody gets an answer; whoever does not is told on. */
  async #answered(work: Promise<unknown>, neighbours: readonly Neighbour[]): Promise<void> {
    const over = new AbortController();
    const tooLong = sleep(REST_MAX_MS, 'late', { signal: over.signal }).catch(() => 'in time');
    if ((await Promise.race([work, tooLong])) === 'late') {
      for (const neighbour of neighbours) {
        const { name, asking } = neighbour;
        if (asking !== undefined) this.wrong.push(`${name} asked for ${asking} and got no answer for ${REST_MAX_MS} ms`);
        neighbour.giveUp();
      }
      await work;
    }
    over.abort();
  }

  #neighbours(fleet: Fleet): Neighbour[] {
    const { seed, sidecars } = this.#settings;
    return Array.from({ length: sidecars * NEIGHBOURS_EACH }, (_, index) => {
      const sidecar = index % sidecars;
      return new Neighbour(`n${index}`, {
        sidecar,
        random: seededRandom(seed * 1_000 + index),
        history: this.history,
        url: () => fleet.urlOf(sidecar),
        namespaces: {
          single: ['latest', 'latest', 'firm', 'asked'], siblings: 'several', counter: 'counts',
        },
      });
    });
  }

  /* ---- faults -------------------------------------------------------------------------- */

  async #spoilLedger(single: RedisServer | undefined, cluster: RedisCluster | undefined): Promise<void> {
    let copy = await single?.dump();
    for (const step of this.#plan.ledger) {
      await sleep(step.afterMs);
      this.#say(`ledger ${step.fault}`, step.forMs);
      if (cluster !== undefined) await this.#spoilCluster(cluster, step);
      else await this.#spoilSingle(single!, step, copy!);
      copy = await single?.dump();
    }
  }

  async #spoilSingle(redis: RedisServer, { fault, forMs }: LedgerStep, copy: string): Promise<void> {
    if (fault === 'paused') {
      redis.pause();
      await sleep(forMs);
      redis.resume();
      return;
    }
    await redis.kill();
    await sleep(forMs);
    await redis.restart(fault === 'emptied' ? { empty: true } : { dump: copy });
  }

  async #spoilCluster(cluster: RedisCluster, { fault, forMs }: LedgerStep): Promise<void> {
    const master = await cluster.masterOf(0);
    if (fault === 'paused') {
      master.pause();
      await sleep(FAILOVER_MS + forMs);
      master.resume();
      return;
    }
    await master.kill();
    await cluster.healthy();
    await sleep(forMs);
    await master.restart();
  }

  async #spoilSidecars(fleet: Fleet): Promise<void> {
    for (const step of this.#plan.sidecars) {
      await sleep(step.afterMs);
      this.#say(`sidecar ${step.sidecar} ${step.fault}`, step.forMs);
      await this.#spoilSidecar(fleet, step);
    }
  }

  async #spoilSidecar(fleet: Fleet, { sidecar, fault, forMs }: SidecarStep): Promise<void> {
    switch (fault) {
      case 'killed':
      case 'stopped':
        await fleet.end(sidecar, fault);
        await sleep(forMs);
        return fleet.start(sidecar);
      case 'frozen':
        fleet.signal(sidecar, 'SIGSTOP');
        await sleep(forMs);
        return fleet.signal(sidecar, 'SIGCONT');
    }
    const link = fleet.link(sidecar);
    if (fault === 'cut-off') link.cut();
    else if (fault === 'silenced') link.spoil({ isSilent: true });
    else if (fault === 'slow') link.spoil({ delayMs: 60, bytesPerSecond: 200_000 });
    else link.abandonConnections('replies');
    await sleep(forMs);
    link.heal();
  }

  /* ---- rest ---------------------------------------------------------------------------- */

  /** Waits until nobody has anything left to tell and all agree, or for long enough. */
  async #rest(fleet: Fleet, single: RedisServer | undefined, cluster: RedisCluster | undefined): Promise<Rest | undefined> {
    await cluster?.healthy();
    const deadline = performance.now() + REST_MAX_MS;
    for (;;) {
      const isLate = performance.now() > deadline;
      const restless = await this.#restless(fleet);
      if (restless.length === 0 || isLate) {
        const masters = single === undefined ? await mastersOf(cluster!) : [single];
        const rest = await this.#look(fleet, masters).catch((error: Error) => error);
        const isAtRest = !(rest instanceof Error) && disagreements(rest).length === 0;
        if (isAtRest || isLate) {
          const unread = rest instanceof Error ? [rest.message] : [];
          this.wrong.push(...[...restless, ...unread].map((what) => `after ${REST_MAX_MS} ms ${what}`));
          return rest instanceof Error ? undefined : rest;
        }
      }
      await sleep(LOOK_MS);
    }
  }

  /** Sidecars that say of themselves that they are not done, and how. */
  async #restless(fleet: Fleet): Promise<string[]> {
    const restless: string[] = [];
    for (let index = 0; index < fleet.size; index++) {
      const url = await fleet.urlOf(index);
      const { ready, state, reasons, ledger } = await documentOf(url, '/v1/status');
      if (!ready || state !== 'ready') restless.push(`sidecar ${index} is ${state} (${reasons})`);
      if (ledger.unpushed !== 0) restless.push(`sidecar ${index} has ${ledger.unpushed} unpushed`);
    }
    return restless;
  }

  async #look(fleet: Fleet, masters: readonly RedisServer[]): Promise<Rest> {
    const from = performance.now();
    const asked = [...this.history.byPlace().values()].filter((place) => place.namespace === 'asked');
    const namespaces = POLICIES.map((each) =>
      each.keys === undefined ? each : { ...each, keys: asked.map(({ key }) => key) },
    );
    const sidecars = [];
    for (let index = 0; index < fleet.size; index++) {
      sidecars.push(await readSidecar(await fleet.urlOf(index), namespaces));
    }
    return {
      sidecars,
      ledger: await dumpLedger(masters),
      policies: new Map(POLICIES.map(({ name, policy }) => [name, policy])),
      span: { from, to: performance.now() },
    };
  }

  async #gatherEvidence(fleet: Fleet): Promise<void> {
    const since = this.#startedAt;
    for (const place of this.history.byPlace().values()) {
      const name = placeName(place.namespace, place.key);
      if (this.wrong.some((what) => what.includes(name))) this.evidence.push(...storyOf(place, since));
    }
    for (let index = 0; index < fleet.size; index++) {
      const { actor, ledger, rounds } = await documentOf(await fleet.urlOf(index), '/v1/status');
      this.evidence.push(
        `sidecar ${index} (${actor}): ${JSON.stringify({ ledger, rounds })}`,
        ...fleet.logOf(index).trimEnd().split('\n').slice(-LOG_LINES),
      );
    }
  }

  #figuresOf(neighbours: readonly Neighbour[], keysAtRest: number, toRestMs: number): Figures {
    const refusals: Record<string, number> = {};
    for (const [code, count] of neighbours.flatMap((each) => [...each.refusals])) {
      refusals[code] = (refusals[code] ?? 0) + count;
    }
    return {
      changes: neighbours.reduce((sum, { changes }) => sum + changes, 0),
      acknowledged: this.history.acts.filter(({ outcome }) => outcome === 'done').length,
      refusals,
      keysAtRest,
      toRestMs: Math.round(toRestMs),
    };
  }

  #say(what: string, forMs: number): void {
    const at = Math.round(performance.now() - this.#startedAt);
    this.#settings.say(`at ${at} ${what} for ${forMs} ms`);
  }
}

/** What the others wait before they replace a silent master, and some. */
const FAILOVER_MS = 2_500;

async function mastersOf(cluster: RedisCluster): Promise<RedisServer[]> {
  const slots = [0, 5_500, 11_000, 16_383];
  const masters = await Promise.all(slots.map((slot) => cluster.masterOf(slot)));
  return [...new Set(masters)];
}

async function documentOf(url: string, path: string): Promise<Document> {
  return jsonOf(await askJson(url, 'GET', path));
}
