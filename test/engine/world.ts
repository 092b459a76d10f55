/** An engine on a clock that only the test moves. */
import type { Command, ReplyOf } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import type { IdempotencyRequest, Outcome } from '../../src/engine/service.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { HeldJournal } from './held-journal.ts';

export const START_MS = 1_700_000_000_000;

export function contract(changes: Partial<NamespaceContract> = {}): NamespaceContract {
  return {
    name: 'default',
    class: 'shared',
    ttl: { defaultMs: 30_000, minMs: 1, maxMs: 3_600_000, maxLifetimeMs: 86_400_000 },
    sliding: false,
    onExpire: 'delete',
    onDrain: 'keep',
    durability: 'journal',
    conflict: 'lww',
    mirror: 'none',
    autonomyMs: 60_000,
    capacity: { leases: 1000, entries: 1000, bytes: 1 << 20, eviction: 'refuse' },
    events: { values: 'none' },
    sensitive: false,
    ...changes,
  };
}

export class ManualClocks {
  monotonic = 5_000;
  wall = START_MS;

  advance(ms: number): void {
    this.monotonic += ms;
    this.wall += ms;
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  wallMs(): number {
    return this.wall;
  }
}

export const LIMITS = {
  namespaces: 8, leases: 5000, entries: 5000, bytes: 1 << 22, valueBytes: 1 << 16, siblings: 8,
  copies: 0,
  copyBytes: 0,
  tombstones: 0,
  pageItems: 1000, endedMemory: { entries: 1000, ttlMs: 600_000 },
} as const;

export function world(
  options: {
    readonly contracts?: readonly NamespaceContract[];
    readonly journal?: HeldJournal;
    readonly feed?: { readonly facts: number; readonly bytes: number; readonly ageMs: number };
    readonly idempotency?: { readonly entries: number; readonly bytes: number; readonly ttlMs: number };
  } = {},
) {
  const clocks = new ManualClocks();
  const contracts = options.contracts ?? [contract()];
  const journal = options.journal ?? new HeldJournal();
  const core = new Core(
    {
      actor: '00000000000000aa', hashSeed: 1, namespaces: contracts, autoCreateNamespaces: false,
      limits: LIMITS,
    },
    clocks.wallMs(),
  );
  const feed = new Feed(options.feed ?? { facts: 1000, bytes: 1 << 20, ageMs: 300_000 });
  feed.beginRun('00000000000000aa');
  const idempotency = new IdempotencyMemory(
    options.idempotency ?? { entries: 100, bytes: 1 << 20, ttlMs: 300_000 },
  );
  const failures: Error[] = [];
  const engine = new Engine({
    core, journal, feed, idempotency, contracts,
    timeline: new Timeline(clocks),
    timers: systemMachine,
    defaultDurability: 'journal',
    afterCommit: () => {},
    onFatal: (error) => failures.push(error),
  });
  engine.start();

  /** Submits and collects the answer, if it has been given. */
  const ask = <C extends Command>(command: C, idempotent?: IdempotencyRequest) => {
    const asked: { outcome?: Outcome<C>; replayed?: boolean } = {};
    engine.submit(
      command,
      (outcome, replayed) => {
        if (asked.outcome !== undefined) throw new Error('answered twice');
        asked.outcome = outcome;
        asked.replayed = replayed;
      },
      idempotent,
    );
    return asked;
  };
  /** The end of the turn: what waits for it is done. */
  const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  const answer = async <C extends Command>(command: C, idempotent?: IdempotencyRequest) => {
    const asked = ask(command, idempotent);
    await turn();
    return asked.outcome as ReplyOf[C['op']];
  };
  return { clocks, journal, core, feed, idempotency, engine, failures, ask, turn, answer };
}

export function put(key: string, value = 'value', more: object = {}) {
  return {
    op: 'put' as const, namespace: 'default', key, contentType: 'text/plain',
    value: new TextEncoder().encode(value), ...more,
  };
}
