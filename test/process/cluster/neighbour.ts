/**
 * One client of one sidecar of several: it writes, deletes, counts, claims and gives up leases on
 * keys that clients of the other sidecars use too, and notes in the history what it asked and what
 * it was told. Changes carry an Idempotency-Key and are asked for until there is an answer, through
 * kills and restarts, so that hardly anything is left unknown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../bench/replay/random.ts';
import type { Span } from '../crash/span.ts';
import { type Answer, type Ask, Connection, jsonOf, Lost } from '../requests.ts';
import type { History, Outcome, Term } from './history.ts';
import { entryPath, type Reading, readingOf } from './read.ts';

export interface Around {
  readonly sidecar: number;
  readonly random: Random;
  readonly history: History;
  /** Where the sidecar listens, as soon as it does. */
  url(): Promise<string>;
  /** Namespaces by what is done in them. */
  readonly namespaces: {
    /** The last write wins. */
    readonly single: readonly string[];
    readonly siblings: string;
    readonly counter: string;
  };
}

const HOT_KEYS = 120;
const SIBLING_KEYS = 40;
const COUNTERS = 12;
const LEASES = 3;
/** Over long before anything is compared. */
const BRIEF_MS = { min: 150, max: 1_500 };
const LEASE_MS = { min: 400, max: 2_000 };
const PADDING_MAX = 160;
const CONTENT_TYPES = ['application/octet-stream', 'text/plain', 'application/json'];
const RETRY_MS = 50;

/** Refusals that say nothing about an earlier attempt of the same change. */
const NOT_NOW = new Set([
  'recovering', 'draining', 'under-pressure', 'idempotency-in-progress', 'outcome-unknown',
  'ledger-unavailable',
]);
/** Refusals that faults and rivals bring about. */
const EXPECTED = new Set([
  ...NOT_NOW, 'version-mismatch', 'lease-ended', 'lease-not-found', 'isolated', 'too-many-siblings',
  'entry-held', 'lease-held',
]);

interface Settled {
  /** undefined only when it gave up. */
  readonly answer: Answer | undefined;
  /** From the first attempt to the answer. */
  readonly span: Span;
  readonly outcome: Outcome;
}

interface HeldLease {
  readonly id: string;
  readonly namespace: string;
  readonly term: Term;
}

/** At a key that nobody else writes, and it only once. */
interface OwnEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
  readonly etag: string;
}

export class Neighbour {
  readonly name: string;
  /** What was answered in a way that it must not be. */
  readonly wrong: string[] = [];
  readonly refusals = new Map<string, number>();
  changes = 0;
  /** What it has asked for and not been told. */
  asking: string | undefined;
  #isGivingUp = false;
  readonly #around: Around;
  readonly #leases: (HeldLease | undefined)[] = [];
  readonly #own: OwnEntry[] = [];
  #connection: Connection | undefined;
  #url = '';
  #numbers = 0;

  constructor(name: string, around: Around) {
    this.name = name;
    this.#around = around;
  }

  /** Does `count` things, one every `everyMs`, or as fast as they are answered. */
  async work(count: number, everyMs: number): Promise<void> {
    const startedAt = performance.now();
    for (let done = 0; done < count && !this.#isGivingUp; done++) {
      const waitMs = startedAt + done * everyMs - performance.now();
      if (waitMs > 1) await sleep(waitMs);
      await this.#doSomething();
    }
  }

  /** Waits for no answer any more: what has none is unknown. */
  giveUp(): void {
    this.#isGivingUp = true;
    this.#connection?.close();
  }

  /* ---- asking -------------------------------------------------------------------------- */

  /** Sends it once, wherever the sidecar is now. @throws Lost */
  async #attempt(ask: Ask): Promise<Answer> {
    const url = await this.#around.url();
    if (url !== this.#url || this.#connection === undefined) {
      this.#connection?.close();
      this.#connection = new Connection(url);
      this.#url = url;
    }
    return this.#connection.ask(ask);
  }

  /** Sends a change until it is known whether it was made. */
  async #change(what: string, ask: Ask): Promise<Settled> {
    const from = performance.now();
    const headers = { ...ask.headers, 'idempotency-key': `"${this.#number()}"` };
    let isUncertain = false;
    this.asking = what;
    for (;;) {
      try {
        const answer = await this.#attempt({ ...ask, headers });
        const to = performance.now();
        const code = answer.status < 400 ? undefined : String(jsonOf(answer).code);
        if (code !== undefined) this.#note(what, answer.status, code);
        if (code === 'outcome-unknown') isUncertain = true;
        if (code === undefined || !isUncertain || !NOT_NOW.has(code)) {
          this.changes += 1;
          this.asking = undefined;
          return { answer, span: { from, to }, outcome: code === undefined ? 'done' : 'refused' };
        }
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        isUncertain = true;
      }
      if (this.#isGivingUp) return { answer: undefined, span: { from, to: performance.now() }, outcome: 'unknown' };
      await sleep(RETRY_MS);
    }
  }

  #note(what: string, status: number, code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
    if (!EXPECTED.has(code)) this.wrong.push(`${this.name}: ${what} was answered ${status} ${code}`);
  }

  /** undefined: nothing there, or no answer. */
  async #read(namespace: string, key: string): Promise<Reading | undefined> {
    try {
      const answer = await this.#attempt({ method: 'GET', path: entryPath(namespace, key) });
      if (answer.status === 503) return undefined;
      return readingOf(answer);
    } catch (error) {
      if (error instanceof Lost) return undefined;
      throw error;
    }
  }

  /* ---- what it does -------------------------------------------------------------------- */

  async #doSomething(): Promise<void> {
    const { namespaces } = this.#around;
    const dice = this.#below(100);
    const single = namespaces.single[this.#below(namespaces.single.length)]!;
    const hot = `hot/${this.#below(HOT_KEYS)}`;
    if (dice < 26) return this.#put(single, hot, dice < 18 ? '' : `?ttlMs=${this.#between(BRIEF_MS)}`);
    if (dice < 34) return this.#replace(single, hot);
    if (dice < 38) return this.#remove(single, hot);
    if (dice < 43) return this.#removeSeen(single, hot);
    if (dice < 58) return this.#putOwn(single);
    if (dice < 62) return this.#removeOwn();
    if (dice < 72) return this.#increment(`sum/${this.#below(COUNTERS)}`);
    if (dice < 86) return this.#beside(namespaces.siblings, `pair/${this.#below(SIBLING_KEYS)}`);
    return this.#lease(single);
  }

  async #put(namespace: string, key: string, query = '', seen?: Reading): Promise<void> {
    const value = this.#someValue();
    const headers: Record<string, string> = {
      'content-type': CONTENT_TYPES[this.#below(CONTENT_TYPES.length)]!,
    };
    if (seen !== undefined) {
      const keepsAll = namespace === this.#around.namespaces.siblings;
      headers[keepsAll ? 'leasehold-context' : 'if-match'] = keepsAll ? seen.context : `"${seen.etag}"`;
    }
    const path = `${entryPath(namespace, key)}${query}`;
    const { answer, span, outcome } = await this.#change('a put', { method: 'PUT', path, headers, body: value });
    this.#around.history.add({
      kind: 'write', namespace, key, value, span, outcome,
      sidecar: this.#around.sidecar,
      saw: valuesOf(seen),
      isBlind: seen === undefined,
      term: outcome === 'done' ? this.#told(answer!, span) : undefined,
      etag: answer?.headers.etag ?? '',
    });
    if (outcome !== 'done' || !key.startsWith('own/')) return;
    this.#own.push({ namespace, key, value, etag: String(answer!.headers.etag) });
  }

  /** The lease an answer names, with what remains of it. */
  #told({ headers }: Answer, span: Span): Term | undefined {
    const id = headers['leasehold-lease'];
    const remaining = headers['leasehold-remaining-ms'];
    if (typeof id !== 'string' || typeof remaining !== 'string') {
      this.wrong.push(`${this.name}: a write was acknowledged without a lease`);
      return undefined;
    }
    const term = this.#around.history.term(id);
    term.told(span, Number(remaining));
    return term;
  }

  /** Reads, then writes over what it read. */
  async #replace(namespace: string, key: string): Promise<void> {
    const seen = await this.#read(namespace, key);
    await this.#put(namespace, key, '', seen);
  }

  async #putOwn(namespace: string): Promise<void> {
    await this.#put(namespace, `own/${this.name}/${this.#numbers}`);
  }

  async #removeOwn(): Promise<void> {
    const [own] = this.#own.splice(this.#below(this.#own.length), 1);
    if (own === undefined) return;
    await this.#delete(own.namespace, own.key, { 'if-match': own.etag }, [own.value]);
  }

  async #remove(namespace: string, key: string): Promise<void> {
    await this.#delete(namespace, key, {}, undefined);
  }

  async #removeSeen(namespace: string, key: string): Promise<void> {
    const seen = await this.#read(namespace, key);
    if (seen === undefined) return;
    await this.#delete(namespace, key, { 'if-match': `"${seen.etag}"` }, valuesOf(seen));
  }

  async #delete(
    namespace: string, key: string, headers: Record<string, string>, saw: readonly string[] | undefined,
  ): Promise<void> {
    const { span, outcome } = await this.#change('a delete', {
      method: 'DELETE', path: entryPath(namespace, key), headers,
    });
    const { sidecar, history } = this.#around;
    history.add({
      kind: 'delete', namespace, key, sidecar, span, outcome, saw: saw ?? [], isBlind: saw === undefined,
    });
  }

  /** Where concurrent values stand beside each other: adds one, or settles those it has read. */
  async #beside(namespace: string, key: string): Promise<void> {
    const dice = this.#below(10);
    if (dice < 3) {
      await this.#put(namespace, key);
      return;
    }
    const seen = await this.#read(namespace, key);
    if (dice < 8 || seen === undefined) {
      await this.#put(namespace, key, '', seen);
      return;
    }
    await this.#delete(namespace, key, { 'leasehold-context': seen.context }, valuesOf(seen));
  }

  async #increment(key: string): Promise<void> {
    const by = 1 + this.#below(9);
    const namespace = this.#around.namespaces.counter;
    const { span, outcome } = await this.#change('an increment', {
      method: 'POST',
      path: `${entryPath(namespace, key)}/increment`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ by }),
    });
    const { sidecar, history } = this.#around;
    history.add({ kind: 'increment', namespace, key, by, sidecar, span, outcome, term: undefined });
  }

  /** Grants, renews, releases, or writes under a lease of its own. */
  async #lease(namespace: string): Promise<void> {
    const at = this.#below(LEASES);
    const lease = this.#leases[at];
    if (lease === undefined || lease.term.latest < performance.now()) {
      await this.#grant(at, namespace);
      return;
    }
    const dice = this.#below(10);
    if (dice < 6) await this.#put(lease.namespace, `hot/${this.#below(HOT_KEYS)}`, `?lease=${lease.id}`);
    else if (dice < 9) await this.#renew(lease);
    else await this.#release(at, lease);
  }

  async #grant(at: number, namespace: string): Promise<void> {
    const id = `${this.name}-${this.#number()}`;
    const body = JSON.stringify({ id, namespace, holder: this.name, ttlMs: this.#between(LEASE_MS) });
    const headers = { 'content-type': 'application/json' };
    const ask = { method: 'POST', path: '/v1/leases', headers, body };
    const { answer, span, outcome } = await this.#change('a grant', ask);
    if (outcome !== 'done') return;
    const term = this.#around.history.term(id);
    term.told(span, jsonOf(answer!).remainingMs);
    this.#leases[at] = { id, namespace, term };
  }

  async #renew({ id, term }: HeldLease): Promise<void> {
    const ttlMs = this.#between(LEASE_MS);
    const headers = { 'content-type': 'application/json' };
    const ask = { method: 'POST', path: `/v1/leases/${id}/renew`, headers, body: JSON.stringify({ ttlMs }) };
    const { answer, span, outcome } = await this.#change('a renewal', ask);
    if (outcome !== 'done') return;
    term.told(span, jsonOf(answer!).remainingMs);
    term.perhaps(span, ttlMs);
  }

  async #release(at: number, { id, term }: HeldLease): Promise<void> {
    this.#leases[at] = undefined;
    const { span, outcome } = await this.#change('a release', { method: 'DELETE', path: `/v1/leases/${id}` });
    term.release = { span, outcome };
  }

  /* ---- chance -------------------------------------------------------------------------- */

  #below(limit: number): number {
    return Math.floor(this.#around.random.next() * limit);
  }

  #between({ min, max }: { readonly min: number; readonly max: number }): number {
    return min + this.#below(max - min + 1);
  }

  #number(): string {
    return `${this.name}-${++this.#numbers}`;
  }

  /** No other write has it. */
  #someValue(): string {
    const name = `${this.#number()}:`;
    return name.padEnd(name.length + this.#below(PADDING_MAX), '.');
  }
}

function valuesOf(seen: Reading | undefined): string[] {
  return (seen?.shown ?? []).map(({ value }) => value.toString());
}
