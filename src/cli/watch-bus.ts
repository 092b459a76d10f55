/**
 * `leasehold watch --bus`: what is on NATS, as whoever consumes it gets it. Both streams are read at
 * once and shown as they arrive: within a source and stream in order, across them in none.
 *
 * Endings and other events stand in streams of their own, and only the endings push back on the
 * sidecars, so reading them never slows anybody down: this keeps nothing at the server but a place.
 */
import type { JetStreamManager, JsMsg, MsgHdrs } from 'nats';
import { STREAM_NAMES } from '../events/nats/streams.ts';
import { Arrivals, type Missing } from './arrivals.ts';
import { type BusClient, busFailure, connectToBus } from './bus-client.ts';
import { type EventDocument, readBusEvent } from './bus-event.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { eventLine } from './event-line.ts';
import { printable } from './printable.ts';
import { parseSince, type Since } from './since.ts';
import { StreamReader } from './stream-reader.ts';

export interface WatchBusOptions {
  /** `true`: LEASEHOLD_BUS_URL. */
  readonly bus: string | true;
  readonly namespace?: string;
  readonly prefix?: string;
  readonly types?: string;
  readonly lease?: string;
  readonly since?: string;
  readonly endings?: boolean;
  readonly core?: boolean;
  readonly creds?: string;
  readonly max?: number;
  readonly json?: boolean;
  readonly retries: number;
}

const ENDINGS_SUBJECTS = 'leasehold.v1.*.ended.>';
const ALL_SUBJECTS = 'leasehold.v1.>';

/** Until interrupted, or until `max` events are shown. */
export async function watchBus(
  options: WatchBusOptions,
  io: CommandIo,
  interrupted: AbortSignal,
): Promise<void> {
  const url = options.bus === true ? io.environment['LEASEHOLD_BUS_URL'] : options.bus;
  if (url === undefined || url === '') {
    const message = 'There is no bus: give --bus its URL, or set LEASEHOLD_BUS_URL';
    throw new CommandFailure(EXIT.usage, message);
  }
  if (options.core === true && (options.since ?? 'now') !== 'now') {
    throw new CommandFailure(EXIT.usage, '--core keeps nothing: it can only begin now');
  }
  const since = parseSince(options.since ?? 'now', Date.now());
  const { creds, retries } = options;
  const bus = await connectToBus({ url, retries, ...(creds === undefined ? {} : { creds }) }, io);
  try {
    await new BusWatch(bus, options, since, io, interrupted).run();
  } finally {
    await bus.nats.close();
  }
}

class BusWatch {
  readonly #bus: BusClient;
  readonly #options: WatchBusOptions;
  readonly #since: Since;
  readonly #io: CommandIo;
  readonly #arrivals = new Arrivals();
  readonly #types: ReadonlySet<string> | undefined;
  /** Raised when it is to end, whyever. */
  readonly #over = new AbortController();
  readonly #stopped: AbortSignal;
  /** Two streams, one terminal: what one is about to print waits for what the other prints. */
  #printing: Promise<void> = Promise.resolve();
  #shown = 0;
  #repeats = 0;
  #told = 0;

  constructor(
    bus: BusClient,
    options: WatchBusOptions,
    since: Since,
    io: CommandIo,
    interrupted: AbortSignal,
  ) {
    this.#bus = bus;
    this.#options = options;
    this.#since = since;
    this.#io = io;
    this.#types = options.types === undefined ? undefined : new Set(options.types.split(','));
    this.#stopped = AbortSignal.any([interrupted, this.#over.signal]);
  }

  async run(): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (this.#stopped.aborted) resolve();
      this.#stopped.addEventListener('abort', () => resolve());
    });
    const ended = this.#bus.ended.then((failure) => {
      if (failure !== undefined && !this.#stopped.aborted) throw failure;
    });
    const read = this.#options.core === true ? this.#listen() : this.#read();
    try {
      await Promise.race([stopped, ended, read]);
    } finally {
      this.#over.abort();
      // What is left of the others ends with the connection; it is told already why.
      await Promise.allSettled([read, this.#printing]);
      this.#tellRepeats();
    }
  }

  async #read(): Promise<void> {
    const manager = await this.#manager();
    const { endings, events } = STREAM_NAMES;
    const streams = this.#options.endings === true ? [endings] : [endings, events];
    const readings = streams.map((stream) => ({
      stream,
      since: this.#since,
      retries: this.#options.retries,
      onMessage: ({ data, headers }: JsMsg) => this.#take(data, headers),
      onReplaced: () => this.#tellReplaced(stream),
    }));
    await Promise.all(
      readings.map((reading) =>
        new StreamReader(this.#bus, manager, reading, this.#io, this.#stopped).run(),
      ),
    );
  }

  async #manager(): Promise<JetStreamManager> {
    try {
      // The check would ask for more permissions than reading needs.
      return await this.#bus.nats.jetstreamManager({ checkAPI: false });
    } catch (error) {
      throw busFailure(error, this.#bus.url);
    }
  }

  /** Whatever passes by on subjects, at most once. */
  async #listen(): Promise<void> {
    const subject = this.#options.endings === true ? ENDINGS_SUBJECTS : ALL_SUBJECTS;
    const subscription = this.#bus.nats.subscribe(subject);
    const stop = (): void => subscription.unsubscribe();
    this.#stopped.addEventListener('abort', stop);
    try {
      for await (const message of subscription) await this.#take(message.data, message.headers);
    } catch (error) {
      throw busFailure(error, this.#bus.url);
    } finally {
      this.#stopped.removeEventListener('abort', stop);
    }
  }

  #take(body: Uint8Array, headers: MsgHdrs | undefined): Promise<void> {
    this.#printing = this.#printing.then(() => this.#show(body, headers));
    return this.#printing;
  }

  async #show(body: Uint8Array, headers: MsgHdrs | undefined): Promise<void> {
    if (this.#stopped.aborted) return;
    const event = readBusEvent({ body, headers });
    if (event === undefined) {
      const beginning = Buffer.from(body.subarray(0, 80)).toString('utf8');
      this.#io.tell(`passed over what is no event: ${printable(beginning)}`);
      return;
    }
    // All of them are counted, also what is not asked for: sequences do not know of the filters.
    const { kind, missing } = this.#arrivals.take(event);
    if (missing !== undefined) await this.#tellMissing(missing);
    if (kind === 'repeat') this.#repeats++;
    if (kind === 'told') this.#told++;
    if (kind === 'repeat' || kind === 'told' || !this.#isAskedFor(event)) return;
    if (kind === 'late') this.#io.tell(`late: ${placeText(event)} comes after later ones`);
    await this.#print(event);
    this.#shown++;
    if (this.#shown === this.#options.max) this.#over.abort();
  }

  #isAskedFor(event: EventDocument): boolean {
    const { namespace, prefix, lease } = this.#options;
    const data = (event['data'] ?? {}) as EventDocument;
    const type = String(event['type']).replace(/^leasehold\.(.*)\.v\d+$/, '$1');
    return (
      (namespace === undefined || data['namespace'] === namespace) &&
      (prefix === undefined || String(data['key'] ?? '').startsWith(prefix)) &&
      (lease === undefined || data['lease'] === lease) &&
      (this.#types === undefined || this.#types.has(type))
    );
  }

  #print(event: EventDocument): Promise<void> {
    const line = this.#options.json === true ? JSON.stringify(event) : eventLine(event);
    return this.#io.write(`${line}\n`);
  }

  async #tellMissing(missing: Missing): Promise<void> {
    if (this.#options.json === true) {
      await this.#io.write(`${JSON.stringify({ gap: missing })}\n`);
      return;
    }
    const { source, stream, from, to } = missing;
    const which = from === to ? `sequence ${from}` : `sequences ${from} to ${to}`;
    const verb = from === to ? 'is' : 'are';
    this.#io.tell(printable(`gap: ${which} of ${stream} of ${source} ${verb} missing`));
  }

  async #tellReplaced(stream: string): Promise<void> {
    if (this.#options.json === true) {
      const notice = { resync: { stream, reason: 'stream-replaced' } };
      await this.#io.write(`${JSON.stringify(notice)}\n`);
      return;
    }
    this.#io.tell(`resync (stream-replaced): ${stream} is another one now; read from its start`);
  }

  #tellRepeats(): void {
    if (this.#repeats > 0) this.#io.tell(`not shown: ${this.#repeats} events that came again`);
    if (this.#told > 0) {
      this.#io.tell(`not shown: ${this.#told} endings that another sidecar had told`);
    }
  }
}

function placeText(event: EventDocument): string {
  return printable(`sequence ${Number(event['sequence'])} of ${String(event['source'])}`);
}
