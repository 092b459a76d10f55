import { describe, expect, it } from 'vitest';
import type { GrantReply, RenewReply } from '../../src/core/command.ts';
import { Core } from '../../src/core/core.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { contract, LIMITS, START_MS } from '../engine/world.ts';

function coreOf(stretchUnderPressure: number): Core {
  const ttl = {
    defaultMs: 1000, minMs: 1, maxMs: 2500, maxLifetimeMs: 10_000, stretchUnderPressure,
  };
  return new Core(
    {
      actor: '00000000000000aa', hashSeed: 1, namespaces: [contract({ ttl })],
      autoCreateNamespaces: false, limits: LIMITS,
    },
    START_MS,
  );
}

const grant = (core: Core, ttlMs?: number, more: object = {}) =>
  core.step(
    {
      op: 'grant', namespace: 'default', holder: 'h', id: 'l', ...more,
      ...(ttlMs === undefined ? {} : { ttlMs }),
    },
    START_MS,
  ) as GrantReply;
const renew = (core: Core, afterMs: number, ttlMs?: number) =>
  core.step(
    { op: 'renew', id: 'l', ...(ttlMs === undefined ? {} : { ttlMs }) }, START_MS + afterMs,
  ) as RenewReply;

describe('under pressure', () => {
  it('a TTL that nobody asked for is longer, and the reply says so', () => {
    const core = coreOf(2);
    core.setStretching(true);
    expect(grant(core).lease).toMatchObject({ ttlMs: 2000, remainingMs: 2000, stretched: true });
    expect(renew(core, 500).lease).toMatchObject({ ttlMs: 2000, remainingMs: 2000, stretched: true });
    expect(core.step({ op: 'get-lease', id: 'l' }, START_MS + 2400)).toMatchObject({
      lease: { state: 'live', ttlMs: 1000 },
    });
    checkInvariants(core);
  });

  it('one that was asked for is not', () => {
    const core = coreOf(2);
    core.setStretching(true);
    expect(grant(core, 1200).lease).toMatchObject({ ttlMs: 1200, remainingMs: 1200 });
    expect(renew(core, 100, 1300).lease).not.toHaveProperty('stretched');
  });

  it('none is longer than the namespace allows, nor outlives its lease’s lifetime', () => {
    const core = coreOf(9);
    core.setStretching(true);
    expect(grant(core).lease).toMatchObject({ ttlMs: 2500, remainingMs: 2500 });
    const other = coreOf(9);
    other.setStretching(true);
    expect(grant(other, undefined, { maxLifetimeMs: 1500 }).lease).toMatchObject({ remainingMs: 1500 });
  });

  it('and afterwards, or where the namespace does not want it, all is as ever', () => {
    const core = coreOf(2);
    expect(grant(core).lease).not.toHaveProperty('stretched');
    core.setStretching(true);
    renew(core, 100);
    core.setStretching(false);
    // Never shorter than what was promised.
    expect(renew(core, 200).lease).toMatchObject({ ttlMs: 1000, remainingMs: 1900 });
    const unwilling = coreOf(1);
    unwilling.setStretching(true);
    expect(grant(unwilling).lease).toMatchObject({ ttlMs: 1000, remainingMs: 1000 });
  });
});
