/**
 * The ledger in Redis: one script call per operation, on the six keys of its partition, which lie
 * under one hash tag. What an operation does is in `*.lua`, and is the same as in
 * `../specification`; this only carries it there and back.
 */
import type {
  BeatReply, BeatRequest, Caller, DiffReply, DiffRequest, JoinReply, JoinRequest, Ledger,
  LedgerAck, PartitionName, PullReply, PullRequest, PushReply, PushRequest, SweepReply,
  SweepRequest,
} from '../ledger.ts';
import { LedgerError } from '../ledger.ts';
import { Acknowledger } from './acknowledger.ts';
import { type Argument, RedisConnection } from './connection.ts';
import { evaluate, type Send } from './evaluate.ts';
import { checkEviction } from './eviction.ts';
import type { RedisLedgerOptions } from './options.ts';
import { type Script, SCRIPTS } from './scripts.ts';
import {
  beatArguments, beatReply, callerArgument, diffArguments, diffReply, joinArguments, joinReply,
  pullArguments, pullReply, pushArguments, pushReply, sweepArguments, sweepReply,
} from './wire.ts';

/** Suffixes of a partition's keys, in the order of KEYS. */
const KEYS = ['m', 'r', 'd', 'x', 'l', 'o'] as const;
const REGISTRY = 'registry';

export class RedisLedger implements Ledger {
  readonly #options: RedisLedgerOptions;
  readonly #connection: RedisConnection;
  /** Made with the first push that needs one. */
  #acknowledger: Acknowledger | undefined;
  #isClosed = false;

  /** Connects in the background; what is asked before that waits for the first attempt. */
  constructor(options: RedisLedgerOptions) {
    this.#options = options;
    this.#connection = new RedisConnection(options);
  }

  get traffic(): { readonly sent: number; readonly received: number } {
    const first = this.#connection.traffic;
    const second = this.#acknowledger?.traffic;
    return {
      sent: first.sent + (second?.sent ?? 0),
      received: first.received + (second?.received ?? 0),
    };
  }

  async join(request: JoinRequest): Promise<JoinReply> {
    this.#mustBeOpen();
    await checkEviction(this.#connection);
    const caller = { actor: request.actor, predecessors: [], epoch: 0 };
    const args = this.#arguments(REGISTRY, caller, joinArguments(request));
    return this.#answer(SCRIPTS.join, args, joinReply);
  }

  async push(
    at: PartitionName, request: PushRequest, ack: LedgerAck = 'applied',
  ): Promise<PushReply> {
    const endsOnly = request.records.every(({ siblings }) => siblings.length === 0);
    const script = endsOnly ? SCRIPTS.end : SCRIPTS.push;
    const args = this.#arguments(tagOf(at), request.caller, pushArguments(request));
    if (ack === 'applied') return this.#answer(script, args, pushReply);
    this.#mustBeOpen();
    this.#acknowledger ??= new Acknowledger(this.#options);
    return decoded(await this.#acknowledger.run(script, args, ack), pushReply);
  }

  async pull(at: PartitionName, request: PullRequest): Promise<PullReply> {
    const args = this.#arguments(tagOf(at), request.caller, pullArguments(request));
    return this.#answer(SCRIPTS.pull, args, (reply) => pullReply(reply, request));
  }

  async diff(at: PartitionName, request: DiffRequest): Promise<DiffReply> {
    const args = this.#arguments(tagOf(at), request.caller, diffArguments(request));
    return this.#answer(SCRIPTS.diff, args, diffReply);
  }

  async beat(at: PartitionName, request: BeatRequest): Promise<BeatReply> {
    const args = this.#arguments(tagOf(at), request.caller, beatArguments(request));
    return this.#answer(SCRIPTS.beat, args, beatReply);
  }

  async sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply> {
    const args = this.#arguments(tagOf(at), request.caller, sweepArguments(request));
    return this.#answer(SCRIPTS.sweep, args, sweepReply);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection.close();
    this.#acknowledger?.close();
  }

  /** From the number of keys on. */
  #arguments(tag: string, caller: Caller, own: readonly Buffer[]): Argument[] {
    const { keyPrefix, instant } = this.#options;
    const { now, replid } = instant?.() ?? { now: '', replid: '' };
    const keys = KEYS.map((suffix) => `${keyPrefix}{${tag}}:${suffix}`);
    return [keys.length, ...keys, String(now), replid, callerArgument(caller), ...own];
  }

  async #answer<Reply>(
    script: Script, args: readonly Argument[], decode: (reply: unknown) => Reply,
  ): Promise<Reply> {
    this.#mustBeOpen();
    const send: Send = (command, sent) => this.#connection.call(command, sent);
    return decoded(await evaluate(send, script, args), decode);
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new LedgerError('unavailable', 'Cannot ask the ledger: it is closed');
  }
}

function tagOf({ namespace, partition }: PartitionName): string {
  return `${namespace}:${partition}`;
}

function decoded<Reply>(reply: unknown, decode: (reply: unknown) => Reply): Reply {
  try {
    return decode(reply);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const told = `Cannot read the ledger's reply: ${message}`;
    throw new LedgerError('nonsense', told, { cause: error });
  }
}
