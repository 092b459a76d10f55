import { describe, expect, test } from 'vitest';
import { AckRate } from '../../src/events/ack-rate.ts';
import type { PublishOutcome } from '../../src/events/bus.ts';
import { PublishWindow } from '../../src/events/publish-window.ts';
import { StreamHistory } from '../../src/events/stream-history.ts';
import { FakeOutbox } from './fake-outbox.ts';

const stored = (sequence: number): PublishOutcome => ({ ok: true, sequence, duplicate: false });
const repeated = (sequence: number): PublishOutcome => ({ ok: true, sequence, duplicate: true });
const failed: PublishOutcome = { ok: false, fault: { kind: 'refused', detail: '' } };

describe('the window', () => {
  test('settles in any order and lets go in order', () => {
    const told: PublishOutcome[] = [];
    const window = new PublishWindow(5, 7, (_, outcome) => told.push(outcome));
    window.widen(4);
    const [a, b, c] = [window.take(100), window.take(101), window.take(102)];
    window.skip();
    window.callback(c!)(repeated(3));
    expect([window.head, window.outstanding]).toEqual([undefined, 2]);
    window.callback(a!)(stored(9));
    expect([window.head, window.headPlace, window.headInstant]).toEqual(['stored', 9, 100]);
    window.drop();
    expect([window.from, window.next, window.head]).toEqual([8, 11, undefined]);
    window.callback(b!)(failed);
    expect(window.head, 'a failure stays at the head').toBeUndefined();
    window.restart(8);
    expect([window.from, window.next, window.outstanding, told.length]).toEqual([8, 8, 0, 3]);
  });

  test('has as much room as has been stored, and one more, up to its limit', () => {
    const window = new PublishWindow(3, 0, () => {});
    window.take(0);
    expect(window.hasRoom).toBe(false);
    window.widen(1);
    expect([window.hasRoom, window.allowed]).toEqual([true, 2]);
    window.widen(100);
    expect(window.allowed).toBe(3);
    window.narrow();
    expect(window.allowed).toBe(1);
  });

  test('hears no outcome twice', () => {
    const told: PublishOutcome[] = [];
    const window = new PublishWindow(1, 0, (_, outcome) => told.push(outcome));
    const done = window.callback(window.take(0));
    done(stored(1));
    done(failed);
    expect([window.head, window.outstanding, told]).toEqual(['stored', 0, [stored(1)]]);
  });

  test('goes nowhere else while events are on their way', () => {
    const window = new PublishWindow(2, 0, () => {});
    window.take(0);
    expect(() => window.restart(0)).toThrow('on their way');
  });
});

describe('the history of a stream', () => {
  const state = (created: string, lastSequence: number) =>
    ({ name: 'S', created, lastSequence, messages: 0, bytes: 0, differences: [] });
  const seen = { created: 'first', sequence: 10 };

  test.each([
    ['nobody has seen it', undefined, state('first', 90), undefined],
    ['it has gone on', seen, state('first', 10), undefined],
    ['it is another one', seen, state('second', 90), 'created'],
    ['it went back', seen, state('first', 9), 'ends at place 9'],
    ['nobody knows', { created: '', sequence: 10 }, state('first', 90), 'not known'],
  ])('compares with what was seen: %s', (_, lastSeen, now, why) => {
    const outbox = new FakeOutbox('endings');
    outbox.lastSeen = lastSeen;
    const history = new StreamHistory(outbox);
    const verdict = history.compare(now, history.highest);
    if (why === undefined) expect(verdict).toBeUndefined();
    else expect(verdict).toContain(why);
    expect(history.compare(now, history.highest), 'told once').toBeUndefined();
  });

  test('does not mind what was acknowledged while it was asked for', () => {
    const history = new StreamHistory(new FakeOutbox('endings'));
    history.compare(state('first', 0), 0);
    const asked = history.highest;
    history.acknowledged(5, false);
    expect(history.compare(state('first', 2), asked)).toBeUndefined();
  });

  test('knows places that were given out before, unless they belong to repeats', () => {
    const history = new StreamHistory(new FakeOutbox('endings'));
    history.compare(state('first', 0), 0);
    expect(history.acknowledged(5, false)).toBeUndefined();
    expect(history.acknowledged(4, true)).toBeUndefined();
    expect(history.acknowledged(5, false)).toBe('it gave out place 5 after 5');
    expect(history.acknowledged(6, false)).toBeUndefined();
  });

  test('is taken for lost when nobody has looked at it since the connection came back', () => {
    const outbox = new FakeOutbox('endings');
    outbox.lastSeen = seen;
    const history = new StreamHistory(outbox);
    history.compare(state('first', 10), history.highest);
    history.reconnected();
    history.acknowledged(11, false);
    history.note();
    expect(outbox.lastSeen).toEqual({ created: '', sequence: 11 });
    expect(history.compare(state('first', 11), history.highest)).toContain('not known');
  });

  test('is not written down where there are no places', () => {
    const outbox = new FakeOutbox('endings');
    const history = new StreamHistory(outbox);
    history.acknowledged(0, false);
    history.note();
    expect(outbox.lastSeen).toBeUndefined();
  });
});

describe('the rate of acknowledgement', () => {
  test('is right from the first second on, and follows changes', () => {
    const rate = new AckRate(1_000);
    let now = 1_000;
    const run = (seconds: number, perS: number): void => {
      for (let times = 0; times < seconds * 10; times++) {
        now += 100;
        rate.add(perS / 10, now);
      }
    };
    run(1, 1_000);
    expect(rate.perS(now) / 1_000).toBeCloseTo(1, 1);
    run(30, 1_000);
    expect(rate.perS(now) / 1_000).toBeCloseTo(1, 1);
    run(10, 100);
    expect(rate.perS(now)).toBeGreaterThan(100);
    expect(rate.perS(now)).toBeLessThan(300);
  });

  test('is nothing before the first, and fades', () => {
    const rate = new AckRate(0);
    expect(rate.perS(0)).toBe(0);
    rate.add(100, 0);
    expect(rate.perS(0), 'a burst is no rate').toBeLessThan(500);
    expect(rate.perS(20_000)).toBeGreaterThan(0);
    expect(rate.perS(60_000)).toBe(0);
  });
});
