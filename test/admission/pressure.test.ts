/** From signals to a level, from a level to who is refused: the table of `classes.ts`, row by row. */
import { afterEach, describe, expect, test } from 'vitest';
import { type RequestClass, refusedAt } from '../../src/admission/classes.ts';
import { memorySignal } from '../../src/admission/memory.ts';
import { SETTINGS, START_WALL_MS, world, type WorldChanges } from './world.ts';

type World = ReturnType<typeof world>;
type Source = keyof World['signals'];

const KINDS: readonly RequestClass[] = ['renew', 'read', 'put', 'grant', 'list'];
const opened: World[] = [];
function made(changes?: WorldChanges): World {
  const one = world(changes);
  opened.push(one);
  return one;
}
afterEach(() => {
  for (const { admission } of opened.splice(0)) admission.close();
});

function refused({ admission }: World, adds = true): RequestClass[] {
  return KINDS.filter((kind) => admission.refusal(kind, adds, {}) !== undefined);
}

describe('who is refused', () => {
  const rows: readonly (readonly [Source, number, string, readonly RequestClass[]])[] = [
    ['outbox', 0.49, 'nominal', []],
    ['outbox', 0.5, 'elevated', []],
    ['outbox', 0.75, 'high', ['grant']],
    ['outbox', 0.9, 'critical', ['put', 'grant']],
    ['outbox', 1.2, 'critical', ['put', 'grant']],
    ['ledger', 0.74, 'elevated', []],
    ['ledger', 0.75, 'high', ['grant']],
    ['ledger', 0.95, 'critical', ['put', 'grant']],
    ['journal', 0.5, 'elevated', []],
    ['journal', 0.8, 'high', ['grant']],
    ['journal', 0.9, 'critical', ['put', 'grant']],
    ['memory', 0.74, 'nominal', []],
    ['memory', 0.8, 'elevated', []],
    ['memory', 0.85, 'high', ['grant', 'list']],
    ['memory', 0.92, 'critical', ['put', 'grant', 'list']],
  ];
  test.each(rows)('%s at %d: %s, refuses %j', (source, fill, level, kinds) => {
    const one = made();
    one.fill(source, fill);
    expect(one.admission.pressure.level).toBe(level);
    expect(refused(one)).toEqual(kinds);
    // What makes room is let in.
    expect(refused(one, false)).toEqual([]);
  });

  test('never renewals, whatever is full, and nobody by the level of the loop', () => {
    for (const source of ['outbox', 'ledger', 'journal', 'memory', 'loop'] as const) {
      for (const level of ['nominal', 'elevated', 'high', 'critical'] as const) {
        const kinds: readonly string[] = refusedAt(source, level);
        expect(kinds).not.toContain('renew');
        if (source === 'loop') expect(kinds).toEqual([]);
      }
    }
  });

  test('is told why, and when the queue in front of it will have drained', () => {
    const one = made();
    one.fill('outbox', 0.83, 4_000);
    one.scheduler.chances.push(0.25);
    expect(one.admission.refusal('grant', true, {})).toMatchObject({
      refused: 'under-pressure',
      detail: 'Cannot take grants now: outbox (endings) is 83 % full',
      members: { source: 'outbox' },
      retryAfterMs: 5_000,
    });
  });
});

describe('a level', () => {
  test('is left only below its threshold less the hysteresis, and only after a while', () => {
    const one = made();
    one.fill('outbox', 0.75);
    one.signals.outbox.level = 0.66;
    for (let passedMs = 0; passedMs < 3_000; passedMs += 100) one.window();
    expect(one.admission.pressure.level).toBe('high');
    one.signals.outbox.level = 0.64;
    for (let passedMs = 0; passedMs < SETTINGS.settleMs; passedMs += 100) one.window();
    expect(one.admission.pressure.level).toBe('high');
    one.window();
    expect(one.admission.pressure.level).toBe('elevated');
  });

  test('falls at once as far as the fill has been below all the while', () => {
    const one = made();
    one.fill('outbox', 1);
    one.signals.outbox.level = 0.55;
    one.window();
    one.signals.outbox.level = 0;
    for (let passedMs = 0; passedMs < SETTINGS.settleMs; passedMs += 100) one.window();
    expect(one.admission.pressure.level).toBe('elevated');
    for (let passedMs = 0; passedMs <= SETTINGS.settleMs; passedMs += 100) one.window();
    expect(one.admission.pressure.level).toBe('nominal');
  });

  test('begins its wait anew when the fill comes back', () => {
    const one = made();
    one.fill('outbox', 0.8);
    for (let round = 0; round < 5; round++) {
      one.signals.outbox.level = 0.1;
      for (let passedMs = 0; passedMs < 900; passedMs += 100) one.window();
      one.fill('outbox', 0.7);
    }
    expect(one.admission.pressure.level).toBe('high');
    expect(one.changed).toHaveLength(1);
  });

  test('is told once per crossing, with its source and what was before', () => {
    const one = made();
    one.fill('ledger', 0.6);
    one.window();
    one.fill('journal', 0.65);
    one.fill('memory', 0.95);
    expect(one.changed.map(({ from, to }) => [from.level, to.level, to.source, to.fill])).toEqual([
      ['nominal', 'elevated', 'ledger', 0.6],
      ['elevated', 'critical', 'memory', 0.95],
    ]);
  });

  test('has the name of the fullest of those that are worst', () => {
    const one = made();
    one.fill('memory', 0.86);
    one.signals.outbox.level = 0.7;
    one.fill('ledger', 0.74);
    // Fuller ones are less bad by their own thresholds.
    expect(one.admission.pressure).toEqual({ level: 'high', source: 'memory', fill: 0.86 });
    expect(one.admission.pressureField).toBe('level=high; source=memory; fill=0.86');
    one.signals.memory.level = 0;
    for (let passedMs = 0; passedMs <= SETTINGS.settleMs; passedMs += 100) one.window();
    expect(one.admission.pressure).toEqual({ level: 'elevated', source: 'ledger', fill: 0.74 });
  });

  test('has no field while it is nominal, and only critical is a reason', () => {
    const one = made();
    one.fill('outbox', 0.4);
    expect(one.admission.pressureField).toBeUndefined();
    one.fill('outbox', 0.8);
    expect(one.admission.reasons()).toEqual([]);
    one.fill('outbox', 0.9);
    expect(one.admission.reasons()).toEqual(['under-pressure']);
  });
});

describe('the status page', () => {
  test('shows level and source, since when, every signal, and what was refused', () => {
    const one = made();
    one.fill('outbox', 0.834);
    const refusal = one.admission.refusal('grant', true, {})!;
    one.admission.pace({ kind: 'grant', connection: {}, refusal, refuse: () => {} });
    expect(one.admission.status()).toEqual({
      level: 'high', source: 'outbox', fill: 0.83,
      since: new Date(START_WALL_MS + 100).toISOString(),
      signals: [
        { source: 'loop', what: 'queue', level: 'nominal', fill: 0 },
        { source: 'outbox', what: 'endings', level: 'high', fill: 0.83 },
        { source: 'ledger', what: 'unpushed', level: 'nominal', fill: 0 },
        { source: 'journal', what: 'waiting', level: 'nominal', fill: 0 },
        { source: 'memory', what: 'resident', level: 'nominal', fill: 0 },
      ],
      refused: { renew: 0, read: 0, put: 0, grant: 1, list: 0 },
      held: 0, queueMs: 0, callers: 0,
      limit: { perTurn: null, admitted: { read: 1, put: 1, grant: 1, list: 1 } },
    });
  });
});

describe('when to come back', () => {
  test.each([
    [undefined, 0, 1_000],
    [undefined, 0.5, 1_500],
    [3, 0, 100],
    [2_500, 0.999, 4_998],
    [Number.POSITIVE_INFINITY, 0, 10_000],
  ])('a queue that drains in %s ms, with a chance of %d: %i ms', (drainMs, chance, expected) => {
    const one = made();
    one.fill('outbox', 0.8, drainMs);
    one.scheduler.chances.push(chance);
    expect(one.admission.retryAfterMs('capacity')).toBe(expected);
  });

  test('is asked of what the error is about', () => {
    const one = made();
    one.fill('outbox', 0.2, 2_000);
    one.fill('ledger', 0.1, 6_000);
    one.fill('journal', 0.1, 8_000);
    const codes = ['capacity', 'ledger-unavailable', 'isolated', 'journal-full', 'draining', 'under-pressure'] as const;
    const times = codes.map((code) => {
      one.scheduler.chances.push(0);
      return one.admission.retryAfterMs(code);
    });
    expect(times).toEqual([2_000, 6_000, 6_000, 8_000, 1_000, 100]);
    one.scheduler.chances.push(0.5);
    expect(one.admission.retryAfterMs('under-pressure', 'outbox')).toBe(3_000);
  });
});

test('memory is what is resident, against the limit', () => {
  expect(memorySignal(1000, () => 850).fill()).toBe(0.85);
});
