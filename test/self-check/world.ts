/**
 * A sidecar's memory, engine, journal and self-check on a disk in memory, on a clock that only the test
 * moves. What is wrong is planted from outside: in the tables, on the way to the journal, or on the disk.
 */
import { vi } from 'vitest';
import type { Core } from '../../src/core/core.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import { recover } from '../../src/engine/recovery.ts';
import { Snapshotter } from '../../src/engine/snapshotter.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { SelfCheck, type SelfCheckSettings } from '../../src/self-check/self-check.ts';
import { checkedMemory } from '../../src/self-checking.ts';
import type { Command, ReplyOf } from '../../src/core/command.ts';
import { contract, LIMITS } from '../engine/world.ts';
import type { MemoryDisk } from '../journal/memory-disk.ts';

export const INTERVAL_MS = 600_000;

export const CONTRACTS = [
  contract(),
  contract({ name: 'kept', onExpire: 'revert' }),
  contract({ name: 'volatile', durability: 'memory' }),
];

/** Of time and timers; turns of the loop stay real. */
export function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['performance', 'Date', 'setTimeout', 'clearTimeout'] });
}

/** Everything that waits for nothing but its turn. */
export async function turns(count = 4): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass in small steps, with whatever comes of it. */
export async function pass(ms: number, stepMs = 20): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, ms - passed));
    await turns(2);
  }
}

export interface Told {
  readonly namespace: string;
  readonly restated: number;
  readonly ended: number;
}

let runs = 0;

async function recovered(disk: MemoryDisk, actor: string) {
  const opened = await openJournal({
    directory: 'data', fileSystem: disk, lock: () => ({ release() {} }),
    segmentBytes: 4_000, reserveBytes: 0, snapshotAfterBytes: 1 << 20, stallMs: Number.MAX_SAFE_INTEGER,
  });
  const timeline = new Timeline(systemMachine);
  const feed = new Feed({ facts: 10_000, bytes: 1 << 22, ageMs: 300_000 });
  const idempotency = new IdempotencyMemory({ entries: 100, bytes: 1 << 20, ttlMs: 300_000 });
  const { core } = await recover({
    source: opened, timeline, feed, idempotency,
    coreOptions: {
      actor, hashSeed: 1, namespaces: CONTRACTS, autoCreateNamespaces: false,
      limits: { ...LIMITS, bytes: 1 << 24 },
    },
    onProgress: () => {},
  });
  return { opened, timeline, feed, idempotency, core };
}

/** The memory that a restart would have now. Rejects where it would refuse to start. */
export async function afterRestart(disk: MemoryDisk): Promise<Core> {
  return (await recovered(disk.copy(), 'ffffffffffffffff')).core;
}

export async function world(disk: MemoryDisk, settings: Partial<SelfCheckSettings> = {}) {
  runs += 1;
  const actor = runs.toString(16).padStart(16, '0');
  const { opened, timeline, feed, idempotency, core } = await recovered(disk, actor);
  const journal = await opened.start({ actor });
  /** Which records are kept from the journal, though everybody believes it has them. */
  const lost = { matches: (_record: string) => false };
  const lossy = losing(journal, (record) => lost.matches(record));
  const snapshotter = new Snapshotter({
    core, journal: lossy, idempotency, timeline, feed,
    timers: systemMachine,
    onDone: () => {},
    onError: () => {},
  });
  const failures: Error[] = [];
  const onFatal = (error: Error): void => void failures.push(error);
  const engine = new Engine({
    core, feed, timeline, idempotency, onFatal,
    journal: lossy,
    timers: systemMachine,
    contracts: CONTRACTS,
    defaultDurability: 'journal',
    afterCommit: () => snapshotter.considerAfterCommit(),
  });
  engine.beginRun(actor);
  engine.start();
  const lines: string[] = [];
  const say = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  const told: Told[] = [];
  const memory = checkedMemory(core, engine);
  const selfCheck = new SelfCheck({
    journal, log, onFatal,
    snapshots: snapshotter,
    machine: systemMachine,
    settings: { intervalMs: INTERVAL_MS, readPerSecondBytes: 1 << 30, rows: 4_096, ...settings },
    memory: {
      ...memory,
      tellRepaired: (namespace, restated, ended) => {
        told.push({ namespace, restated, ended });
        memory.tellRepaired(namespace, restated, ended);
      },
    },
  });
  selfCheck.start();
  await turns();

  const ask = async <C extends Command>(command: C) => {
    let answer: unknown;
    engine.submit(command, (outcome) => {
      answer = outcome;
    });
    await turns(2);
    return answer as ReplyOf[C['op']];
  };
  const put = (key: string, value = 'value', more: object = {}) =>
    ask({
      op: 'put', namespace: 'default', key, contentType: 'text/plain', ttlMs: 3_600_000,
      value: new TextEncoder().encode(value), ...more,
    });
  return { core, journal, engine, feed, snapshotter, selfCheck, failures, lines, told, lost, ask, put };
}

export type SelfCheckWorld = Awaited<ReturnType<typeof world>>;

/** A journal that loses records without a word. */
function losing(journal: Journal, isLost: (record: string) => boolean): Journal {
  return new Proxy(journal, {
    get(target, name) {
      if (name === 'append') {
        return (bytes: Uint8Array, start: number, end: number): number =>
          isLost(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1'))
            ? target.pendingPosition
            : target.append(bytes, start, end);
      }
      const member = Reflect.get(target, name, target) as unknown;
      return typeof member === 'function' ? member.bind(target) : member;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}
