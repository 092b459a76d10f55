import { describe, expect, it } from 'vitest';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import { recover } from '../../src/engine/recovery.ts';
import { RECORD_HEADER_BYTES } from '../../src/core/fact-format.ts';
import { runRecord } from '../../src/engine/records.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { contract, LIMITS, ManualClocks, put, START_MS, world } from './world.ts';

/** Reads the records of an earlier run back, `downMs` after its last group. */
async function restart(
  records: readonly Uint8Array[],
  lastNowMs: number,
  downMs: number,
  contracts: readonly NamespaceContract[] = [contract()],
  sequence = 0,
) {
  const clocks = new ManualClocks();
  clocks.wall = lastNowMs + downMs;
  clocks.monotonic = 77;
  const feed = new Feed({ facts: 1000, bytes: 1 << 20, ageMs: 300_000 });
  const idempotency = new IdempotencyMemory({ entries: 100, bytes: 1 << 20, ttlMs: 300_000 });
  const timeline = new Timeline(clocks);
  const { core, summary } = await recover({
    feed, idempotency, timeline,
    coreOptions: {
      actor: '00000000000000bb', hashSeed: 2, namespaces: contracts,
      autoCreateNamespaces: false, limits: LIMITS,
    },
    onProgress: () => {},
    source: {
      recover: async (onRecord) => {
        for (const bytes of [runRecord({ actor: '00000000000000aa', sequence }), ...records]) {
          onRecord({ bytes, nowMs: START_MS, wallMs: START_MS, snapshot: false });
        }
        return {
          found: true, clean: false, snapshotRecords: 0, groups: 1, records: records.length,
          bytes: 0, tornBytes: 0, lastNowMs, lastWallMs: lastNowMs,
        };
      },
    },
  });
  checkInvariants(core);
  return { core, summary, feed, idempotency, timeline, clocks };
}

/** The record of some write. */
async function writtenFact(): Promise<Uint8Array | undefined> {
  const { answer, journal } = world();
  await answer(put('b'));
  return journal.records()[0];
}

const get = (key: string) => ({ op: 'get' as const, namespace: 'default', key });

describe('recovery', () => {
  it('brings back what was acknowledged, with deadlines unmoved', async () => {
    const { answer, journal, clocks } = world();
    await answer({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', labels: { a: 'b' } });
    const written = await answer(put('a', 'v', { lease: 'l' }));
    clocks.advance(5000);
    const { core, timeline } = await restart(journal.records(), START_MS + 5000, 1000);
    expect(core.step(get('a'), timeline.now())).toMatchObject({
      etag: written.etag, remainingMs: 24_000,
    });
    expect(core.step({ op: 'get-lease', id: 'l' }, timeline.now())).toMatchObject({
      lease: { holder: 'h', labels: { a: 'b' }, entries: 1, remainingMs: 24_000 },
    });
  });

  it('counts a wall clock that went back as no time at all', async () => {
    const { answer, journal } = world();
    await answer(put('a'));
    const { core, timeline } = await restart(journal.records(), START_MS, -3_600_000);
    expect(core.step(get('a'), timeline.now())).toMatchObject({ remainingMs: 30_000 });
  });

  it('ends what fell due while it was down, and says why', async () => {
    const { answer, journal } = world();
    await answer(put('a'));
    const { core, timeline } = await restart(journal.records(), START_MS, 60_000);
    const { decodeFact } = await import('../../src/core/fact-reader.ts');
    core.tick(timeline.now(), 100);
    const { facts } = core;
    expect(facts.count).toBe(1);
    expect(decodeFact(facts.bytes, facts.starts[0]!, facts.starts[1]!)).toMatchObject({
      kind: 'entry.ended', key: 'a', reason: 'expired', cause: 'downtime',
    });
  });

  it('keeps a new run apart: its writes have its own actor and cover the old ones', async () => {
    const { answer, journal } = world();
    await answer(put('a', 'old'));
    const { core, timeline } = await restart(journal.records(), START_MS, 0);
    core.step(put('a', 'new'), timeline.now());
    const read = core.step(get('a'), timeline.now());
    expect(read).toMatchObject({ etag: '00000000000000bb.1' });
    expect((read as { context: string }).context).toContain('00000000000000aa.1');
  });

  it('still knows what it answered to an Idempotency-Key', async () => {
    const { answer, journal } = world();
    await answer(put('a'), { key: 'k', fingerprint: 'f' });
    const { idempotency, timeline } = await restart(journal.records(), START_MS, 0);
    expect(idempotency.find('k', timeline.now())).toMatchObject({
      fingerprint: 'f', essence: { op: 'put', created: true },
    });
  });

  it('lets a watcher of the earlier run go on', async () => {
    const { answer, journal, feed: before } = world();
    await answer(put('a'));
    const cursor = before.cursor;
    await answer(put('b', 'some value'));
    const { feed } = await restart(journal.records(), START_MS, 0);
    feed.beginRun('00000000000000bb');
    expect(feed.open(cursor).read(10)).toMatchObject([
      { actor: '00000000000000aa', sequence: 2, fact: { key: 'b', size: 10 } },
    ]);
    expect(feed.open('00000000000000aa.2').read(10)).toEqual([]);
  });

  it('lets a watcher go on whose last fact a snapshot has swallowed', async () => {
    const { feed } = await restart([], START_MS, 0, [contract()], 33);
    feed.beginRun('00000000000000bb');
    expect(feed.open('00000000000000aa.33').read(10)).toEqual([]);
    expect(feed.open('00000000000000aa.32').read(10)).toMatchObject({ reason: 'not-held' });
    const { feed: next } = await restart([], START_MS, 0, [contract()], 33);
    next.beginRun('00000000000000bb');
    const fact = (await writtenFact())!;
    next.append(fact, RECORD_HEADER_BYTES, fact.length, 0, START_MS);
    next.commit(next.head);
    expect(next.open('00000000000000aa.33').read(10)).toMatchObject([
      { actor: '00000000000000bb', sequence: 1 },
    ]);
  });

  it('tells a cursor that it knows before the first fact of a run', async () => {
    const { answer, journal } = world();
    await answer(put('a'));
    const { feed } = await restart(journal.records(), START_MS, 0);
    feed.beginRun('00000000000000bb');
    expect(feed.cursor).toBe('00000000000000aa.1');
    expect(feed.open(feed.cursor).read(10)).toEqual([]);
  });

  it('revokes what belongs to a namespace that is no longer configured', async () => {
    const { answer, journal } = world({ contracts: [contract(), contract({ name: 'old' })] });
    await answer({ ...put('a'), namespace: 'old' });
    const { core, summary } = await restart(journal.records(), START_MS, 0);
    expect(summary.namespacesRemoved).toEqual(['old']);
    expect(core.usage().entries).toBe(0);
    expect(core.facts.count).toBe(1);
  });

  it('stops at a record that does not follow from those before it', async () => {
    const { answer, journal } = world();
    await answer(put('a'));
    await answer({ op: 'delete', namespace: 'default', key: 'a' });
    const [, ending] = journal.records();
    await expect(restart([ending!], START_MS, 0)).rejects.toThrow('does not follow');
  });
});
