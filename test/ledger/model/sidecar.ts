/**
 * A sidecar reduced to what the protocol is about: one key, its own values of it, copies of others',
 * the remains of what ended, and what it believes about the ledger. Its state is a plain value that
 * is never changed; every step makes a new one. Instants are ticks.
 */
import type { EndReason } from '../../../src/core/command.ts';
import type { Dot } from '../../../src/core/fact.ts';
import {
  type Caller, type Cursor, type Digest, NO_CURSOR, NO_DIGEST, type PushedRecord,
} from '../../../src/ledger/ledger.ts';
import {
  compareDots, type Ending, type LedgerRecord, sameDot, type Sibling,
} from '../../../src/ledger/record.ts';
import { at, AUTONOMY, type Rules, tickOf, TTL } from './rules.ts';
import { TICK } from '../fixtures.ts';

/** By actor, the highest write that was seen. */
export type Cover = Readonly<Record<string, number>>;

export interface OwnValue {
  readonly dot: Dot;
  readonly born: Dot;
  /** Promised to the holder. */
  readonly deadline: number;
  readonly session: boolean;
  readonly hlc: number;
  /** What the writer had seen. */
  readonly seen: Cover;
  /** The ledger has taken it as it is. */
  readonly confirmed: boolean;
}
export interface Copy {
  readonly dot: Dot;
  readonly born: Dot;
  readonly deadline: number;
  readonly hlc: number;
  readonly seen: Cover;
}
export interface Run {
  readonly born: Dot;
  readonly dot: Dot;
  readonly deadline: number;
  readonly reason: EndReason;
  readonly told: boolean;
}
export interface Tombstone {
  readonly context: Cover;
  /** By actor of ours, the latest deadline any of its covered writes had. */
  readonly known: Cover;
  readonly runs: readonly Run[];
  readonly confirmed: boolean;
}
/** A request other than a push that is still in the network. */
export interface Straggler {
  readonly does: 'sweep-own' | 'retire';
  readonly caller: Caller;
  /** The ledger's time when it was sent. */
  readonly asOf: number;
}
/** A push as it was sent: the same bytes, however often. */
export interface Sent {
  readonly caller: Caller;
  readonly record: PushedRecord;
  readonly batch: number;
  readonly rejoining: boolean;
}

export interface Sidecar {
  readonly name: 'A' | 'B';
  /** Counts its actors. */
  readonly run: number;
  readonly up: boolean;
  readonly actor: string;
  readonly predecessors: readonly string[];
  readonly seq: number;
  readonly values: readonly OwnValue[];
  readonly copies: readonly Copy[];
  readonly tombstone: Tombstone | undefined;
  /** Something is to be pushed that is not on its way. */
  readonly changed: boolean;
  readonly flight: Sent | undefined;
  /** A copy of some push, still in the network. */
  readonly late: Sent | undefined;
  readonly straggler: Straggler | undefined;
  /** Of values that ended at their final deadline, which the ledger is to sweep. */
  readonly unswept: Readonly<Record<string, Digest>>;
  /** The instant of the last request that vouched for everything of ours. */
  readonly contact: number;
  readonly cursor: Cursor;
  /** Of the last answer; 0: there was none. Another one makes a truth check due. */
  readonly epoch: number;
  readonly batch: number;
  readonly answered: number;
  readonly checkDue: boolean;
  /** A truth check has not helped. */
  readonly checkFailed: boolean;
  readonly rejoining: boolean;
}

export function newSidecar(name: 'A' | 'B', now: number): Sidecar {
  return {
    name, run: 1, up: true, actor: actorOf(name, 1), predecessors: [], seq: 0,
    values: [], copies: [], tombstone: undefined, changed: false, flight: undefined,
    late: undefined, straggler: undefined, unswept: {}, contact: now, cursor: NO_CURSOR, epoch: 0,
    batch: 0, answered: 0,
    checkDue: false, checkFailed: false, rejoining: false,
  };
}

/** `A`'s second run is a000000000000002. */
export function actorOf(name: 'A' | 'B', run: number): string {
  return name.toLowerCase() + run.toString(16).padStart(15, '0');
}

export function callerOf({ actor, predecessors }: Sidecar): Caller {
  return { actor, predecessors, epoch: 0 };
}

export function isOurs({ actor, predecessors }: Sidecar, dot: Dot): boolean {
  return dot.actor === actor || predecessors.includes(dot.actor);
}

/* ---- covers ---------------------------------------------------------------------------- */

export function coverOf(...parts: readonly Cover[]): Cover {
  const all: Record<string, number> = {};
  for (const part of parts) {
    for (const [actor, seq] of Object.entries(part)) all[actor] = Math.max(all[actor] ?? 0, seq);
  }
  return all;
}
export function dotCover({ actor, seq }: Dot): Cover {
  return { [actor]: seq };
}
export function covers(cover: Cover, { actor, seq }: Dot): boolean {
  return (cover[actor] ?? 0) >= seq;
}
export function coverOfRecord(record: LedgerRecord | undefined): Cover {
  const all: Record<string, number> = {};
  for (const { actor, seq } of record?.context ?? []) all[actor] = seq;
  return all;
}
export function nameOf({ actor, seq }: Dot): string {
  return `${actor}.${seq}`;
}

/* ---- what its clients do --------------------------------------------------------------- */

const NO_TOMBSTONE: Tombstone = { context: {}, known: {}, runs: [], confirmed: false };

function buried(
  sidecar: Sidecar, cover: Cover, known: Cover, runs: readonly Run[] = [],
): Sidecar {
  const before = sidecar.tombstone ?? NO_TOMBSTONE;
  const others = before.runs.filter(
    ({ born }) => !runs.some((run) => sameDot(run.born, born)),
  );
  const tombstone: Tombstone = {
    context: coverOf(before.context, cover),
    known: coverOf(before.known, known),
    runs: [...others, ...runs],
    confirmed: false,
  };
  return { ...sidecar, tombstone, changed: true };
}

/** What a reader sees, and so a writer who has read. */
export function visible({ values, copies }: Sidecar): Cover {
  return coverOf(
    ...values.map(({ dot, seen }) => coverOf(seen, dotCover(dot))),
    ...copies.map(({ dot, seen }) => coverOf(seen, dotCover(dot))),
  );
}

/** `blind`: the client has read nothing. A value of ours that was seen goes on under its lease. */
export function written(
  sidecar: Sidecar, now: number, options: { blind: boolean; session: boolean; hlc: number },
): { sidecar: Sidecar; value: OwnValue; replaced: readonly (OwnValue | Copy)[] } {
  const seen = options.blind ? {} : visible(sidecar);
  const isSeen = ({ dot }: { dot: Dot }) => covers(seen, dot);
  const goesOn = sidecar.values.findLast(isSeen);
  const dot: Dot = { actor: sidecar.actor, seq: sidecar.seq + 1 };
  const value: OwnValue = {
    dot, seen, hlc: options.hlc,
    born: goesOn?.born ?? dot,
    deadline: Math.max(now + TTL, goesOn?.deadline ?? 0),
    session: goesOn?.session ?? options.session,
    confirmed: false,
  };
  const replaced = [...sidecar.values.filter(isSeen), ...sidecar.copies.filter(isSeen)];
  let next: Sidecar = {
    ...sidecar,
    seq: dot.seq,
    values: [...sidecar.values.filter((one) => !isSeen(one)), value],
    copies: sidecar.copies.filter((one) => !isSeen(one)),
    changed: true,
  };
  const over = sidecar.values.filter(isSeen);
  if (over.length > 0) next = remembering(next, over);
  return { sidecar: next, value, replaced };
}

/** Overwritten values need no ending, but the deadlines they had must be known. */
function remembering(sidecar: Sidecar, over: readonly OwnValue[]): Sidecar {
  const before = sidecar.tombstone ?? NO_TOMBSTONE;
  const known = coverOf(before.known, ...over.map(deadlineOf));
  return { ...sidecar, tombstone: { ...before, known, confirmed: false } };
}

function deadlineOf({ dot, deadline }: OwnValue): Cover {
  return { [dot.actor]: deadline };
}

export function renewed(sidecar: Sidecar, now: number, rules: Rules): Sidecar | undefined {
  const value = sidecar.values.at(-1);
  if (value === undefined) return undefined;
  const allowed = rules.renewalCap
    ? Math.min(now + TTL, sidecar.contact + AUTONOMY)
    : now + TTL;
  if (rules.renewalCap && now > sidecar.contact + AUTONOMY) return undefined;
  if (allowed <= value.deadline) return undefined;
  const moved: OwnValue = {
    ...value, deadline: allowed, confirmed: value.session && value.confirmed,
  };
  const values = [...sidecar.values.slice(0, -1), moved];
  // A session's deadline is not told; its owner's heartbeat is.
  return { ...sidecar, values, changed: sidecar.changed || !value.session };
}

/** Ends an own value: the ledger must be told, unless a sweep takes it away there. */
export function ended(sidecar: Sidecar, value: OwnValue, reason: EndReason): Sidecar {
  const without = { ...sidecar, values: sidecar.values.filter((one) => one !== value) };
  if (reason === 'expired' && !value.session && value.confirmed) {
    const { actor } = value.dot;
    return { ...without, unswept: added(sidecar.unswept, actor, digestOf([value])) };
  }
  const { born, dot, deadline } = value;
  // A write of an earlier run may no longer count as ours: say that its end was told.
  const inherited = dot.actor !== sidecar.actor;
  return buried(
    without, coverOf(value.seen, dotCover(dot)), deadlineOf(value),
    inherited ? [{ born, dot, deadline, reason, told: true }] : [],
  );
}

/** Ends what can be seen of others; their owners tell it. */
export function deleted(sidecar: Sidecar): Sidecar {
  let next: Sidecar = { ...sidecar, copies: [] };
  for (const { dot, born, deadline, seen } of sidecar.copies) {
    const run: Run = { dot, born, deadline, reason: 'deleted', told: false };
    next = buried(next, coverOf(seen, dotCover(dot)), {}, [run]);
  }
  return next;
}

/* ---- what it tells the ledger ---------------------------------------------------------- */

const NO_BYTES = new Uint8Array();

/** A fingerprint that tells writes apart, and is the same everywhere. */
function hashesOf({ actor, seq }: Dot): { hashHigh: number; hashLow: number } {
  const run = Number.parseInt(actor.slice(-4), 16);
  return { hashHigh: run * 256 + actor.charCodeAt(0), hashLow: seq };
}

export function recordToPush(sidecar: Sidecar, rules: Rules): PushedRecord {
  const { tombstone, values, actor } = sidecar;
  const context = coverOf(
    tombstone?.context ?? {},
    ...values.map(({ dot, seen }) => coverOf(seen, dotCover(dot))),
  );
  const siblings = values.map(siblingOf).sort((left, right) => compareDots(left.dot, right.dot));
  const known = rules.tellsDeadlines ? (tombstone?.known ?? {}) : {};
  return {
    id: 'key', bucket: 0, siblings,
    context: Object.keys(context).sort().map((one) => ({
      actor: one, seq: context[one]!, until: known[one] === undefined ? 0 : at(known[one]),
    })),
    ends: (tombstone?.runs ?? [])
      .map((run): Ending => ({
        born: run.born, dot: run.dot, reason: run.reason, by: actor, told: run.told,
        conflict: false, deadline: at(run.deadline), until: 0, label: NO_BYTES,
      }))
      .sort((left, right) => compareDots(left.born, right.born)),
  };
}

export function siblingOf({ dot, born, hlc, deadline, session }: OwnValue): Sibling {
  return {
    dot, born, hlc, session, rank: hlc, deadline: at(deadline), ttlMs: TTL * TICK,
    ...hashesOf(dot), label: NO_BYTES, value: NO_BYTES,
  };
}

export function sent(sidecar: Sidecar, rules: Rules): Sidecar {
  if (sidecar.flight !== undefined) return sidecar;
  const batch = sidecar.batch + 1;
  const flight: Sent = {
    caller: callerOf(sidecar), record: recordToPush(sidecar, rules), batch,
    rejoining: sidecar.rejoining,
  };
  return { ...sidecar, flight, batch, changed: false };
}

/** The ledger holds what these bytes say. */
export function confirmed(sidecar: Sidecar, { record }: Sent): Sidecar {
  const told = Object.fromEntries(record.context.map(({ actor, seq }) => [actor, seq]));
  const values = sidecar.values.map((value) => {
    const match = record.siblings.find(({ dot }) => sameDot(dot, value.dot));
    const same = match !== undefined && (value.session || match.deadline === at(value.deadline));
    return same ? { ...value, confirmed: true } : value;
  });
  const { tombstone, changed } = sidecar;
  if (tombstone === undefined || changed) return { ...sidecar, values };
  const whole = Object.entries(tombstone.context).every(
    ([actor, seq]) => (told[actor] ?? 0) >= seq,
  );
  return { ...sidecar, values, tombstone: whole ? { ...tombstone, confirmed: true } : tombstone };
}

/* ---- what it learns -------------------------------------------------------------------- */

/** Joins what the ledger holds. `gone`: own values that are over there, ended here. */
export function merged(
  sidecar: Sidecar, now: number, record: LedgerRecord | undefined,
): { sidecar: Sidecar; gone: readonly OwnValue[] } {
  const context = coverOfRecord(record);
  const siblings = record?.siblings ?? [];
  const ends = record?.ends ?? [];
  const isThere = ({ dot }: OwnValue) => siblings.some((one) => sameDot(one.dot, dot));
  let next = sidecar;
  const gone = sidecar.values.filter((value) => !isThere(value) && covers(context, value.dot));
  const missing = sidecar.values.some((value) => !isThere(value) && !covers(context, value.dot));
  if (missing) {
    const values = next.values.map((value) =>
      isThere(value) ? value : { ...value, confirmed: false },
    );
    next = { ...next, values, changed: true };
  }
  const known = coverOf(sidecar.tombstone?.context ?? {}, ...sidecar.values.map(
    ({ dot, seen }) => coverOf(seen, dotCover(dot)),
  ));
  const copies: Copy[] = [];
  for (const sibling of siblings) {
    const { dot, born, deadline, hlc, session } = sibling;
    if (covers(known, dot)) continue;
    if (dot.actor === sidecar.actor) {
      // Told again: its end was lost there (rule 5). One at its final deadline is swept.
      if (!session && deadline <= at(now)) continue;
      const run: Run = { born, dot, deadline: tickOf(deadline), reason: 'superseded', told: true };
      next = buried(next, dotCover(dot), {}, [run]);
      continue;
    }
    const beside = Object.fromEntries(
      Object.entries(context).filter(
        ([actor]) => actor !== dot.actor && !siblings.some((one) => one.dot.actor === actor),
      ),
    );
    copies.push({ dot, born, hlc, deadline: tickOf(deadline), seen: beside });
  }
  next = { ...next, copies };
  // What it has ended is not known there, or has come back: told again.
  const remains = sidecar.tombstone;
  if (remains !== undefined && sidecar.flight === undefined) {
    const isHeld = (dot: Dot) => sidecar.values.some((value) => sameDot(value.dot, dot));
    const back = siblings.some(({ dot }) => covers(remains.context, dot) && !isHeld(dot));
    if (back) next = { ...next, changed: true };
  }
  for (const value of gone) {
    const { born, dot, deadline, seen } = value;
    next = { ...next, values: next.values.filter((one) => one !== value) };
    const ending = ends.find((one) => sameDot(one.born, born));
    if (ending === undefined) continue;
    const run: Run = { born, dot, deadline, reason: ending.reason, told: true };
    next = buried(next, coverOf(seen, dotCover(dot)), deadlineOf(value), [run]);
  }
  return { sidecar: next, gone };
}

/* ---- digests --------------------------------------------------------------------------- */

export function digestOf(values: readonly { readonly dot: Dot }[]): Digest {
  let { count, high, low } = NO_DIGEST;
  for (const { dot } of values) {
    const { hashHigh, hashLow } = hashesOf(dot);
    count += 1;
    high = (high + hashHigh) >>> 0;
    low = (low + hashLow) >>> 0;
  }
  return { count, high, low };
}

export function added(
  sums: Readonly<Record<string, Digest>>, actor: string, more: Digest, sign: 1 | -1 = 1,
): Readonly<Record<string, Digest>> {
  const { count, high, low } = sums[actor] ?? NO_DIGEST;
  const sum: Digest = {
    count: count + sign * more.count,
    high: (high + sign * more.high) >>> 0,
    low: (low + sign * more.low) >>> 0,
  };
  const { [actor]: _, ...others } = sums;
  return sum.count === 0 && sum.high === 0 && sum.low === 0 ? others : { ...others, [actor]: sum };
}

/** Of everything of ours that the ledger must hold. */
export function ownedOf(sidecar: Sidecar): ({ readonly actor: string } & Digest)[] {
  return [sidecar.actor, ...sidecar.predecessors].map((actor) => {
    const values = sidecar.values.filter(({ dot }) => dot.actor === actor);
    const sums = added(sidecar.unswept, actor, digestOf(values));
    return { actor, ...(sums[actor] ?? NO_DIGEST) };
  });
}

/** Another epoch: what followed from the history so far may not follow any more. */
export function answeredIn(sidecar: Sidecar, epoch: number): Sidecar {
  if (sidecar.epoch === epoch) return sidecar;
  return { ...sidecar, epoch, checkDue: sidecar.checkDue || sidecar.epoch !== 0 };
}

/* ---- going down, coming back, going on as another -------------------------------------- */

/** What is only in memory is gone. A push may still be in the network. */
export function crashed(sidecar: Sidecar, rules: Rules): Sidecar {
  const gone: Sidecar = { ...sidecar, up: false, flight: undefined, copies: [] };
  if (rules.contextWithValues) return gone;
  // S5 with the rule off: that others' writes were seen is journalled, what they were is not.
  return buried(gone, coverOf(...sidecar.copies.map(({ dot }) => dotCover(dot))), {});
}

/** After a goodbye nobody waits for it: it has no contact any more, after a restart either. */
export function retired(sidecar: Sidecar, { retireEndsContact }: Rules): Sidecar {
  return retireEndsContact ? { ...sidecar, contact: -AUTONOMY - 1 } : sidecar;
}

/** From the journal, as an heir of what it was. */
export function restarted(sidecar: Sidecar, now: number, rules: Rules): Sidecar {
  const run = sidecar.run + 1;
  const predecessors = rules.heirs ? [...sidecar.predecessors, sidecar.actor] : [];
  const tombstone = sidecar.tombstone && { ...sidecar.tombstone, confirmed: false };
  return {
    ...sidecar, run, predecessors, tombstone,
    up: true, actor: actorOf(sidecar.name, run), seq: 0,
    values: sidecar.values.map((value) => ({ ...value, confirmed: false })),
    changed: sidecar.values.length > 0 || tombstone !== undefined,
    contact: rules.contactKept ? sidecar.contact : now,
    cursor: NO_CURSOR, epoch: 0, batch: 0, answered: 0, checkDue: true, checkFailed: false,
  };
}

/** Writes values again under the present actor, with the context they had and the old write. */
export function restamped(
  sidecar: Sidecar, concerns: (value: OwnValue) => boolean, rules: Rules,
): Sidecar {
  let { seq } = sidecar;
  const over = sidecar.values.filter(concerns);
  if (over.length === 0) return sidecar;
  const values = sidecar.values.map((value) => {
    if (!concerns(value)) return value;
    seq += 1;
    const seen = rules.restampCovers ? coverOf(value.seen, dotCover(value.dot)) : value.seen;
    return { ...value, dot: { actor: sidecar.actor, seq }, seen, confirmed: false };
  });
  return remembering({ ...sidecar, seq, values, changed: true }, over);
}

/** After an isolation: the old actor is a predecessor now, and was called silent perhaps. */
export function reincarnated(sidecar: Sidecar, rules: Rules): Sidecar {
  const run = sidecar.run + 1;
  const next: Sidecar = {
    ...sidecar, run,
    actor: actorOf(sidecar.name, run), seq: 0,
    predecessors: [...sidecar.predecessors, sidecar.actor],
    flight: undefined, changed: sidecar.changed || sidecar.flight !== undefined,
    batch: 0, answered: 0, checkDue: true, checkFailed: false, rejoining: true,
  };
  return restamped(next, ({ confirmed: known }) => !known, rules);
}
