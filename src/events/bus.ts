/**
 * The bus port: where events go. Two adapters stand behind it, NATS and one in memory, and pass one
 * conformance suite. The port moves bytes and tells what became of them; order, retries and what is
 * kept until then are the publisher's.
 */

/** The two streams: endings push back when full, the other events push out their oldest. */
export const STREAMS = ['endings', 'events'] as const;
export type StreamName = (typeof STREAMS)[number];

export interface BusMessage {
  readonly stream: StreamName;
  readonly subject: string;
  /** The same for every attempt: the bus recognises repeats by it while it remembers. */
  readonly id: string;
  /** Names and values, beside the id. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

/** What went wrong, by what can be done about it. */
export type BusFaultKind =
  /** Not connected: nothing was sent. */
  | 'away'
  /** Sent, and no answer: it may be stored or not. */
  | 'timeout'
  /** The stream takes no more until something leaves it. */
  | 'full'
  /** There is no such stream. */
  | 'no-stream'
  /** The credentials do not allow it. */
  | 'denied'
  /** Any other refusal. */
  | 'refused';

export interface BusFault {
  readonly kind: BusFaultKind;
  /** A sentence for the log. */
  readonly detail: string;
}

export type PublishOutcome =
  | {
      readonly ok: true;
      /** Its place in the stream; 0 where the bus keeps none (core NATS). */
      readonly sequence: number;
      /** The bus had it already. */
      readonly duplicate: boolean;
    }
  | { readonly ok: false; readonly fault: BusFault };

/** A stream as the bus has it now. */
export interface StreamState {
  readonly name: string;
  /** When it was created: another instant means another stream under the same name. */
  readonly created: string;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** What it has set otherwise than it should, in words an operator can act on. */
  readonly differences: readonly string[];
}

export type BusState = 'connecting' | 'connected' | 'away' | 'closed';

export interface Bus {
  readonly kind: 'nats' | 'embedded';
  /**
   * `jetstream`: an acknowledgement means that a stream has it. `core`: that the server has it, and
   * whoever listens just then may get it, at most once.
   */
  readonly mode: 'jetstream' | 'core';
  readonly state: BusState;
  /** Called after each change of `state`, never from within a call of the port. */
  onState: (state: BusState, detail: string) => void;
  /**
   * Sends one message. `done` is called exactly once, never from within this call. Never throws, and
   * holds nothing back while not connected: that is an outcome (`away`).
   */
  publish(message: BusMessage, done: (outcome: PublishOutcome) => void): void;
  /**
   * Creates the streams that are absent, and tells how they all are. Without streams (`core`)
   * undefined. @throws Error with a sentence when the bus does not answer or does not allow it
   */
  prepare(): Promise<Readonly<Record<StreamName, StreamState>> | undefined>;
  /** For the status page. */
  status(): object;
  /** Sends what is buffered, within `budgetMs`, and lets the connection go. */
  close(budgetMs: number): Promise<void>;
}
