/**
 * `ledger-digest` (I-D, I23; PROTOCOL §4.4): after every operation, what the ledger keeps up as it
 * goes equals what is worked out from its records: the partition's digest, its cells, what each
 * owner has there, and how many records are live; and each value's fingerprint is that of its key,
 * dot, content type and value. Nothing is forgiven.
 */
import { type Checker, type RawDigest, type RawPartition, type RawSibling, Violation } from './checker.ts';
import { fingerprintOf, isSameSum, NO_SUM, sumOf, sumText } from './ledger-sums.ts';
import type { LedgerChange } from './ledger-watch.ts';
import type { Room } from './room.ts';

const NAME = 'ledger-digest';

export function ledgerDigest({ watch }: Room): Checker {
  watch.onChange(judge);
  return { invariant: NAME, afterEvent: () => watch.raise() };
}

function judge({ namespace, partition, raw, records, atMs }: LedgerChange): void {
  const where = `${namespace}, partition ${partition}, at ${Math.round(atMs)}`;
  for (const { id, before, after } of records) {
    for (const sibling of after?.siblings ?? []) {
      if (before?.siblings.includes(sibling) !== true) judgeFingerprint(id, sibling, where);
    }
  }
  judgeSums(raw, where);
}

function judgeFingerprint(id: string, sibling: RawSibling, where: string): void {
  const [high, low] = fingerprintOf(id, sibling);
  if (high === sibling.hashHigh && low === sibling.hashLow) return;
  throw new Violation(NAME, `${where}: ${id} has a value with a fingerprint that is not its own`);
}

function judgeSums(raw: RawPartition, where: string): void {
  const all: RawSibling[] = [];
  const cells = new Map<number, RawSibling[]>();
  const owned = new Map<string, RawSibling[]>();
  let live = 0;
  for (const { siblings, bucket } of raw.records.values()) {
    if (siblings.length > 0) live += 1;
    for (const sibling of siblings) {
      all.push(sibling);
      add(cells, bucket, sibling);
      add(owned, sibling.dot.actor, sibling);
    }
  }
  const tombstones = raw.records.size - live;
  if (raw.live !== live || raw.tombstones !== tombstones) {
    const counted = `${raw.live} live and ${raw.tombstones} ended`;
    throw new Violation(NAME, `${where}: it counts ${counted} records, and has ${live} and ${tombstones}`);
  }
  judgeSum(raw.root, all, `${where}, its digest`);
  raw.cells.forEach((cell, bucket) => {
    judgeSum(cell ?? NO_SUM, cells.get(bucket) ?? [], `${where}, cell ${bucket}`);
    cells.delete(bucket);
  });
  for (const [bucket, siblings] of cells) judgeSum(NO_SUM, siblings, `${where}, cell ${bucket}`);
  for (const [actor, owner] of raw.owners) {
    judgeSum(owner.owned, owned.get(actor) ?? [], `${where}, of ${actor}`);
    owned.delete(actor);
  }
  for (const [actor, siblings] of owned) judgeSum(NO_SUM, siblings, `${where}, of ${actor}`);
}

function add<K>(groups: Map<K, RawSibling[]>, name: K, sibling: RawSibling): void {
  const group = groups.get(name);
  if (group === undefined) groups.set(name, [sibling]);
  else group.push(sibling);
}

function judgeSum(kept: RawDigest, siblings: readonly RawSibling[], where: string): void {
  const sum = sumOf(siblings);
  if (isSameSum(kept, sum)) return;
  throw new Violation(NAME, `${where}: it says ${sumText(kept)}, and there are ${sumText(sum)}`);
}
