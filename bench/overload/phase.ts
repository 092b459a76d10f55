/**
 * One phase of load. Closed: so many connections, each asking for the next thing as soon as it has
 * its answer, which finds what the sidecar can do. Open: requests fall due at random instants at a
 * given rate (Poisson), whether earlier ones have been answered or not, which is how neighbours
 * behave that do not know of each other.
 *
 * Some of the clients are well-behaved: told to come back later, they want nothing of that class
 * until then. The others pay no attention.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type Random, seededRandom } from '../replay/random.ts';
import { type Arrival, Lane, type LaneEvents } from './lane.ts';
import {
  CLASSES, CONNECTIONS, GRANTED_TTL_MS, grantText, LANE_OF, LANES, NAMESPACE, type PerClass,
  Repertoire, type RequestClass, SHARES, spareLease,
} from './neighbours.ts';
import type { ReplyReader } from './reply-reader.ts';
import { perClass, type PhaseReport, Tally } from './tally.ts';

export interface PhaseOrder {
  readonly host: string;
  readonly port: number;
  readonly load:
    | { readonly kind: 'open'; readonly ratePerS: number }
    | { readonly kind: 'closed'; readonly connections: number };
  readonly durationMs: number;
  /** Default: the mix. */
  readonly only?: RequestClass;
  readonly politeShare: number;
  readonly seed: number;
}

const CLIENTS = 200;
/** What a client waits for a connection before it gives up. */
const PATIENCE_MS = 1_000;
/** What is still under way at the end is waited for so long. */
const GRACE_MS = 3_000;
/** After so many connections have been opened. */
const SETTLE_MS = 500;
/** Arrivals handled without a look at the sockets, should the generator have fallen behind. */
const ARRIVALS_AT_ONCE = 64;
/** A lease is released while it is surely live. */
const RELEASED_WITHIN_MS = GRANTED_TTL_MS / 2;

const GRANTED_KEPT = 10_000;

/** Leases that may be released: those granted lately, then the spare ones, each once. */
export class Releasable {
  readonly #granted: { readonly id: string; readonly at: number }[] = [];
  #spareFrom = 0;
  #spareTo = 0;

  provide(from: number, to: number): void {
    this.#spareFrom = from;
    this.#spareTo = to;
  }

  granted(id: string, at: number): void {
    if (this.#granted.length === GRANTED_KEPT) this.#granted.splice(0, GRANTED_KEPT / 2);
    this.#granted.push({ id, at });
  }

  take(now: number): string | undefined {
    const last = this.#granted.pop();
    if (last !== undefined && now - last.at < RELEASED_WITHIN_MS) return last.id;
    // The older ones below it are older still.
    this.#granted.length = 0;
    if (this.#spareFrom === this.#spareTo) return undefined;
    this.#spareFrom += 1;
    return spareLease(this.#spareFrom - 1);
  }
}

export class Phase implements LaneEvents {
  readonly #order: PhaseOrder;
  readonly #repertoire: Repertoire;
  readonly #releasable: Releasable;
  readonly #random: Random;
  readonly #bounds: readonly number[];
  readonly #lanes: Lane[] = [];
  readonly #laneOf: PerClass<Lane>;
  readonly #quietUntil = perClass(() => new Float64Array(CLIENTS));
  readonly #polite: number;
  #tally = new Tally();
  #endsAt = 0;
  #meanGapMs = 0;
  /** When the next request falls due. */
  #nextAt = Number.POSITIVE_INFINITY;
  #grants = 0;

  constructor(order: PhaseOrder, releasable: Releasable) {
    this.#order = order;
    this.#repertoire = new Repertoire(`${order.host}:${order.port}`);
    this.#releasable = releasable;
    this.#random = seededRandom(order.seed);
    this.#polite = Math.round(order.politeShare * CLIENTS);
    let sum = 0;
    this.#bounds = CLASSES.map((kind) => {
      const share = order.only === undefined ? SHARES[kind] : Number(order.only === kind);
      sum += share;
      return sum;
    });
    const lane = (): Lane => {
      const made = new Lane(order, PATIENCE_MS, this);
      this.#lanes.push(made);
      return made;
    };
    if (order.load.kind === 'closed') {
      const shared = lane();
      this.#laneOf = perClass(() => shared);
    } else {
      const byName = Object.fromEntries(LANES.map((name) => [name, lane()]));
      this.#laneOf = perClass((kind) => byName[LANE_OF[kind]]!);
    }
  }

  async run(): Promise<PhaseReport> {
    const { load, durationMs } = this.#order;
    if (load.kind === 'closed') await this.#lanes[0]!.open(load.connections);
    else await Promise.all(LANES.map((name, index) => this.#lanes[index]!.open(CONNECTIONS[name])));
    // Neighbours are there before they ask; that they all come at once is another thing to measure.
    await pause(SETTLE_MS);
    this.#tally = new Tally();
    const startedAt = performance.now();
    this.#endsAt = startedAt + durationMs;
    if (load.kind === 'open') await this.#keepArriving(load.ratePerS, startedAt);
    else await this.#keepBusy();
    const graceEndsAt = performance.now() + GRACE_MS;
    while (this.#lanes.some((lane) => lane.pending > 0) && performance.now() < graceEndsAt) {
      await pause(10);
      for (const lane of this.#lanes) lane.expire(performance.now());
    }
    for (const lane of this.#lanes) lane.close();
    // The sockets tell what is lost in the next turns.
    await pause(50);
    return this.#tally.report(durationMs);
  }

  /** Turns without a timer between them: a timer's millisecond would gather arrivals into bursts. */
  #keepArriving(ratePerS: number, startedAt: number): Promise<void> {
    this.#meanGapMs = 1_000 / ratePerS;
    this.#nextAt = startedAt + this.#gapMs();
    return new Promise((resolve) => {
      const turn = (): void => {
        const now = performance.now();
        this.#catchUp(now);
        for (const lane of this.#lanes) lane.expire(now);
        if (this.#nextAt >= this.#endsAt && now >= this.#endsAt) resolve();
        else setImmediate(turn);
      };
      turn();
    });
  }

  /** Exponential, which makes the arrivals Poisson's. */
  #gapMs(): number {
    return -Math.log(1 - this.#random.next()) * this.#meanGapMs;
  }

  #catchUp(now: number): void {
    for (let count = 0; count < ARRIVALS_AT_ONCE; count += 1) {
      if (this.#nextAt > now || this.#nextAt >= this.#endsAt) return;
      const dueAt = this.#nextAt;
      this.#nextAt += this.#gapMs();
      this.#arrive(dueAt, now);
    }
  }

  async #keepBusy(): Promise<void> {
    const lane = this.#lanes[0]!;
    for (let idle = lane.free; idle > 0; idle -= 1) this.onIdle(lane);
    await pause(this.#endsAt - performance.now());
  }

  #arrive(dueAt: number, now: number): void {
    const draw = this.#random.next() * this.#bounds[this.#bounds.length - 1]!;
    const kind = CLASSES[this.#bounds.findIndex((bound) => draw < bound)]!;
    const client = Math.floor(this.#random.next() * CLIENTS);
    this.#tally.due(kind, dueAt, now);
    if (now < this.#quietUntil[kind][client]!) this.#tally.withheld(kind);
    else this.#laneOf[kind].take({ kind, dueAt, client, lease: undefined });
  }

  textOf(arrival: Arrival): string {
    const { kind } = arrival;
    const { write } = this.#repertoire;
    switch (kind) {
      case 'grant':
        this.#grants += 1;
        arrival.lease = `grant-${this.#order.seed}-${this.#grants}`;
        return grantText(write, arrival.lease);
      case 'release':
        arrival.lease = this.#releasable.take(performance.now());
        if (arrival.lease === undefined) throw new Error(`Nothing left to release in ${NAMESPACE}`);
        return write('DELETE', `/v1/leases/${arrival.lease}`);
      default:
        return this.#repertoire.any(kind, this.#random);
    }
  }

  onReply(arrival: Arrival, reply: ReplyReader, at: number): void {
    const { kind, client, lease } = arrival;
    this.#tally.replied(kind, arrival.dueAt, reply, at);
    if (kind === 'grant' && reply.status === 201) this.#releasable.granted(lease!, at);
    // A turn may bring a thousand replies: what falls due meanwhile does not wait for all of them.
    this.#catchUp(at);
    const waitMs = reply.retryAfterMs ?? (reply.retryAfterS ?? 0) * 1_000;
    if (reply.status >= 400 && waitMs > 0 && client < this.#polite) this.#quietUntil[kind][client] = at + waitMs;
  }

  onLost(arrival: Arrival, why: string): void {
    this.#tally.lost(arrival.kind, why);
  }

  onGivenUp(arrival: Arrival): void {
    this.#tally.givenUp(arrival.kind);
  }

  onIdle(_lane: Lane): void {
    const now = performance.now();
    if (this.#order.load.kind === 'closed' && now < this.#endsAt) this.#arrive(now, now);
  }
}
