/**
 * Pushes that count only when a replica has them, or a disk. Redis answers a script at once; `WAIT`
 * and `WAITAOF` on the same connection answer when everything that connection wrote so far has got
 * that far. They hold up what comes behind them, so these pushes have a connection of their own,
 * and those that finish while one wait is under way share the next.
 */
import { Command, type Redis } from 'ioredis';
import { type LedgerAck, LedgerError } from '../ledger.ts';
import { type Argument, RedisConnection } from './connection.ts';
import { evaluate } from './evaluate.ts';
import { RefusedError } from './faults.ts';
import type { RedisConnectionOptions } from './options.ts';
import type { Script } from './scripts.ts';
import type { Traffic } from './traffic.ts';

export type Acknowledgement = Exclude<LedgerAck, 'applied'>;

const COMMANDS: Readonly<Record<Acknowledgement, readonly [string, ...number[]]>> = {
  replicated: ['wait', 1],
  fsynced: ['waitaof', 1, 0],
};
/** What the first number of the reply must be at least. */
const ENOUGH = 1;

/** The connection a wait went over: what it says is about writes on that one only. */
type Stream = Redis['stream'];

interface Waits {
  current: Promise<Stream> | undefined;
  next: Promise<Stream> | undefined;
}

export class Acknowledger {
  readonly #connection: RedisConnection;
  readonly #timeoutMs: number;
  readonly #waits = new WeakMap<Redis, Record<Acknowledgement, Waits>>();

  constructor(options: RedisConnectionOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#connection = new RedisConnection(options);
  }

  get traffic(): Traffic {
    return this.#connection.traffic;
  }

  /**
   * `args` as for `evaluate`.
   *
   * @throws LedgerError `timeout` also when it has not got that far in time
   */
  async run(script: Script, args: readonly Argument[], ack: Acknowledgement): Promise<unknown> {
    const slot = new Command('evalsha', [script.sha, ...args] as (string | Buffer)[]).getSlot();
    const master = await this.#connection.masterOf(slot ?? 0);
    if (master === undefined) {
      this.#connection.refresh();
      throw new LedgerError('unavailable', 'The ledger has no master for this partition');
    }
    let reply: unknown;
    try {
      // It may stand behind a wait.
      const send = (command: string, sent: readonly Argument[]): Promise<unknown> =>
        this.#connection.callOn(master, command, sent, 2 * this.#timeoutMs);
      reply = await evaluate(send, script, args);
    } catch (error) {
      this.#connection.refresh();
      throw error;
    }
    // The one the reply has just come over.
    const { stream } = master;
    if ((await this.#waited(master, ack)) !== stream) {
      const broke = 'The connection to the ledger broke before it confirmed';
      throw new LedgerError('unavailable', broke);
    }
    return reply;
  }

  close(): void {
    this.#connection.close();
  }

  /** A wait that begins after now, shared with whoever else asks before it does. */
  #waited(master: Redis, ack: Acknowledgement): Promise<Stream> {
    let both = this.#waits.get(master);
    if (both === undefined) {
      both = {
        replicated: { current: undefined, next: undefined },
        fsynced: { current: undefined, next: undefined },
      };
      this.#waits.set(master, both);
    }
    const waits = both[ack];
    const begin = (): Promise<Stream> => {
      waits.current = waits.next;
      waits.next = undefined;
      return this.#wait(master, ack);
    };
    waits.next ??= (waits.current ?? Promise.resolve()).then(begin, begin);
    return waits.next;
  }

  async #wait(master: Redis, ack: Acknowledgement): Promise<Stream> {
    const { stream } = master;
    const [command, ...numbers] = COMMANDS[ack];
    let reply: unknown;
    try {
      const args = [...numbers, this.#timeoutMs];
      reply = await this.#connection.callOn(master, command, args, 2 * this.#timeoutMs);
    } catch (error) {
      throw explained(error);
    }
    const reached = Array.isArray(reply) ? reply[0] : reply;
    if (typeof reached !== 'number') {
      throw new LedgerError('nonsense', `The ledger answered ${command} without a number`);
    }
    if (reached < ENOUGH) {
      const who = ack === 'replicated' ? 'no replica' : 'no disk';
      const late = `${who} has confirmed it within ${this.#timeoutMs} ms`;
      throw new LedgerError('timeout', `The push was applied, but ${late}`);
    }
    return stream;
  }
}

function explained(error: unknown): unknown {
  if (!(error instanceof RefusedError)) return error;
  switch (error.complaint) {
    case 'unknown-command':
      return misconfigured('ledgerAck fsynced needs Redis 7.2 or newer, which has WAITAOF');
    case 'no-append-only-file':
      return misconfigured('ledgerAck fsynced needs an append-only file: set appendonly yes');
    default:
      return error;
  }
}

function misconfigured(message: string): LedgerError {
  return new LedgerError('misconfigured', message);
}
