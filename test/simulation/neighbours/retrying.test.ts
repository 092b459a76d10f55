import { describe, expect, test } from 'vitest';
import type { Answer, Asked } from '../history/operation.ts';
import { Chance } from '../kernel/chance.ts';
import { pauseBeforeRetry } from './retrying.ts';

const chance = new Chance(1);
const PUT: Asked = { kind: 'put', namespace: 'jobs', key: 'k', value: 'v' };
const ONCE: Asked = { ...PUT, idempotencyKey: 'c1#1' };

function answer(status: number, code?: string, retryAfterMs?: number): Answer {
  return {
    atMs: 0, status, headers: {}, replayed: false,
    ...(code === undefined ? {} : { code }),
    ...(retryAfterMs === undefined ? {} : { document: { retryAfterMs } }),
  };
}

function pause(asked: Asked, told: Answer, attempts = 1): number | undefined {
  return pauseBeforeRetry(asked, told, attempts, chance);
}

describe('a client', () => {
  test('asks again where it was refused for now, and takes other refusals as they are', () => {
    expect(pause(PUT, answer(503, 'under-pressure'))).toBeDefined();
    expect(pause(PUT, answer(0, 'connection-refused'))).toBeDefined();
    expect(pause(ONCE, answer(409, 'idempotency-in-progress'))).toBeDefined();
    expect(pause(PUT, answer(412, 'version-mismatch'))).toBeUndefined();
    expect(pause(PUT, answer(409, 'lease-held'))).toBeUndefined();
    expect(pause(PUT, answer(204))).toBeUndefined();
  });

  test('asks again after an unknown outcome only where that cannot do it twice', () => {
    const lost = [answer(0, 'timeout'), answer(0, 'connection-reset'), answer(504, 'outcome-unknown')];
    for (const told of lost) {
      expect(pause(PUT, told)).toBeUndefined();
      expect(pause(ONCE, told)).toBeDefined();
      expect(pause({ kind: 'renew', lease: 'l' }, told)).toBeDefined();
      expect(pause({ kind: 'batch', operations: [] }, told)).toBeUndefined();
      expect(pause({ kind: 'delete', namespace: 'jobs', key: 'k' }, told)).toBeUndefined();
    }
  });

  test('comes back no earlier than it was told, and not with all others', () => {
    const pauses = Array.from({ length: 100 }, () => pause(PUT, answer(429, 'quota-exceeded', 200))!);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(200);
    expect(new Set(pauses).size).toBeGreaterThan(90);
    const inSeconds = { ...answer(503), headers: { 'retry-after': '2' } };
    expect(pause(PUT, inSeconds)).toBeGreaterThanOrEqual(2_000);
  });

  test('waits longer each time, and has had enough in the end', () => {
    const longest = (attempts: number) =>
      Math.max(...Array.from({ length: 200 }, () => pause(PUT, answer(0, 'connection-refused'), attempts)!));
    expect(longest(1)).toBeLessThan(100);
    expect(longest(5)).toBeGreaterThan(1_000);
    expect(pause(PUT, answer(0, 'connection-refused'), 6)).toBeUndefined();
  });
});
