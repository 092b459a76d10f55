/** A way to the ledger on which requests and answers get lost, late, or arrive twice. */
import {
  type BeatReply, type BeatRequest, type DiffReply, type DiffRequest, type JoinReply,
  type JoinRequest, type Ledger, type LedgerAck, LedgerError, type LedgerFault,
  type PartitionName, type PullReply, type PullRequest, type PushReply, type PushRequest,
  type SweepReply, type SweepRequest,
} from '../../src/ledger/ledger.ts';
import type { SimulatedTime } from './simulated-time.ts';

export interface Faults {
  /** Shares of all requests, 0 to 1. */
  readonly lostRequests: number;
  readonly lostAnswers: number;
  readonly duplicates: number;
  /** One way takes up to this. */
  readonly delayMs: number;
}
export const NO_FAULTS: Faults = { lostRequests: 0, lostAnswers: 0, duplicates: 0, delayMs: 0 };

/** One request, as it was sent. */
export interface Sent {
  readonly operation: 'join' | 'push' | 'pull' | 'diff' | 'beat' | 'sweep';
  readonly at: PartitionName | undefined;
  readonly request: unknown;
  readonly sentAt: number;
  reply?: unknown;
}

export class FaultyLedger implements Ledger {
  readonly traffic = { sent: 0, received: 0 };
  readonly sent: Sent[] = [];
  readonly #inner: Ledger;
  readonly #time: SimulatedTime;
  readonly #random: () => number;
  faults: Faults = NO_FAULTS;
  /** No connection. */
  away = false;
  /** What the server refuses, and how. */
  refuses: (sent: Sent) => LedgerFault | undefined = () => undefined;
  /** Whose answers get lost; `reply` is what they would be. */
  loses: (answered: Sent) => boolean = () => false;
  /** The next of these go wrong as told, one after the other. */
  readonly script: {
    readonly operation: Sent['operation'];
    readonly fate: 'lose-request' | 'lose-answer' | LedgerFault | ((reply: never) => unknown);
  }[] = [];

  constructor(inner: Ledger, time: SimulatedTime, random: () => number) {
    this.#inner = inner;
    this.#time = time;
    this.#random = random;
  }

  join(request: JoinRequest): Promise<JoinReply> {
    return this.#carry('join', undefined, request, () => this.#inner.join(request));
  }

  push(at: PartitionName, request: PushRequest, ack?: LedgerAck): Promise<PushReply> {
    return this.#carry('push', at, request, () => this.#inner.push(at, request, ack));
  }

  pull(at: PartitionName, request: PullRequest): Promise<PullReply> {
    return this.#carry('pull', at, request, () => this.#inner.pull(at, request));
  }

  diff(at: PartitionName, request: DiffRequest): Promise<DiffReply> {
    return this.#carry('diff', at, request, () => this.#inner.diff(at, request));
  }

  beat(at: PartitionName, request: BeatRequest): Promise<BeatReply> {
    return this.#carry('beat', at, request, () => this.#inner.beat(at, request));
  }

  sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply> {
    return this.#carry('sweep', at, request, () => this.#inner.sweep(at, request));
  }

  async close(): Promise<void> {}

  /** Operations sent, oldest first. */
  operations(): string[] {
    return this.sent.map(({ operation }) => operation);
  }

  /** Pushes sent, oldest first. */
  pushes(): PushRequest[] {
    return this.sent
      .filter(({ operation }) => operation === 'push')
      .map(({ request }) => request as PushRequest);
  }

  async #carry<R>(
    operation: Sent['operation'],
    at: PartitionName | undefined,
    request: unknown,
    act: () => Promise<R>,
  ): Promise<R> {
    const sent: Sent = { operation, at, request, sentAt: this.#time.now() };
    this.sent.push(sent);
    const planned = this.script.findIndex((each) => each.operation === operation);
    const fate = planned < 0 ? undefined : this.script.splice(planned, 1)[0]!.fate;
    if (this.away) throw new LedgerError('unavailable', 'Cannot reach the ledger: it is away');
    const { lostRequests, lostAnswers, duplicates, delayMs } = this.faults;
    if (fate === 'lose-request' || this.#random() < lostRequests) return never();
    if (typeof fate === 'string' && fate !== 'lose-answer') throw new LedgerError(fate, fate);
    const refused = this.refuses(sent);
    if (refused !== undefined) throw new LedgerError(refused, `refused: ${refused}`);
    await this.#wait(delayMs);
    const reply = await act();
    // A copy of the same bytes that comes later, when others may have been there meanwhile.
    if (this.#random() < duplicates) {
      this.#time.after(this.#random() * 4 * delayMs, () => void act().catch(() => {}));
    }
    if (fate === 'lose-answer' || this.#random() < lostAnswers) return never();
    if (this.loses({ ...sent, reply })) return never();
    await this.#wait(delayMs);
    if (this.away) throw new LedgerError('unavailable', 'Cannot reach the ledger: it is away');
    sent.reply = typeof fate === 'function' ? fate(reply as never) : reply;
    return sent.reply as R;
  }

  #wait(delayMs: number): Promise<void> | undefined {
    if (delayMs === 0) return undefined;
    return new Promise((resolve) => this.#time.after(this.#random() * delayMs, resolve));
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
