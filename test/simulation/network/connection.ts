/**
 * A client's end of the network: one connection at a time to one host, made anew when it is lost, as
 * the adapters of the product do. Whatever was asked over a connection that is lost gets no answer;
 * it may have arrived all the same.
 */
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import type { Host, HostedConnection } from './host.ts';
import { Inbox } from './inbox.ts';

export interface ConnectionParts {
  readonly process: SimulatedProcess;
  /** Where the process is, by the names of the network. */
  readonly place: string;
  readonly host: Host;
  /** A connection is not waited for any longer. */
  readonly connectMs: number;
  /** How long to wait after failed attempt `attempt`, counted from 0. */
  readonly retryMs: (attempt: number) => number;
  readonly opened: () => void;
  /** It is lost, or an attempt failed. */
  readonly lost: (detail: string) => void;
}

/** `opening` is the first attempt only: after that it is `down` until there is one. */
export type ConnectionState = 'opening' | 'open' | 'down' | 'closed';

export class Connection implements HostedConnection {
  readonly #parts: ConnectionParts;
  readonly #inbox: Inbox;
  #state: ConnectionState = 'opening';
  /** Each attempt is one: what belongs to an earlier one counts no more. */
  #session = 0;
  #failures = 0;
  #heardAtMs = 0;
  #callOff = (): void => {};

  /** Connects at once, in the background. */
  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#inbox = new Inbox(parts.process);
    parts.host.connect(this);
    this.#open();
  }

  get place(): string {
    return this.#parts.place;
  }

  get isUsed(): boolean {
    return this.#parts.process.alive && this.#state !== 'closed';
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** How long nothing at all has come, by the monotonic clock. */
  get silentMs(): number {
    return this.#parts.process.monotonicMs() - this.#heardAtMs;
  }

  /**
   * Carries a request to the host, calls `arrive` there, as often as it arrives, and `answered` in
   * the process with what `arrive` answered, while the connection lasts.
   */
  ask<Answer>(
    label: string,
    arrive: (answer: (answer: Answer) => void) => void,
    answered: (answer: Answer) => void,
  ): void {
    if (!this.isUsed) return;
    const { process, place, host } = this.#parts;
    const session = this.#session;
    const answer = (given: Answer): void =>
      this.#carryBack(label, session, () => answered(given));
    host.network.send(
      place, host.place, label,
      () => host.admit(() => arrive(answer), () => this.reset(session)),
      process.trueMs,
    );
  }

  /** This side leaves it, and makes another. */
  abandon(detail: string): void {
    if (this.#state === 'open') this.#lose(detail);
  }

  close(): void {
    this.#callOff();
    this.#state = 'closed';
  }

  reset(session: number = this.#session): void {
    this.#carryBack('reset', session, () => this.#lose('connection reset'));
  }

  #carryBack(label: string, session: number, work: () => void): void {
    const { host, place } = this.#parts;
    host.network.send(host.place, place, label, () =>
      this.#inbox.put(label, () => {
        if (session !== this.#session || this.#state === 'closed') return;
        this.#heardAtMs = this.#parts.process.monotonicMs();
        work();
      }),
    );
  }

  #open(): void {
    const { process, connectMs, opened } = this.#parts;
    this.#session += 1;
    this.#callOff = process.after(connectMs, () => this.#lose('connecting timed out'));
    this.ask<undefined>('connect', (answer) => answer(undefined), () => {
      // Some messages arrive twice.
      if (this.#state === 'open') return;
      this.#callOff();
      this.#failures = 0;
      this.#state = 'open';
      opened();
    });
  }

  #lose(detail: string): void {
    const { process, retryMs, lost } = this.#parts;
    this.#callOff();
    this.#session += 1;
    this.#state = 'down';
    this.#callOff = process.after(retryMs(this.#failures), () => this.#open());
    this.#failures += 1;
    lost(detail);
  }
}
