/**
 * The scripts in Redis beside the specification: both are given the same requests at the same
 * instant of the same history, and must give the same answers and hold the same things afterwards:
 * records, digests, log, owners, and when each record is due.
 */
import { isDeepStrictEqual, inspect } from 'node:util';
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import { type Random, seededRandom } from '../../../bench/replay/random.ts';
import {
  type DiffItem, type DiffReply, type DiffRequest, type Ledger, type LedgerState, NO_DIGEST,
  type PartitionName,
} from '../../../src/ledger/ledger.ts';
import { decodeRecord } from '../../../src/ledger/record.ts';
import { beat } from '../../../src/ledger/specification/beat.ts';
import { diff } from '../../../src/ledger/specification/diff.ts';
import {
  clonePartition, emptyPartition, type Partition, tailOf,
} from '../../../src/ledger/specification/partition.ts';
import { pull } from '../../../src/ledger/specification/pull.ts';
import { push } from '../../../src/ledger/specification/push.ts';
import { sweep } from '../../../src/ledger/specification/sweep.ts';
import { GRID_MS, Requests, type Step } from './requests.ts';

/** The keys of one partition, in the order of the scripts. */
const SUFFIXES = ['m', 'r', 'd', 'x', 'l', 'o'] as const;
const START = Date.UTC(2026, 0, 1);
const CELL_BYTES = 12;
const OWNER_BYTES = 37;

export type RawCommand = (
  name: string, ...args: readonly (string | number | Buffer)[]
) => Promise<unknown>;

/** Shared by all twins of one ledger: what it is told instead of its server's clock. */
export class Instant {
  now = START;
  replid = 'history-1';
}

export interface TwinsOptions {
  readonly ledger: Ledger;
  readonly instant: Instant;
  /** Any command on the server of these keys, its reply in Buffers. */
  readonly raw: RawCommand;
  readonly keyPrefix: string;
  readonly at: PartitionName;
  readonly seed: number;
  readonly policy: ConflictPolicy;
  readonly isCrowded: boolean;
}

interface Image {
  readonly partition: Partition;
  readonly dumps: readonly (Buffer | null)[];
}

/** One partition, twice. */
export class Twins {
  readonly #options: TwinsOptions;
  readonly #random: Random;
  readonly #requests: Requests;
  readonly #keys: readonly string[];
  #partition = emptyPartition();
  #clock = START;
  #histories = 1;
  #image: Image | undefined;
  steps = 0;
  /** How often each kind of answer came: a run that never saw one has compared nothing of it. */
  readonly seen = new Map<string, number>();

  constructor(options: TwinsOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#requests = new Requests(this.#random, options.policy, options.isCrowded);
    const tag = `${options.at.namespace}:${options.at.partition}`;
    this.#keys = SUFFIXES.map((suffix) => `${options.keyPrefix}{${tag}}:${suffix}`);
  }

  /** One step on both. @throws Error that says what differs, and how to see it again */
  async step(): Promise<void> {
    this.steps += 1;
    await this.#live();
    const { records, cells, owners, epoch } = this.#partition;
    const step = this.#requests.next({
      now: Math.max(this.#clock, this.#partition.tmax), epoch, records, cells,
      owned: (actor) => owners.get(actor)?.owned ?? NO_DIGEST,
      tail: tailOf(this.#partition),
    });
    const { instant } = this.#options;
    instant.now = this.#clock;
    instant.replid = `history-${this.#histories}`;
    const expected = this.#specified(step);
    const actual = await this.#real(step);
    this.#compare('reply', plain(actual), plain(expected), step);
    this.#compare('state', await this.#held(), this.#specifiedState(), step);
    this.#requests.remember((actual as LedgerState).tail);
    this.#count(step.kind, actual);
  }

  /** Time passes; now and then something happens to the server. */
  async #live(): Promise<void> {
    const draw = this.#random.next();
    if (draw < 0.3) this.#clock += Math.floor(this.#random.next() * 4) * GRID_MS;
    else if (draw < 0.32) this.#clock += 7001;
    else if (draw < 0.34) this.#clock -= 3 * GRID_MS;
    else if (draw < 0.344) await this.#trim();
    else if (draw < 0.347) this.#histories += 1;
    else if (draw < 0.351) await this.#keep();
    else if (draw < 0.354) await this.#goBack();
    else if (draw < 0.355) await this.#lose();
    // Now and then everything comes to its end.
    if (this.steps % 500 === 0) this.#clock += 60_000;
  }

  /** A log as short as it may get, which the two do not cut at the same places by themselves. */
  async #trim(): Promise<void> {
    const left = Math.floor(this.#random.next() * 8);
    await this.#options.raw('XTRIM', this.#keys[4]!, 'MAXLEN', left);
    this.#partition.log.splice(0, Math.max(0, this.#partition.log.length - left));
    this.#tally('trimmed');
  }

  async #keep(): Promise<void> {
    const dumps = await Promise.all(this.#keys.map((key) => this.#options.raw('DUMP', key)));
    this.#image = {
      partition: clonePartition(this.#partition),
      dumps: dumps as (Buffer | null)[],
    };
  }

  /** A failover to a replica that lags: an older state, under another history. */
  async #goBack(): Promise<void> {
    if (this.#image === undefined) return;
    await this.#lose();
    this.#partition = clonePartition(this.#image.partition);
    for (const [index, dump] of this.#image.dumps.entries()) {
      if (dump !== null) await this.#options.raw('RESTORE', this.#keys[index]!, 0, dump);
    }
    this.#tally('rolled back');
  }

  async #lose(): Promise<void> {
    await this.#options.raw('DEL', ...this.#keys);
    this.#partition = emptyPartition();
    this.#histories += 1;
    this.#tally('lost');
  }

  #specified(step: Step): unknown {
    const partition = this.#partition;
    const server = { time: this.#clock, replid: `history-${this.#histories}` };
    switch (step.kind) {
      case 'push': return push(partition, server, step.request);
      case 'pull': return pull(partition, server, step.request);
      case 'diff': return whole(diff(partition, server, { ...step.request, limit: 1_000_000 }));
      case 'beat': return beat(partition, server, step.request);
      case 'sweep': return sweep(partition, server, step.request);
    }
  }

  #real(step: Step): Promise<unknown> {
    const { ledger, at } = this.#options;
    switch (step.kind) {
      case 'push': return ledger.push(at, step.request);
      case 'pull': return ledger.pull(at, step.request);
      case 'diff': return this.#allOf(step.request);
      case 'beat': return ledger.beat(at, step.request);
      case 'sweep': return ledger.sweep(at, step.request);
    }
  }

  /** All pages of a listing, each item once: both begin pages where they like. */
  async #allOf(request: DiffRequest): Promise<unknown> {
    const { ledger, at } = this.#options;
    const first = await ledger.diff(at, request);
    const items = new Map(first.items.map((item) => [item.id, item]));
    for (let { next } = first; next !== '';) {
      const page = await ledger.diff(at, { ...request, after: next });
      for (const item of page.items) items.set(item.id, item);
      next = page.next;
    }
    return whole({ ...first, items: [...items.values()] });
  }

  /** What Redis holds of the partition, in the words of the specification. */
  async #held(): Promise<unknown> {
    const { raw } = this.#options;
    const [m, r, d, x, l, o] = this.#keys;
    const [meta, records, cells, scores, log, owners] = await Promise.all([
      raw('HGETALL', m!), raw('HGETALL', r!), raw('GET', d!),
      raw('ZRANGE', x!, 0, -1, 'WITHSCORES'), raw('XREVRANGE', l!, '+', '-', 'COUNT', 20),
      raw('HGETALL', o!),
    ]);
    return {
      meta: Object.fromEntries(pairs(meta).map(([name, value]) => [name, wordOrNumber(name, value)])),
      records: sorted(pairs(records).map(([id, bytes]) => [id, plain(decodeRecord(bytes))])),
      cells: cellsOf(cells as Buffer | null),
      scores: sorted(pairs(scores).map(([id, score]) => [id, Number(score.toString())])),
      log: (log as LogItem[]).map(([position, [, id, , chain]]) =>
        [position.toString(), id.toString(), chain.toString()]),
      owners: sorted(pairs(owners).map(([actor, bytes]) => [actor, ownerOf(bytes)])),
    };
  }

  #specifiedState(): unknown {
    const partition = this.#partition;
    const { epoch, epochStartedAt, replid, seq, chain, tmax, live, tombstones, root } = partition;
    const numbers = {
      epoch, epochStartedAt, seq, tmax, live, tombstones,
      count: root.count, high: root.high, low: root.low,
    };
    const cells = partition.cells.filter((cell) => cell !== undefined);
    while (cells.length > 0 && isDeepStrictEqual(cells.at(-1), NO_DIGEST)) cells.pop();
    const ids = [...partition.records.keys()];
    return {
      meta: {
        replid, chain, ...numbers, owners: partition.owners.size,
      },
      records: sorted([...partition.records].map(([id, record]) => [id, plain(record)])),
      cells: cells.map(({ count, high, low }) => [count, high, low]),
      scores: sorted(ids.map((id) => [id, partition.expiry.scoreOf(id)])),
      log: partition.log.slice(-20).reverse()
        .map((entry) => [`${entry.seq}-0`, entry.id, entry.chain]),
      owners: sorted([...partition.owners].map(([actor, { seen, batch, retiredAt, owned }]) =>
        [actor, [seen, batch, retiredAt, owned.count, owned.high, owned.low]])),
    };
  }

  #compare(what: string, actual: unknown, expected: unknown, step: Step): void {
    if (isDeepStrictEqual(actual, expected)) return;
    const { seed, at } = this.#options;
    const show = (value: unknown) => inspect(value, { depth: 12, breakLength: 120 });
    throw new Error(
      `Differs at step ${this.steps} of seed ${seed} (${at.namespace}:${at.partition}): ${what}\n` +
      `step ${show(plain(step))}\nspecification ${show(expected)}\nRedis ${show(actual)}`,
    );
  }

  #count(kind: Step['kind'], reply: unknown): void {
    this.#tally(kind);
    const { status, history, results = [], ended = [], removed = [], vouched = [], forgotten = 0 } =
      reply as Partial<Record<string, never>> & { results?: { code: string }[] };
    if (status !== undefined) this.#tally(`${kind} ${status}`);
    if (history !== undefined) this.#tally(`${kind} ${history}`);
    for (const { code } of results) this.#tally(code);
    if ((ended as unknown[]).length > 0) this.#tally('sweep ended');
    if ((removed as unknown[]).length > 0) this.#tally('sweep removed');
    if ((vouched as unknown[]).length > 0) this.#tally('beat vouched');
    if (forgotten > 0) this.#tally('sweep forgot');
  }

  #tally(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }
}

function wordOrNumber(name: string, value: Buffer): string | number {
  const text = value.toString();
  return name === 'replid' || name === 'chain' ? text : Number(text);
}

type LogItem = [Buffer, [Buffer, Buffer, Buffer, Buffer]];

/** A page of another size is no difference. */
function whole(reply: DiffReply): object {
  const order = (left: DiffItem, right: DiffItem) => (left.id < right.id ? -1 : 1);
  const items = [...reply.items].sort(order);
  return { ...reply, items, next: '' };
}

/** With bytes as text, so that two of them compare whatever arrays they lie in. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

function pairs(flat: unknown): [string, Buffer][] {
  const items = flat as Buffer[];
  return Array.from({ length: items.length / 2 }, (_, index) =>
    [items[2 * index]!.toString(), items[2 * index + 1]!]);
}

function sorted<T>(entries: readonly (readonly [string, T])[]): (readonly [string, T])[] {
  return [...entries].sort(([left], [right]) => (left < right ? -1 : 1));
}

function cellsOf(bytes: Buffer | null): number[][] {
  const cells: number[][] = [];
  for (let at = 0; at < (bytes?.length ?? 0); at += CELL_BYTES) {
    cells.push([0, 4, 8].map((offset) => bytes!.readUInt32BE(at + offset)));
  }
  while (cells.length > 0 && cells.at(-1)!.every((part) => part === 0)) cells.pop();
  return cells;
}

function ownerOf(bytes: Buffer): number[] {
  if (bytes.length !== OWNER_BYTES) throw new Error(`An owner of ${bytes.length} bytes`);
  const numbers = [1, 9, 17].map((offset) => bytes.readDoubleBE(offset));
  return [...numbers, ...[25, 29, 33].map((offset) => bytes.readUInt32BE(offset))];
}
