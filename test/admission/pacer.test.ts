/** Answers that are held back: whose, for how long, and who is taken on after all. */
import { describe, expect, test } from 'vitest';
import { Pacer } from '../../src/admission/pacer.ts';
import { ManualScheduler } from '../resilience/manual-scheduler.ts';

const HOLD_MS = 1_000;

function made(settings: { readonly holdMs?: number; readonly heldRefusals?: number } = {}) {
  const scheduler = new ManualScheduler();
  const answered: string[] = [];
  let steps = 0;
  const pacer = new Pacer(scheduler, { holdMs: HOLD_MS, heldRefusals: 3, ...settings }, () => steps++);
  const refuse = (connection: object, name: string, retryAfterMs = 5_000) =>
    pacer.refuse(connection, retryAfterMs, () => answered.push(name));
  const wait = (kind: 'read' | 'put' | 'grant' | 'list', name: string) =>
    pacer.wait(kind, () => answered.push(`${name} admitted`), () => answered.push(name));
  return { answered, pacer, refuse, scheduler, steps: () => steps, wait };
}

describe('a refusal that stands', () => {
  test('is given at once to whoever comes when it was told to', () => {
    const { answered, refuse, scheduler } = made();
    const connection = {};
    refuse(connection, 'first');
    scheduler.pass(5_000);
    refuse(connection, 'second');
    expect(answered).toEqual(['first', 'second']);
    expect(scheduler.waiting).toBe(0);
  });

  test('is held for whoever comes earlier, for between half the time and all of it', () => {
    const { answered, pacer, refuse, scheduler } = made();
    const connections = [{}, {}];
    for (const connection of connections) refuse(connection, 'told');
    scheduler.chances.push(0, 0.999);
    for (const [index, connection] of connections.entries()) refuse(connection, `held ${index}`);
    expect(pacer.held).toBe(2);
    scheduler.pass(HOLD_MS / 2);
    expect(answered).toEqual(['told', 'told']);
    scheduler.pass(20);
    expect(answered.slice(2)).toEqual(['held 0']);
    scheduler.pass(HOLD_MS / 2 - 20);
    expect(answered.slice(3)).toEqual(['held 1']);
    expect([pacer.held, scheduler.waiting]).toEqual([0, 0]);
  });

  test('counts from when it was answered', () => {
    const { answered, pacer, refuse, scheduler } = made();
    const connection = {};
    refuse(connection, 'told', 5_000);
    refuse(connection, 'held', 5_000);
    scheduler.pass(HOLD_MS);
    expect(answered).toHaveLength(2);
    scheduler.pass(4_500);
    refuse(connection, 'early again');
    expect(pacer.held).toBe(1);
  });

  test('of a connection that sends on without waiting is not held as well', () => {
    const { answered, pacer, refuse } = made();
    const connection = {};
    for (const name of ['told', 'held', 'behind it', 'behind it']) refuse(connection, name);
    expect([answered, pacer.held]).toEqual([['told', 'behind it', 'behind it'], 1]);
  });

  test('is given at once where as many are held as may be', () => {
    const { answered, pacer, refuse } = made();
    const connections = [{}, {}, {}, {}];
    for (const connection of connections) refuse(connection, 'told');
    for (const connection of connections) refuse(connection, 'early');
    expect([answered.filter((name) => name === 'early').length, pacer.held]).toEqual([1, 3]);
  });
});

describe('a request that waits for room', () => {
  test('is taken on when there is some, by class and then by age', () => {
    const { answered, pacer, wait } = made({ heldRefusals: 10 });
    wait('list', 'list');
    wait('put', 'put 1');
    wait('read', 'read');
    wait('put', 'put 2');
    pacer.admit(2);
    expect(answered).toEqual(['read admitted', 'put 1 admitted']);
    pacer.admit(5);
    expect(answered.slice(2)).toEqual(['put 2 admitted', 'list admitted']);
    expect(pacer.held).toBe(0);
  });

  test('is refused when none came in time, and asks for room in each step until then', () => {
    const { answered, pacer, scheduler, steps, wait } = made();
    wait('put', 'put');
    scheduler.pass(HOLD_MS);
    expect(answered).toEqual(['put']);
    expect(steps()).toBeGreaterThan(50);
    pacer.admit(5);
    expect(answered).toEqual(['put']);
  });

  test('is refused early where its wait is ended, once', () => {
    const { answered, scheduler, wait } = made();
    const end = wait('grant', 'grant');
    end();
    end();
    scheduler.pass(HOLD_MS);
    expect(answered).toEqual(['grant']);
  });
});

test('closing answers everybody, and holds nobody afterwards', () => {
  const { answered, pacer, refuse, scheduler, wait } = made();
  const connection = {};
  refuse(connection, 'told');
  refuse(connection, 'held');
  wait('put', 'put');
  pacer.close();
  expect(answered.toSorted()).toEqual(['held', 'put', 'told']);
  refuse(connection, 'after');
  wait('put', 'after');
  expect(answered.slice(3)).toEqual(['after', 'after']);
  expect([pacer.held, scheduler.waiting]).toEqual([0, 0]);
});

test('without time to hold, nothing is held', () => {
  const { answered, refuse, wait } = made({ holdMs: 0 });
  const connection = {};
  refuse(connection, 'one');
  refuse(connection, 'two');
  wait('put', 'three');
  expect(answered).toEqual(['one', 'two', 'three']);
});
