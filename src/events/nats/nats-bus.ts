/**
 * The bus on NATS. In mode `jetstream` an outcome is what a stream says of the message; in mode
 * `core` that the server has it, and whether anybody got it nobody knows: at most once.
 *
 * Nothing is sent without a connection, and when one is lost, everything outstanding on it ends as
 * `timeout`: it may be stored. What the client buffers is bounded by what is outstanding, which the
 * publisher's window bounds, and a connection that falls silent is left after twice `ackMs`.
 */
import type { NatsConnection } from 'nats';
import { withDeadline } from '../../resilience/deadline.ts';
import type { Scheduler } from '../../resilience/scheduler.ts';
import type {
  Bus, BusFaultKind, BusMessage, BusState, PublishOutcome, StreamName, StreamState,
} from '../bus.ts';
import { failed, fault } from './faults.ts';
import { Link } from './link.ts';
import type { BusLog, NatsBusOptions } from './options.ts';
import { Outstanding } from './outstanding.ts';
import { AcknowledgedSending, FlushedSending, type Sending } from './sending.ts';
import { prepareStreams } from './streams.ts';

/** After it a server has removed the files of a stream it has forgotten. */
const DELETED_MS = 500;

/** What belongs to one connection. */
interface Session {
  readonly connection: NatsConnection;
  readonly outstanding: Outstanding;
  readonly sending: Sending;
}

export class NatsBus implements Bus {
  readonly kind = 'nats';
  readonly mode: 'jetstream' | 'core';
  onState: (state: BusState, detail: string) => void = () => {};
  readonly #options: NatsBusOptions;
  readonly #scheduler: Scheduler;
  readonly #link: Link;
  #session: Session | undefined;
  #streams: Readonly<Record<StreamName, StreamState>> | undefined;
  #published = 0;
  #acknowledged = 0;
  #duplicates = 0;
  readonly #failed: Partial<Record<BusFaultKind, number>> = {};
  #isAsking = false;
  #closing: Promise<void> | undefined;

  /** Connects at once, in the background; a server that is away is no error. */
  constructor(options: NatsBusOptions, scheduler: Scheduler, log: BusLog) {
    this.#options = options;
    this.#scheduler = scheduler;
    this.mode = options.mode;
    this.#link = new Link(options, scheduler, log, {
      connected: (connection) => this.#open(connection),
      lost: (detail) => this.#end(detail),
      denied: (operation, subject) => this.#denied(operation, subject),
      stateChanged: (state, detail) => this.onState(state, detail),
    });
  }

  get state(): BusState {
    return this.#link.state;
  }

  publish(message: BusMessage, done: (outcome: PublishOutcome) => void): void {
    const session = this.#usable();
    if (session === undefined) {
      queueMicrotask(() => done(this.#counted(failed('away', this.#whyAway()))));
      return;
    }
    this.#published += 1;
    session.sending.send(message, (outcome) => done(this.#counted(outcome)));
  }

  async prepare(): Promise<Readonly<Record<StreamName, StreamState>> | undefined> {
    const session = this.#usable();
    if (session === undefined) throw new Error(`Cannot prepare the streams: ${this.#whyAway()}`);
    if (this.mode === 'core') return undefined;
    const { ackMs } = this.#options;
    // A connection that is lost meanwhile leaves a request of the client without an answer.
    const late = (): Error => new Error('Cannot prepare the streams: no answer in time');
    const streams = await withDeadline(
      prepareStreams(session.connection, this.#options, this.#pauseForDeleted()),
      ackMs * 4, this.#scheduler, late,
    );
    this.#streams = streams;
    return streams;
  }

  /**
   * A server forgets a stream before it has removed its files (2.9.10, by a few milliseconds for each
   * megabyte): one that is created meanwhile loses its own with them, and takes nothing ever after,
   * or, worse, acknowledges what it does not keep.
   */
  #pauseForDeleted(): (() => Promise<void>) | undefined {
    if (this.#streams === undefined) return undefined;
    return () => new Promise((resolve) => void this.#scheduler.after(DELETED_MS, resolve));
  }

  status(): object {
    const { connects, lastError, server } = this.#link;
    const session = this.#session;
    return {
      kind: this.kind,
      mode: this.mode,
      state: this.state,
      // Credentials stand elsewhere, but a careless address may hold some.
      servers: this.#options.servers.map((each) => each.replace(/^.*@/, '')),
      server,
      version: session?.connection.info?.version,
      reconnects: Math.max(0, connects - 1),
      lastError,
      lastAnswerMs: session?.outstanding.lastAnswerMs,
      outstanding: session?.outstanding.size ?? 0,
      published: this.#published,
      acknowledged: this.#acknowledged,
      duplicates: this.#duplicates,
      failed: { ...this.#failed },
      streams: this.#streams,
    };
  }

  close(budgetMs: number): Promise<void> {
    this.#closing ??= this.#close(budgetMs);
    return this.#closing;
  }

  async #close(budgetMs: number): Promise<void> {
    // What is acknowledged was sent: there is nothing else to wait for.
    const emptied = this.#session?.outstanding.emptied() ?? Promise.resolve();
    await withDeadline(emptied, budgetMs, this.#scheduler, () => new Error()).catch(() => {});
    await this.#link.close();
    this.#end('The bus was closed before it was acknowledged');
    this.onState('closed', 'Closed');
  }

  #usable(): Session | undefined {
    const isOpen = this.state === 'connected' && this.#closing === undefined;
    return isOpen ? this.#session : undefined;
  }

  #open(connection: NatsConnection): void {
    const outstanding = new Outstanding(this.#scheduler, this.#options.ackMs);
    const Way = this.mode === 'core' ? FlushedSending : AcknowledgedSending;
    this.#session = { connection, outstanding, sending: new Way(connection, outstanding) };
    outstanding.onLate = () => void this.#ask(connection);
  }

  #end(detail: string): void {
    const session = this.#session;
    this.#session = undefined;
    session?.outstanding.settleAll(fault('timeout', detail));
  }

  #denied(operation: string, subject: string): void {
    if (operation === 'publish') {
      const detail = `The credentials do not allow to publish to ${subject}`;
      this.#session?.outstanding.settleSubject(subject, fault('denied', detail));
    } else {
      // Deaf to acknowledgements; the next connection may be allowed to hear them.
      this.#link.abandon(`the credentials do not allow to subscribe to ${subject}`);
    }
  }

  /** Whether anything comes from a connection on which acknowledgements stay out. */
  async #ask(connection: NatsConnection): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { ackMs } = this.#options;
    const silence = new Error(`no answer within ${ackMs} ms`);
    try {
      await withDeadline(connection.flush(), ackMs, this.#scheduler, () => silence);
    } catch (error) {
      if (error === silence && this.#session?.connection === connection) {
        this.#link.abandon(silence.message);
      }
    } finally {
      this.#isAsking = false;
    }
  }

  #counted(outcome: PublishOutcome): PublishOutcome {
    if (outcome.ok) {
      this.#acknowledged += 1;
      if (outcome.duplicate) this.#duplicates += 1;
    } else {
      const { kind } = outcome.fault;
      this.#failed[kind] = (this.#failed[kind] ?? 0) + 1;
    }
    return outcome;
  }

  #whyAway(): string {
    const { lastError, state } = this.#link;
    if (state === 'closed' || this.#closing !== undefined) return 'The bus is closed';
    return lastError === undefined ? 'Not connected to NATS' : `Not connected to NATS (${lastError})`;
  }
}
