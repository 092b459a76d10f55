import { describe, expect, test } from 'vitest';
import { contiguousSequence } from './contiguous-sequence.ts';
import { everyEndingTold } from './every-ending-told.ts';
import { noEarlyExpiry } from './no-early-expiry.ts';
import { noLateExpiry } from './no-late-expiry.ts';
import { noResurrection } from './no-resurrection.ts';
import { oneEnding } from './one-ending.ts';
import { ACTOR, instant, OTHER, SUCCESSOR, ToldWorld } from './told-world.ts';

describe('one-ending', () => {
  test('takes the same ending from two sidecars, and a message that came twice', () => {
    const world = new ToldWorld(oneEnding);
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i' });
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i' });
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i', reason: 'released' }, { actor: OTHER, name: 's2' });
  });

  test('catches a run that tells an ending under two numbers', () => {
    const world = new ToldWorld(oneEnding);
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i' });
    expect(() => world.tellEnding('entry.ended', 2, { key: 'k', lease: 'i' })).toThrow('twice');
  });

  test('catches a second reason after a restart, and takes it after a power cut', () => {
    const world = new ToldWorld(oneEnding);
    world.tellEnding('lease.ended', 1, { lease: 'l', reason: 'released' });
    world.restart(world.s1);
    expect(() => world.tellEnding('lease.ended', 1, { lease: 'l' }, { actor: SUCCESSOR })).toThrow('two reasons');

    const cut = new ToldWorld(oneEnding);
    cut.tellEnding('lease.ended', 1, { lease: 'l', reason: 'released' });
    cut.incident('power-cut', 's1');
    cut.tellEnding('lease.ended', 1, { lease: 'l' }, { actor: SUCCESSOR });
  });

  test('catches one id for two things, and two ids for one lease', () => {
    const world = new ToldWorld(oneEnding);
    world.tellEnding('lease.ended', 1, { lease: 'l' });
    expect(() => world.tellEnding('lease.ended', 2, { lease: 'm', endingId: 'el' })).toThrow('two things');
    const again = new ToldWorld(oneEnding);
    again.tellEnding('lease.ended', 1, { lease: 'l' });
    expect(() => again.tellEnding('lease.ended', 2, { lease: 'l', endingId: 'x' })).toThrow('two endings');
  });
});

describe('contiguous-sequence', () => {
  const closed = (endings: number, events: number) => ({
    source: `/leasehold/s1/${ACTOR}`, lastSequences: { endings, events },
  });

  test('takes numbers out of order, when they are complete in the end', () => {
    const world = new ToldWorld(contiguousSequence);
    for (const number of [1, 3, 4, 2, 3]) world.tell('entry.created', number, { key: String(number), at: 'then' });
    world.tell('source.closed', 1, closed(0, 4), { actor: SUCCESSOR });
    world.rest();
  });

  test('catches a number that never came, also one that only the closing names', () => {
    const world = new ToldWorld(contiguousSequence);
    world.tell('entry.created', 1, {});
    world.tell('entry.created', 3, {});
    expect(() => world.rest()).toThrow('2 of 3 never came');
    const short = new ToldWorld(contiguousSequence);
    short.tell('entry.created', 1, {});
    short.tell('source.closed', 1, closed(0, 2), { actor: SUCCESSOR });
    expect(() => short.rest()).toThrow('2 of 2 never came');
  });

  test('forgives a gap of a run that lost its power, and none of one that was killed', () => {
    for (const isCut of [true, false]) {
      const world = new ToldWorld(contiguousSequence);
      world.tell('entry.created', 1, {});
      world.tell('entry.created', 3, {});
      if (isCut) world.incident('down', 's1', { power: true });
      world.pass(1);
      world.restart(world.s1);
      if (isCut) world.rest();
      else expect(() => world.rest()).toThrow('never came');
    }
  });

  test('catches a number that stands for two events, and what comes after the closing', () => {
    const world = new ToldWorld(contiguousSequence);
    world.tell('entry.created', 1, { key: 'k' });
    expect(() => world.tell('entry.created', 1, { key: 'other' })).toThrow('two events');
    const closing = new ToldWorld(contiguousSequence);
    closing.tell('entry.created', 1, {});
    const below = () => closing.tell('source.closed', 1, closed(0, 0), { actor: SUCCESSOR });
    expect(below).toThrow('closed below what it had told');
    const late = new ToldWorld(contiguousSequence);
    late.tell('source.closed', 1, closed(0, 1));
    expect(() => late.tell('entry.created', 2, {})).toThrow('after it was closed');
  });
});

describe('every-ending-told', () => {
  test('takes a lease and its entry, both told; and what has not ended', () => {
    const world = new ToldWorld(everyEndingTold);
    world.grant('l', 1_000);
    world.put('k', 'v', `${ACTOR}.1`, { lease: 'l', remainingMs: 900 });
    world.grant('m', 60_000);
    world.pass(2_000);
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'l' });
    world.tellEnding('lease.ended', 2, { lease: 'l' });
    world.pass(10_000);
    world.rest();
  });

  test('catches a lease that is over, or was released, and nobody said so', () => {
    const world = new ToldWorld(everyEndingTold);
    world.grant('l', 1_000);
    world.pass(10_000);
    expect(() => world.rest()).toThrow('the end of lease l was never told');
    const released = new ToldWorld(everyEndingTold);
    released.grant('l', 60_000);
    released.ask({ kind: 'release', lease: 'l' }, { status: 204 });
    expect(() => released.rest()).toThrow('never told');
  });

  test('catches an ending that went with its stream, and was not told again', () => {
    const world = new ToldWorld(everyEndingTold);
    world.s1.answers.set('/v1/status', { status: 200, headers: {}, document: { actor: ACTOR } });
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i' });
    world.incident('stream-replaced', 'bus');
    world.rest();
    world.lost.add(world.history.told[0]!.id);
    expect(() => world.rest()).toThrow('was not told again');
  });

  test('catches an entry whose lease was told alone', () => {
    const world = new ToldWorld(everyEndingTold);
    world.grant('l', 1_000);
    world.put('k', 'v', `${ACTOR}.1`, { lease: 'l', remainingMs: 900 });
    world.pass(1_000);
    world.tellEnding('lease.ended', 1, { lease: 'l' });
    world.pass(10_000);
    expect(() => world.rest()).toThrow('jobs/k under l');
  });

  test('forgives what a restart forgot where the namespace says memory, and nowhere else', () => {
    for (const durability of ['memory', 'journal'] as const) {
      const world = new ToldWorld(everyEndingTold, { durability });
      world.grant('l', 1_000);
      world.pass(1);
      world.restart(world.s1);
      world.pass(10_000);
      if (durability === 'memory') world.rest();
      else expect(() => world.rest()).toThrow('never told');
    }
  });
});

describe('no-early-expiry', () => {
  test('takes an ending at its deadline', () => {
    const world = new ToldWorld(noEarlyExpiry);
    world.grant('l', 1_000);
    world.pass(1_000);
    world.tellEnding('lease.ended', 1, { lease: 'l' });
  });

  test('catches an ending that says itself that it was a millisecond early', () => {
    const world = new ToldWorld(noEarlyExpiry);
    const deadline = instant(world.nowMs + 1);
    expect(() => world.tellEnding('lease.ended', 1, { lease: 'l', deadline })).toThrow('1 ms early');
  });

  test('catches an ending before a deadline that was acknowledged since', () => {
    const world = new ToldWorld(noEarlyExpiry);
    world.grant('l', 1_000);
    world.pass(900);
    world.ask({ kind: 'renew', lease: 'l' }, { status: 200, document: world.lease('l', 1_000) });
    world.pass(100);
    expect(() => world.tellEnding('lease.ended', 1, { lease: 'l' })).toThrow('before its deadline');
  });

  test('goes by the clock of the machine: slower, standing still, or put ahead over a restart', () => {
    const slow = new ToldWorld(noEarlyExpiry);
    slow.grant('l', 10_000);
    slow.s1.clock.rate = 0.5;
    slow.look();
    slow.pass(10_001);
    expect(() => slow.tellEnding('lease.ended', 1, { lease: 'l' })).toThrow('before its deadline');

    const stepped = new ToldWorld(noEarlyExpiry);
    stepped.grant('l', 10_000);
    stepped.s1.clock.wallOffsetMs = 20_000;
    stepped.restart(stepped.s1);
    const at = instant(stepped.nowMs + 20_000);
    stepped.tellEnding('lease.ended', 1, { lease: 'l', at, deadline: at }, { actor: SUCCESSOR });
  });

  test('a step of the wall clock within a run moves nothing', () => {
    const world = new ToldWorld(noEarlyExpiry);
    world.grant('l', 10_000);
    world.s1.clock.wallOffsetMs = 20_000;
    world.look();
    const at = instant(world.nowMs + 20_000);
    expect(() => world.tellEnding('lease.ended', 1, { lease: 'l', at, deadline: at })).toThrow('before its deadline');
  });

  test('catches another sidecar that does not wait for the deadline', () => {
    const world = new ToldWorld(noEarlyExpiry);
    world.grant('l', 10_000);
    world.pass(5_000);
    const by = { actor: OTHER, name: 's2' };
    expect(() => world.tellEnding('lease.ended', 1, { lease: 'l' }, by)).toThrow('before its deadline');
  });

  test('catches a renewal that is refused as expired too early', () => {
    const world = new ToldWorld(noEarlyExpiry);
    world.grant('l', 1_000);
    world.pass(500);
    const answer = { status: 410, code: 'lease-ended', document: { reason: 'expired' } };
    expect(() => world.ask({ kind: 'renew', lease: 'l' }, answer)).toThrow('before its deadline');
  });
});

describe('no-late-expiry', () => {
  test('takes a read until the deadline, and the ending soon after it', () => {
    const world = new ToldWorld(noLateExpiry);
    world.put('k', 'v', `${ACTOR}.1`, { remainingMs: 1_000 });
    world.pass(900);
    world.get('k', { [`${ACTOR}.1`]: 'v' }, { lease: `i-${ACTOR}.1`, remainingMs: 90 });
    world.pass(200);
    world.tellEnding('entry.ended', 1, { key: 'k', lease: `i-${ACTOR}.1`, etag: `"${ACTOR}.1"`, latenessMs: 110 });
  });

  test('catches a read that is served after the deadline', () => {
    const world = new ToldWorld(noLateExpiry);
    world.put('k', 'v', `${ACTOR}.1`, { remainingMs: 1_000 });
    world.pass(1_010);
    const late = { lease: `i-${ACTOR}.1`, remainingMs: 0 };
    expect(() => world.get('k', { [`${ACTOR}.1`]: 'v' }, late)).toThrow('after its deadline');
  });

  test('catches an ending that was recorded late, unless the loop was held up for as long', () => {
    for (const heldUpMs of [0, 3_000]) {
      const world = new ToldWorld(noLateExpiry);
      world.put('k', 'v', `${ACTOR}.1`, { remainingMs: 1_000 });
      world.pass(30_000);
      world.s1.heldUpMs = heldUpMs;
      world.look();
      const tell = () =>
        world.tellEnding('entry.ended', 1, { key: 'k', lease: `i-${ACTOR}.1`, etag: `"${ACTOR}.1"`, latenessMs: 2_500 });
      if (heldUpMs > 0) tell();
      else expect(tell).toThrow('2500 ms after its deadline');
    }
  });

  test('catches what is still shown at rest, long after', () => {
    const world = new ToldWorld(noLateExpiry);
    world.put('k', 'v', `${ACTOR}.1`, { remainingMs: 1_000 });
    world.pass(60_000);
    world.s2.answers.set('/v1/entries/jobs/k', {
      status: 200, document: 'v', headers: { etag: `"${ACTOR}.1"`, 'leasehold-lease': `i-${ACTOR}.1` },
    });
    expect(() => world.rest()).toThrow('s2 still shows jobs/k');
  });
});

describe('no-resurrection', () => {
  test('takes a lease that ended, and another value of the key', () => {
    const world = new ToldWorld(noResurrection);
    world.put('k', 'v', `${ACTOR}.1`);
    world.tellEnding('entry.ended', 1, { key: 'k', lease: `i-${ACTOR}.1`, etag: `"${ACTOR}.1"` });
    world.put('k', 'w', `${ACTOR}.2`);
    world.get('k', { [`${ACTOR}.2`]: 'w' });
    world.rest();
  });

  test('catches a version that is shown after its end was told', () => {
    const world = new ToldWorld(noResurrection);
    world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i', etag: `"${ACTOR}.1"` });
    world.pass(1);
    expect(() => world.get('k', { [`${ACTOR}.1`]: 'v' })).toThrow('live again');
  });

  test('catches a version that is shown after a delete that had seen it, and no other', () => {
    const world = new ToldWorld(noResurrection);
    world.put('k', 'v', `${ACTOR}.1`);
    world.ask({ kind: 'delete', namespace: 'jobs', key: 'k', ifMatch: `"${ACTOR}.1"` }, { status: 204 });
    world.put('k', 'w', `${ACTOR}.2`);
    world.get('k', { [`${ACTOR}.2`]: 'w' });
    expect(() => world.get('k', { [`${ACTOR}.1`]: 'v' })).toThrow('had ended and is live again');
  });

  test('catches a lease that is renewed after its release', () => {
    const world = new ToldWorld(noResurrection);
    world.grant('l', 5_000);
    world.ask({ kind: 'release', lease: 'l' }, { status: 204 });
    world.pass(1);
    const answer = { status: 200, document: world.lease('l', 5_000) };
    expect(() => world.ask({ kind: 'renew', lease: 'l' }, answer)).toThrow('lease l had ended');
  });

  test('catches it at rest anywhere, and forgives it while a ledger that lost data may show it', () => {
    for (const isLost of [true, false]) {
      const world = new ToldWorld(noResurrection);
      world.store('other', []);
      world.put('k', 'v', `${ACTOR}.1`);
      world.tellEnding('entry.ended', 1, { key: 'k', lease: 'i', etag: `"${ACTOR}.1"` });
      if (isLost) {
        world.partition = { ...world.partition, records: new Map() };
        world.touch();
      }
      world.s2.answers.set('/v1/entries/jobs/k', { status: 200, document: 'v', headers: { etag: `"${ACTOR}.1"` } });
      if (isLost) world.rest();
      else expect(() => world.rest()).toThrow('as jobs/k at s2');
    }
  });
});
