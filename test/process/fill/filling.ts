/**
 * Fills a sidecar, wherever it runs, with everything that takes memory, until it refuses, and goes
 * on for a while: many small entries, then larger and larger values in their place, leases, replies
 * remembered for idempotency keys, watchers that do not read, bodies that stop in the middle, more
 * connections than there may be. Meanwhile a few clients renew and read what they hold. In the end
 * all of it is deleted, and the sidecar must take writes again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Ask, Connection, jsonOf } from '../requests.ts';
import { until } from '../support.ts';
import { Crowd } from './crowd.ts';
import { type Kind, Verdicts } from './verdicts.ts';

export interface FillSettings {
  readonly url: string;
  /** How long it goes on once everything has been refused. */
  readonly goOnMs: number;
}

/** Of the namespace `default`. */
export interface Capacity {
  readonly entries: number;
  readonly leases: number;
  readonly mebibytes: number;
}

export interface Filled {
  readonly wrong: readonly string[];
  readonly taken: Verdicts['taken'];
  readonly refused: Verdicts['refused'];
  /** Entries and leases at the fullest, as the status page counts them. */
  readonly entries: number;
  readonly leases: number;
}

const CONNECTIONS = 400;
const WATCHERS = 32;
/** Together more than `inFlightBodyBytes`. */
const BODIES = 64;
const VALUE_BYTES_MAX = 256 * 1024;
const WRITERS = 24;
const GRANTERS = 8;
const REPEATERS = 4;
const KEEPERS = 4;
const KEEP_MS = 50;
const LONG_MS = 3_600_000;
const SMALL_BYTES = 64;
/** What is written over the small ones; the last is too large. */
const SIZES = [VALUE_BYTES_MAX, 16 * 1_024, VALUE_BYTES_MAX + 1];
const NO_ENTRY = 'put: capacity of entries';
const NO_LEASE = 'grant: capacity of leases';
/** Everything that is there has run out. */
const NO_ROOM = [
  NO_ENTRY, NO_LEASE, 'repeatable put: capacity', 'put: capacity of bytes', 'put: value-too-large',
];
/** And everything that passes. */
const NO_PLACE = ['body: under-pressure', 'watch: under-pressure'];
/** Against never. */
const FULL_MAX_MS = 120_000;
const JSON_BODY = { 'content-type': 'application/json' };

/** A file for a sidecar that has room for so much, and not much more. */
export function fillConfiguration({ entries, leases, mebibytes }: Capacity): string {
  return `
namespaces:
  default:
    class: local
    ttl: { defaultMs: ${LONG_MS} }
    capacity: { entries: ${entries}, leases: ${leases}, bytes: ${mebibytes}Mi }
limits:
  valueBytes: ${VALUE_BYTES_MAX}
  bodyBytes: 1Mi
  inFlightBodyBytes: 8Mi
  connections: ${CONNECTIONS}
  watchers: ${WATCHERS}
  idempotency: { entries: 4096, bytes: 2Mi }
  endedMemory: { entries: 10000 }
  feed: { facts: 8192, bytes: 4Mi }
logLevel: warn
`;
}

export class Filling {
  readonly verdicts = new Verdicts();
  readonly #settings: FillSettings;
  readonly #connections: Connection[] = [];
  #isOver = false;
  #keys = 0;
  #leases = 0;

  constructor(settings: FillSettings) {
    this.#settings = settings;
  }

  /** Plays it from the first entry to the last deletion. */
  async play(): Promise<Filled> {
    const { url, goOnMs } = this.#settings;
    const keepers = await Promise.all(Array.from({ length: KEEPERS }, (_, index) => this.#keeper(index)));
    const crowd = new Crowd(url, this.verdicts);
    const work = [
      ...keepers.map((keep) => keep()),
      ...this.#times(WRITERS, () => this.#write()),
      ...this.#times(GRANTERS, () => this.#grant()),
      ...this.#times(REPEATERS, () => this.#repeat()),
    ];
    // Whoever loses the sidecar ends the play for all.
    for (const each of work) each.catch(() => (this.#isOver = true));
    try {
      await this.#untilRefused(NO_ROOM);
      crowd.gather({ watchers: 2 * WATCHERS, bodies: BODIES, idle: 2 * CONNECTIONS });
      await this.#untilRefused(NO_PLACE);
      await sleep(goOnMs);
    } finally {
      this.#isOver = true;
      await Promise.all(work);
      crowd.leave();
    }
    const { entries, leases } = jsonOf(await this.#patiently(this.#free(), '/v1/status'));
    await this.#empty();
    await this.#takeAgain();
    for (const connection of this.#connections) connection.close();
    const { wrong, taken, refused } = this.verdicts;
    return { wrong, taken, refused, entries: entries.live, leases: leases.live };
  }

  async #untilRefused(beginnings: readonly string[]): Promise<void> {
    const deadline = performance.now() + FULL_MAX_MS;
    while (!this.#isOver && !this.verdicts.haveRefused(...beginnings)) {
      if (performance.now() > deadline) {
        this.verdicts.complain(`Not everything was refused: ${JSON.stringify(this.verdicts.refused)}`);
        return;
      }
      await sleep(KEEP_MS);
    }
  }

  /* ---- those who fill ------------------------------------------------------------------ */

  /** Small ones until there is no room for another; then larger and larger ones in their place. */
  async #write(): Promise<void> {
    const connection = this.#connection();
    const put = (key: number, size: number): Promise<boolean> => {
      const path = `/v1/entries/default/filled/${key}?ttlMs=${LONG_MS}`;
      return this.#ask(connection, 'put', { method: 'PUT', path, body: valueFor(key, size) });
    };
    const own: number[] = [];
    for (let key = this.#keys++; !this.#isOver && (await put(key, SMALL_BYTES)); key = this.#keys++) own.push(key);
    // Leases take bytes too: the large values come when there are as many leases as there may be.
    while (!this.#isOver && !this.verdicts.haveRefused(NO_LEASE)) await sleep(KEEP_MS);
    for (let round = 0; !this.#isOver; round++) {
      await put(own[round % own.length] ?? this.#keys++, SIZES[round % SIZES.length]!);
    }
  }

  /** An entry has a lease too, so these begin when there is no more room for entries. */
  async #grant(): Promise<void> {
    const connection = this.#connection();
    while (!this.#isOver && !this.verdicts.haveRefused(NO_ENTRY)) await sleep(KEEP_MS);
    while (!this.#isOver) {
      const id = `filled-${this.#leases++}`;
      const labels = { of: 'filling', note: 'x'.repeat(60) };
      const body = JSON.stringify({ id, holder: 'filler', ttlMs: LONG_MS, labels });
      await this.#ask(connection, 'grant', { method: 'POST', path: '/v1/leases', headers: JSON_BODY, body });
    }
  }

  /** Each with an idempotency key of its own, so that each reply is remembered. */
  async #repeat(): Promise<void> {
    const connection = this.#connection();
    while (!this.#isOver) {
      const key = this.#keys++;
      const headers = { 'idempotency-key': `"${key}"` };
      const path = `/v1/entries/default/filled/${key}?ttlMs=${LONG_MS}`;
      await this.#ask(connection, 'repeatable put', { method: 'PUT', path, headers, body: valueFor(key, 1_024) });
    }
  }

  /* ---- those who hold what they have --------------------------------------------------- */

  /** Has a lease with an entry under it; what is returned keeps them until it is over. */
  async #keeper(index: number): Promise<() => Promise<void>> {
    const connection = this.#connection();
    const id = `kept-${index}`;
    const value = valueFor(index, 1_000);
    const body = JSON.stringify({ id, holder: id, ttlMs: LONG_MS });
    await this.#ask(connection, 'grant', { method: 'POST', path: '/v1/leases', headers: JSON_BODY, body });
    const path = `/v1/entries/default/kept/${index}`;
    await this.#ask(connection, 'put', { method: 'PUT', path: `${path}?lease=${id}`, body: value });
    return async () => {
      while (!this.#isOver) {
        await this.#ask(connection, 'renew', { method: 'POST', path: `/v1/leases/${id}/renew` });
        const answer = await connection.ask({ method: 'GET', path });
        const isRead = this.#judge('read', answer);
        if (isRead && !answer.body.equals(value)) this.verdicts.complain(`${path} reads as something else`);
        await sleep(KEEP_MS);
      }
      await this.#ask(connection, 'release', { method: 'DELETE', path: `/v1/leases/${id}` });
    };
  }

  /* ---- afterwards ---------------------------------------------------------------------- */

  async #empty(): Promise<void> {
    const connection = this.#free();
    for (const [listing, member] of [['/v1/entries/default', 'entries'], ['/v1/leases', 'leases']] as const) {
      for (;;) {
        const page = jsonOf(await this.#patiently(connection, `${listing}?limit=1000`))[member];
        if (page.length === 0) break;
        await Promise.all(page.map(({ key, id }: { key?: string; id?: string }) => this.#end(key, id)));
      }
    }
  }

  #end(key: string | undefined, id: string | undefined): Promise<boolean> {
    const connection = this.#free();
    if (key === undefined) return this.#ask(connection, 'release', { method: 'DELETE', path: `/v1/leases/${id}` });
    return this.#ask(connection, 'delete', { method: 'DELETE', path: `/v1/entries/default/${key}` });
  }

  async #takeAgain(): Promise<void> {
    const connection = this.#free();
    const path = '/v1/entries/default/again?ttlMs=1000';
    const body = valueFor(0, VALUE_BYTES_MAX);
    await until('writes are taken again', () => this.#ask(connection, 'put', { method: 'PUT', path, body }));
  }

  /* ---- asking -------------------------------------------------------------------------- */

  #times(count: number, work: () => Promise<void>): Promise<void>[] {
    return Array.from({ length: count }, work);
  }

  /** One of those who have done their work: a new one might come before the crowd has left. */
  #free(): Connection {
    return this.#connections[Math.floor(Math.random() * this.#connections.length)]!;
  }

  #connection(): Connection {
    const connection = new Connection(this.#settings.url);
    this.#connections.push(connection);
    return connection;
  }

  async #ask(connection: Connection, kind: Kind, ask: Ask): Promise<boolean> {
    return this.#judge(kind, await connection.ask(ask));
  }

  #judge(kind: Kind, { status, headers, body }: Answer): boolean {
    const { code, resource } = status < 400 ? {} : problemOf(body);
    return this.verdicts.judge({ kind, status, code, resource, retryAfter: headers['retry-after'] });
  }

  /** What may be refused for pressure and is asked again. */
  async #patiently(connection: Connection, path: string): Promise<Answer> {
    return until(`${path} is answered`, async () => {
      const answer = await connection.ask({ method: 'GET', path });
      return this.#judge('read', answer) ? answer : undefined;
    });
  }
}

function problemOf(body: Buffer): { readonly code?: string; readonly resource?: string } {
  try {
    return JSON.parse(body.toString());
  } catch {
    return {};
  }
}

function valueFor(key: number, size: number): Buffer {
  return Buffer.alloc(size, `${key}.`);
}
