/**
 * `ledger-chain` (I-M; PROTOCOL §4.3): the log of a partition is numbered without a gap and only
 * grows, every change of a record's values is in it, and each entry's chain follows from the one before, the key
 * and what its values came to. Two histories that differ have different chains from there on.
 *
 * A partition that has become another one (a restart, an older copy, another primary) begins anew.
 * Of a key that changed twice in one operation only the last entry can be worked out.
 */
import { type Checker, Violation } from './checker.ts';
import { chained, isSameSum, sumOf } from './ledger-sums.ts';
import type { LedgerChange } from './ledger-watch.ts';
import type { Room } from './room.ts';

const NAME = 'ledger-chain';

export function ledgerChain({ watch }: Room): Checker {
  watch.onChange(judge);
  return { invariant: NAME, afterEvent: () => watch.raise() };
}

function judge({ namespace, partition, raw, isAnother, records, seqBefore, chainBefore, atMs }: LedgerChange): void {
  const where = `${namespace}, partition ${partition}, at ${Math.round(atMs)}`;
  const last = raw.log.at(-1);
  if (last !== undefined && (last.seq !== raw.seq || last.chain !== raw.chain)) {
    throw new Violation(NAME, `${where}: the log ends at ${last.seq}, and its tail says ${raw.seq}`);
  }
  if (isAnother) return;
  if (raw.seq < seqBefore) {
    throw new Violation(NAME, `${where}: the log went back from ${seqBefore} to ${raw.seq}`);
  }
  const added = raw.log.filter(({ seq }) => seq > seqBefore);
  let chain = chainBefore;
  added.forEach(({ seq, id, chain: kept }, index) => {
    if (seq !== seqBefore + 1 + index) {
      throw new Violation(NAME, `${where}: after ${seqBefore + index} comes ${seq}`);
    }
    const isLastOfKey = added.findLastIndex((entry) => entry.id === id) === index;
    const expected = chained(chain, id, sumOf(raw.records.get(id)?.siblings ?? []));
    if (isLastOfKey && kept !== expected) {
      throw new Violation(NAME, `${where}: entry ${seq}, of ${id}, has chain ${kept} and not ${expected}`);
    }
    chain = kept;
  });
  for (const { id, before, after } of records) {
    const isSame = isSameSum(sumOf(before?.siblings ?? []), sumOf(after?.siblings ?? []));
    if (isSame || added.some((entry) => entry.id === id)) continue;
    throw new Violation(NAME, `${where}: ${id} changed, and the log does not say so`);
  }
}
