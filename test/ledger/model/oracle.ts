/**
 * Knows what the sidecars and the ledger cannot: every write there ever was, until when it was
 * promised, and whether anybody had the right to end it. Looks at each world and says what broke.
 */
import type { Dot } from '../../../src/core/fact.ts';
import type { PushedRecord } from '../../../src/ledger/ledger.ts';
import { type LedgerRecord, sameDot } from '../../../src/ledger/record.ts';
import type { OwnValue, Sidecar } from './sidecar.ts';
import { nameOf } from './sidecar.ts';

/** What became of one write. */
export interface Fate {
  readonly dot: Dot;
  readonly born: Dot;
  /** The latest deadline that was promised. */
  readonly promise: number;
  /** Why it may be missing before that. */
  readonly ended: 'released' | 'deleted' | 'superseded' | 'expired' | 'policy' | undefined;
  /** The ledger has had it, and has not lost its memory since. */
  readonly there: boolean;
  /** The ledger has known it to be over, and has not lost its memory since. */
  readonly gone: boolean;
}

export interface Ghost {
  readonly fates: readonly Fate[];
  /** Runs whose end was published, by name. */
  readonly told: readonly string[];
}
export const NO_GHOST: Ghost = { fates: [], told: [] };

/** What the oracle looks at. */
export interface Seen {
  readonly ledger: { readonly records: ReadonlyMap<string, LedgerRecord> };
  readonly A: Sidecar;
  readonly B: Sidecar;
}

export class Oracle {
  ghost: Ghost;
  violation: string | undefined;

  readonly #now: number;

  constructor(ghost: Ghost, now: number) {
    this.ghost = ghost;
    this.#now = now;
  }

  minted({ dot, born, deadline }: OwnValue): void {
    const fate: Fate = {
      dot, born, promise: deadline, ended: undefined, there: false, gone: false,
    };
    this.ghost = { ...this.ghost, fates: [...this.ghost.fates, fate] };
  }

  promised(dot: Dot, deadline: number): void {
    this.#change(dot, ({ promise }) => ({ promise: Math.max(promise, deadline) }));
  }

  ended(dot: Dot, why: NonNullable<Fate['ended']>): void {
    this.#change(dot, ({ ended }) => ({ ended: ended ?? why }));
  }

  told(born: Dot): void {
    const name = nameOf(born);
    if (this.ghost.told.includes(name)) return;
    this.ghost = { ...this.ghost, told: [...this.ghost.told, name].sort() };
  }

  /** Written again under another actor: the old writes live on in the new ones. */
  restamped(before: readonly OwnValue[], after: readonly OwnValue[]): void {
    for (const [index, value] of after.entries()) {
      const old = before[index];
      if (old === undefined || sameDot(old.dot, value.dot)) continue;
      const promise = this.#fateOf(old.dot)?.promise ?? value.deadline;
      this.minted(value);
      this.promised(value.dot, promise);
      this.ended(old.dot, 'superseded');
    }
  }

  /** The ledger has acknowledged to the owner that these writes are over, or replaced. */
  acknowledged({ siblings, context }: PushedRecord): void {
    for (const { dot, ended } of this.ghost.fates) {
      if (ended === undefined || siblings.some((sibling) => sameDot(sibling.dot, dot))) continue;
      const covered = context.some(({ actor, seq }) => actor === dot.actor && seq >= dot.seq);
      if (covered) this.#change(dot, () => ({ gone: true }));
    }
  }

  /** Its owner has learned from the ledger that it is over. */
  learnedGone(dot: Dot): void {
    this.#judgeEnd(dot, 'was ended by the ledger');
  }

  /** What the ledger knew, it may not know any more. */
  rolledBack(): void {
    const fates = this.ghost.fates.map((fate) => ({ ...fate, there: false, gone: false }));
    this.ghost = { ...this.ghost, fates };
  }

  look({ ledger, A, B }: Seen): void {
    const record = ledger.records.get('key');
    for (const fate of this.ghost.fates) {
      const { dot, there, gone } = fate;
      if (record?.siblings.some((sibling) => sameDot(sibling.dot, dot)) === true) {
        if (gone) this.#complain(dot, 'has come back to life at the ledger');
        else if (!there) this.#change(dot, () => ({ there: true }));
        continue;
      }
      const covered = record?.context.some(
        ({ actor, seq }) => actor === dot.actor && seq >= dot.seq,
      );
      if (covered === true || there) {
        const loser = record?.ends.some((one) => one.conflict && sameDot(one.born, fate.born));
        if (loser === true) this.ended(dot, 'policy');
        this.#judgeEnd(dot, 'is over at the ledger');
        if (!gone) this.#change(dot, () => ({ gone: true }));
      }
      const held = [A, B].some(({ values }) => values.some((value) => sameDot(value.dot, dot)));
      if (!held) this.#judgeEnd(dot, 'is held by nobody');
    }
  }

  /** Nobody may end what was promised, but who may. */
  #judgeEnd(dot: Dot, how: string): void {
    const fate = this.#fateOf(dot);
    if (fate === undefined || fate.ended !== undefined || fate.promise <= this.#now) return;
    this.#complain(dot, `${how}; it was promised until ${fate.promise}`);
  }

  #complain(dot: Dot, what: string): void {
    this.violation ??= `${nameOf(dot)} ${what}`;
  }

  #fateOf(dot: Dot): Fate | undefined {
    return this.ghost.fates.find((fate) => sameDot(fate.dot, dot));
  }

  #change(dot: Dot, change: (fate: Fate) => Partial<Fate>): void {
    const fates = this.ghost.fates.map((fate) =>
      sameDot(fate.dot, dot) ? { ...fate, ...change(fate) } : fate,
    );
    this.ghost = { ...this.ghost, fates };
  }
}
