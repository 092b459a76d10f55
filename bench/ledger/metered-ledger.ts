/**
 * Stands between a sidecar and the ledger: counts its requests and bytes by operation, and can be
 * shut, so that nothing is asked while somebody else is measured.
 */
import type {
  BeatReply, BeatRequest, DiffReply, DiffRequest, JoinReply, JoinRequest, Ledger, LedgerAck,
  PartitionName, PullReply, PullRequest, PushReply, PushRequest, SweepReply, SweepRequest,
} from '../../src/ledger/ledger.ts';

export type Operation = 'join' | 'push' | 'pull' | 'diff' | 'beat' | 'sweep';

export interface Usage {
  requests: number;
  sent: number;
  received: number;
}

export class MeteredLedger implements Ledger {
  readonly #inner: Ledger;
  readonly #oneAtATime: boolean;
  #usage = new Map<Operation, Usage>();
  #byPartition = new Map<number, number>();
  #last: Promise<unknown> = Promise.resolve();
  #opened: Promise<void> = Promise.resolve();
  #open: (() => void) | undefined;

  /** `oneAtATime`: bytes can be told apart by operation, since no two of them are on the wire. */
  constructor(inner: Ledger, { oneAtATime = false } = {}) {
    this.#inner = inner;
    this.#oneAtATime = oneAtATime;
  }

  get traffic(): { readonly sent: number; readonly received: number } {
    return this.#inner.traffic;
  }

  /** Since the last `reset`; bytes only when one at a time. */
  usage(operation: Operation): Readonly<Usage> {
    return this.#usage.get(operation) ?? { requests: 0, sent: 0, received: 0 };
  }

  get requests(): number {
    return [...this.#usage.values()].reduce((sum, { requests }) => sum + requests, 0);
  }

  /** Of the partition that was asked most. One follows the other there: these are round trips. */
  get mostInOnePartition(): number {
    return Math.max(0, ...this.#byPartition.values());
  }

  reset(): void {
    this.#usage = new Map();
    this.#byPartition = new Map();
  }

  /** Requests wait from here on. */
  shut(): void {
    if (this.#open !== undefined) return;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open?.();
    this.#open = undefined;
  }

  join(request: JoinRequest): Promise<JoinReply> {
    return this.#pass('join', undefined, () => this.#inner.join(request));
  }

  push(at: PartitionName, request: PushRequest, ack?: LedgerAck): Promise<PushReply> {
    return this.#pass('push', at, () => this.#inner.push(at, request, ack));
  }

  pull(at: PartitionName, request: PullRequest): Promise<PullReply> {
    return this.#pass('pull', at, () => this.#inner.pull(at, request));
  }

  diff(at: PartitionName, request: DiffRequest): Promise<DiffReply> {
    return this.#pass('diff', at, () => this.#inner.diff(at, request));
  }

  beat(at: PartitionName, request: BeatRequest): Promise<BeatReply> {
    return this.#pass('beat', at, () => this.#inner.beat(at, request));
  }

  sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply> {
    return this.#pass('sweep', at, () => this.#inner.sweep(at, request));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #pass<T>(operation: Operation, at: PartitionName | undefined, send: () => Promise<T>): Promise<T> {
    await this.#opened;
    if (!this.#oneAtATime) {
      this.#count(operation, at);
      return send();
    }
    const before = this.#last.catch(() => {});
    const asked = before.then(async () => {
      const { sent, received } = this.traffic;
      try {
        return await send();
      } finally {
        const { traffic } = this;
        this.#count(operation, at, traffic.sent - sent, traffic.received - received);
      }
    });
    this.#last = asked;
    return asked;
  }

  #count(operation: Operation, at: PartitionName | undefined, sent = 0, received = 0): void {
    let usage = this.#usage.get(operation);
    if (usage === undefined) {
      usage = { requests: 0, sent: 0, received: 0 };
      this.#usage.set(operation, usage);
    }
    usage.requests += 1;
    usage.sent += sent;
    usage.received += received;
    if (at !== undefined) {
      this.#byPartition.set(at.partition, (this.#byPartition.get(at.partition) ?? 0) + 1);
    }
  }
}
