/**
 * Requests by chance, over a world so small that everything meets everything: four actors, a few
 * keys, and times on a grid of half seconds, so that deadlines and horizons are hit exactly.
 */
import type { EndReason } from '../../../src/core/command.ts';
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import type { Dot } from '../../../src/core/fact.ts';
import type {
  BeatRequest, Caller, Cursor, DiffRequest, Digest, PullRequest, PushedRecord,
  PushRequest, SweepRequest, Terms,
} from '../../../src/ledger/ledger.ts';
import { NO_CURSOR, NO_DIGEST } from '../../../src/ledger/ledger.ts';
import {
  compareDots, type CoveredActor, type Ending, type LedgerRecord, REASONS_BY_RANK, type Sibling,
} from '../../../src/ledger/record.ts';
import type { Random } from '../../../bench/replay/random.ts';

export const GRID_MS = 500;
const POLICIES: readonly ConflictPolicy[] = ['lww', 'siblings', 'ownerWins', 'firstWins', 'counter'];
/** High bits, and neighbours that differ in the low half only: where comparing goes wrong. */
const ACTORS = [
  'ff00000000000001', 'ff00000000000002', '7fffffff80000000', '00000000ffffffff', '0a0b0c0d0e0f1011',
] as const;
/** In UTF-16 the last two are the other way round. */
const IDS = ['a', 'b', 'key with blanks', 'Jürgen', '\u{ffee}', '\u{1f600}'] as const;
const BUCKETS = 16;
const HLC_ORIGIN_MS = Date.UTC(2020, 0, 1);

export type Step =
  | { readonly kind: 'push'; readonly request: PushRequest }
  | { readonly kind: 'pull'; readonly request: PullRequest }
  | { readonly kind: 'diff'; readonly request: DiffRequest }
  | { readonly kind: 'beat'; readonly request: BeatRequest }
  | { readonly kind: 'sweep'; readonly request: SweepRequest };

/** What the generator may look at to be to the point. */
export interface Known {
  readonly now: number;
  readonly epoch: number;
  readonly records: ReadonlyMap<string, LedgerRecord>;
  readonly cells: readonly Digest[];
  readonly owned: (actor: string) => Digest;
  readonly tail: Cursor;
}

export class Requests {
  readonly #random: Random;
  readonly #policy: ConflictPolicy;
  /** Minted so far, by id: a dot means one write. */
  readonly #minted = new Map<string, Sibling[]>();
  readonly #seqs = new Map<string, number>();
  readonly #cursors: Cursor[] = [NO_CURSOR];

  /** One key only, and endings that are remembered for long: more of them than a record keeps. */
  readonly #isCrowded: boolean;

  constructor(random: Random, policy: ConflictPolicy, isCrowded: boolean) {
    this.#random = random;
    this.#policy = policy;
    this.#isCrowded = isCrowded;
  }

  /** A place somebody may come back with. */
  remember(cursor: Cursor): void {
    if (this.#cursors.length > 20) this.#cursors.splice(this.#below(19) + 1, 1);
    this.#cursors.push(cursor);
  }

  next(known: Known): Step {
    const draw = this.#random.next();
    if (draw < 0.55) return { kind: 'push', request: this.#push(known) };
    if (draw < 0.68) return { kind: 'pull', request: this.#pull(known) };
    if (draw < 0.73) return { kind: 'diff', request: this.#diff(known) };
    if (draw < 0.86) return { kind: 'beat', request: this.#beat(known) };
    return { kind: 'sweep', request: this.#sweep(known) };
  }

  #below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  #chance(share: number): boolean {
    return this.#random.next() < share;
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }

  #some<T>(items: readonly T[], share: number): T[] {
    return items.filter(() => this.#chance(share));
  }

  #caller({ epoch }: Known): Caller {
    const actor = this.#one(ACTORS);
    const others = ACTORS.filter((other) => other !== actor);
    return {
      actor,
      predecessors: this.#chance(0.3) ? this.#some(others, 0.4) : [],
      epoch: this.#chance(0.15) ? epoch + this.#below(3000) : this.#chance(0.5) ? epoch : 0,
    };
  }

  #terms(): Terms {
    return {
      policy: this.#chance(0.1) ? this.#one(POLICIES) : this.#policy,
      autonomyMs: 4000,
      silenceMs: 5000,
      slackMs: 1000,
      horizonMs: this.#isCrowded ? 120_000 : this.#chance(0.1) ? 3000 : 9000,
      maxSkewMs: 2000,
      logEntries: 100_000,
    };
  }

  #cursor({ tail }: Known): Cursor {
    if (this.#chance(0.4)) return tail;
    const cursor = this.#one(this.#cursors);
    if (this.#chance(0.05)) return { ...cursor, chain: 'feedfacefeedface' };
    if (this.#chance(0.05)) return { ...cursor, seq: cursor.seq + this.#below(4) };
    return cursor;
  }

  /* ---- push ---------------------------------------------------------------------------- */

  #push(known: Known): PushRequest {
    const caller = this.#caller(known);
    const count = this.#chance(0.6) ? 1 : this.#below(5);
    const records = Array.from({ length: count }, () =>
      this.#pushedRecord(this.#isCrowded ? IDS[0] : this.#one(IDS), caller, known));
    return {
      caller, records, terms: this.#terms(), batch: this.#below(50),
      version: this.#chance(0.15) ? 1 : 2, rejoining: this.#chance(0.5),
    };
  }

  #pushedRecord(id: string, caller: Caller, known: Known): PushedRecord {
    const stored = known.records.get(id);
    const siblings: Sibling[] = [];
    // What is there, renewed or as it is; what was minted once; and what is new.
    for (const sibling of stored?.siblings ?? []) {
      if (this.#chance(0.5)) siblings.push(this.#varied(sibling, known));
    }
    for (const sibling of (this.#minted.get(id) ?? []).slice(-5)) {
      const isIn = siblings.some(({ dot }) => compareDots(dot, sibling.dot) === 0);
      if (!isIn && this.#chance(0.12)) siblings.push(this.#varied(sibling, known));
    }
    if (this.#chance(0.55)) siblings.push(this.#mint(id, caller.actor, known, siblings));
    siblings.sort((left, right) => compareDots(left.dot, right.dot));
    const context = this.#context(siblings, stored, caller, known);
    return { id, bucket: bucketOf(id), siblings, context, ends: this.#ends(id, stored, known) };
  }

  #mint(id: string, actor: string, known: Known, beside: readonly Sibling[]): Sibling {
    const minted = this.#minted.get(id) ?? [];
    const seq = (this.#seqs.get(actor) ?? 0) + 1 + (this.#chance(0.1) ? 1 : 0);
    this.#seqs.set(actor, seq);
    const dot = { actor, seq };
    const earlier = [...beside, ...minted];
    const born = earlier.length > 0 && this.#chance(0.35) ? this.#one(earlier).born : dot;
    const wall = known.now + (this.#below(14) - 8) * GRID_MS;
    const sibling: Sibling = {
      dot, born,
      hlc: (wall - HLC_ORIGIN_MS) * 4096 + this.#below(3),
      rank: this.#chance(0.5) ? this.#below(3) : wall,
      deadline: known.now + (this.#below(20) - 2) * GRID_MS,
      ttlMs: this.#one([1000, 3000, 10_000]),
      session: this.#chance(0.4),
      hashHigh: this.#below(0x100000000), hashLow: this.#below(0x100000000),
      label: bytesOf(`label of ${actor}.${seq}`),
      value: bytesOf('v'.repeat(this.#below(40))),
    };
    this.#minted.set(id, [...minted, sibling].slice(-12));
    return sibling;
  }

  /** The same write as somebody else may have it. */
  #varied(sibling: Sibling, known: Known): Sibling {
    let varied = sibling;
    if (this.#chance(0.3)) {
      varied = { ...varied, deadline: known.now + (this.#below(14) - 4) * GRID_MS };
    }
    if (this.#chance(0.1)) varied = { ...varied, label: bytesOf(`other ${this.#below(3)}`) };
    if (this.#chance(0.1)) varied = { ...varied, session: !varied.session };
    if (this.#chance(0.05)) varied = { ...varied, ttlMs: 2000 };
    if (this.#chance(0.05)) varied = { ...varied, rank: varied.rank + 1 };
    if (this.#chance(0.02)) varied = { ...varied, hashLow: (varied.hashLow + 1) % 0x100000000 };
    return varied;
  }

  #context(
    siblings: readonly Sibling[], stored: LedgerRecord | undefined, caller: Caller, known: Known,
  ): CoveredActor[] {
    const seqs = new Map<string, number>();
    const cover = ({ actor, seq }: Dot): void => {
      seqs.set(actor, Math.max(seqs.get(actor) ?? 0, seq));
    };
    // A context that does not cover its own values is against the rules, and must do no harm.
    for (const { dot } of siblings) if (!this.#chance(0.02)) cover(dot);
    if (stored !== undefined && this.#chance(0.6)) {
      for (const { actor, seq } of stored.context) if (this.#chance(0.8)) cover({ actor, seq });
    }
    if (this.#chance(0.15)) cover({ actor: this.#one(ACTORS), seq: 1 + this.#below(20) });
    if (this.#chance(0.1)) cover({ actor: caller.actor, seq: this.#seqs.get(caller.actor) ?? 1 });
    return [...seqs]
      .map(([actor, seq]) => ({
        actor, seq,
        until: this.#chance(0.1) ? known.now + (this.#below(20) - 4) * GRID_MS : 0,
      }))
      .sort((left, right) => (left.actor < right.actor ? -1 : 1));
  }

  #ends(id: string, stored: LedgerRecord | undefined, known: Known): Ending[] {
    const candidates = [
      ...(stored?.siblings ?? []), ...(stored?.ends ?? []), ...(this.#minted.get(id) ?? []),
    ];
    const ends = new Map<string, Ending>();
    for (const { born, dot, label } of candidates) {
      if (!this.#chance(0.15)) continue;
      ends.set(`${born.actor}.${born.seq}`, {
        born, dot, label,
        reason: this.#one(REASONS_BY_RANK) as EndReason,
        by: this.#one(ACTORS),
        told: this.#chance(this.#isCrowded ? 0.1 : 0.4),
        conflict: this.#chance(0.2),
        deadline: known.now + this.#below(8) * GRID_MS,
        until: this.#chance(0.3) ? known.now + this.#below(8) * GRID_MS : 0,
      });
    }
    return [...ends.values()].sort((left, right) => compareDots(left.born, right.born));
  }

  /* ---- the others ---------------------------------------------------------------------- */

  #pull(known: Known): PullRequest {
    return {
      caller: this.#caller(known), cursor: this.#cursor(known),
      limit: this.#one([0, 1, 2, 5, 100]), records: this.#chance(0.6),
      ids: this.#some([...IDS, 'unknown'], 0.3),
    };
  }

  #diff(known: Known): DiffRequest {
    const cells = Array.from({ length: BUCKETS }, (_, bucket) => {
      const cell = known.cells[bucket] ?? NO_DIGEST;
      return this.#chance(0.8) ? cell : { ...cell, low: (cell.low + 1) % 0x100000000 };
    });
    const what = this.#below(4);
    return {
      caller: this.#caller(known), after: '', limit: 1 + this.#below(10),
      ...(this.#chance(0.7) ? { cells } : {}),
      ...(what === 1 || what === 3 ? { buckets: this.#some([...Array(BUCKETS).keys()], 0.6) } : {}),
      ...(what === 2 || what === 3 ? { actors: this.#some(ACTORS, 0.5) } : {}),
    };
  }

  #beat(known: Known): BeatRequest {
    const caller = this.#caller(known);
    const owned = [...this.#some(ACTORS, 0.3), caller.actor, ...caller.predecessors].map((actor) => {
      const digest = known.owned(actor);
      return { actor, ...(this.#chance(0.85) ? digest : { ...digest, high: digest.high ^ 1 }) };
    });
    return {
      caller, terms: this.#terms(), cursor: this.#cursor(known), batch: this.#below(50),
      ...(this.#chance(0.6) ? { owned: owned.map((one) => ({ ...one, high: one.high >>> 0 })) } : {}),
      ...(this.#chance(0.1) ? { retire: true } : {}),
    };
  }

  #sweep(known: Known): SweepRequest {
    return {
      caller: this.#caller(known), terms: this.#terms(),
      scope: this.#one(['own', 'orphans'] as const),
      limit: this.#one([1, 2, 100]), dryRun: this.#chance(0.1),
      ...(this.#chance(0.3) ? { asOf: known.now - this.#below(4000) } : {}),
    };
  }
}

function bucketOf(id: string): number {
  return IDS.indexOf(id as (typeof IDS)[number]) * 3;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

