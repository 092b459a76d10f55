/**
 * Sending over one connection, and learning what became of it. Two ways: a stream's acknowledgement
 * of each message, or the round trip of a `PING` behind several.
 *
 * The client publishes to JetStream one by one, with a request each, at a tenth of what the server
 * takes. Here one subscription receives every acknowledgement, and the number of the message is the
 * last token of the subject it is sent to.
 */
import { createInbox, type Msg, type NatsConnection } from 'nats';
import type { BusMessage } from '../bus.ts';
import { failed, outcomeOf, sentenceOf } from './faults.ts';
import { headersOf } from './headers.ts';
import type { Done, Outstanding } from './outstanding.ts';
import { STREAM_NAMES } from './streams.ts';

export interface Sending {
  /** `done` is called later, exactly once. */
  send(message: BusMessage, done: Done): void;
}

const NUMBER_RADIX = 36;

/** At least once: a stream says that it has it. */
export class AcknowledgedSending implements Sending {
  readonly #connection: NatsConnection;
  readonly #outstanding: Outstanding;
  /** What the subjects of the answers begin with; of this connection only. */
  readonly #inbox: string;

  constructor(connection: NatsConnection, outstanding: Outstanding) {
    this.#connection = connection;
    this.#outstanding = outstanding;
    this.#inbox = `${createInbox()}.`;
    connection.subscribe(`${this.#inbox}*`, {
      callback: (error, answer) => {
        // An error ends the subscription; what is outstanding is given up in time.
        if (error === null) this.#answered(answer);
      },
    });
  }

  send(message: BusMessage, done: Done): void {
    const number = this.#outstanding.add(message, done);
    try {
      this.#connection.publish(message.subject, message.body, {
        reply: this.#inbox + number.toString(NUMBER_RADIX),
        headers: headersOf(message),
      });
    } catch (error) {
      refuse(this.#outstanding, number, done, error);
    }
  }

  #answered(answer: Msg): void {
    const number = Number.parseInt(answer.subject.slice(this.#inbox.length), NUMBER_RADIX);
    const stream = this.#outstanding.streamOf(number);
    // Given up before.
    if (stream === undefined) return;
    this.#outstanding.settle(number, outcomeOf(answer, STREAM_NAMES[stream]));
  }
}

/**
 * At most once: the server has it, and passes it to whoever listens at that moment. What is sent in
 * one turn, and while an earlier round trip is under way, shares the next one.
 */
export class FlushedSending implements Sending {
  readonly #connection: NatsConnection;
  readonly #outstanding: Outstanding;
  #isFlushing = false;

  constructor(connection: NatsConnection, outstanding: Outstanding) {
    this.#connection = connection;
    this.#outstanding = outstanding;
  }

  send(message: BusMessage, done: Done): void {
    const number = this.#outstanding.add(message, done);
    try {
      this.#connection.publish(message.subject, message.body, { headers: headersOf(message) });
    } catch (error) {
      refuse(this.#outstanding, number, done, error);
      return;
    }
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    const last = this.#outstanding.last;
    try {
      await this.#connection.flush();
    } catch {
      // The connection is gone: what is outstanding ends with it.
      return;
    }
    // A permission that is missing was told before, but reaches this side a few turns later.
    await new Promise((resolve) => setImmediate(resolve));
    this.#outstanding.settleUpTo(last, { ok: true, sequence: 0, duplicate: false });
    this.#isFlushing = this.#outstanding.size > 0;
    if (this.#isFlushing) void this.#flush();
  }
}

/** What the client would not even send: too large, or its connection closed a moment ago. */
function refuse(outstanding: Outstanding, number: number, done: Done, error: unknown): void {
  outstanding.withdraw(number);
  const isClosed = (error as { code?: unknown }).code === 'CONNECTION_CLOSED';
  const detail = `Cannot send it: ${sentenceOf(error)}`;
  queueMicrotask(() => done(failed(isClosed ? 'away' : 'refused', detail)));
}
