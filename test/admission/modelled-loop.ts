/**
 * A server with one loop, its clients and their connections, as arithmetic: what a turn costs
 * follows from what was asked and what was refused in it, so that an overload of a minute takes a
 * moment and comes out the same every time.
 */
import { Admission } from '../../src/admission/admission.ts';
import type { RequestClass } from '../../src/admission/classes.ts';
import type { AdmissionSettings } from '../../src/admission/settings.ts';
import type { Pressure } from '../../src/admission/signals.ts';
import { chance } from '../reconcile/simulated-time.ts';
import type { Scheduler } from '../../src/resilience/scheduler.ts';
import { NO_QUOTAS, SETTINGS } from './world.ts';

/** Milliseconds of the loop: at most 25 requests are served in one. */
const SERVING_MS = 0.04;
/** Parsing it and writing the answer: more than half of a small request. */
const REFUSING_MS = 0.022;
/** How long the loop sleeps when nobody asks. */
const IDLE_MS = 0.5;
export const CAPACITY_PER_MS = 1 / SERVING_MS;

/** Shares of what is asked. */
export type Mix = Readonly<Record<RequestClass, number>>;
export const MIX: Mix = { renew: 0.1, read: 0.3, put: 0.3, grant: 0.25, list: 0.05 };

interface Request {
  readonly kind: RequestClass;
  /** When its client would have sent it. */
  readonly wantedAt: number;
}

class Connection {
  request: Request | undefined;
}

/** Timers of a loop fire between its turns, late by what a turn takes. */
class LoopScheduler implements Scheduler {
  readonly random = chance(7);
  #now = 0;
  #timers: { readonly at: number; readonly work: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, work: () => void): () => void {
    const timer = { at: this.#now + delayMs, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { work } of due.sort((one, other) => one.at - other.at)) work();
  }
}

/** Connections of those who renew. */
const RENEWING = 500;
/** Beyond it a client gives up before it has a connection. */
const WAITING_MAX = 2_000;

export interface Outcome {
  readonly served: Record<RequestClass, number>;
  readonly refused: Record<RequestClass, number>;
  /** Milliseconds from wanting to being answered, of those served. */
  readonly renewals: number[];
}

export class ModelledLoop {
  readonly scheduler = new LoopScheduler();
  readonly admission: Admission;
  readonly changes: { readonly at: number; readonly to: Pressure }[] = [];
  readonly #loop = { activeMs: 0, turns: 0 };
  /** Renewals have connections of their own, as neighbours keep them. */
  readonly #free: { readonly renewals: Connection[]; readonly others: Connection[] };
  readonly #waiting: { readonly renewals: Request[]; readonly others: Request[] } = { renewals: [], others: [] };
  #asked: Connection[] = [];
  readonly #ends: (() => void)[] = [];
  #owed = 0;
  #busyMs = 0;
  outcome: Outcome = noOutcome();

  constructor(connections: number, settings: Partial<AdmissionSettings> = {}, paced = true) {
    const make = (count: number) => Array.from({ length: count }, () => new Connection());
    this.#free = { renewals: make(RENEWING), others: make(connections) };
    const { scheduler } = this;
    this.admission = new Admission({
      settings: { ...SETTINGS, holdMs: 1000, heldRefusals: 4096, ...settings, ...(paced ? {} : { holdMs: 0 }) },
      quotas: NO_QUOTAS,
      scheduler,
      readLoop: () => ({ ...this.#loop }),
      afterTurn: (work) => this.#ends.push(work),
      wallMs: () => scheduler.now(),
      onChange: (to) => this.changes.push({ at: scheduler.now(), to }),
    });
  }

  /** Clients ask so much in a millisecond, whatever becomes of it; what came of it is the outcome. */
  run(ms: number, perMs: number, mix: Mix = MIX): Outcome {
    this.outcome = noOutcome();
    const end = this.scheduler.now() + ms;
    while (this.scheduler.now() < end) this.#turn(perMs, mix);
    return this.outcome;
  }

  #turn(perMs: number, mix: Mix): void {
    const began = this.scheduler.now();
    const asked = this.#asked;
    this.#asked = [];
    for (const connection of asked) this.#judge(connection, began);
    for (const work of this.#ends.splice(0)) work();
    const busyMs = this.#busyMs;
    this.#loop.turns++;
    this.#loop.activeMs += busyMs;
    this.#busyMs = 0;
    // What timers answer is part of the next turn.
    this.scheduler.pass(Math.max(busyMs, IDLE_MS));
    this.#want(began, perMs, mix);
  }

  #judge(connection: Connection, began: number): void {
    const { kind, wantedAt } = connection.request!;
    const refusal = this.admission.refusal(kind, true, {});
    const admit = (): void => {
      this.#busyMs += SERVING_MS;
      this.outcome.served[kind]++;
      if (kind === 'renew') this.outcome.renewals.push(began + this.#busyMs - wantedAt);
      this.#answered(connection);
    };
    const refuse = (): void => {
      this.outcome.refused[kind]++;
      this.#busyMs += REFUSING_MS;
      this.#answered(connection);
    };
    if (refusal === undefined) admit();
    else this.admission.pace({ kind, connection, refusal, admit, refuse });
  }

  #answered(connection: Connection): void {
    const renews = connection.request!.kind === 'renew';
    connection.request = (renews ? this.#waiting.renewals : this.#waiting.others).shift();
    if (connection.request !== undefined) this.#asked.push(connection);
    else (renews ? this.#free.renewals : this.#free.others).push(connection);
  }

  /** Everything that was wanted in this turn, on connections that are free. */
  #want(began: number, perMs: number, mix: Mix): void {
    const ms = this.scheduler.now() - began;
    this.#owed += perMs * ms;
    const count = Math.floor(this.#owed);
    this.#owed -= count;
    for (let index = 0; index < count; index++) {
      const request = { kind: drawn(mix, this.scheduler.random()), wantedAt: began + (ms * index) / count };
      const renews = request.kind === 'renew';
      const connection = (renews ? this.#free.renewals : this.#free.others).pop();
      const waiting = renews ? this.#waiting.renewals : this.#waiting.others;
      if (connection === undefined) {
        if (waiting.length < WAITING_MAX) waiting.push(request);
        continue;
      }
      connection.request = request;
      this.#asked.push(connection);
    }
  }
}

function noOutcome(): Outcome {
  const none = () => ({ renew: 0, read: 0, put: 0, grant: 0, list: 0 });
  return { served: none(), refused: none(), renewals: [] };
}

function drawn(mix: Mix, chanceOf: number): RequestClass {
  let left = chanceOf;
  for (const kind of ['renew', 'read', 'put', 'grant'] as const) {
    left -= mix[kind];
    if (left < 0) return kind;
  }
  return 'list';
}

export function total(counts: Readonly<Record<RequestClass, number>>): number {
  return counts.renew + counts.read + counts.put + counts.grant + counts.list;
}
