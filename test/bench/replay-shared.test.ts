/**
 * The judge of sidecars that share every key is itself judged: what concurrency allows passes, and
 * what it does not is caught, while they run and when they have come to rest.
 */
import { describe, expect, test } from 'vitest';
import { SharedEndings } from '../../bench/replay/shared/endings.ts';
import { COPY_SLACK_MS, ORDER_SLACK_MS } from '../../bench/replay/shared/history.ts';
import { SharedJudge } from '../../bench/replay/shared/judge.ts';
import { Comparison, type Listed, misremembered } from '../../bench/replay/shared/rest.ts';
import { ViolationLog } from '../../bench/replay/violation.ts';
import { encodeLabel } from '../../src/ledger/label.ts';
import type { LedgerRecord, Sibling } from '../../src/ledger/record.ts';

const RANK = 7;
const GRACE_MS = 10_000;
const TTL_MS = 5_000;
/** Surely later than what was acknowledged before it, at whatever sidecar. */
const LATER_MS = ORDER_SLACK_MS + 10;

/** Three sidecars; writes and reads take 2 ms each unless said otherwise. Runs are a, b and c. */
function judged() {
  const log = new ViolationLog(0);
  const judge = new SharedJudge({ sidecars: 3, log, render: String, defaultTtlMs: 3_000 });
  const endings = new SharedEndings(judge, log, GRACE_MS);
  const at = [0, 1, 2].map((sidecar) => judge.at(sidecar));
  let contents = 0;
  const it = {
    judge, endings, at, log,
    kinds: () => log.kept.map((each) => each.kind),
    begin(sidecar: number, sentAt: number, options: { kind?: 'set' | 'add' | 'cas' | 'incr'; content?: number; ttlMs?: number | undefined; ifMatch?: string } = {}) {
      contents += 1;
      const { kind = 'set', content = contents, ifMatch } = options;
      const ttlMs = 'ttlMs' in options ? options.ttlMs : TTL_MS;
      at[sidecar]!.beginWrite({ kind, rank: RANK, sentAt, ttlMs, content, ifMatch });
      return content;
    },
    end(sidecar: number, receivedAt: number, etag: string | undefined, status = 204, value?: number) {
      at[sidecar]!.endWrite(RANK, { status, etag, value }, receivedAt);
    },
    /** A whole `set`; what it put. */
    set(sidecar: number, sentAt: number, etag: string, options: { status?: number; ttlMs?: number } = {}) {
      const content = it.begin(sidecar, sentAt, { ttlMs: options.ttlMs ?? TTL_MS });
      it.end(sidecar, sentAt + 2, etag, options.status ?? 201);
      return content;
    },
    found(sidecar: number, sentAt: number, etag: string, content: number, remainingMs?: number) {
      at[sidecar]!.endRead(RANK, sentAt, sentAt + 2, { found: true, etag, body: String(content), remainingMs });
    },
    absent(sidecar: number, sentAt: number) {
      at[sidecar]!.endRead(RANK, sentAt, sentAt + 2, { found: false });
    },
    ended(sidecar: number, instant: number, etag: string, reason = 'expired', endingId = `end-${etag}`) {
      endings.note(sidecar, { rank: RANK, etag, reason, endingId, latenessMs: 1 }, instant);
    },
  };
  return it;
}

describe('what concurrency allows passes', () => {
  test('others show a write when they have heard of it, and nothing or the one before until then', () => {
    const it = judged();
    const one = it.set(0, 0, 'a.1');
    it.absent(1, 3);
    it.found(1, 600, 'a.1', one);
    const two = it.set(0, 700, 'a.2', { status: 204 });
    it.found(1, 703, 'a.1', one);
    it.found(0, 703, 'a.2', two);
    it.found(1, 1_300, 'a.2', two);
    it.found(2, 1_300, 'a.1', one);
    expect(it.kinds()).toEqual([]);
  });

  test('of concurrent writes either may win, and each sidecar shows its own until it hears', () => {
    const it = judged();
    const first = it.begin(0, 0);
    const other = it.begin(1, 1);
    it.end(0, 3, 'a.1', 201);
    it.end(1, 4, 'b.1', 201);
    it.found(0, 5, 'a.1', first);
    it.found(1, 5, 'b.1', other);
    it.found(0, 600, 'b.1', other);
    it.ended(0, 601, 'a.1', 'superseded');
    it.found(1, 1_200, 'b.1', other);
    it.ended(1, 5_100, 'b.1');
    it.endings.finish(30_000);
    expect(it.kinds()).toEqual([]);
    expect(it.endings.counts).toMatchObject({ moved: 1, byReason: { superseded: 1, expired: 1 } });
  });

  test('a write that another with a short life may have won against may be gone before its deadline', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.set(1, 10, 'b.1', { ttlMs: 100 });
    it.absent(0, 1_000);
    it.set(0, 1_100, 'a.2');
    expect(it.kinds()).toEqual([]);
  });

  test('what came to its deadline before it was told may uncover what it had replaced', () => {
    const it = judged();
    const content = it.set(0, 0, 'a.1');
    it.found(1, 600, 'a.1', content);
    it.set(1, 700, 'b.1', { status: 204, ttlMs: 100 });
    it.found(1, 900, 'a.1', content);
    expect(it.kinds()).toEqual([]);
  });

  test('a copy may outlive its deadline by what the clocks are apart, and no longer', () => {
    const it = judged();
    const content = it.set(0, 0, 'a.1');
    it.found(1, TTL_MS + COPY_SLACK_MS, 'a.1', content);
    expect(it.kinds()).toEqual([]);
    it.found(2, TTL_MS + COPY_SLACK_MS + 10, 'a.1', content);
    expect(it.kinds()).toEqual(['late']);
  });

  test('a read elsewhere, and an ending, may tell of a write before its reply does', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    const content = it.begin(0, 100, { ttlMs: 50 });
    it.found(1, 101, 'a.2', content);
    it.ended(0, 103, 'a.1', 'superseded');
    it.ended(0, 160, 'a.2');
    it.end(0, 170, 'a.2');
    it.endings.finish(30_000);
    expect(it.kinds()).toEqual([]);
  });

  test('counting goes on from whatever the sidecar can have held', () => {
    const it = judged();
    it.begin(0, 0, { kind: 'incr' });
    it.end(0, 2, 'a.1', 200, 1);
    it.begin(1, 1, { kind: 'incr' });
    it.end(1, 3, 'b.1', 200, 1);
    it.begin(1, 600, { kind: 'incr' });
    it.found(2, 601, 'b.2', 2);
    it.end(1, 602, 'b.2', 200, 2);
    it.begin(0, 610, { kind: 'incr', ttlMs: undefined });
    it.end(0, 612, 'a.2', 200, 2);
    expect(it.kinds()).toEqual([]);
  });

  test('a run that goes on under its lease ends once, in the name of its last write', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.begin(0, 10, { kind: 'cas', ifMatch: 'a.1', ttlMs: undefined });
    it.end(0, 12, 'a.2', 204);
    it.ended(0, TTL_MS + 10, 'a.2');
    it.endings.finish(30_000);
    expect(it.kinds()).toEqual([]);
  });

  test('conditions go by what is held where they are asked', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.begin(1, 10, { kind: 'add' });
    it.end(1, 12, 'b.1', 201);
    it.begin(0, 20, { kind: 'add' });
    it.end(0, 22, undefined, 412);
    it.begin(0, 30, { kind: 'cas', ifMatch: 'a.1' });
    it.end(0, 32, 'a.2', 204);
    it.begin(0, 40, { kind: 'cas', ifMatch: 'a.1' });
    it.end(0, 42, undefined, 412);
    expect(it.kinds()).toEqual([]);
  });

  test('a key of which an outcome was lost is not judged any more, and is counted', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.begin(1, 10);
    it.at[1]!.loseWrite(RANK, 20);
    it.absent(0, 30);
    it.found(2, 40, 'x.1', 99);
    it.ended(0, 50, 'a.1', 'superseded');
    it.endings.finish(30_000);
    expect(it.kinds()).toEqual([]);
    expect(it.judge.unjudged).toBe(1);
  });
});

describe('what no concurrency explains is caught', () => {
  test('not found before the deadline, at the sidecar that granted it or one that had shown it', () => {
    const own = judged();
    own.set(0, 0, 'a.1');
    own.absent(0, 100);
    const shown = judged();
    const content = shown.set(0, 0, 'a.1');
    shown.found(1, 100, 'a.1', content);
    shown.absent(1, 200);
    const created = judged();
    created.set(0, 0, 'a.1');
    created.set(0, 100, 'a.2', { status: 201 });
    expect([own.kinds(), shown.kinds(), created.kinds()]).toEqual([['early'], ['early'], ['early']]);
  });

  test('found after its deadline where it was granted', () => {
    const it = judged();
    const content = it.set(0, 0, 'a.1');
    it.found(0, TTL_MS + 10, 'a.1', content);
    expect(it.kinds()).toEqual(['late']);
  });

  test('found again after its ending was told', () => {
    const it = judged();
    const content = it.set(0, 0, 'a.1');
    it.set(1, 1, 'b.1');
    it.ended(0, 100, 'a.1', 'superseded');
    it.found(0, 200, 'a.1', content);
    expect(it.kinds()).toEqual(['version came back']);
  });

  test('an older value after a newer one was acknowledged or shown there', () => {
    const acknowledged = judged();
    const old = acknowledged.set(0, 0, 'a.1');
    acknowledged.set(0, 10, 'a.2', { status: 204 });
    acknowledged.found(0, 20, 'a.1', old);
    const shown = judged();
    const before = shown.set(0, 0, 'a.1');
    shown.found(2, 10, 'a.1', before);
    const after = shown.set(1, LATER_MS, 'b.1');
    shown.found(2, 600, 'b.1', after);
    shown.found(2, 700, 'a.1', before);
    expect([acknowledged.kinds(), shown.kinds()]).toEqual([['stale value'], ['stale value']]);
  });

  test('a value that its writer had seen is older, however close they are', () => {
    const it = judged();
    const seen = it.set(0, 0, 'a.1');
    it.found(1, 3, 'a.1', seen);
    const over = it.set(1, 6, 'b.1', { status: 204 });
    it.found(1, 10, 'b.1', over);
    it.found(1, 14, 'a.1', seen);
    expect(it.kinds()).toEqual(['stale value']);
  });

  test('bytes that nobody wrote, and versions that nobody made', () => {
    const bytes = judged();
    const content = bytes.set(0, 0, 'a.1');
    bytes.found(1, 100, 'a.1', content + 1);
    const version = judged();
    version.set(0, 0, 'a.1');
    version.found(1, 100, 'x.9', 1);
    const nothing = judged();
    nothing.found(1, 100, 'a.1', 1);
    const twice = judged();
    twice.set(0, 0, 'a.1');
    twice.set(1, 10, 'a.1');
    expect([bytes, version, nothing, twice].map((each) => each.kinds())).toEqual([
      ['wrong value'], ['unknown version'], ['version came back'], ['version came back'],
    ]);
  });

  test('conditions that were not obeyed, or obeyed where nothing stood in the way', () => {
    const over = judged();
    over.set(0, 0, 'a.1');
    over.begin(0, 10, { kind: 'add' });
    over.end(0, 12, 'a.2', 201);
    const refused = judged();
    refused.begin(0, 10, { kind: 'add' });
    refused.end(0, 12, undefined, 412);
    const ignored = judged();
    ignored.set(0, 0, 'a.1');
    ignored.begin(0, 10, { kind: 'cas', ifMatch: 'never' });
    ignored.end(0, 12, 'a.2', 204);
    const denied = judged();
    denied.set(0, 0, 'a.1');
    denied.begin(0, 10, { kind: 'cas', ifMatch: 'a.1' });
    denied.end(0, 12, undefined, 412);
    const replaced = judged();
    replaced.set(0, 0, 'a.1', { status: 204 });
    expect([over, refused, ignored, denied, replaced].map((each) => each.kinds())).toEqual([
      ['add over a live entry'], ['add refused without an entry'], ['condition ignored'],
      ['condition refused'], ['created or replaced'],
    ]);
  });

  test('counts that follow from nothing the sidecar can have held', () => {
    const jumped = judged();
    jumped.begin(0, 0, { kind: 'incr' });
    jumped.end(0, 2, 'a.1', 200, 1);
    jumped.begin(0, 10, { kind: 'incr' });
    jumped.end(0, 12, 'a.2', 200, 3);
    const lost = judged();
    lost.begin(0, 0, { kind: 'incr' });
    lost.end(0, 2, 'a.1', 200, 1);
    lost.begin(0, 10, { kind: 'incr' });
    lost.end(0, 12, 'a.2', 200, 1);
    expect([jumped.kinds(), lost.kinds()]).toEqual([['lost increment'], ['lost increment']]);
  });

  test('a remaining time that its owner cannot mean, exactly there and by the slack elsewhere', () => {
    const own = judged();
    const content = own.set(0, 0, 'a.1');
    own.found(0, 100, 'a.1', content, TTL_MS - 50);
    const copy = judged();
    const copied = copy.set(0, 0, 'a.1');
    copy.found(1, 100, 'a.1', copied, TTL_MS - 50);
    copy.found(2, 100, 'a.1', copied, TTL_MS + COPY_SLACK_MS);
    expect([own.kinds(), copy.kinds()]).toEqual([['remaining time'], ['remaining time']]);
  });

  test('endings that come too soon, twice, elsewhere, for no reason, or not at all', () => {
    const soon = judged();
    soon.set(0, 0, 'a.1');
    soon.ended(0, 100, 'a.1');
    const twice = judged();
    twice.set(0, 0, 'a.1');
    twice.ended(0, TTL_MS + 10, 'a.1');
    twice.ended(0, TTL_MS + 20, 'a.1', 'expired', 'another');
    const elsewhere = judged();
    elsewhere.set(0, 0, 'a.1');
    elsewhere.ended(1, TTL_MS + 10, 'a.1');
    const reasonless = judged();
    reasonless.set(0, 0, 'a.1');
    reasonless.ended(0, 100, 'a.1', 'superseded');
    const earlier = judged();
    earlier.set(1, 0, 'b.1');
    earlier.set(0, LATER_MS, 'a.1');
    earlier.ended(0, 200, 'a.1', 'superseded');
    const overwritten = judged();
    overwritten.set(0, 0, 'a.1');
    overwritten.set(0, 10, 'a.2', { status: 204 });
    overwritten.ended(0, TTL_MS + 10, 'a.1');
    const deleted = judged();
    deleted.set(0, 0, 'a.1');
    deleted.ended(0, 100, 'a.1', 'deleted');
    const missing = judged();
    missing.set(0, 0, 'a.1');
    missing.endings.finish(30_000);
    const unknown = judged();
    unknown.ended(0, 100, 'a.1');
    const all = [soon, twice, elsewhere, reasonless, earlier, overwritten, deleted, missing, unknown];
    expect(all.map((each) => each.kinds())).toEqual([
      ['early ending'], ['doubled ending'], ['unknown ending'], ['wrong reason'], ['wrong reason'],
      ['wrong reason'], ['wrong reason'], ['missing ending'], ['unknown ending'],
    ]);
  });

  test('a gap in one stream excuses what ended at that sidecar only', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.endings.noteGap(0, TTL_MS + 100);
    it.endings.finish(30_000);
    expect([it.kinds(), it.endings.counts.unverified]).toEqual([[], 1]);
    const other = judged();
    other.set(0, 0, 'a.1');
    other.endings.noteGap(1, TTL_MS + 100);
    other.endings.finish(30_000);
    expect(other.kinds()).toEqual(['missing ending']);
  });
});

test('versions that are over and forgotten hold nobody to anything', () => {
  const it = judged();
  const content = it.set(0, 0, 'a.1');
  it.found(1, 600, 'a.1', content);
  it.ended(0, TTL_MS + 5, 'a.1');
  for (const each of it.at) each.setHorizon(TTL_MS + 2 * COPY_SLACK_MS);
  it.set(2, TTL_MS + 2 * COPY_SLACK_MS + 10, 'c.1');
  expect(it.judge.keys.get(RANK)?.versions.map(({ etag }) => etag)).toEqual(['c.1']);
  it.absent(0, TTL_MS + 2 * COPY_SLACK_MS + 20);
  it.absent(1, TTL_MS + 2 * COPY_SLACK_MS + 20);
  expect(it.kinds()).toEqual([]);
});

test('keys that are over are forgotten, and versions that nobody may show are recognised all the same', () => {
  const it = judged();
  const contents = Array.from({ length: 20 }, (_, index) => {
    const sentAt = index * COPY_SLACK_MS;
    const content = it.set(0, sentAt, `a.${index + 1}`, { status: index === 0 ? 201 : 204 });
    if (index > 0) it.ended(0, sentAt + 3, `a.${index}`, 'superseded');
    for (const sidecar of [0, 1, 2]) it.found(sidecar, sentAt + 5, `a.${index + 1}`, content);
    for (const each of it.at) each.setHorizon(sentAt + 20);
    return content;
  });
  expect(it.kinds()).toEqual([]);
  expect(it.judge.keys.get(RANK)?.versions.length).toBeLessThan(6);
  it.found(1, 20 * COPY_SLACK_MS, 'a.1', contents[0]!);
  expect(it.kinds()).toEqual(['version came back']);

  const over = judged();
  over.set(0, 0, 'a.1');
  over.ended(0, TTL_MS + 10, 'a.1');
  over.endings.sweep(60_000, 10);
  expect(over.judge.keys.size).toBe(0);
});

/* ---- at rest --------------------------------------------------------------------------------- */

const ACTOR = 'a'.repeat(16);
const WALL = 1_000_000;

function sibling(more: Partial<Sibling> = {}): Sibling {
  const dot = { actor: ACTOR, seq: 1 };
  return {
    dot, born: dot, hlc: 1, rank: 1,
    deadline: WALL + 60_000, ttlMs: 60_000, session: false, hashHigh: 0, hashLow: 0,
    label: encodeLabel({ lease: 'l1', holder: '', contentType: 'text/plain', size: 1 }),
    value: Buffer.from('x'),
    ...more,
  };
}

function listed(more: Partial<Listed> = {}): Listed {
  const value = Buffer.from('x').toString('base64');
  return {
    key: 'k', etag: `"${ACTOR}.1"`, contentType: 'text/plain', lease: 'l1', remainingMs: 60_000, value,
    ...more,
  };
}

function compared(siblings: readonly Sibling[], views: readonly (Listed | undefined)[], end = WALL) {
  const record: LedgerRecord = { siblings, context: [], ends: [], bucket: 0, forgetAt: 0 };
  const records = new Map(siblings.length === 0 ? [] : [['ns/k', record] as const]);
  const comparison = new Comparison({ records }, 'ns', views.length);
  for (const [index, view] of views.entries()) {
    if (view !== undefined) comparison.take(index, view, WALL, WALL + 5);
  }
  return comparison.outcome(end);
}

describe('at rest', () => {
  test('what all show alike, and the ledger holds, is held', () => {
    const { differences, held, winners } = compared([sibling()], [listed(), listed(), listed()]);
    expect([differences, held, winners.get('k')]).toEqual([[], 1, `${ACTOR}.1`]);
  });

  test.each<[string, readonly Sibling[], Listed | undefined, RegExp]>([
    ['lacks it', [sibling()], undefined, /sidecar 1 does not show/],
    ['shows another version', [sibling()], listed({ etag: `"${ACTOR}.2"` }), /shows a+\.2, the ledger holds a+\.1/],
    ['shows other bytes', [sibling()], listed({ value: 'eQ==' }), /other bytes/],
    ['shows another type', [sibling()], listed({ contentType: 'text/html' }), /as text\/html/],
    ['shows another lease', [sibling()], listed({ lease: 'l2' }), /under l2/],
    ['shows another deadline', [sibling()], listed({ remainingMs: 50_000 }), /deadline that is 10000 ms off/],
    ['shows what the ledger does not hold', [], listed(), /holds nothing/],
  ])('a sidecar that %s is caught', (_what, siblings, view, complaint) => {
    const { differences } = compared(siblings, [listed({ lease: 'l1' }), view].slice(siblings.length === 0 ? 1 : 0));
    expect(differences.map(({ detail }) => detail).join()).toMatch(complaint);
  });

  test('two values of one key are caught, where the last writer should have won', () => {
    const other = sibling({ dot: { actor: ACTOR, seq: 2 } });
    expect(compared([sibling(), other], [listed()]).differences).toHaveLength(1);
  });

  test('what comes to its deadline while all is read is not compared', () => {
    const end = WALL + 60_000;
    expect(compared([sibling()], [listed(), undefined], end)).toMatchObject({ differences: [], held: 0 });
    expect(compared([], [listed()], end).differences).toEqual([]);
  });

  test('a write that nothing newer has replaced must be there', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.set(1, LATER_MS, 'b.1');
    const wrong = (winner: string | undefined, now = 1_000) =>
      misremembered(it.judge, new Map(winner === undefined ? [] : [[RANK, winner]]), now).map(({ kind }) => kind);
    expect(wrong('b.1')).toEqual([]);
    expect(wrong('a.1')).toEqual(['lost write']);
    expect(wrong(undefined)).toEqual(['lost write']);
    expect(wrong('x.1')).toEqual(['unknown version']);
    expect(wrong(undefined, TTL_MS + LATER_MS)).toEqual([]);
  });

  test('of concurrent writes either may be there', () => {
    const it = judged();
    it.set(0, 0, 'a.1');
    it.set(1, 10, 'b.1');
    for (const winner of ['a.1', 'b.1']) {
      expect(misremembered(it.judge, new Map([[RANK, winner]]), 1_000)).toEqual([]);
    }
  });
});
