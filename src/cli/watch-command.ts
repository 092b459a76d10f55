/**
 * `leasehold watch`: the events of a sidecar as they happen, across lost connections.
 *
 * It asks for the present cursor before it watches, so that nothing between the start and the first
 * event is lost when the connection breaks; from then on the last event's id says where to go on.
 * Reconnecting waits a random time below a doubling bound (full jitter), so that many watchers of a
 * restarted sidecar do not return in step, and gives up after a number of failures in a row.
 */
import { StringDecoder } from 'node:string_decoder';
import type { Command } from 'commander';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { type Client, queryOf } from './client.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { eventLine, resyncLine } from './event-line.ts';
import { printable, spoken } from './printable.ts';
import { Refused } from './problem.ts';
import { clientFor, remote, type RemoteOptions, wholeNumber } from './remote.ts';

const BACKOFF_BASE_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** A sidecar may ask for more patience than our own bound, but not for any amount of it. */
const ASKED_PATIENCE_MAX_MS = 60_000;
/** An event holds at most one value, in base64. */
const EVENT_CHARACTERS_MAX = 96 * 1024 ** 2;

interface WatchOptions extends RemoteOptions {
  readonly namespace?: string;
  readonly prefix?: string;
  readonly types?: string;
  readonly lease?: string;
  readonly since?: string;
  readonly retries: number;
  /** `true` where its URL is in the environment. */
  readonly bus?: string | true;
  readonly endings?: boolean;
  readonly core?: boolean;
  readonly creds?: string;
  readonly max?: number;
}

/** Options that mean something on a bus only. */
const OF_THE_BUS = ['endings', 'core', 'creds', 'max'] as const;

export function addWatchCommand(program: Command, io: CommandIo): void {
  remote(program.command('watch'))
    .description('print events as they happen: one line each, or the CloudEvent with --json')
    .option('--namespace <name>', 'of this namespace')
    .option('--prefix <prefix>', 'of keys that begin with this')
    .option('--types <list>', 'comma-separated: entry.created,lease.ended')
    .option('--lease <id>', 'of this lease')
    .option('--since <cursor>', 'from this cursor on, or place in a stream (default: from now on)')
    .option('--retries <count>', 'failures in a row before it gives up', wholeNumber, 10)
    .option('--bus [url]', 'what is on NATS instead: nats://host:port (LEASEHOLD_BUS_URL)')
    .option('--endings', 'of a bus: only endings')
    .option('--core', 'of a bus: listen to what passes by, without JetStream')
    .option('--creds <file>', 'of a bus: a credentials file')
    .option('--max <count>', 'of a bus: end after so many events', wholeNumber)
    .addHelpText(
      'after',
      '\nIt reconnects by itself and goes on where it was. What was lost meanwhile is noted: as a\n' +
        'line on stderr, or as {"resync": …} with --json.\n' +
        '\nWith --bus it reads the streams that sidecars publish to, of all of them at once. --since\n' +
        'is then start, now, or an age like 10m. What is missing between the sequences of a source is\n' +
        'noted, as a line on stderr or as {"gap": …}; what comes twice is shown once. With tls://\n' +
        'NODE_EXTRA_CA_CERTS names an authority of your own.\n' +
        '\nExamples:\n' +
        '  leasehold watch\n' +
        '  leasehold watch --namespace sessions --types entry.ended,lease.ended\n' +
        '  leasehold watch --json | jq .data.reason\n' +
        '  leasehold watch --bus nats://127.0.0.1:4222 --endings --since 10m',
    )
    .action(async (options: WatchOptions) => {
      refuseContradictions(options);
      const stop = new AbortController();
      const forget = io.onInterrupt(() => stop.abort());
      try {
        const { bus } = options;
        if (bus === undefined) {
          await new Watch(clientFor(options, io), options, io, stop.signal).run();
        } else {
          // Loaded only here: the client of the bus is larger than the rest of the command line.
          const { watchBus } = await import('./watch-bus.ts');
          await watchBus({ ...options, bus }, io, stop.signal);
        }
      } finally {
        forget();
        stop.abort();
      }
    });
}

function refuseContradictions(options: WatchOptions): void {
  if (options.bus === undefined) {
    const lonely = OF_THE_BUS.find((name) => options[name] !== undefined);
    if (lonely !== undefined) throw new CommandFailure(EXIT.usage, `--${lonely} goes with --bus only`);
  } else if (options.url !== undefined) {
    throw new CommandFailure(EXIT.usage, '--url is a sidecar and --bus is not: give one of them');
  }
  if (options.max !== undefined && options.max < 1) {
    throw new CommandFailure(EXIT.usage, '--max is at least 1');
  }
}

class Watch {
  readonly #client: Client;
  readonly #options: WatchOptions;
  readonly #io: CommandIo;
  readonly #stopped: AbortSignal;
  #cursor: string | undefined;
  #failures = 0;

  constructor(client: Client, options: WatchOptions, io: CommandIo, stopped: AbortSignal) {
    this.#client = client;
    this.#options = options;
    this.#io = io;
    this.#stopped = stopped;
    this.#cursor = options.since;
  }

  /** Until interrupted; throws when the sidecar refuses, or cannot be reached for too long. */
  async run(): Promise<void> {
    try {
      this.#cursor ??= await this.#present();
    } catch (error) {
      if (this.#stopped.aborted) return;
      throw error;
    }
    while (!this.#stopped.aborted) {
      const failure = await this.#follow();
      if (this.#stopped.aborted) return;
      const problem = failure instanceof Refused ? failure.problem : undefined;
      if (problem !== undefined && problem.retryable !== true) throw failure;
      this.#failures++;
      if (this.#failures > this.#options.retries) throw failure;
      const bound = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (this.#failures - 1));
      const asked = Math.min(problem?.retryAfterMs ?? 0, ASKED_PATIENCE_MAX_MS);
      const delayMs = Math.round(asked + this.#io.random() * bound);
      this.#io.tell(`${failure.message}; trying again in ${spoken(delayMs)}`);
      await this.#io.pause(delayMs, this.#stopped);
    }
  }

  /** The cursor of this moment. A sidecar that cannot be reached now fails the command at once. */
  async #present(): Promise<string | undefined> {
    const reply = await this.#client.ask('GET', '/v1/status', { signal: this.#stopped });
    const cursor = reply.headers['leasehold-cursor'];
    return typeof cursor === 'string' ? cursor : undefined;
  }

  /** One connection, for as long as it lasts; returns why it ended. */
  async #follow(): Promise<CommandFailure> {
    const { namespace, prefix, types, lease } = this.#options;
    const path = `/v1/events${queryOf({ namespace, prefix, types, lease })}`;
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (this.#cursor !== undefined) headers['last-event-id'] = this.#cursor;
    try {
      const response = await this.#client.openStream(path, headers, this.#stopped);
      const arrived: EventSourceMessage[] = [];
      const parser = createParser({
        onEvent: (event) => arrived.push(event),
        maxBufferSize: EVENT_CHARACTERS_MAX,
      });
      const decoder = new StringDecoder('utf8');
      for await (const chunk of response as AsyncIterable<Buffer>) {
        // Anything at all, a heartbeat too, shows that the connection works.
        this.#failures = 0;
        parser.feed(decoder.write(chunk));
        for (const event of arrived.splice(0)) await this.#show(event);
      }
      return new CommandFailure(EXIT.unreachable, 'The sidecar closed the stream');
    } catch (error) {
      if (error instanceof CommandFailure) return error;
      const reason = error instanceof Error ? error.message : String(error);
      return new CommandFailure(EXIT.unreachable, `The stream broke off: ${reason}`, {
        cause: error,
      });
    }
  }

  async #show(event: EventSourceMessage): Promise<void> {
    const document = readJson(event.data);
    if (document === undefined) {
      this.#io.tell(`passed over an event that is not JSON: ${printable(event.data.slice(0, 80))}`);
    } else if (event.event === 'resync') {
      if (this.#options.json === true) await this.#print({ resync: document });
      else this.#io.tell(resyncLine(document));
    } else if (this.#options.json === true) {
      await this.#print(document);
    } else {
      await this.#io.write(`${eventLine(document)}\n`);
    }
    // Only now: an event that was not printed is asked for again.
    if (event.id !== undefined && event.id !== '') this.#cursor = event.id;
  }

  #print(document: unknown): Promise<void> {
    return this.#io.write(`${JSON.stringify(document)}\n`);
  }
}

function readJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
