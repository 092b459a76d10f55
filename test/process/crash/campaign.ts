/**
 * A sidecar that is killed again and again while clients work, on one data directory, and a
 * watcher that follows it through all of it. After each restart every client compares what is there
 * with what it was told; at the end the whole stream of events is compared with all of them.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '../../../bench/replay/random.ts';
import { ask, jsonOf, Lost } from '../requests.ts';
import {
  type Ended, launch, type Program, readyUrls, scratchDirectory, type Sidecar, sidecarOf, until,
} from '../support.ts';
import { Chronicle, type SidecarRun } from './chronicle.ts';
import { Neighbour } from './neighbour.ts';
import { Tally } from './tally.ts';
import { Watcher } from './watcher.ts';

const NEIGHBOURS = 8;
const DEFAULT_TTL_MS = 3_600_000;

/** Small segments and early snapshots, so that both happen all the time. */
const CONFIGURATION = `
autoCreateNamespaces: false
namespaces:
  default: { ttl: { defaultMs: ${DEFAULT_TTL_MS} } }
  kept: { ttl: { defaultMs: ${DEFAULT_TTL_MS} } }
  synced: { durability: fsync, ttl: { defaultMs: ${DEFAULT_TTL_MS} } }
limits: { bodyBytes: 1Mi, valueBytes: 64Ki }
journal: { segmentBytes: 1Mi, snapshotAfterBytes: 1Mi, reserveBytes: 1Mi }
logLevel: warn
`;

export interface Figures {
  readonly requests: number;
  readonly events: number;
  readonly endings: number;
  /** Resyncs that had to be. */
  readonly gaps: number;
  readonly restarts: number;
  readonly snapshots: number;
  readonly segments: number;
}

export class Campaign {
  readonly seed: number;
  readonly random: Random;
  readonly directory = scratchDirectory();
  readonly #chronicle = new Chronicle();
  readonly #neighbours: Neighbour[];
  readonly #tally = new Tally({ namespace: 'default', key: 'tally' }, DEFAULT_TTL_MS);
  readonly #runs: SidecarRun[] = [];
  #watcher: Watcher | undefined;
  #sidecar: Sidecar | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #failpoint: string | undefined;
  /** Events told before this run. */
  #eventsBefore = 0;
  #snapshots = 0;
  #segments = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
    this.#neighbours = Array.from({ length: NEIGHBOURS }, (_, index) => {
      const namespace = index % 2 === 0 ? 'kept' : 'synced';
      const random = seededRandom(seed * NEIGHBOURS + index);
      const around = { namespace, random, tally: this.#tally, defaultTtlMs: DEFAULT_TTL_MS };
      return new Neighbour(`n${index}`, around);
    });
  }

  /** What is wrong so far. */
  get wrong(): readonly string[] {
    return [...this.#chronicle.wrong, ...this.#neighbours.flatMap(({ wrong }) => wrong)];
  }

  get figures(): Figures {
    return {
      requests: this.#neighbours.reduce((sum, { requests }) => sum + requests, 0),
      events: this.#chronicle.events,
      endings: this.#chronicle.endings,
      gaps: this.#chronicle.gaps,
      restarts: this.#runs.length - 1,
      snapshots: this.#snapshots,
      segments: this.#segments,
    };
  }

  /**
   * Starts the sidecar and, when it gets ready, has everybody go on: the watcher where it was, the
   * clients by comparing. With a failpoint it may end on the way.
   */
  async start(failpoint?: string): Promise<void> {
    const launchedAt = performance.now();
    this.#failpoint = failpoint;
    const program = this.#launch(failpoint);
    const urls = await readyUrls(program);
    const readyAt = performance.now();
    this.#sidecar = sidecarOf(program, urls ?? []);
    let actor: string | undefined;
    try {
      if (urls === undefined) throw new Lost('It ended before it was ready');
      const status = await ask(this.#sidecar.url, 'GET', '/v1/status');
      actor = jsonOf(status).actor;
      this.#watcher ??= new Watcher(this.#chronicle, String(status.headers['leasehold-cursor']));
      await this.#watcher.follow(this.#sidecar.url);
      await Promise.all(this.#neighbours.map((each) => each.resume(this.#sidecar!.url)));
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      if (failpoint === undefined) throw new Error(`The sidecar does not start again: ${program.err()}`);
    }
    this.#runs.push({ actor, launchedAt, readyAt });
  }

  #launch(failpoint?: string): Program {
    return launch({
      dataDirectory: this.directory,
      configuration: CONFIGURATION,
      environment: failpoint === undefined ? {} : { LEASEHOLD_FAILPOINT: failpoint },
    });
  }

  /** Has the clients work for so long, then kills the sidecar, wherever it is. */
  async killAfter(workMs: number): Promise<void> {
    this.#begin();
    // Asked some time before, so that the kill has nothing to do with an answer.
    await sleep(workMs / 2);
    await this.#count();
    await sleep(workMs / 2);
    await this.#sidecar!.kill();
    await this.#gone();
  }

  /** Has the clients work until the sidecar ends by itself. */
  async untilItEnds(): Promise<Ended> {
    if (this.#sidecar!.urls.length > 0) this.#begin();
    await until('the sidecar has ended', () => this.#sidecar!.end());
    await this.#gone();
    return this.#sidecar!.ended;
  }

  #begin(): void {
    const { url } = this.#sidecar!;
    this.#work = Promise.all(this.#neighbours.map((each) => each.work(url)));
  }

  async #gone(): Promise<void> {
    await this.#work;
    await this.#watcher?.ended();
    const { events } = this.#chronicle;
    if (this.#failpoint !== undefined) this.#chronicle.mayHaveGap = true;
    else if (events > this.#eventsBefore) this.#chronicle.mayHaveGap = false;
    this.#eventsBefore = events;
  }

  /** Takes down how far the journal has got in this run. */
  async #count(): Promise<void> {
    const { journal } = jsonOf(await ask(this.#sidecar!.url, 'GET', '/v1/status'));
    this.#snapshots += journal.snapshots;
    this.#segments = Math.max(this.#segments, journal.segments);
  }

  /** Ends everything and compares the whole story; resolves with how the sidecar stopped. */
  async finish(): Promise<Ended> {
    const sidecar = this.#sidecar!;
    for (const each of this.#neighbours) each.stop();
    await this.#work;
    await Promise.all(this.#neighbours.map((each) => each.finish()));
    const tally = await ask(sidecar.url, 'GET', '/v1/entries/default/tally');
    const sum = Number(tally.status === 200 ? tally.body.toString() : '0');
    await ask(sidecar.url, 'DELETE', '/v1/entries/default/tally');
    const status = await ask(sidecar.url, 'GET', '/v1/status');
    const [actor, head] = String(status.headers['leasehold-cursor']).split('.');
    await until('the watcher has seen everything', () => {
      const [at, sequence] = this.#watcher!.cursor.split('.');
      return at === actor && Number(sequence) >= Number(head);
    });
    const ended = await sidecar.stop();
    rmSync(this.directory, { recursive: true });
    this.#settle(sum, jsonOf(status));
    return ended;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the status page.
  #settle(sum: number, { leases, entries }: any): void {
    const { wrong } = this.#chronicle;
    if (sum !== this.#tally.count || this.#tally.missing().length > 0) {
      wrong.push(`The tally is ${sum} after ${this.#tally.count} increments; missing: ${this.#tally.missing()}`);
    }
    if (leases.live !== 0 || entries.live !== 0) {
      wrong.push(`${entries.live} entries and ${leases.live} leases are there after all were ended`);
    }
    const runs = new Set([...this.#neighbours.flatMap(({ memory }) => [...memory.runs]), this.#tally.run]);
    const held = this.#neighbours.flatMap(({ memory }) => [...memory.leases]);
    const lost = {
      writes: this.#neighbours.reduce((total, { lostWrites }) => total + lostWrites, 0),
      grants: this.#neighbours.reduce((total, { lostGrants }) => total + lostGrants, 0),
    };
    wrong.push(...this.#chronicle.account(runs, held, this.#runs, lost));
  }
}
