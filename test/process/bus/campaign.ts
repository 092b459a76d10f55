/**
 * One sidecar under full load on a real NATS server, a reader of both streams, and whatever a
 * scenario does to them. Afterwards everything is healed, comes to rest, and is compared.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '../../../bench/replay/random.ts';
import { type NatsOptions, type NatsServer, startNats } from '../../servers/nats.ts';
import { type Document, jsonOf, Lost } from '../requests.ts';
import { scratchDirectory, type Sidecar, type SidecarSettings, start } from '../support.ts';
import { Account } from './account.ts';
import { Archive } from './archive.ts';
import { Gauge } from './gauge.ts';
import { judge, type Rest } from './judge.ts';
import { Neighbour, SHORT_MAX_MS } from './neighbour.ts';
import { read } from './patient.ts';
import { Reader } from './reader.ts';
import type { SmallDisk } from './small-disk.ts';
import { percentile, Traffic } from './traffic.ts';
import { Watch } from './watch.ts';

export interface CampaignSettings {
  readonly seed: number;
  readonly neighbours: number;
  /** Of the outbox: endings reserved and pending, and as many other events. */
  readonly room: number;
  readonly say: (line: string) => void;
}

/** What a scenario has otherwise than others. */
export interface Surroundings {
  readonly nats?: NatsOptions;
  /** `user:password@` */
  readonly login?: string;
  /** Of the stream of endings. */
  readonly endingsBytes?: number;
  /** How long the streams recognise what comes again. */
  readonly duplicateWindowMs?: number;
  /** Where the journal is. */
  readonly disk?: SmallDisk;
  /** Of the outbox, beside what the settings say. */
  readonly moreRoom?: number;
  readonly moreNamespaces?: string;
  readonly moreConfiguration?: string;
  /** Sidecars are stopped or killed. */
  readonly deaths?: boolean;
  /** How a sidecar is run: as a process, unless something else is said. */
  readonly run?: (settings: SidecarSettings) => Promise<Sidecar>;
  /** Streams lose what they had. */
  readonly eventsLost?: boolean;
}

export interface Figures {
  readonly taken: Traffic['taken'];
  readonly refused: Traffic['refused'];
  readonly longestWaitMs: number;
  readonly endings: number;
  readonly events: number;
  /** Events that stand in a stream a second time. */
  readonly repeats: number;
  /** Endings told again under another number. */
  readonly retold: number;
  readonly runs: number;
  readonly peakBytes: number;
  readonly boundBytes: number;
  readonly fullest: number;
  readonly p99Ms: number;
  readonly toRestMs: number;
}

/** Guards against never, not measures of speed. */
const REST_MAX_MS = 120_000;
const LOOK_MS = 100;
const LONG_MS = 600_000;
const STREAM_BYTES = 4 * 1024 ** 3;
/** `bus.keptMs`, less what may pass before an ending is acknowledged. */
const KEPT_MS = 290_000;

export class BusCampaign {
  readonly random: Random;
  readonly account = new Account();
  readonly traffic = new Traffic();
  readonly archive = new Archive();
  readonly gauge = new Gauge();
  readonly nats: NatsServer;
  readonly reader: Reader;
  readonly wrong: string[] = [];
  /** When the streams were lost: the new ones must hold what had ended shortly before. */
  streamsLostAt: number | undefined;
  readonly #settings: CampaignSettings;
  readonly #surroundings: Surroundings;
  readonly #directory: string;
  readonly #neighbours: Neighbour[];
  #work: Promise<unknown> = Promise.resolve();
  #watch: Watch | undefined;
  #sidecar: Sidecar | undefined;
  #ready = Promise.withResolvers<string>();
  #runs = 0;
  #toRestMs = 0;
  #repeats = 0;

  private constructor(settings: CampaignSettings, surroundings: Surroundings, nats: NatsServer) {
    const { seed, neighbours } = settings;
    this.#settings = settings;
    this.#surroundings = surroundings;
    this.#directory = surroundings.disk?.dataDirectory ?? scratchDirectory();
    this.nats = nats;
    this.random = seededRandom(seed);
    this.reader = new Reader(nats, this.archive);
    const { account, traffic } = this;
    traffic.mayDrain = surroundings.deaths === true;
    this.#neighbours = Array.from({ length: neighbours }, (_, index) =>
      new Neighbour(`n${index}`, {
        account, traffic,
        random: seededRandom(seed * neighbours + index + 1),
        sidecar: () => this.#ready.promise,
        mayBreak: surroundings.deaths === true,
      }),
    );
  }

  /** Everything runs and the clients work. */
  static async start(settings: CampaignSettings, surroundings: Surroundings = {}): Promise<BusCampaign> {
    const nats = await startNats(surroundings.nats);
    const campaign = new BusCampaign(settings, surroundings, nats);
    await campaign.startSidecar();
    campaign.reader.follow();
    campaign.#work = Promise.all(campaign.#neighbours.map((each) => each.work()));
    return campaign;
  }

  get sidecar(): Sidecar {
    return this.#sidecar!;
  }

  get disk(): SmallDisk | undefined {
    return this.#surroundings.disk;
  }

  say(line: string): void {
    this.#settings.say(line);
  }

  /** A number from `min` up to `max`. */
  between(min: number, max: number): number {
    return Math.round(min + this.random.next() * (max - min));
  }

  async startSidecar(): Promise<void> {
    const { run = start } = this.#surroundings;
    this.#sidecar = await run({
      dataDirectory: this.#directory,
      configuration: this.#configuration(),
      environment: {
        LEASEHOLD_BUS_URL: `nats://${this.#surroundings.login ?? ''}${this.nats.address}`,
        LEASEHOLD_MEMORY_LIMIT_MB: '8192',
      },
    });
    this.#runs++;
    const answer = await read(this.#sidecar.url, '/v1/status');
    this.#watch ??= new Watch(String(answer.headers['leasehold-cursor']));
    await this.#watch.follow(this.#sidecar.url);
    this.#ready.resolve(this.#sidecar.url);
  }

  async killSidecar(): Promise<void> {
    this.#ready = Promise.withResolvers();
    await this.gauge.look(this.sidecar);
    await this.sidecar.kill();
  }

  /** SIGTERM, whatever is under way. */
  async stopSidecar(): Promise<void> {
    this.#ready = Promise.withResolvers();
    await this.gauge.look(this.sidecar);
    const { code, signal } = await this.sidecar.stop();
    if (code !== 0) this.wrong.push(`Under load the sidecar stopped with ${code ?? signal}:\n${this.sidecar.err()}`);
  }

  #configuration(): string {
    const { moreRoom = 0, moreNamespaces = '', moreConfiguration = '' } = this.#surroundings;
    const { endingsBytes = STREAM_BYTES, duplicateWindowMs = 120_000 } = this.#surroundings;
    const room = this.#settings.room + moreRoom;
    // An entry has an ending, and its lease: as many of each as can all end.
    const capacity = Math.floor(this.#settings.room / 2);
    return `
namespaces:
  default:
    class: local
    ttl: { defaultMs: ${LONG_MS}, minMs: 50 }
    capacity: { leases: ${capacity}, entries: ${capacity} }
  ${moreNamespaces}
limits:
  bodyBytes: 1Mi
  valueBytes: 64Ki
  outbox: { endings: ${room}, endingBytes: ${room * 400}, events: ${room}, eventBytes: 64Mi, keptBytes: 256Mi }
bus:
  ackMs: 500
  connectMs: 500
  checkMs: 1000
  retryCapMs: 1000
  endings: { maxBytes: ${endingsBytes}, duplicateWindowMs: ${duplicateWindowMs} }
  events: { maxBytes: ${STREAM_BYTES}, duplicateWindowMs: ${duplicateWindowMs} }
logLevel: info
${moreConfiguration}`;
  }

  status(): Promise<Document> {
    return this.gauge.look(this.sidecar);
  }

  /** Looks now and then for so long, while the clients work. */
  async pass(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (performance.now() < until) {
      await this.#lookLeniently();
      await sleep(Math.min(LOOK_MS, Math.max(0, until - performance.now())));
    }
  }

  async #lookLeniently(): Promise<void> {
    try {
      await this.gauge.look(this.sidecar);
    } catch (error) {
      if (!(error instanceof Lost) || this.#surroundings.deaths !== true) throw error;
    }
  }

  /** Until `condition` holds; what is wrong when it never does. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<boolean> {
    const deadline = performance.now() + REST_MAX_MS;
    while (!(await condition())) {
      if (performance.now() > deadline) {
        this.wrong.push(`Not within ${REST_MAX_MS} ms: ${what}`);
        this.say(JSON.stringify(await this.status().then(({ bus, outbox }) => ({ bus, outbox }))));
        return false;
      }
      await sleep(LOOK_MS);
    }
    return true;
  }

  /** Clients are refused what is new, because the bus takes nothing. */
  async untilRefused(): Promise<void> {
    const before = this.traffic.refusals;
    await this.until('something is refused', async () => {
      await this.status();
      return this.traffic.refusals > before;
    });
  }

  /** Grants and writes are taken, again and again. */
  async untilTaken(): Promise<void> {
    const { grant, put } = this.traffic.taken;
    await this.until('grants and writes are taken again', async () => {
      await this.status();
      const { taken } = this.traffic;
      return taken.grant > grant + 10 && taken.put > put + 10;
    });
  }

  /** Has everything come to rest and compares it. */
  async finish(): Promise<Figures> {
    await this.untilTaken();
    for (const each of this.#neighbours) each.stop();
    await this.#work;
    const since = performance.now();
    await this.until('the outbox is empty and nothing presses', async () => {
      const { outbox, pressure, reasons } = await this.status();
      return outbox.depth === 0 && pressure.level === 'nominal' && reasons.length === 0;
    });
    this.#toRestMs = performance.now() - since;
    const rest = await this.#rest();
    const { code } = await this.sidecar.stop();
    if (code !== 0) this.wrong.push(`The sidecar stopped with ${code}:\n${this.sidecar.err()}`);
    await this.#watch!.close();
    await this.reader.stop();
    try {
      this.#repeats = await this.reader.readWhole();
    } catch (error) {
      this.wrong.push(`The streams cannot be read in the end: ${(error as Error).message}`);
    }
    this.#compare({ ...rest, watched: this.#watch!.endings });
    return this.#figures();
  }

  /** What lives when all that was to end by itself has ended. */
  async #rest(): Promise<Omit<Rest, 'watched'>> {
    await sleep(SHORT_MAX_MS);
    const { url } = this.sidecar;
    const rest = { leases: new Set<string>(), etags: new Set<string>() };
    await this.until('what is short-lived has ended', async () => {
      const [leases, entries] = [await listed(url, '/v1/leases'), await listed(url, '/v1/entries/default')];
      const isOver = [...leases, ...entries].every(({ remainingMs }) => remainingMs > SHORT_MAX_MS);
      rest.leases = new Set(leases.map(({ id }) => id));
      rest.etags = new Set(entries.map(({ etag }) => etag));
      const { outbox } = await this.status();
      return isOver && outbox.depth === 0;
    });
    return rest;
  }

  #compare(rest: Rest): void {
    const { eventsLost = false, deaths = false } = this.#surroundings;
    this.wrong.push(...this.traffic.wrong, ...judge(this.account, this.archive, rest, { eventsLost }));
    this.wrong.push(...this.#notAgain());
    const { peakBytes, boundBytes, fullest, dropped } = this.gauge;
    // What was acknowledged just before a death is pending again after it.
    if (fullest > 1 && !deaths) this.wrong.push(`The outbox held ${fullest} times what it may`);
    if (peakBytes > boundBytes) {
      this.wrong.push(`${peakBytes} bytes were resident, and ${boundBytes} are the worst case`);
    }
    if (dropped > 0) this.wrong.push(`${dropped} events found no room`);
  }

  /** Endings that the streams there are now should hold, and do not. */
  #notAgain(): string[] {
    if (this.streamsLostAt === undefined) return [];
    const since = this.streamsLostAt - KEPT_MS;
    const held = this.reader.endingsInStream;
    const missing = [...this.archive.endings].filter(([id, { atMs }]) => atMs > since && !held.has(id));
    if (missing.length === 0) return [];
    return [`${missing.length} endings were not published again, ${missing[0]![0]} among them`];
  }

  #figures(): Figures {
    const { traffic, archive, gauge } = this;
    return {
      taken: traffic.taken, refused: traffic.refused, longestWaitMs: traffic.longestWaitMs,
      endings: archive.endings.size, events: archive.messages - archive.repeats,
      repeats: this.#repeats, retold: archive.retold,
      runs: this.#runs,
      peakBytes: gauge.peakBytes, boundBytes: gauge.boundBytes, fullest: gauge.fullest,
      p99Ms: percentile(traffic.tookMs, 0.99),
      toRestMs: this.#toRestMs,
    };
  }
}

/** Everything on the pages of a listing. */
async function listed(url: string, path: string): Promise<Document[]> {
  const found: Document[] = [];
  let cursor: string | undefined;
  do {
    const more = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page = jsonOf(await read(url, `${path}?limit=1000${more}`));
    found.push(...(page.leases ?? page.entries));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}
