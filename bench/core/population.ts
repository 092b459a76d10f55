/**
 * A core with a great many entries (32 B keys, 100 B values), without HTTP, optionally behind the
 * real engine and a real journal. What both sides of a comparison share is built here once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PutCommand } from '../../src/core/command.ts';
import type { CoreLimits, CoreOptions } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { openJournal } from '../../src/journal/open-journal.ts';

export const NAMESPACE = 'bench';
export const KEY_BYTES = 32;
export const VALUE_BYTES = 100;
const ACTOR = '0123456789abcdef';
const MEBIBYTE = 1024 * 1024;
const DAY_MS = 86_400_000;

export function coreOptions(entries: number): CoreOptions {
  const limits: CoreLimits = {
    namespaces: 4,
    leases: entries,
    entries,
    bytes: entries * (KEY_BYTES + VALUE_BYTES) + MEBIBYTE,
    valueBytes: MEBIBYTE,
    siblings: 8,
    copies: 0,
    copyBytes: 0,
    tombstones: 0,
    pageItems: 1000,
    endedMemory: { entries: 100_000, ttlMs: 600_000 },
  };
  return {
    actor: ACTOR,
    hashSeed: 12345,
    autoCreateNamespaces: false,
    limits,
    namespaces: [
      {
        name: NAMESPACE,
        class: 'shared',
        ttl: { defaultMs: 60_000, minMs: 1, maxMs: DAY_MS, maxLifetimeMs: 10 * DAY_MS },
        sliding: false,
        onExpire: 'delete',
        onDrain: 'keep',
        durability: 'journal',
        conflict: 'lww',
        mirror: 'none',
        autonomyMs: 60_000,
        capacity: { leases: entries, entries, bytes: limits.bytes, eviction: 'refuse' },
        events: { values: 'none' },
        sensitive: false,
      },
    ],
  };
}

const value = new Uint8Array(VALUE_BYTES).fill(7);

export function keyOf(index: number): string {
  return index.toString(36).padStart(KEY_BYTES, '-');
}

export function putOf(index: number, ttlMs: number): PutCommand {
  return {
    op: 'put',
    namespace: NAMESPACE,
    key: keyOf(index),
    value,
    contentType: 'application/octet-stream',
    ttlMs,
  };
}

/**
 * Puts entries `from` to `to`, all at instant `now`, straight into the core; their facts are
 * dropped. Answers the ids of their leases when `keepIds` says so.
 */
export function fill(
  core: Core,
  range: { readonly from: number; readonly to: number },
  now: number,
  ttlOf: (index: number) => number,
  keepIds: (index: number) => boolean = () => false,
): string[] {
  const ids: string[] = [];
  for (let index = range.from; index < range.to; index += 1) {
    const reply = core.step(putOf(index, ttlOf(index)), now);
    if (isRefusal(reply)) throw new Error(`Cannot fill the core: ${reply.detail}`);
    if (keepIds(index)) ids.push(reply.lease);
    core.facts.reset();
  }
  return ids;
}

/** The real engine over `core`, with a file journal in a directory of its own. */
export async function engineOver(core: Core, timeline: Timeline) {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-bench-'));
  const opened = await openJournal({ directory, snapshotAfterBytes: 1024 * MEBIBYTE });
  await opened.recover(() => {}, () => {});
  const journal = await opened.start({ actor: ACTOR });
  const feed = new Feed({ facts: 65_536, bytes: 32 * MEBIBYTE, ageMs: 300_000 });
  feed.beginRun(ACTOR);
  let failure: Error | undefined;
  const engine = new Engine({
    core,
    journal,
    feed,
    timeline,
    timers: systemMachine,
    idempotency: new IdempotencyMemory({ entries: 1000, bytes: MEBIBYTE, ttlMs: 300_000 }),
    defaultDurability: 'journal',
    contracts: coreOptions(1).namespaces,
    afterCommit: () => {},
    onFatal: (error) => {
      failure = error;
    },
  });
  engine.start();
  return {
    engine,
    feed,
    journal,
    stop: async () => {
      await engine.stop();
      rmSync(directory, { recursive: true, force: true });
      if (failure !== undefined) throw failure;
    },
  };
}

export function newCore(entries: number): { core: Core; timeline: Timeline } {
  const timeline = new Timeline(systemMachine);
  return { core: new Core(coreOptions(entries), timeline.now()), timeline };
}
