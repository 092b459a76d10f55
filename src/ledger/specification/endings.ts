/** Endings that a record remembers until their owner has told them (§3.5 rule 1). */
import { compareDots, type Ending, REASONS_BY_RANK, sameDot } from '../record.ts';
import type { Dot } from '../../core/fact.ts';

/** At most so many per record: a key that is fought over must not grow without bound. */
const ENDS_MAX = 16;

export function endingOf(ends: readonly Ending[], born: Dot): Ending | undefined {
  return ends.find((ending) => sameDot(ending.born, born));
}

export function outranks(left: Ending, right: Ending): boolean {
  return REASONS_BY_RANK.indexOf(left.reason) > REASONS_BY_RANK.indexOf(right.reason);
}

/**
 * A run that ended twice, as when a write of it arrives after somebody has ended the others, has
 * one ending: what was published stands, else the higher reason.
 */
export function addEnding(ends: Ending[], added: Ending): void {
  const at = ends.findIndex((ending) => sameDot(ending.born, added.born));
  if (at < 0) {
    ends.push(added);
    return;
  }
  const before = ends[at]!;
  const { reason, by } = before.told || !outranks(added, before) ? before : added;
  ends[at] = {
    ...added, reason, by,
    told: before.told || added.told,
    conflict: before.conflict || added.conflict,
    until: Math.max(before.until, added.until),
  };
}

export function droppedPast(ends: readonly Ending[], now: number): Ending[] {
  return ends.filter((ending) => ending.until >= now);
}

/** In their order of storage. Too many: those that were told go first, then the oldest. */
export function bounded(ends: readonly Ending[]): Ending[] {
  const sorted = [...ends].sort((left, right) => compareDots(left.born, right.born));
  if (sorted.length <= ENDS_MAX) return sorted;
  const going = [...sorted]
    .sort((left, right) => Number(right.told) - Number(left.told) || left.until - right.until)
    .slice(0, sorted.length - ENDS_MAX);
  return sorted.filter((ending) => !going.includes(ending));
}

export function sameEnding(left: Ending, right: Ending): boolean {
  return (
    sameDot(left.born, right.born) && sameDot(left.dot, right.dot) &&
    left.reason === right.reason && left.by === right.by && left.told === right.told &&
    left.conflict === right.conflict && left.deadline === right.deadline &&
    left.until === right.until && sameBytes(left.label, right.label)
  );
}

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  return left.every((byte, at) => byte === right[at]);
}
