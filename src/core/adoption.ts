/**
 * Handing leases over, and taking them up. A sidecar that leaves lists what it holds; another one,
 * asked for the same lease by the same holder, goes on with it: the lease under its old id and
 * deadline, each value as an overwrite of the same run, so that nothing ends.
 */
import { makeRoom } from './capacity.ts';
import type { GrantReply } from './command.ts';
import { cover } from './tombstones.ts';
import { type NumberedDot, CONTEXT_DOTS_MAX } from './entry-table.ts';
import { leaseView } from './leases.ts';
import { LIVE } from './lease-table.ts';
import type { HeldValue } from './ledger-view.ts';
import type { LedgerKey } from './merge.ts';
import type { Namespace } from './namespaces.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';

/** A lease between two sidecars. Instants of the timeline. */
export interface HandedOver {
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly deadline: number;
  readonly lifetimeEnd: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly keys: readonly string[];
  /** Of the request that granted it. */
  readonly trace?: Uint8Array | undefined;
}

/** Keys that one lease can take along; a larger one is left to its deadline. */
const KEYS_MAX = 10_000;

/** Live explicit leases of namespaces that hand over, with the keys under them. */
export function leasesToHandOver(
  state: State,
  visit: (namespace: Namespace, lease: HandedOver) => void,
): void {
  const { leases, entries } = state;
  for (let lease = 1; lease <= leases.slots.highest; lease++) {
    if (leases.state[lease] !== LIVE || leases.isImplicit(lease)) continue;
    const namespace = state.namespaceOfLease(lease);
    if (!namespace.reconciles || namespace.contract.onDrain !== 'handover') continue;
    if (!leases.isLive(lease, state.now) || leases.entryCount[lease]! > KEYS_MAX) continue;
    const keys: string[] = [];
    for (let row = leases.entryHead[lease]!; row !== 0; row = entries.leaseNext[row]!) {
      keys.push(entries.keyText(row));
      // A session's deadline is known there only if it is told.
      state.noteChanged(row);
    }
    visit(namespace, {
      keys,
      id: leases.id(lease),
      holder: leases.holder(lease),
      ttlMs: leases.ttlMs[lease]!,
      deadline: leases.deadline[lease]!,
      lifetimeEnd: leases.lifetimeEnd(lease, namespace.contract.ttl.maxLifetimeMs),
      labels: leases.labels(lease),
      trace: leases.trace(lease)?.slice(),
    });
  }
}

/** Goes on with a lease that was handed over; its values as the ledger has them. */
export function adopt(
  state: State,
  namespace: Namespace,
  lease: HandedOver,
  records: ReadonlyMap<string, LedgerKey>,
): GrantReply | Refusal {
  const earlier = state.leases.find(lease.id);
  if (earlier !== 0 && state.leases.isLive(earlier, state.now)) {
    return refuse('lease-held', `Cannot adopt lease "${lease.id}": it is held here`, {});
  }
  let bytes = 16 + lease.id.length + lease.holder.length * 3;
  for (const [key, { values }] of records) {
    for (const { value } of values) bytes += key.length + value.length;
  }
  let longestKey = 0;
  for (const key of records.keys()) longestKey = Math.max(longestKey, key.length * 3);
  const names = longestKey + lease.id.length + lease.holder.length * 3;
  const demand = { leases: 1, entries: records.size, bytes, names };
  const full = makeRoom(state, namespace, demand, []);
  if (full !== undefined) return full;
  const row = state.allocateLease({
    namespace,
    originActor: state.actors.self,
    originSeq: state.nextSequence(),
    ttlMs: lease.ttlMs,
    deadline: lease.deadline,
    grantedAt: state.now,
    trace: lease.trace,
    explicit: {
      id: lease.id,
      holder: lease.holder,
      labels: lease.labels,
      lifetimeEnd: lease.lifetimeEnd,
      earlier,
    },
  });
  if (row === 0) {
    return refuse('capacity', `Cannot adopt lease "${lease.id}": the memory for leases is used up`);
  }
  state.facts.leaseGranted(namespace, row, true);
  for (const [key, record] of records) {
    for (const value of record.values) {
      if (value.lease !== lease.id) continue;
      const taken = takeUp(state, namespace, row, key, value, record);
      if (taken !== undefined && isRefusal(taken)) return taken;
    }
  }
  return { lease: leaseView(state, row), created: false, adopted: true };
}

function takeUp(
  state: State,
  namespace: Namespace,
  lease: number,
  key: string,
  value: HeldValue,
  record: LedgerKey,
): Refusal | undefined {
  const { actors, entries } = state;
  const seen = new Map<string, number>();
  // Only what has no other live value: those stay beside it.
  for (const { actor, seq } of record.context) {
    const live = record.values.some((other) => other !== value && other.dot.actor === actor);
    if (!live) cover(seen, actor, seq);
  }
  cover(seen, value.dot.actor, value.dot.seq);
  seen.delete(actors.text(actors.self));
  const context: NumberedDot[] = [...seen]
    .slice(-CONTEXT_DOTS_MAX)
    .map(([actor, seq]) => ({ actor: actors.number(actor), seq }));
  state.clock.witness(value.hlc);
  state.probe.set(namespace.number, key);
  const cell = state.writeCell(value.contentType, context, value.value);
  if (cell === 0) return refuse('capacity', `Cannot adopt "${key}": the memory is used up`);
  const head = entries.find(namespace.number, state.probe);
  const row = state.addEntry(
    {
      namespace, lease, cell,
      dotActor: actors.self,
      dotSeq: state.nextSequence(),
      bornActor: actors.number(value.born.actor),
      bornSeq: value.born.seq,
      hlc: state.mintHlc(),
    },
    head,
    false,
  );
  if (row === 0) {
    state.freeCell(cell, namespace);
    return refuse('capacity', `Cannot adopt "${key}": no row is left`);
  }
  state.noteChanged(row);
  state.facts.entryWritten(namespace, row, {
    created: false,
    previousEtag: `${value.dot.actor}.${value.dot.seq}`,
    previousLease: undefined,
  });
  return undefined;
}
