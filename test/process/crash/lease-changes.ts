/** Grant, renew, release: leases that a client names itself. */
import type { Ask } from '../requests.ts';
import { Lease, type World } from './belief.ts';
import { type Change, type Outcome, unexpected } from './change.ts';
import type { Span } from './span.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

export class GrantLease implements Change {
  readonly writes = 0;
  readonly repeatable: boolean;
  readonly what: string;
  readonly #body: { namespace: string; holder: string; id: string; ttlMs: number };
  readonly #key: string | undefined;

  constructor(
    body: { namespace: string; holder: string; id: string; ttlMs: number },
    idempotencyKey: string | undefined,
  ) {
    this.#body = body;
    this.#key = idempotencyKey;
    this.repeatable = idempotencyKey !== undefined;
    this.what = `grant of ${body.id} for ${body.ttlMs} ms`;
  }

  ask(): Ask {
    const headers =
      this.#key === undefined ? JSON_TYPE : { ...JSON_TYPE, 'idempotency-key': `"${this.#key}"` };
    return { method: 'POST', path: '/v1/leases', headers, body: JSON.stringify(this.#body) };
  }

  operation(): object {
    throw new Error('A batch grants no leases');
  }

  acknowledge(world: World, outcome: Outcome, effect: Span, told: Span): string | undefined {
    const { id, ttlMs } = this.#body;
    const lease = new Lease(id, true, effect, ttlMs);
    lease.certain = true;
    if (outcome.code === 'lease-ended') {
      // A repeat is told of the end of what the first one was granted.
      if (lease.surelyLiveUntil(effect.to)) return unexpected(outcome);
      world.grant(id, lease);
      world.forget(lease);
      return undefined;
    }
    if (outcome.status !== 201) return unexpected(outcome);
    world.grant(id, lease);
    return lease.told(outcome.remainingMs ?? Number.NaN, told);
  }

  worlds(world: World, span: Span): World[] {
    const { id, ttlMs } = this.#body;
    world.grant(id, new Lease(id, true, span, ttlMs));
    return [world];
  }
}

/** The lease is over, as an answer says; what is wrong with that, if it cannot be. */
export function overNow(world: World, lease: Lease | undefined, effect: Span): string | undefined {
  if (lease === undefined) return undefined;
  if (lease.surelyLiveUntil(effect.to)) return `was refused: lease "${lease.id}" is lost`;
  world.forget(lease);
  return undefined;
}

export class RenewLease implements Change {
  readonly writes = 0;
  readonly repeatable = false;
  readonly what: string;
  readonly #lease: Lease;
  readonly #ttlMs: number;

  constructor(lease: Lease, ttlMs: number) {
    this.#lease = lease;
    this.#ttlMs = ttlMs;
    this.what = `renewal of ${lease.id} for ${ttlMs} ms`;
  }

  ask(): Ask {
    const path = `/v1/leases/${this.#lease.id}/renew`;
    return { method: 'POST', path, headers: JSON_TYPE, body: JSON.stringify({ ttlMs: this.#ttlMs }) };
  }

  operation(): object {
    return { op: 'renew', id: this.#lease.id, ttlMs: this.#ttlMs };
  }

  acknowledge(world: World, outcome: Outcome, effect: Span, told: Span): string | undefined {
    if (outcome.code === 'lease-ended') {
      // A repeat is told of the end, also when the first one did renew it.
      if (effect.from < told.from) this.#lease.perhapsRenewed(effect, this.#ttlMs);
      return overNow(world, this.#lease, effect);
    }
    if (outcome.status !== 200) return unexpected(outcome);
    this.#lease.renewed(effect, this.#ttlMs);
    return this.#lease.told(outcome.remainingMs ?? Number.NaN, told);
  }

  worlds(world: World, span: Span): World[] {
    this.#lease.perhapsRenewed(span, this.#ttlMs);
    return [world];
  }
}

export class ReleaseLease implements Change {
  readonly writes = 0;
  readonly repeatable = false;
  readonly what: string;
  readonly #lease: Lease;

  constructor(lease: Lease) {
    this.#lease = lease;
    this.what = `release of ${lease.id}`;
  }

  ask(): Ask {
    return { method: 'DELETE', path: `/v1/leases/${this.#lease.id}` };
  }

  operation(): object {
    throw new Error('A batch releases no leases');
  }

  acknowledge(world: World, outcome: Outcome, effect: Span): string | undefined {
    if (outcome.status !== 204) return unexpected(outcome);
    const certain = this.#lease.surelyLiveUntil(effect.to);
    for (const { fate } of [this.#lease, ...world.under(this.#lease).map(({ run }) => run)]) {
      if (certain) fate.must = 'released';
      else fate.may.add('released');
    }
    world.forget(this.#lease);
    return undefined;
  }

  worlds(world: World): World[] {
    for (const { fate } of [this.#lease, ...world.under(this.#lease).map(({ run }) => run)]) {
      fate.may.add('released');
    }
    world.forget(this.#lease);
    return [world];
  }
}
