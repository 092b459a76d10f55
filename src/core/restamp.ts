/**
 * Writing own values again under the present actor: after an isolation, when the old actor may
 * have been declared over (PROTOCOL §2.5), or when a predecessor's values can no longer be vouched
 * for as a whole (§3.5 rule 5). The new write covers the old one, and keeps its stamp, so that an
 * old value does not beat a newer one by being written again.
 */
import { CONTEXT_DOTS_MAX } from './entry-table.ts';
import { UNCONFIRMED } from './ledger-columns.ts';
import type { Namespace } from './namespaces.ts';
import type { State } from './state.ts';
import { etagOfRow } from './write.ts';

/** false: no room for the new cell; nothing changed. */
export function restamp(state: State, namespace: Namespace, row: number): boolean {
  const { entries, actors } = state;
  const old = { actor: entries.dotActor[row]!, seq: entries.dotSeq[row]! };
  const context = entries
    .context(row)
    .filter(({ actor }) => actor !== old.actor && actor !== actors.self);
  // The writes of this run are covered by the new one.
  if (old.actor !== actors.self) context.push(old);
  state.probe.set(namespace.number, entries.keyText(row));
  const cell = state.writeCell(
    entries.contentType(row), context.slice(-CONTEXT_DOTS_MAX), entries.valueCopy(row),
  );
  if (cell === 0) return false;
  const previousEtag = etagOfRow(state, row);
  state.overwriteEntry(row, cell, actors.self, state.nextSequence(), entries.hlc[row]!);
  state.noteChanged(row);
  state.facts.entryWritten(namespace, row, {
    created: false, previousEtag, previousLease: undefined,
  });
  return true;
}

/** Own values of one actor in a partition; how many were written again. */
export function restampPartition(
  state: State,
  namespace: Namespace,
  partition: number,
  actor: string,
): number {
  const number = state.actors.find(actor);
  return eachOwn(state, namespace, partition, (row) => state.entries.dotActor[row] === number);
}

/** Own values that the ledger never had; those that others may have seen keep their dots. */
export function restampUnconfirmed(state: State, namespace: Namespace): void {
  const ledger = state.ledger!;
  for (let partition = 0; partition < ledger.partitions; partition++) {
    eachOwn(state, namespace, partition, (row) => ledger.confirmed[row] === UNCONFIRMED);
  }
}

function eachOwn(
  state: State,
  namespace: Namespace,
  partition: number,
  concerns: (row: number) => boolean,
): number {
  const ledger = state.ledger!;
  let count = 0;
  for (let row = ledger.first(namespace.number, partition); row !== 0; row = ledger.next[row]!) {
    if (state.isCopy(row) || !concerns(row)) continue;
    if (restamp(state, namespace, row)) count++;
  }
  return count;
}
