/** Put, increment, delete and read: entries that one client alone writes. */
import type { Ask } from '../requests.ts';
import { type Held, Lease, Run, shown, type World } from './belief.ts';
import { type Change, type Outcome, unexpected } from './change.ts';
import { overNow } from './lease-changes.ts';
import type { Span } from './span.ts';

export interface Place {
  readonly namespace: string;
  readonly key: string;
}

/** Under which lease a write is: one by id, a fresh one, or where the entry is already. */
export type Home = { readonly lease: Lease } | { readonly ttlMs: number } | 'as it is';

function pathOf({ namespace, key }: Place): string {
  return `/v1/entries/${namespace}/${key}`;
}

function subjectOf({ namespace, key }: Place): string {
  return `${namespace}/${key}`;
}

/** Takes for written what an answer, or a possible world, says was written. */
function write(
  world: World,
  place: Place,
  replaced: Held | undefined,
  lease: Lease,
  value: Buffer,
  etag: string | undefined,
): void {
  const goesOn = replaced !== undefined && replaced.run.lease === lease;
  const run = goesOn ? replaced.run : new Run(subjectOf(place), lease);
  if (replaced !== undefined && !goesOn) {
    // That it was replaced shows that it was live, if somebody said so.
    if (etag === undefined) replaced.run.fate.may.add('superseded');
    else replaced.run.fate.must = 'superseded';
  }
  if (etag !== undefined) run.etags.push(etag);
  world.hold(place.key, { run, value, etag });
}

/** What is wrong with an answer that says whether the entry was there before. */
function wrongAboutBefore(old: Held | undefined, created: boolean, effect: Span): string | undefined {
  if (created && old?.run.lease.surelyLiveUntil(effect.to) === true) return 'was told that nothing was there: it is lost';
  if (created) return undefined;
  if (old === undefined) return 'met what should not have been there';
  const over = old.run.lease.surelyOverFrom(effect.from);
  return over ? 'met what was past its deadline' : undefined;
}

export class PutEntry implements Change {
  readonly writes = 1;
  readonly repeatable: boolean;
  readonly what: string;
  readonly #place: Place;
  readonly #value: Buffer;
  readonly #home: Home;
  readonly #defaultTtlMs: number;
  readonly #ifMatch: string | undefined;
  readonly #key: string | undefined;

  constructor(
    place: Place,
    value: Buffer,
    home: Home,
    defaultTtlMs: number,
    more: { readonly ifMatch?: string | undefined; readonly idempotencyKey?: string | undefined } = {},
  ) {
    this.#place = place;
    this.#value = value;
    this.#home = home;
    this.#defaultTtlMs = defaultTtlMs;
    this.#ifMatch = more.ifMatch;
    this.#key = more.idempotencyKey;
    this.repeatable = more.idempotencyKey !== undefined;
    const under = home === 'as it is' ? home : 'ttlMs' in home ? `for ${home.ttlMs} ms` : `under ${home.lease.id}`;
    this.what = `put of ${place.key} ${under}`;
  }

  ask(): Ask {
    const home = this.#home;
    const query =
      home === 'as it is' ? '' : 'ttlMs' in home ? `?ttlMs=${home.ttlMs}` : `?lease=${home.lease.id}`;
    const headers: Record<string, string> = { 'content-type': 'application/x-test' };
    if (this.#ifMatch !== undefined) headers['if-match'] = this.#ifMatch;
    if (this.#key !== undefined) headers['idempotency-key'] = `"${this.#key}"`;
    return { method: 'PUT', path: pathOf(this.#place) + query, headers, body: this.#value };
  }

  operation(): object {
    const home = this.#home;
    return {
      op: 'put',
      ...this.#place,
      value: this.#value.toString('base64'),
      ...(home === 'as it is' ? {} : 'ttlMs' in home ? home : { lease: home.lease.id }),
      ...(this.#ifMatch === undefined ? {} : { ifMatch: this.#ifMatch }),
    };
  }

  acknowledge(world: World, outcome: Outcome, effect: Span, told: Span): string | undefined {
    const home = this.#home;
    const old = world.entries.get(this.#place.key);
    if (outcome.code === 'lease-ended' && typeof home === 'object' && 'lease' in home) {
      return overNow(world, home.lease, effect);
    }
    if (outcome.status === 412 && this.#ifMatch !== undefined) {
      return overNow(world, old?.run.lease, effect);
    }
    if (outcome.status !== 201 && outcome.status !== 204) return unexpected(outcome);
    const created = outcome.status === 201;
    const wrong = wrongAboutBefore(old, created, effect);
    if (wrong !== undefined) return wrong;
    if (created && old !== undefined) world.forget(old.run.lease);
    const replaced = created ? undefined : old;
    const lease = this.#leaseOf(replaced, effect, outcome.lease);
    if (outcome.lease !== undefined && lease.id !== undefined && outcome.lease !== lease.id) {
      return `went under lease ${outcome.lease} instead of ${lease.id}`;
    }
    write(world, this.#place, replaced, lease, this.#value, outcome.etag);
    if (lease.explicit || outcome.remainingMs === undefined) return undefined;
    return lease.told(outcome.remainingMs, told);
  }

  #leaseOf(replaced: Held | undefined, effect: Span, id: string | undefined): Lease {
    const home = this.#home;
    if (home === 'as it is') {
      return replaced?.run.lease ?? new Lease(id, false, effect, this.#defaultTtlMs);
    }
    return 'lease' in home ? home.lease : new Lease(id, false, effect, home.ttlMs);
  }

  worlds(world: World, span: Span): World[] {
    const old = world.entries.get(this.#place.key);
    const worlds: World[] = [];
    if (old !== undefined && !old.run.lease.surelyOverFrom(span.from)) {
      const replacing = world.copy();
      write(replacing, this.#place, old, this.#leaseOf(old, span, undefined), this.#value, undefined);
      worlds.push(replacing);
    }
    if (old?.run.lease.surelyLiveUntil(span.to) !== true) {
      const creating = world.copy();
      const lease = this.#leaseOf(undefined, span, undefined);
      write(creating, this.#place, undefined, lease, this.#value, undefined);
      worlds.push(creating);
    }
    return worlds;
  }
}

/** Adds to an integer whose lease is far from its deadline. */
export class Increment implements Change {
  readonly writes = 1;
  readonly repeatable: boolean;
  readonly what: string;
  readonly #place: Place;
  readonly #by: number;
  readonly #defaultTtlMs: number;
  readonly #key: string | undefined;

  constructor(place: Place, by: number, defaultTtlMs: number, idempotencyKey: string | undefined) {
    this.#place = place;
    this.#by = by;
    this.#defaultTtlMs = defaultTtlMs;
    this.#key = idempotencyKey;
    this.repeatable = idempotencyKey !== undefined;
    this.what = `increment of ${place.key} by ${by}`;
  }

  ask(): Ask {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.#key !== undefined) headers['idempotency-key'] = `"${this.#key}"`;
    const path = `${pathOf(this.#place)}/increment`;
    return { method: 'POST', path, headers, body: JSON.stringify({ by: this.#by }) };
  }

  operation(): object {
    return { op: 'increment', ...this.#place, by: this.#by };
  }

  acknowledge(world: World, outcome: Outcome, effect: Span): string | undefined {
    if (outcome.status !== 200) return unexpected(outcome);
    const old = world.entries.get(this.#place.key);
    const value = this.#after(old);
    if (outcome.value !== value) return `came to ${outcome.value} instead of ${value}`;
    const lease = old?.run.lease ?? new Lease(outcome.lease, false, effect, this.#defaultTtlMs);
    write(world, this.#place, old, lease, Buffer.from(String(value)), outcome.etag);
    return undefined;
  }

  #after(old: Held | undefined): number {
    return (old === undefined ? 0 : Number(old.value.toString())) + this.#by;
  }

  worlds(world: World, span: Span): World[] {
    const old = world.entries.get(this.#place.key);
    const lease = old?.run.lease ?? new Lease(undefined, false, span, this.#defaultTtlMs);
    write(world, this.#place, old, lease, Buffer.from(String(this.#after(old))), undefined);
    return [world];
  }
}

export class DeleteEntry implements Change {
  readonly writes = 0;
  readonly repeatable = false;
  readonly what: string;
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
    this.what = `delete of ${place.key}`;
  }

  ask(): Ask {
    return { method: 'DELETE', path: pathOf(this.#place) };
  }

  operation(): object {
    return { op: 'delete', ...this.#place };
  }

  acknowledge(world: World, outcome: Outcome, effect: Span): string | undefined {
    if (outcome.status !== 204) return unexpected(outcome);
    world.entries.get(this.#place.key)?.run.ended('deleted', effect.to);
    world.entries.delete(this.#place.key);
    return undefined;
  }

  worlds(world: World): World[] {
    world.entries.get(this.#place.key)?.run.fate.may.add('deleted');
    world.entries.delete(this.#place.key);
    return [world];
  }
}

/** Reads what was written: changes nothing. */
export class ReadEntry implements Change {
  readonly writes = 0;
  readonly repeatable = false;
  readonly what: string;
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
    this.what = `read of ${place.key}`;
  }

  ask(): Ask {
    return { method: 'GET', path: pathOf(this.#place) };
  }

  operation(): object {
    return { op: 'get', ...this.#place };
  }

  acknowledge(world: World, outcome: Outcome, effect: Span): string | undefined {
    const held = world.entries.get(this.#place.key);
    if (outcome.code === 'entry-not-found') {
      if (held?.run.lease.surelyLiveUntil(effect.to) === true) return 'found nothing: it is lost';
      if (held !== undefined) world.forget(held.run.lease);
      return undefined;
    }
    if (outcome.status !== 200) return unexpected(outcome);
    const wrong = wrongAboutBefore(held, false, effect);
    if (wrong !== undefined || held === undefined) return wrong;
    const value = outcome.value as Buffer;
    if (!held.value.equals(value)) return `found ${shown(value)} instead of ${shown(held.value)}`;
    const known = held.etag === undefined || held.etag === outcome.etag;
    return known ? undefined : `found version ${outcome.etag} instead of ${held.etag}`;
  }

  worlds(): World[] {
    return [];
  }
}
