/**
 * The ledger as one sidecar has it: over the network, and with what the adapter of Redis does to its
 * callers. Nothing is queued for a connection that is down: a request fails at once. One without an
 * answer is given up in time, and a connection from which nothing comes any more is left.
 */
import {
  type BeatReply, type BeatRequest, type DiffReply, type DiffRequest, type JoinReply,
  type JoinRequest, type Ledger, type LedgerAck, LedgerError, type PartitionName,
  type PullReply, type PullRequest, type PushReply, type PushRequest, type SweepReply,
  type SweepRequest,
} from '../../../src/ledger/ledger.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import { Connection } from './connection.ts';
import { copyOf, type Meter } from './copy.ts';
import type { AskedOfLedger, LedgerAnswer, LedgerServer } from './ledger-server.ts';

/** As the adapter's. */
const RETRY_MIN_MS = 20;
const RETRY_BASE_MS = 50;
const RETRY_CAP_MS = 5_000;

/** A request without an answer so far. */
interface Waiting {
  readonly reject: (error: LedgerError) => void;
  cancel: () => void;
}

export interface LedgerLinkParts {
  readonly process: SimulatedProcess;
  /** Where the process is, by the names of the network. */
  readonly place: string;
  readonly server: LedgerServer;
  readonly timeoutMs: number;
}

export class LedgerLink implements Ledger {
  readonly #process: SimulatedProcess;
  readonly #place: string;
  readonly #server: LedgerServer;
  readonly #timeoutMs: number;
  readonly #connection: Connection;
  readonly #waiting = new Set<Waiting>();
  readonly #sent: Meter = { bytes: 0 };
  readonly #received: Meter = { bytes: 0 };
  /** Asked before the first attempt to connect had an end. */
  #early: (() => void)[] = [];
  #lastComplaint = 'not connected';

  /** Connects at once, in the background. */
  constructor({ process, place, server, timeoutMs }: LedgerLinkParts) {
    this.#process = process;
    this.#place = place;
    this.#server = server;
    this.#timeoutMs = timeoutMs;
    this.#connection = new Connection({
      process, place,
      host: server.host,
      connectMs: timeoutMs,
      retryMs: (attempt) => {
        const most = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(attempt + 1, 16));
        return RETRY_MIN_MS + Math.floor(process.random() * (most - RETRY_MIN_MS));
      },
      opened: () => this.#sendEarly(),
      lost: (detail) => this.#lost(detail),
    });
  }

  get traffic(): { readonly sent: number; readonly received: number } {
    return { sent: this.#sent.bytes, received: this.#received.bytes };
  }

  join(request: JoinRequest): Promise<JoinReply> {
    return this.#ask({ operation: 'join', request });
  }

  push(at: PartitionName, request: PushRequest, ack: LedgerAck = 'applied'): Promise<PushReply> {
    return this.#ask({ operation: 'push', at, request, ack });
  }

  pull(at: PartitionName, request: PullRequest): Promise<PullReply> {
    return this.#ask({ operation: 'pull', at, request });
  }

  diff(at: PartitionName, request: DiffRequest): Promise<DiffReply> {
    return this.#ask({ operation: 'diff', at, request });
  }

  beat(at: PartitionName, request: BeatRequest): Promise<BeatReply> {
    return this.#ask({ operation: 'beat', at, request });
  }

  sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply> {
    return this.#ask({ operation: 'sweep', at, request });
  }

  async close(): Promise<void> {
    this.#connection.close();
    this.#rejectAll('the connection was closed');
  }

  #ask<Reply>(asked: Omitting<AskedOfLedger, 'from'>): Promise<Reply> {
    const { state } = this.#connection;
    if (state === 'down' || state === 'closed') return Promise.reject(this.#unreachable());
    // As it is now: the caller may go on to change what it handed over.
    const sent = copyOf({ ...asked, from: this.#place } as AskedOfLedger, this.#sent);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { reject, cancel: () => {} };
      this.#waiting.add(waiting);
      // Whoever waits for a replica or a disk may stand behind another such wait.
      const waits = sent.operation === 'push' && sent.ack !== 'applied';
      const limitMs = waits ? 2 * this.#timeoutMs : this.#timeoutMs;
      waiting.cancel = this.#process.after(limitMs, () => this.#late(waiting, sent, limitMs));
      const send = (): void => {
        if (this.#waiting.has(waiting)) this.#send(sent, waiting, resolve);
      };
      if (state === 'opening') this.#early.push(send);
      else send();
    });
  }

  #send(sent: AskedOfLedger, waiting: Waiting, resolve: (reply: never) => void): void {
    this.#connection.ask<LedgerAnswer>(
      sent.operation,
      (answer) => this.#server.take(sent, answer),
      (answer) => {
        // It was given up, or this is the answer to its second copy.
        if (!this.#waiting.delete(waiting)) return;
        waiting.cancel();
        if (answer.ok) resolve(copyOf(answer.reply, this.#received) as never);
        else waiting.reject(new LedgerError(answer.fault, `The ledger answered: ${answer.message}`));
      },
    );
  }

  #sendEarly(): void {
    for (const send of this.#early.splice(0)) send();
  }

  #late(waiting: Waiting, { operation }: AskedOfLedger, limitMs: number): void {
    if (!this.#waiting.delete(waiting)) return;
    const late = `The ledger did not answer ${operation} within ${limitMs} ms`;
    waiting.reject(new LedgerError('timeout', late));
    if (this.#connection.state === 'open' && this.#connection.silentMs >= this.#silenceMs) {
      this.#connection.abandon('socket timeout');
    }
  }

  get #silenceMs(): number {
    return 2 * this.#timeoutMs + 500;
  }

  #lost(detail: string): void {
    this.#early = [];
    this.#lastComplaint = detail;
    this.#rejectAll(detail);
  }

  #rejectAll(detail: string): void {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const { reject, cancel } of all) {
      cancel();
      reject(new LedgerError('unavailable', `The ledger cannot be reached: ${detail}`));
    }
  }

  #unreachable(): LedgerError {
    return new LedgerError('unavailable', `The ledger cannot be reached: ${this.#lastComplaint}`);
  }
}

/** Of each of several types. */
type Omitting<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
