/**
 * A client that does all there is as fast as it is answered: leases granted, renewed, released and
 * forgotten, entries written under them or for a time of their own, moved and deleted. It is
 * honest: what it was told to ask for later it asks for later. Two of its leases it only renews, so
 * there is something to renew however little is granted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../bench/replay/random.ts';
import { type Answer, type Ask, Connection, Lost } from '../requests.ts';
import type { Account, Run } from './account.ts';
import { ANSWER_MAX_MS, type Kind, type Traffic, type Verdict } from './traffic.ts';

export interface Around {
  readonly random: Random;
  readonly account: Account;
  readonly traffic: Traffic;
  /** Where the sidecar is; resolves when there is one. */
  readonly sidecar: () => Promise<string>;
  /** Whether the sidecar may go while it is asked. */
  readonly mayBreak: boolean;
}

interface Held {
  readonly id: string;
  readonly ttlMs: number;
  readonly keep: boolean;
}

const ANCHORS = 2;
const LEASES_MAX = 12;
const KEYS = 24;
const LONG_MS = 3_600_000;
/** What ends by itself does so soon. */
export const SHORT_MAX_MS = 1_200;
const SHORT_MIN_MS = 150;
const PADDING_MAX = 100;
const DONE_MS = 20;

export class Neighbour {
  readonly name: string;
  readonly #around: Around;
  #connection: Connection | undefined;
  #url = '';
  #stopped = false;
  #numbers = 0;
  readonly #held: Held[] = [];
  readonly #keys: { name: string; run: Run | undefined }[];
  /** When it may ask again, by kind. */
  readonly #notBefore: Record<Kind, number> = { grant: 0, put: 0, renew: 0, release: 0, delete: 0 };

  constructor(name: string, around: Around) {
    this.name = name;
    this.#around = around;
    this.#keys = Array.from({ length: KEYS }, () => ({ name: this.#newName(), run: undefined }));
  }

  /** Works until `stop`. */
  async work(): Promise<void> {
    while (!this.#stopped) {
      const url = await this.#around.sidecar();
      if (url !== this.#url) {
        this.#connection?.close();
        this.#url = url;
        this.#connection = new Connection(url);
      }
      try {
        await this.#turn();
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        if (!this.#around.mayBreak) this.#around.traffic.complain(`${this.name}: ${error.message}`);
        await sleep(DONE_MS);
      }
    }
    this.#connection?.close();
  }

  stop(): void {
    this.#stopped = true;
  }

  #turn(): Promise<void> {
    const chance = this.#around.random.next();
    const any = this.#any();
    if (this.#held.length < ANCHORS) {
      return this.#may('grant') ? this.#grant(true) : sleep(DONE_MS);
    }
    if (chance < 0.2 && this.#held.length < LEASES_MAX && this.#may('grant')) return this.#grant(false);
    if (chance < 0.45 && this.#may('put')) return this.#put(any);
    if (chance < 0.55 && this.#may('put')) return this.#put(undefined);
    if (chance < 0.65 && this.#may('delete')) return this.#delete();
    if (chance < 0.75 && !any.keep) return this.#release(any);
    if (chance < 0.8 && !any.keep && any.ttlMs !== LONG_MS) {
      this.#drop(any);
      return Promise.resolve();
    }
    return this.#renew(any);
  }

  async #grant(keep: boolean): Promise<void> {
    const { random, account } = this.#around;
    const id = this.#newName();
    const ttlMs = keep || random.next() < 0.3 ? LONG_MS : this.#shortMs();
    const body = JSON.stringify({ id, holder: this.name, ttlMs });
    const ask = { method: 'POST', path: '/v1/leases', headers: JSON_BODY, body };
    const { verdict } = await this.#ask('grant', ask);
    if (verdict !== 'taken') return;
    account.leases.add(id);
    this.#held.push({ id, ttlMs, keep });
  }

  async #renew(held: Held): Promise<void> {
    const body = JSON.stringify({ ttlMs: held.ttlMs });
    const path = `/v1/leases/${held.id}/renew`;
    const { verdict } = await this.#ask('renew', { method: 'POST', path, headers: JSON_BODY, body });
    if (verdict === 'gone') this.#drop(held);
  }

  async #release(held: Held): Promise<void> {
    this.#drop(held);
    await this.#ask('release', { method: 'DELETE', path: `/v1/leases/${held.id}` });
  }

  /** Under a lease, or for a time of its own. */
  async #put(under: Held | undefined): Promise<void> {
    const key = this.#keys[this.#below(KEYS)]!;
    const query = under === undefined ? `ttlMs=${this.#shortMs()}` : `lease=${under.id}`;
    const body = `${this.name}:`.padEnd(this.#below(PADDING_MAX), '.');
    const path = `${ENTRIES}/${key.name}?${query}`;
    const before = key.run;
    try {
      const { verdict, answer } = await this.#ask('put', { method: 'PUT', path, body });
      if (verdict === 'gone' && under !== undefined) this.#drop(under);
      if (verdict !== 'taken') return;
      const { etag = '', 'leasehold-lease': lease } = answer.headers;
      const created = answer.status === 201;
      key.run = this.#around.account.written(
        { key: key.name, lease: String(lease), etag, created }, before,
      );
    } catch (error) {
      // Nobody knows what it holds now: another name for what comes.
      key.name = this.#newName();
      key.run = undefined;
      throw error;
    }
  }

  async #delete(): Promise<void> {
    const { name } = this.#keys[this.#below(KEYS)]!;
    await this.#ask('delete', { method: 'DELETE', path: `${ENTRIES}/${name}` });
  }

  async #ask(kind: Kind, ask: Ask): Promise<{ verdict: Verdict; answer: Answer }> {
    const { traffic } = this.#around;
    const connection = this.#connection!;
    const asked = performance.now();
    const timer = setTimeout(() => {
      traffic.complain(`A ${kind} was not answered within ${ANSWER_MAX_MS} ms`);
      connection.close();
    }, ANSWER_MAX_MS);
    try {
      const answer = await connection.ask(ask);
      const now = performance.now();
      const verdict = traffic.judge(kind, answer, now - asked);
      if (typeof verdict === 'object') this.#notBefore[kind] = now + verdict.waitMs;
      return { verdict, answer };
    } finally {
      clearTimeout(timer);
    }
  }

  #may(kind: Kind): boolean {
    return performance.now() >= this.#notBefore[kind];
  }

  #any(): Held {
    return this.#held[this.#below(this.#held.length)]!;
  }

  #drop(held: Held): void {
    const at = this.#held.indexOf(held);
    if (at >= 0) this.#held.splice(at, 1);
  }

  #below(limit: number): number {
    return Math.floor(this.#around.random.next() * limit);
  }

  #shortMs(): number {
    return SHORT_MIN_MS + this.#below(SHORT_MAX_MS - SHORT_MIN_MS);
  }

  #newName(): string {
    return `${this.name}-${++this.#numbers}`;
  }
}

const ENTRIES = '/v1/entries/default';
const JSON_BODY = { 'content-type': 'application/json' };
