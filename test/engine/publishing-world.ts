/**
 * Runs of an engine with an outbox over one journal: what is in the journal when a run dies is what
 * the next one begins with. The bus is the test: it looks at what is visible and acknowledges it.
 */
import type { Command } from '../../src/core/command.ts';
import type { CoreLimits, NamespaceContract } from '../../src/core/contract.ts';
import type { Core } from '../../src/core/core.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import { recover, type RecoverySummary } from '../../src/engine/recovery.ts';
import type { Outcome } from '../../src/engine/service.ts';
import { Snapshotter } from '../../src/engine/snapshotter.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import type { StreamName } from '../../src/events/bus.ts';
import { encodeEvent } from '../../src/events/message.ts';
import { Outbox } from '../../src/events/outbox.ts';
import type { RecoveredRecord, SnapshotWriter } from '../../src/journal/journal.ts';
import { HeldJournal } from './held-journal.ts';
import { contract, LIMITS, ManualClocks } from './world.ts';

interface Stamped {
  readonly bytes: Uint8Array;
  readonly nowMs: number;
}

/** Takes snapshots: what was written before one is replaced by it when it is finished. */
class CompactingJournal extends HeldJournal {
  snapshot: Stamped[] = [];
  #from = 0;
  #now = 0;

  override beginSnapshot(nowMs: number): SnapshotWriter {
    const records: Stamped[] = [];
    const from = this.groups.length;
    this.#now = nowMs;
    return {
      append: (bytes, start, end) => {
        records.push({ bytes: bytes.slice(start, end), nowMs: this.#now });
        return true;
      },
      drained: async () => {},
      finish: async () => {
        this.snapshot = records;
        this.#from = from;
      },
      abort: async () => {},
    };
  }

  /** What a next run would find. */
  remains(nowMs: number): RecoveredRecord[] {
    const after = this.groups.slice(this.#from, this.writtenPosition).flat();
    return [
      ...this.snapshot.map((each) => ({ ...each, wallMs: each.nowMs, snapshot: true })),
      ...after.map((bytes) => ({ bytes, nowMs, wallMs: nowMs, snapshot: false })),
    ];
  }
}

export const OUTBOX_LIMITS = {
  events: 1000, eventBytes: 1 << 20, endings: 1000, endingBytes: 1 << 20,
  keptBytes: 1 << 16, keptMs: 300_000,
};

export interface PublishedEvent {
  readonly stream: StreamName;
  readonly id: string;
  readonly text: string;
}

export class Run {
  readonly actor: string;
  readonly core: Core;
  readonly engine: Engine;
  readonly outbox: Outbox;
  readonly journal: CompactingJournal;
  readonly snapshotter: Snapshotter;
  readonly #contracts: readonly NamespaceContract[];

  constructor(parts: {
    actor: string; core: Core; engine: Engine; outbox: Outbox; journal: CompactingJournal;
    snapshotter: Snapshotter; contracts: readonly NamespaceContract[];
  }) {
    this.actor = parts.actor;
    this.core = parts.core;
    this.engine = parts.engine;
    this.outbox = parts.outbox;
    this.journal = parts.journal;
    this.snapshotter = parts.snapshotter;
    this.#contracts = parts.contracts;
  }

  /** The answer, once the turn is over; undefined while the journal is held. */
  async ask(command: Command): Promise<Outcome | undefined> {
    let answer: Outcome | undefined;
    this.engine.submit(command, (outcome) => {
      answer = outcome;
    });
    await turn();
    return answer;
  }

  /** What a publisher sees of a stream, from its first unacknowledged event on. */
  pending(stream: StreamName): PublishedEvent[] {
    const log = this.outbox[stream];
    const events: PublishedEvent[] = [];
    for (let index = log.first; index < log.visible; index++) events.push(this.message(stream, index));
    return events;
  }

  message(stream: StreamName, index: number): PublishedEvent {
    const contractOf = () => ({
      ...this.#contracts[0]!, events: { publish: 'all' as const, values: 'none' as const },
    });
    const { id, body } = encodeEvent(
      this.outbox[stream].at(index), { name: 'replica', contractOf }, 'structured',
    );
    return { stream, id, text: Buffer.from(body).toString() };
  }

  async snapshot(): Promise<void> {
    this.snapshotter.begin();
    while (this.snapshotter.running) await turn();
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** The history of one data directory. */
export class Replica {
  readonly clocks = new ManualClocks();
  readonly contracts: readonly NamespaceContract[];
  #runs = 0;
  #records: readonly RecoveredRecord[] = [];
  #lastNow: number | undefined;

  readonly #autoCreate: boolean;

  constructor(changes: Partial<NamespaceContract> = {}, autoCreate = false) {
    this.contracts = [contract(changes)];
    this.#autoCreate = autoCreate;
  }

  /** A run dies with what its journal has written; the next one begins with that. */
  crash(run: Run): void {
    this.#lastNow = run.engine.now();
    this.#records = run.journal.remains(this.#lastNow);
  }

  /** What a run finds that has no bus. */
  async startWithoutBus(): Promise<RecoverySummary> {
    const { summary } = await recover({
      timeline: new Timeline(this.clocks),
      feed: new Feed({ facts: 1000, bytes: 1 << 20, ageMs: 300_000 }),
      idempotency: new IdempotencyMemory({ entries: 10, bytes: 1 << 16, ttlMs: 300_000 }),
      ...this.#recovery('f'.repeat(16), LIMITS),
    });
    return summary;
  }

  #recovery(actor: string, limits: CoreLimits) {
    const records = this.#records;
    const lastNowMs = this.#lastNow;
    return {
      coreOptions: {
        actor, hashSeed: 1, namespaces: this.contracts, autoCreateNamespaces: this.#autoCreate, limits,
      },
      onProgress: () => {},
      source: {
        recover: async (onRecord: (record: RecoveredRecord) => void) => {
          for (const record of records) onRecord(record);
          return {
            found: records.length > 0, clean: false, snapshotRecords: 0, groups: 1,
            records: records.length, bytes: 0, tornBytes: 0, lastNowMs, lastWallMs: lastNowMs,
          };
        },
      },
    };
  }

  async start(limits: Partial<typeof OUTBOX_LIMITS> = {}): Promise<Run> {
    const actor = `${++this.#runs}`.padStart(16, '0');
    const journal = new CompactingJournal();
    const timeline = new Timeline(this.clocks);
    const feed = new Feed({ facts: 1000, bytes: 1 << 20, ageMs: 300_000 });
    const idempotency = new IdempotencyMemory({ entries: 10, bytes: 1 << 16, ttlMs: 300_000 });
    const late: { core?: Core } = {};
    const outbox = new Outbox({
      limits: { ...OUTBOX_LIMITS, ...limits },
      now: () => timeline.now(),
      onSettled: (namespace, ofLease, bytes) => late.core?.settleEnding(namespace, ofLease, bytes),
    });
    const { endings, endingBytes } = OUTBOX_LIMITS;
    const { core } = await recover({
      timeline, feed, idempotency, outbox,
      ...this.#recovery(actor, { ...LIMITS, outbox: { endings, endingBytes } }),
    });
    late.core = core;
    checkInvariants(core);
    // What it found is the beginning of its own journal, as on a disk.
    journal.snapshot = this.#records.map(({ bytes, nowMs }) => ({ bytes, nowMs }));
    const engine = new Engine({
      core, journal, feed, idempotency, outbox, timeline,
      timers: systemMachine,
      contracts: this.contracts,
      defaultDurability: 'journal',
      afterCommit: () => {},
      onFatal: (error) => {
        throw error;
      },
    });
    engine.beginRun(actor);
    engine.start();
    const snapshotter = new Snapshotter({
      core, journal, idempotency, timeline, feed, outbox,
      timers: systemMachine,
      onDone: () => {},
      onError: (error) => {
        throw error;
      },
    });
    await turn();
    return new Run({ actor, core, engine, outbox, journal, snapshotter, contracts: this.contracts });
  }
}
