import { describe, expect, test } from 'vitest';
import type { LogFields } from '../../src/log/fields.ts';
import { type LineLevel, LOG_LEVELS } from '../../src/log/levels.ts';
import { Repeats } from '../../src/log/repeats.ts';
import { FakeMachine } from './fake-machine.ts';

const MINUTE_MS = 60_000;

function world() {
  const machine = new FakeMachine();
  const lines: { readonly level: LineLevel; readonly fields: LogFields; readonly message: string }[] = [];
  const repeats = new Repeats((level, fields, message) => void lines.push({ level, fields, message }), machine);
  const counts = () => lines.map(({ fields }) => fields.repeated);
  return { machine, lines, repeats, counts };
}

describe('a line', () => {
  test('is written at once when it is the first of its kind, whatever its level', () => {
    const { repeats, lines } = world();
    for (const level of Object.keys(LOG_LEVELS) as LineLevel[]) repeats.take(level, {}, 'something');
    expect(lines.map(({ level }) => level)).toEqual(Object.keys(LOG_LEVELS));
  });

  test.each(Object.entries(LOG_LEVELS))('of level %s is written so often in a minute, then counted', (level, { repeatsPerMinute }) => {
    const { machine, repeats, lines, counts } = world();
    for (let count = 0; count < repeatsPerMinute + 7; count++) {
      repeats.take(level as LineLevel, { left: count }, 'again');
    }
    expect(lines).toHaveLength(repeatsPerMinute);
    machine.pass(MINUTE_MS);
    expect(lines).toHaveLength(repeatsPerMinute + 1);
    expect(lines.at(-1)).toEqual({
      level, message: 'again', fields: { left: repeatsPerMinute + 6, repeated: 7 },
    });
    expect(counts().filter((count) => count !== undefined)).toEqual([7]);
    expect(machine.timers).toBe(0);
  });

  test('is a new one when the minute is over', () => {
    const { machine, repeats, lines } = world();
    repeats.take('warn', {}, 'again');
    machine.pass(MINUTE_MS);
    for (let count = 0; count < 5; count++) repeats.take('warn', {}, 'again');
    expect(lines).toHaveLength(6);
  });

  test('is another one when it is about something else, and the same with other numbers', () => {
    const { repeats, lines } = world();
    for (let count = 0; count < 10; count++) {
      repeats.take('warn', { namespace: 'a', partition: count, pushed: count }, 'differs');
    }
    repeats.take('warn', { namespace: 'b', partition: 0 }, 'differs');
    repeats.take('error', { namespace: 'a' }, 'differs');
    expect(lines.map(({ level, fields }) => `${level} ${fields.namespace}`)).toEqual([
      'warn a', 'warn a', 'warn a', 'warn a', 'warn a', 'warn b', 'error a',
    ]);
  });

  test('that goes on is told each minute, and not more often', () => {
    const { machine, repeats, lines, counts } = world();
    for (let second = 0; second < 180; second++) {
      repeats.take('warn', {}, 'again');
      machine.pass(1000);
    }
    expect(lines).toHaveLength(3 * (5 + 1));
    expect(counts().filter((count) => count !== undefined)).toEqual([55, 55, 55]);
  });
});

describe('what was left out', () => {
  test('is told when the process ends, and nothing waits for it any more', () => {
    const { machine, repeats, lines } = world();
    for (let count = 0; count < 8; count++) repeats.take('warn', {}, 'again');
    repeats.flush();
    expect(lines.at(-1)!.fields.repeated).toBe(3);
    expect(machine.timers).toBe(0);
  });

  test('is told early when there are too many different lines, so that none is lost uncounted', () => {
    const { machine, repeats, lines } = world();
    for (let count = 0; count < 6; count++) repeats.take('warn', { namespace: 'first' }, 'again');
    for (let count = 0; count < 512; count++) repeats.take('warn', { namespace: `other-${count}` }, 'again');
    const told = lines.filter(({ fields }) => fields.namespace === 'first');
    expect(told.map(({ fields }) => fields.repeated)).toEqual([undefined, undefined, undefined, undefined, undefined, 1]);
    machine.pass(MINUTE_MS);
    expect(machine.timers).toBe(0);
  });

  test('of several lines is told in time, one after the other', () => {
    const { machine, repeats, lines } = world();
    const many = (namespace: string) => {
      for (let count = 0; count < 6; count++) repeats.take('warn', { namespace }, 'again');
    };
    many('a');
    machine.pass(30_000);
    many('b');
    machine.pass(30_000);
    expect(lines.filter(({ fields }) => fields.repeated === 1).map(({ fields }) => fields.namespace)).toEqual(['a']);
    machine.pass(30_000);
    expect(lines.filter(({ fields }) => fields.repeated === 1).map(({ fields }) => fields.namespace)).toEqual(['a', 'b']);
  });

  test('adds up: written lines and counted ones are all there were', () => {
    const { machine, repeats, lines } = world();
    let said = 0;
    for (let step = 0; step < 500; step++) {
      const times = (step * 7) % 5;
      for (let count = 0; count < times; count++) {
        repeats.take('info', { stream: `s${step % 3}` }, 'again');
        said += 1;
      }
      machine.pass((step * 131) % 2_000);
    }
    repeats.flush();
    const written = lines.filter(({ fields }) => fields.repeated === undefined).length;
    const counted = lines.reduce((sum, { fields }) => sum + (fields.repeated ?? 0), 0);
    expect(written + counted).toBe(said);
    expect(counted).toBeGreaterThan(0);
  });
});
