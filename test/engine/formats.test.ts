/**
 * Formats evolve: this version reads what the version before wrote, and refuses what a later one
 * wrote. `journal-of-version-0` was written by the release before there was a ledger,
 * `journal-of-version-1` by the last one without a bus; both were killed.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkInvariants } from '../../src/core/invariants.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import { recover, type RecoverySource } from '../../src/engine/recovery.ts';
import { JOURNAL_RECORD_VERSION, runRecord } from '../../src/engine/records.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { contract, LIMITS, ManualClocks } from './world.ts';

/** By version, a moment after the last group. */
const WRITTEN_AT = [
  Date.parse('2026-11-22T04:47:47.500Z'), Date.parse('2026-11-22T07:09:35.500Z'),
] as const;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function recoverFrom(source: RecoverySource, writtenAt: number) {
  const clocks = new ManualClocks();
  clocks.wall = writtenAt;
  return recover({
    source,
    timeline: new Timeline(clocks),
    feed: new Feed({ facts: 1000, bytes: 1 << 20, ageMs: 300_000 }),
    idempotency: new IdempotencyMemory({ entries: 100, bytes: 1 << 20, ttlMs: 300_000 }),
    coreOptions: {
      actor: '00000000000000bb', hashSeed: 2, namespaces: [contract()],
      autoCreateNamespaces: false, limits: LIMITS,
    },
    onProgress: () => {},
  });
}

describe('a journal of the version before', () => {
  it.each([0, 1] as const)('is read back whole: version %i', async (version) => {
    const directory = mkdtempSync(join(tmpdir(), 'leasehold-formats-'));
    cleanups.push(() => rmSync(directory, { recursive: true }));
    const fixture = join(import.meta.dirname, `journal-of-version-${version}`);
    cpSync(fixture, directory, { recursive: true });
    const opened = await openJournal({ directory, segmentBytes: 1 << 22, reserveBytes: 1 << 16 });
    cleanups.push(() => opened.release());
    const { core, summary } = await recoverFrom(opened, WRITTEN_AT[version]);
    checkInvariants(core);
    expect(summary).toMatchObject({ found: true, tornBytes: 0, leases: 3, entries: 3, answers: 1 });
    const now = core.state.now;
    const value = (key: string) => {
      const reply = core.step({ op: 'get', namespace: 'default', key }, now);
      return isRefusal(reply) ? undefined : Buffer.from(reply.value).toString();
    };
    expect(['kept', 'implicit', 'count', 'deleted', 'expired'].map(value))
      .toEqual(['second', 'implicit', '5', undefined, undefined]);
    expect(core.step({ op: 'get-lease', id: 'lease-1' }, now)).toMatchObject({
      lease: { holder: 'other', labels: { zone: 'a' }, renewals: 1, entries: 1, state: 'live' },
    });
  });
});

describe('a journal of a later version', () => {
  it('is refused, with what to do', async () => {
    const record = runRecord({ actor: '00000000000000aa', sequence: 0 });
    record[1] = JOURNAL_RECORD_VERSION + 1;
    const recovering = recoverFrom({
      recover: async (onRecord) => {
        onRecord({ bytes: record, nowMs: WRITTEN_AT[0], wallMs: WRITTEN_AT[0], snapshot: false });
        throw new Error('The record was taken');
      },
    }, WRITTEN_AT[0]);
    await expect(recovering).rejects.toThrow(new RegExp(`version ${JOURNAL_RECORD_VERSION + 1}, written by newer software`));
  });
});
