/**
 * One client of the sidecar: keys, leases and a counter of its own, one request at a time, so that
 * after a crash at most one of its requests has an unknown outcome, and everything else is known.
 */
import type { Random } from '../../../bench/replay/random.ts';
import { Connection, jsonOf, Lost } from '../requests.ts';
import { AtomicBatch } from './batch-change.ts';
import {
  contradictions, type Lease, learn, Memory, type Seen, type SeenEntry, type SeenLease, World,
} from './belief.ts';
import { type Change, outcomeOf } from './change.ts';
import { DeleteEntry, type Home, Increment, type Place, PutEntry, ReadEntry } from './entry-changes.ts';
import { GrantLease, ReleaseLease, RenewLease } from './lease-changes.ts';
import type { Span } from './span.ts';
import type { Tally } from './tally.ts';

const KEYS = 14;
const FLOCK = 40;
/** TTLs that fall due while requests run, while the sidecar is down, and soon after. */
const BRIEF_MS = { min: 100, max: 1200 };
const LEASE_MS = { min: 300, max: 5000 };
const VALUE_BYTES_MAX = 12_000;

export interface Neighbourhood {
  readonly namespace: string;
  /** Of writes that name neither lease nor TTL; no run of the tests lasts as long. */
  readonly defaultTtlMs: number;
  readonly random: Random;
  readonly tally: Tally;
}

export class Neighbour {
  readonly name: string;
  readonly memory = new Memory();
  readonly wrong: string[] = [];
  requests = 0;
  lostWrites = 0;
  lostGrants = 0;
  readonly #around: Neighbourhood;
  #world = new World();
  #connection: Connection | undefined;
  #unknown: { readonly change: Change; readonly span: Span } | undefined;
  #stopping = false;
  #numbers = 0;

  constructor(name: string, around: Neighbourhood) {
    this.name = name;
    this.#around = around;
    this.#world.become(this.memory);
  }

  /** Sends requests, one after the other, until the sidecar is gone or `stop` is called. */
  async work(url: string): Promise<void> {
    this.#stopping = false;
    // Lost again before it could compare: nothing new until it has.
    if (this.#unknown !== undefined) return;
    this.#connect(url);
    while (!this.#stopping) {
      this.#world.passTo(performance.now());
      if (!(await this.#attempt(this.#choose()))) return;
    }
  }

  /** It ends `work` after the request under way. */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * After a restart: repeats what may be repeated, and compares what is there with its belief.
   * When the sidecar is lost again meanwhile, it goes on from there after the next restart.
   */
  async resume(url: string): Promise<void> {
    this.#connect(url);
    const repeated = this.#unknown;
    if (repeated?.change.repeatable === true) {
      this.#unknown = undefined;
      if (!(await this.#attempt(repeated.change, repeated.span.from))) return;
    }
    const seen = await this.#look();
    if (seen === undefined) return;
    const unknown = this.#unknown;
    this.#unknown = undefined;
    const worlds = [this.#world];
    if (unknown !== undefined) {
      const { change, span } = unknown;
      this.lostWrites += change.writes;
      if (change instanceof GrantLease) this.lostGrants++;
      worlds.push(...change.worlds(this.#world.copy(), span));
    }
    this.#settle(worlds, seen, unknown?.change.what);
  }

  /** Takes the world that what is seen fits for the real one. */
  #settle(worlds: readonly World[], seen: Seen, last: string | undefined): void {
    const judged = worlds.map((world) => ({ world, wrong: contradictions(world, seen) }));
    const fitting = judged.find(({ wrong }) => wrong.length === 0);
    if (fitting === undefined) {
      const lines = judged.map(({ wrong }) => wrong.join('; '));
      const what = last === undefined ? '' : ` The request without an answer was a ${last}.`;
      this.#complain(`after a restart: ${lines.join(' — or else: ')}.${what}`);
      return;
    }
    this.#world = fitting.world;
    this.#world.become(this.memory);
    for (const wrong of learn(this.#world, seen)) this.#complain(`after a restart: ${wrong}`);
  }

  /** Ends everything it has, so that every grant must have its ending. */
  async finish(): Promise<void> {
    for (const key of [...this.#world.entries.keys()]) await this.#attempt(new DeleteEntry(this.#at(key)));
    for (const lease of [...this.#world.leases.values()]) await this.#attempt(new ReleaseLease(lease));
    this.#connection?.close();
  }

  #connect(url: string): void {
    this.#connection?.close();
    this.#connection = new Connection(url);
  }

  #complain(what: string): void {
    this.wrong.push(`${this.name} ${what}`);
  }

  /** Sends one request; false when no answer came. `since`: when it was sent for the first time. */
  async #attempt(change: Change, since?: number): Promise<boolean> {
    const from = performance.now();
    try {
      const answer = await this.#connection!.ask(change.ask());
      const to = performance.now();
      this.requests++;
      const effect = { from: since ?? from, to };
      const wrong = change.acknowledge(this.#world, outcomeOf(answer), effect, { from, to });
      if (wrong !== undefined) this.#complain(`${change.what} ${wrong}`);
      return true;
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      this.#unknown = { change, span: { from: since ?? from, to: performance.now() } };
      return false;
    }
  }

  /** Everything of its own that the sidecar shows; undefined: it is lost. */
  async #look(): Promise<Seen | undefined> {
    const from = performance.now();
    const { namespace } = this.#around;
    try {
      const entries = new Map<string, SeenEntry>();
      const page = await this.#read(`/v1/entries/${namespace}?prefix=${this.name}/&values=true&limit=1000`);
      for (const { key, value, ...entry } of page.entries) {
        entries.set(key, { ...entry, value: Buffer.from(value, 'base64') });
      }
      const leases = new Map<string, SeenLease>();
      for (const lease of (await this.#read(`/v1/leases?holder=${this.name}&limit=1000`)).leases) {
        leases.set(lease.id, lease);
      }
      return { span: { from, to: performance.now() }, entries, leases };
    } catch (error) {
      if (error instanceof Lost) return undefined;
      throw error;
    }
  }

  async #read(path: string) {
    const answer = await this.#connection!.ask({ method: 'GET', path });
    if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}`);
    return jsonOf(answer);
  }

  /* ---- what to do next ----------------------------------------------------------------- */

  #below(limit: number): number {
    return Math.floor(this.#around.random.next() * limit);
  }

  #between({ min, max }: { readonly min: number; readonly max: number }): number {
    return min + this.#below(max - min + 1);
  }

  #at(key: string): Place {
    return { namespace: this.#around.namespace, key };
  }

  #someKey(): string {
    return `${this.name}/k${this.#below(KEYS)}`;
  }

  /** A number that no other request has: it tells values and repeats apart. */
  #number(): string {
    return `${this.name}-${++this.#numbers}`;
  }

  #perhapsRepeatable(): string | undefined {
    return this.#below(3) === 0 ? this.#number() : undefined;
  }

  #someValue(): Buffer {
    const name = `${this.#number()}:`;
    return Buffer.from(name.padEnd(name.length + this.#below(VALUE_BYTES_MAX), '.'));
  }

  #someLease(): Lease | undefined {
    const leases = [...this.#world.leases.values()];
    return leases[this.#below(leases.length)];
  }

  #choose(): Change {
    const { namespace, defaultTtlMs, tally } = this.#around;
    const lease = this.#someLease();
    const dice = this.#below(100);
    if (dice < 46) return this.#put(this.#someKey());
    if (dice < 54) return new DeleteEntry(this.#at(this.#someKey()));
    if (dice < 62) return new ReadEntry(this.#at(this.#someKey()));
    if (dice < 70) {
      return new Increment(this.#at(`${this.name}/count`), 1 + this.#below(9), defaultTtlMs, this.#number());
    }
    if (dice < 74) return tally.increment(this.#number());
    if (dice < 80 && lease !== undefined) return new RenewLease(lease, this.#between(LEASE_MS));
    if (dice < 84 && lease !== undefined) return new ReleaseLease(lease);
    if (dice < 92) return this.#batch();
    if (dice < 94) return this.#flock();
    const id = `${this.name}-lease-${this.#below(3)}`;
    if (this.#world.leases.has(id)) return new ReadEntry(this.#at(this.#someKey()));
    const ttlMs = this.#between(LEASE_MS);
    return new GrantLease({ namespace, holder: this.name, id, ttlMs }, this.#perhapsRepeatable());
  }

  #put(key: string): PutEntry {
    const { defaultTtlMs } = this.#around;
    const lease = this.#someLease();
    const dice = this.#below(10);
    const home: Home =
      dice < 4 ? { ttlMs: this.#between(BRIEF_MS) } : dice < 7 && lease !== undefined ? { lease } : 'as it is';
    const etag = this.#world.entries.get(key)?.etag;
    const more = {
      ifMatch: home === 'as it is' && this.#below(2) === 0 ? etag : undefined,
      idempotencyKey: this.#perhapsRepeatable(),
    };
    return new PutEntry(this.#at(key), this.#someValue(), home, defaultTtlMs, more);
  }

  #batch(): AtomicBatch {
    const keys = new Set(Array.from({ length: 2 + this.#below(5) }, () => this.#someKey()));
    const changes: Change[] = [...keys].map((key) =>
      this.#below(5) === 0 ? new DeleteEntry(this.#at(key)) : this.#put(key),
    );
    const lease = this.#someLease();
    if (lease !== undefined) changes.push(new RenewLease(lease, this.#between(LEASE_MS)));
    const doomed = this.#below(6) === 0;
    if (doomed) {
      const place = this.#at(`${this.name}/nothing`);
      const { defaultTtlMs } = this.#around;
      changes.push(new PutEntry(place, Buffer.from('no'), 'as it is', defaultTtlMs, { ifMatch: '"0"' }));
    }
    return new AtomicBatch(changes, doomed, this.#perhapsRepeatable());
  }

  /** Many entries under one lease: their endings take more than one step. */
  #flock(): Change {
    const lease = this.#someLease();
    const { namespace, defaultTtlMs } = this.#around;
    if (lease === undefined) {
      const id = `${this.name}-lease-0`;
      return new GrantLease({ namespace, holder: this.name, id, ttlMs: LEASE_MS.max }, undefined);
    }
    const changes = Array.from({ length: FLOCK }, (_, index) => {
      const value = Buffer.from(this.#number());
      return new PutEntry(this.#at(`${this.name}/flock/${index}`), value, { lease }, defaultTtlMs);
    });
    return new AtomicBatch(changes, false, undefined);
  }
}
