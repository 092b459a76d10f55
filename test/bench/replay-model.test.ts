/**
 * The replay's judge is itself judged: a truthful history passes, and every kind of lie is caught.
 */
import { describe, expect, test } from 'vitest';
import { Endings } from '../../bench/replay/endings.ts';
import { Model } from '../../bench/replay/model.ts';
import { ViolationLog } from '../../bench/replay/violation.ts';

const RANK = 7;
const GRACE_MS = 10_000;

/** A model, with writes and reads that take 2 ms each unless said otherwise. */
function judge(defaultTtlMs?: number) {
  const log = new ViolationLog(0);
  const model = new Model({ log, render: String, defaultTtlMs });
  const endings = new Endings(model, log, GRACE_MS);
  return {
    log,
    model,
    endings,
    kinds: () => log.kept.map((each) => each.kind),
    set(sentAt: number, etag: string, options: { status?: number; content?: number; ttlMs?: number; receivedAt?: number } = {}) {
      const { status = 201, content = 1, ttlMs = 1000, receivedAt = sentAt + 2 } = options;
      model.beginWrite({ kind: 'set', rank: RANK, sentAt, ttlMs, content });
      model.endWrite(RANK, { status, etag }, receivedAt);
    },
    add(sentAt: number, status: number, etag?: string) {
      model.beginWrite({ kind: 'add', rank: RANK, sentAt, ttlMs: 1000, content: 1 });
      model.endWrite(RANK, { status, etag }, sentAt + 2);
    },
    cas(sentAt: number, ifMatch: string, status: number, etag?: string, ttlMs?: number) {
      model.beginWrite({ kind: 'cas', rank: RANK, sentAt, ifMatch, content: 2, ttlMs });
      model.endWrite(RANK, { status, etag }, sentAt + 2);
    },
    count(sentAt: number, value: number, etag: string, ttlMs?: number) {
      model.beginWrite({ kind: 'incr', rank: RANK, sentAt, ttlMs });
      model.endWrite(RANK, { status: 200, etag, value }, sentAt + 2);
    },
    found(sentAt: number, etag: string, content: number, remainingMs?: number) {
      model.endRead(RANK, sentAt, sentAt + 2, { found: true, etag, body: String(content), remainingMs });
    },
    absent(sentAt: number) {
      model.endRead(RANK, sentAt, sentAt + 2, { found: false });
    },
    ended(at: number, etag: string, reason = 'expired', endingId = `end-${etag}`) {
      endings.note({ rank: RANK, etag, reason, endingId, latenessMs: 1 }, at);
    },
  };
}

describe('a truthful history passes', () => {
  test('a value is found until its deadline, may go within the uncertain interval, and is then gone', () => {
    const it = judge();
    it.set(0, 'a');
    it.found(10, 'a', 1, 990);
    it.found(997, 'a', 1);
    it.absent(1000);
    it.absent(1003);
    it.ended(1004, 'a');
    it.endings.finish(2000);
    expect(it.kinds()).toEqual([]);
  });

  test('a read that overlaps a write may see either value, and both forms of absence before the first', () => {
    const it = judge();
    it.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 0, ttlMs: 1000, content: 1 });
    it.absent(1);
    it.found(2, 'a', 1);
    it.model.endWrite(RANK, { status: 201, etag: 'a' }, 10);
    it.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 20, ttlMs: 1000, content: 2 });
    it.found(21, 'a', 1);
    it.found(24, 'b', 2);
    it.model.endWrite(RANK, { status: 204, etag: 'b' }, 40);
    it.found(41, 'b', 2);
    expect(it.kinds()).toEqual([]);
  });

  test('conditions, counters and fresh leases follow one another', () => {
    const it = judge();
    it.count(0, 1, 'a', 1000);
    it.count(10, 2, 'b');
    it.cas(20, 'b', 204, 'c');
    it.cas(30, 'b', 412);
    it.add(40, 412);
    it.set(50, 'd', { status: 204, ttlMs: 100 });
    it.ended(53, 'c', 'superseded');
    it.ended(153, 'd');
    it.add(160, 201, 'e');
    it.ended(1165, 'e');
    it.endings.finish(2000);
    expect(it.kinds()).toEqual([]);
  });

  test('a write whose reply was lost makes its key unknown until a later write is acknowledged', () => {
    const it = judge();
    it.set(0, 'a', { ttlMs: 9000 });
    it.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 10, ttlMs: 1000, content: 2 });
    it.model.loseWrite(RANK, 20);
    it.found(30, 'x', 2);
    it.absent(40);
    it.set(1100, 'b', { status: 204, content: 3, ttlMs: 9000 });
    it.found(1200, 'b', 3);
    expect(it.kinds()).toEqual([]);
    it.absent(1300);
    expect(it.kinds()).toEqual(['early']);
  });

  test('the ending of a write may overtake its reply, whatever the write turns out to have led to', () => {
    const it = judge();
    it.count(0, 1, 'a', 20);
    it.model.beginWrite({ kind: 'incr', rank: RANK, sentAt: 10, ttlMs: 20 });
    it.ended(25, 'a');
    it.ended(60, 'b');
    it.model.endRead(RANK, 24, 70, { found: true, etag: 'b', body: '1' });
    it.model.endWrite(RANK, { status: 200, etag: 'b', value: 1 }, 80);
    it.endings.finish(2000);
    expect(it.kinds()).toEqual([]);
  });

  test('a redelivered ending is not a second one', () => {
    const it = judge();
    it.set(0, 'a');
    it.ended(1003, 'a');
    it.ended(1050, 'a');
    expect(it.kinds()).toEqual([]);
    expect(it.endings.counts.redelivered).toBe(1);
  });
});

describe('reads that lie are caught', () => {
  test('not found before the deadline is early', () => {
    const it = judge();
    it.set(0, 'a');
    it.absent(990);
    expect(it.kinds()).toEqual(['early']);
  });

  test('found after the deadline is late', () => {
    const it = judge();
    it.set(0, 'a');
    it.found(1003, 'a', 1);
    expect(it.kinds()).toEqual(['late']);
  });

  test('found again after it was seen to be gone is late', () => {
    const it = judge();
    it.set(0, 'a', { receivedAt: 50 });
    it.absent(1001);
    it.found(1010, 'a', 1);
    expect(it.kinds()).toEqual(['late']);
  });

  test('the previous value after the new one was acknowledged is stale', () => {
    const it = judge();
    it.model.setHorizon(0);
    it.set(1, 'a', { content: 1 });
    it.set(10, 'b', { status: 204, content: 2 });
    it.found(13, 'a', 1);
    expect(it.kinds()).toEqual(['stale value']);
  });

  test('the previous value after a read has seen the unacknowledged new one is stale', () => {
    const it = judge();
    it.set(1, 'a', { content: 1 });
    it.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 10, ttlMs: 1000, content: 2 });
    it.found(11, 'b', 2);
    it.found(14, 'a', 1);
    expect(it.kinds()).toEqual(['stale value']);
  });

  test('absence after a read has seen the unacknowledged first value is early', () => {
    const it = judge();
    it.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 10, ttlMs: 1000, content: 2 });
    it.found(11, 'b', 2);
    it.absent(14);
    expect(it.kinds()).toEqual(['early']);
  });

  test('a version that comes back long after it was replaced is told from an unknown one', () => {
    const it = judge();
    it.set(0, 'a');
    it.set(10, 'b', { status: 204, content: 2 });
    it.model.setHorizon(100);
    it.found(101, 'a', 1);
    const other = judge();
    other.set(0, 'a');
    other.found(10, 'zzz', 1);
    expect([it.kinds(), other.kinds()]).toEqual([['version came back'], ['unknown version']]);
  });

  test('an entry that nobody wrote is caught', () => {
    const it = judge();
    it.found(10, 'a', 1);
    expect(it.kinds()).toEqual(['version came back']);
  });

  test('the right version with other bytes is a wrong value', () => {
    const it = judge();
    it.set(0, 'a', { content: 1 });
    it.found(10, 'a', 2);
    expect(it.kinds()).toEqual(['wrong value']);
  });

  test('a remaining time that does not fit the deadline is caught on both sides', () => {
    const high = judge();
    high.set(0, 'a');
    high.found(10, 'a', 1, 994);
    const low = judge();
    low.set(0, 'a');
    low.found(10, 'a', 1, 985);
    expect([high.kinds(), low.kinds()]).toEqual([['remaining time'], ['remaining time']]);
  });
});

describe('writes that lie are caught', () => {
  test('created over a live entry is early, replaced where nothing was is caught', () => {
    const early = judge();
    early.set(0, 'a');
    early.set(500, 'b', { status: 201 });
    const late = judge();
    late.set(0, 'a');
    late.set(1500, 'b', { status: 204 });
    expect([early.kinds(), late.kinds()]).toEqual([['early'], ['created or replaced']]);
  });

  test('add succeeds exactly where nothing is', () => {
    const over = judge();
    over.set(0, 'a');
    over.add(500, 201, 'b');
    const refused = judge();
    refused.set(0, 'a');
    refused.add(1500, 412);
    expect([over.kinds(), refused.kinds()]).toEqual([
      ['add over a live entry'],
      ['add refused without an entry'],
    ]);
  });

  test('If-Match is obeyed both ways', () => {
    const ignored = judge();
    ignored.set(0, 'a');
    ignored.cas(10, 'other', 204, 'b');
    const refused = judge();
    refused.set(0, 'a');
    refused.cas(10, 'a', 412);
    const made = judge();
    made.cas(10, 'a', 201, 'b');
    expect([ignored.kinds(), refused.kinds(), made.kinds()]).toEqual([
      ['condition ignored'],
      ['condition refused'],
      ['condition ignored'],
    ]);
  });

  test('a write without its TTL must not move the deadline', () => {
    const it = judge();
    it.set(0, 'a');
    it.cas(500, 'a', 204, 'b');
    it.found(1010, 'b', 2);
    expect(it.kinds()).toEqual(['late']);
  });

  test('a tag that was used before is caught, and so is one that differs from what a read saw', () => {
    const again = judge();
    again.set(0, 'a');
    again.set(10, 'a', { status: 204 });
    const differs = judge();
    differs.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 0, ttlMs: 1000, content: 1 });
    differs.found(1, 'a', 1);
    differs.model.endWrite(RANK, { status: 201, etag: 'b' }, 5);
    expect([again.kinds(), differs.kinds()]).toEqual([['version came back'], ['version changed']]);
  });

  test('a lost, a doubled and a resurrected increment are caught', () => {
    const lost = judge();
    lost.count(0, 1, 'a', 1000);
    lost.count(10, 2, 'b');
    lost.count(20, 2, 'c');
    const doubled = judge();
    doubled.count(0, 1, 'a', 1000);
    doubled.count(10, 3, 'b');
    const resurrected = judge();
    resurrected.count(0, 1, 'a', 1000);
    resurrected.count(1010, 2, 'b', 1000);
    expect([lost.kinds(), doubled.kinds(), resurrected.kinds()]).toEqual([
      ['lost increment'],
      ['lost increment'],
      ['lost increment'],
    ]);
  });

  test('a write that was refused for lack of room and is seen all the same is caught', () => {
    const it = judge();
    it.model.beginWrite({ kind: 'set', rank: RANK, sentAt: 0, ttlMs: 1000, content: 1 });
    it.found(1, 'a', 1);
    it.model.cancelWrite(RANK);
    expect(it.kinds()).toEqual(['condition ignored']);
  });

  test('a status outside the contract is caught', () => {
    const it = judge();
    it.set(0, 'a', { status: 400 });
    expect(it.kinds()).toEqual(['unexpected status']);
  });
});

describe('endings that lie are caught', () => {
  test('a second ending under another id is doubled', () => {
    const it = judge();
    it.set(0, 'a');
    it.ended(1003, 'a');
    it.ended(1004, 'a', 'expired', 'another');
    expect(it.kinds()).toEqual(['doubled ending']);
  });

  test('an ending that does not come is missing, for the newest version and for earlier ones', () => {
    const newest = judge();
    newest.set(0, 'a');
    newest.endings.sweep(1002 + GRACE_MS, 10);
    expect(newest.kinds()).toEqual([]);
    newest.endings.sweep(1003 + GRACE_MS, 10);
    newest.endings.sweep(1003 + GRACE_MS, 10);
    const superseded = judge();
    superseded.set(0, 'a');
    superseded.set(10, 'b', { status: 204, ttlMs: 100_000 });
    superseded.endings.finish(5000);
    const expired = judge();
    expired.set(0, 'a');
    expired.add(1500, 201, 'b');
    expired.ended(2600, 'b');
    expired.endings.finish(5000);
    expect([newest.kinds(), superseded.kinds(), expired.kinds()]).toEqual([
      ['missing ending'],
      ['missing ending'],
      ['missing ending'],
    ]);
  });

  test('a missing ending is found after so many overwrites that its version is forgotten', () => {
    const it = judge();
    it.set(0, 'first');
    for (let write = 1; write <= 200; write += 1) {
      it.model.setHorizon(write * 10);
      it.set(write * 10, `v${write}`, { status: 204 });
      if (write > 1) it.ended(write * 10 + 3, `v${write - 1}`, 'superseded');
    }
    it.ended(3003, 'v200');
    it.endings.finish(4000);
    expect(it.kinds()).toEqual(['missing ending']);
  });

  test('an ending before the deadline is early', () => {
    const it = judge();
    it.set(0, 'a');
    it.ended(990, 'a');
    expect(it.kinds()).toEqual(['early ending']);
  });

  test('reasons have to fit: nobody deleted it, nothing took its place, it was replaced in time', () => {
    const deleted = judge();
    deleted.set(0, 'a');
    deleted.ended(500, 'a', 'deleted');
    const untouched = judge();
    untouched.set(0, 'a');
    untouched.ended(500, 'a', 'superseded');
    const replaced = judge();
    replaced.set(0, 'a');
    replaced.set(10, 'b', { status: 204 });
    replaced.ended(1003, 'a', 'expired');
    const renewed = judge();
    renewed.set(0, 'a');
    renewed.cas(10, 'a', 204, 'b');
    renewed.ended(1003, 'a', 'expired');
    expect([deleted.kinds(), untouched.kinds(), replaced.kinds(), renewed.kinds()]).toEqual([
      ['wrong reason'],
      ['wrong reason'],
      ['wrong reason'],
      ['wrong reason'],
    ]);
  });

  test('an ending of a version or a key that never was is caught', () => {
    const version = judge();
    version.set(0, 'a');
    version.ended(1003, 'zzz');
    const key = judge();
    key.ended(1003, 'a');
    expect([version.kinds(), key.kinds()]).toEqual([['unknown ending'], ['unknown ending']]);
  });

  test('what may have been in a gap of the stream is counted, not blamed', () => {
    const it = judge();
    it.set(0, 'a');
    it.endings.noteGap(1100);
    it.endings.finish(5000);
    expect(it.kinds()).toEqual([]);
    expect(it.endings.counts).toMatchObject({ resyncs: 1, unverified: 1 });
  });
});

test('a violation is printed with what had happened to its key, and nothing of other keys', () => {
  const it = judge();
  it.set(0, 'a');
  it.model.endRead(99, 3, 4, { found: false });
  it.found(5, 'a', 1);
  it.absent(500);
  expect(it.log.kept[0]?.history).toEqual([
    '[0.000, 2.000] ms set ttl 1000 ms → 201 etag a',
    '[5.000, 7.000] ms get → 200 etag a',
    '[500.000, 502.000] ms get → 404',
  ]);
});

test('one fault is one violation: its key is not judged again before the next clean write', () => {
  const it = judge();
  it.set(0, 'a');
  it.absent(500);
  it.absent(600);
  it.ended(1003, 'a');
  expect(it.log.total).toBe(1);
  it.set(1100, 'b');
  it.found(1200, 'b', 9);
  expect(it.kinds()).toEqual(['early', 'wrong value']);
});

test('keys that are over are forgotten, and the first 20 violations are kept of all that are counted', () => {
  const it = judge();
  for (let rank = 0; rank < 30; rank += 1) {
    it.model.beginWrite({ kind: 'set', rank, sentAt: 0, ttlMs: 1000, content: 1 });
    it.model.endWrite(rank, { status: 201, etag: `e${rank}` }, 2);
    it.endings.note({ rank, etag: `e${rank}`, reason: 'expired', endingId: `id${rank}`, latenessMs: 0 }, 1005);
  }
  it.model.setHorizon(60_000);
  it.endings.sweep(60_000, 100);
  expect(it.model.keys.size).toBe(0);
  for (let rank = 0; rank < 30; rank += 1) {
    it.model.endRead(rank, 60_001, 60_002, { found: true, etag: `e${rank}`, body: '1' });
  }
  expect([it.log.total, it.log.kept.length]).toEqual([30, 20]);
});
