/** The limit on a turn of the loop: when it begins, how it moves, who gets the room. */
import { describe, expect, test } from 'vitest';
import type { RequestClass } from '../../src/admission/classes.ts';
import { Limit } from '../../src/admission/limit.ts';
import { LoopDelay } from '../../src/admission/loop-delay.ts';
import { SETTINGS } from './world.ts';

const QUEUE_MS = SETTINGS.queueMs;

class Turns {
  readonly #ends: (() => void)[] = [];
  readonly limit = new Limit(SETTINGS, (work) => this.#ends.push(work));
  readonly offered: number[] = [];
  #now = 0;

  constructor() {
    this.limit.onRoom = (room) => this.offered.push(room);
  }

  /** One turn with so many of each; how many of them were admitted. */
  turn(asked: Partial<Record<RequestClass, number>>): Partial<Record<RequestClass, number>> {
    const admitted: Partial<Record<RequestClass, number>> = {};
    // Those of low classes come first: they must leave room all the same.
    for (const kind of ['list', 'grant', 'put', 'read', 'renew'] as const) {
      const count = asked[kind];
      if (count === undefined) continue;
      admitted[kind] = Array.from({ length: count }, () => this.limit.admits(kind)).filter(Boolean).length;
    }
    for (const work of this.#ends.splice(0)) work();
    return admitted;
  }

  window(turnMs: number, turns = 1): void {
    this.#now += 100;
    this.limit.sample({ turns, turnMs, standingMs: turnMs }, this.#now);
  }

  /** A limit of exactly so much in a turn, with this demand. */
  limited(asked: Record<RequestClass, number>): void {
    this.turn(asked);
    this.window(2 * QUEUE_MS);
  }
}

const ASKED = { renew: 20, read: 40, put: 40, grant: 60, list: 40 };

describe('a limit', () => {
  test('begins with what fits into the time that requests may wait, when they wait longer', () => {
    const turns = new Turns();
    turns.turn(ASKED);
    turns.window(QUEUE_MS);
    expect(turns.limit.perTurn).toBeUndefined();
    turns.limited(ASKED);
    expect(turns.limit.perTurn).toBe(100);
  });

  test('goes by class within a turn, whoever comes first', () => {
    const turns = new Turns();
    turns.limited(ASKED);
    expect(turns.turn(ASKED)).toEqual({ list: 0, grant: 0, put: 40, read: 40, renew: 20 });
    expect(turns.turn({ ...ASKED, read: 20 })).toMatchObject({ list: 0, grant: 0, put: 40 });
    expect(turns.turn({ renew: 200 })).toEqual({ renew: 200 });
  });

  test('offers at the end of a turn what is left of it', () => {
    const turns = new Turns();
    turns.limited(ASKED);
    turns.turn({ put: 30 });
    expect(turns.offered).toEqual([70]);
    turns.turn({ renew: 130 });
    expect(turns.offered).toEqual([70]);
  });

  test('falls by a tenth while a queue stands, but never below a quarter of its highest', () => {
    const turns = new Turns();
    turns.limited(ASKED);
    turns.turn(ASKED);
    turns.window(QUEUE_MS + 1);
    expect(turns.limit.perTurn).toBe(90);
    for (let window = 0; window < 50; window++) turns.window(QUEUE_MS + 1);
    expect(turns.limit.perTurn).toBe(25);
  });

  test('rises slowly near the time that may be waited, fast well below it, if anybody wants more', () => {
    const turns = new Turns();
    turns.limited(ASKED);
    turns.turn(ASKED);
    turns.window(QUEUE_MS - 1);
    expect(turns.limit.perTurn).toBe(102);
    turns.turn(ASKED);
    turns.window(QUEUE_MS / 4);
    expect(turns.limit.perTurn).toBe(127);
    turns.turn({ read: 1 });
    turns.window(1);
    expect(turns.limit.perTurn).toBe(127);
  });

  test('ends when everybody has found room for the settling time', () => {
    const turns = new Turns();
    turns.limited(ASKED);
    for (let passedMs = 0; passedMs < SETTINGS.settleMs; passedMs += 100) {
      turns.turn({ read: 1 });
      turns.window(1);
      expect(turns.limit.perTurn).toBe(100);
    }
    turns.window(1);
    expect(turns.limit.perTurn).toBeUndefined();
    expect(turns.turn({ list: 500 })).toEqual({ list: 500 });
  });

  test('tells how bad it is by what is refused', () => {
    const turns = new Turns();
    turns.window(QUEUE_MS / 2);
    expect(turns.limit.fill()).toBe(SETTINGS.elevatedFill / 2);
    const fills = (['list', 'put', 'read'] as const).map((kind) => {
      turns.limited(ASKED);
      turns.turn(ASKED);
      turns.limit.noteRefused(kind);
      turns.window(1);
      return turns.limit.fill();
    });
    expect(fills).toEqual([SETTINGS.highFill, SETTINGS.criticalFill, 1]);
    turns.window(1);
    expect(turns.limit.fill()).toBe(SETTINGS.elevatedFill);
  });

  test('says how long it will take to admit all that comes', () => {
    const turns = new Turns();
    expect(turns.limit.drainMs(100)).toBeUndefined();
    turns.limited(ASKED);
    // A hundred too many; two more in each window.
    expect(turns.limit.drainMs(100)).toBeCloseTo(5_000);
  });
});

describe('the wait for a turn', () => {
  test('is the mean turn, of two windows the shorter', () => {
    const loop = { activeMs: 0, turns: 0 };
    const delay = new LoopDelay(() => ({ ...loop }));
    const pass = (activeMs: number, turns: number) => {
      loop.activeMs += activeMs;
      loop.turns += turns;
      return delay.sample();
    };
    expect(pass(120, 3)).toEqual({ turns: 3, turnMs: 40, standingMs: 0 });
    expect(pass(100, 2)).toEqual({ turns: 2, turnMs: 50, standingMs: 40 });
    expect(pass(10, 10).standingMs).toBe(1);
    expect(pass(0, 0).standingMs).toBe(0);
  });
});
