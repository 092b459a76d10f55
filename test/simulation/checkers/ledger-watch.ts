/**
 * What the ledger's operations changed, record by record, worked out once for all checkers. It also
 * sees when a partition has become another one: emptied, put back, or that of another primary.
 */
import { type CheckedWorld, type RawPartition, type RawRecord, type TouchedPartition, Violation } from './checker.ts';

/** Before the first change of a partition. */
const CHAIN_START = '0000000000000000';

export interface RecordChange {
  readonly id: string;
  readonly before: RawRecord | undefined;
  readonly after: RawRecord | undefined;
}

export interface LedgerChange {
  readonly atMs: number;
  readonly namespace: string;
  readonly partition: number;
  readonly raw: RawPartition;
  /** It is another object than at its last operation: nothing follows from what it was. */
  readonly isAnother: boolean;
  readonly records: readonly RecordChange[];
  /** As it was after its last operation. */
  readonly seqBefore: number;
  readonly chainBefore: string;
}

interface Remembered {
  readonly raw: RawPartition;
  readonly records: Map<string, RawRecord>;
  seq: number;
  chain: string;
}

export class LedgerWatch {
  readonly #world: CheckedWorld;
  readonly #remembered = new Map<string, Remembered>();
  readonly #taps: ((change: LedgerChange) => void)[] = [];
  #found: Violation | undefined;
  /** When the ledger turned out to be another one than before, in true time. */
  readonly losses: number[] = [];

  constructor(world: CheckedWorld) {
    this.#world = world;
    world.ledger.onOperation((touched) => this.#see(touched));
  }

  onChange(tap: (change: LedgerChange) => void): void {
    this.#taps.push(tap);
  }

  /** Throws what those found who looked at a partition while it was as it was. */
  raise(): void {
    if (this.#found !== undefined) throw this.#found;
  }

  lostSince(atMs: number): boolean {
    const lastMs = this.losses.at(-1);
    return lastMs !== undefined && lastMs >= atMs;
  }

  #see({ namespace, partition, raw }: TouchedPartition): void {
    const name = `${partition}:${namespace}`;
    const found = this.#remembered.get(name);
    const isAnother = found !== undefined && found.raw !== raw;
    const { nowMs } = this.#world;
    if (isAnother && this.losses.at(-1) !== nowMs) this.losses.push(nowMs);
    const memory: Remembered =
      found === undefined ? { raw, records: new Map(), seq: 0, chain: CHAIN_START }
      : isAnother ? { raw, records: new Map(), seq: raw.seq, chain: raw.chain }
      : found;
    const records = changesOf(memory.records, raw.records);
    if (records.length === 0 && memory.seq === raw.seq && memory.chain === raw.chain) return;
    const change: LedgerChange = {
      namespace, partition, raw, isAnother, records,
      atMs: nowMs, seqBefore: memory.seq, chainBefore: memory.chain,
    };
    this.#remembered.set(name, memory);
    memory.seq = raw.seq;
    memory.chain = raw.chain;
    // It is told after the event: nothing of the world may stumble over those who watch it.
    for (const tap of this.#taps) {
      try {
        tap(change);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        this.#found ??= error;
      }
    }
  }
}

/** Brings `known` up to `now`, and tells what differed. */
function changesOf(
  known: Map<string, RawRecord>, now: ReadonlyMap<string, RawRecord>,
): RecordChange[] {
  const changes: RecordChange[] = [];
  for (const [id, after] of now) {
    const before = known.get(id);
    if (before === after) continue;
    changes.push({ id, before, after });
    known.set(id, after);
  }
  if (known.size === now.size) return changes;
  for (const [id, before] of known) {
    if (now.has(id)) continue;
    changes.push({ id, before, after: undefined });
    known.delete(id);
  }
  return changes;
}
