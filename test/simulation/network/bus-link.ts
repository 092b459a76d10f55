/**
 * The bus as one sidecar has it: over the network, and with what the adapter of NATS does to its
 * callers. Nothing is sent without a connection; what is outstanding when one is lost ends as
 * `timeout`; a connection on which acknowledgements stay out is asked whether anything comes from
 * it, and left when nothing does.
 */
import type { Bus, BusMessage, BusState, PublishOutcome } from '../../../src/events/bus.ts';
import { Outstanding } from '../../../src/events/nats/outstanding.ts';
import { fullJitter } from '../../../src/resilience/backoff.ts';
import { withDeadline } from '../../../src/resilience/deadline.ts';
import type { Scheduler } from '../../../src/resilience/scheduler.ts';
import { PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import type { BusServer, StreamStates } from './bus-server.ts';
import { Connection } from './connection.ts';

/** As the adapter's. */
const RETRY = { baseMs: 200, capMs: 5_000 };
const PREPARE_ACKS = 4;

export interface BusLinkParts {
  readonly process: SimulatedProcess;
  /** Where the process is, by the names of the network. */
  readonly place: string;
  readonly server: BusServer;
  readonly scheduler: Scheduler;
  /** How long an acknowledgement is waited for. */
  readonly ackMs: number;
  readonly connectMs: number;
}

export class BusLink implements Bus {
  readonly kind = 'embedded';
  readonly mode = 'jetstream';
  state: BusState = 'connecting';
  onState: (state: BusState, detail: string) => void = () => {};
  readonly #process: SimulatedProcess;
  readonly #server: BusServer;
  readonly #ackMs: number;
  readonly #scheduler: Scheduler;
  readonly #connection: Connection;
  /** Of the connection there is; without one, empty. */
  #outstanding: Outstanding;
  /** Gives up the question whether the connection lives; undefined: it is not being asked. */
  #callOffAsking: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #published = 0;
  #acknowledged = 0;
  #streams: StreamStates | undefined;
  #lastError: string | undefined;

  /** Connects at once, in the background. */
  constructor({ process, place, server, scheduler, ackMs, connectMs }: BusLinkParts) {
    this.#process = process;
    this.#server = server;
    this.#ackMs = ackMs;
    this.#scheduler = scheduler;
    this.#outstanding = this.#noneOutstanding();
    this.#connection = new Connection({
      process, place, connectMs,
      host: server.host,
      retryMs: (attempt) => fullJitter(attempt, RETRY, () => process.random()),
      opened: () => this.#opened(),
      lost: (detail) => this.#lost(detail),
    });
  }

  publish(message: BusMessage, done: (outcome: PublishOutcome) => void): void {
    if (!this.#isUsable) {
      const detail = this.#whyAway();
      this.#process.schedule(0, PRIORITY.turn, 'bus away', () =>
        done({ ok: false, fault: { kind: 'away', detail } }),
      );
      return;
    }
    this.#published += 1;
    const outstanding = this.#outstanding;
    const number = outstanding.add(message, (outcome) => {
      if (outcome.ok) this.#acknowledged += 1;
      done(outcome);
    });
    this.#connection.ask<PublishOutcome>(
      'publish',
      (answer) => this.#server.publish(message, answer),
      (outcome) => outstanding.settle(number, outcome),
    );
  }

  prepare(): Promise<StreamStates> {
    if (!this.#isUsable) {
      return Promise.reject(new Error(`Cannot prepare the streams: ${this.#whyAway()}`));
    }
    const answered = new Promise<StreamStates>((resolve) =>
      this.#connection.ask<StreamStates>(
        'prepare',
        (answer) => answer(this.#server.prepare()),
        (streams) => {
          this.#streams = streams;
          resolve(streams);
        },
      ),
    );
    const late = (): Error => new Error('Cannot prepare the streams: no answer in time');
    return withDeadline(answered, PREPARE_ACKS * this.#ackMs, this.#scheduler, late);
  }

  status(): object {
    return {
      kind: this.kind,
      mode: this.mode,
      state: this.state,
      lastError: this.#lastError,
      outstanding: this.#outstanding.size,
      published: this.#published,
      acknowledged: this.#acknowledged,
      streams: this.#streams,
    };
  }

  close(budgetMs: number): Promise<void> {
    this.#closing ??= this.#close(budgetMs);
    return this.#closing;
  }

  async #close(budgetMs: number): Promise<void> {
    const emptied = this.#outstanding.emptied();
    await withDeadline(emptied, budgetMs, this.#scheduler, () => new Error()).catch(() => {});
    this.#connection.close();
    this.#endAsking();
    this.state = 'closed';
    this.#settleAll('The bus was closed before it was acknowledged');
    this.onState('closed', 'Closed');
  }

  get #isUsable(): boolean {
    return this.state === 'connected' && this.#closing === undefined;
  }

  #noneOutstanding(): Outstanding {
    const outstanding = new Outstanding(this.#scheduler, this.#ackMs);
    outstanding.onLate = () => this.#askWhetherAlive();
    return outstanding;
  }

  #opened(): void {
    this.state = 'connected';
    this.onState('connected', 'Connected to the bus');
  }

  #lost(detail: string): void {
    this.#lastError = detail;
    this.#endAsking();
    const before = this.state;
    this.state = 'away';
    const sentence = `The bus is away: ${detail}`;
    this.#settleAll(sentence);
    if (before !== 'away') this.onState('away', sentence);
  }

  #settleAll(detail: string): void {
    const lost = this.#outstanding;
    this.#outstanding = this.#noneOutstanding();
    lost.settleAll({ kind: 'timeout', detail });
  }

  /** Whether anything comes from a connection on which acknowledgements stay out. */
  #askWhetherAlive(): void {
    if (this.#callOffAsking !== undefined || this.state !== 'connected') return;
    this.#callOffAsking = this.#process.after(this.#ackMs, () =>
      this.#connection.abandon(`no answer within ${this.#ackMs} ms`),
    );
    this.#connection.ask<undefined>('ping', (answer) => answer(undefined), () => this.#endAsking());
  }

  #endAsking(): void {
    this.#callOffAsking?.();
    this.#callOffAsking = undefined;
  }

  #whyAway(): string {
    if (this.#closing !== undefined) return 'The bus is closed';
    return this.#lastError === undefined ? 'Not connected' : `Not connected (${this.#lastError})`;
  }
}
