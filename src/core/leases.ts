/**
 * What one may do with leases: grant, renew, transfer, release, look.
 */
import { type Bearer, forbiddenLease, labelsOf, mayHold, shownLabels } from './bearer.ts';
import type {
  Done, GetLeaseCommand, GrantCommand, GrantReply, LeaseReply, LeaseView, ReleaseCommand,
  RenewCommand, RenewManyCommand, RenewManyReply, RenewReply, TransferCommand,
} from './command.ts';
import { capacityRefusal, roomForLease } from './capacity.ts';
import { endLease, settleLease } from './endings.ts';
import { END_REASONS } from './fact-format.ts';
import { explicitId, isImplicitId, LIVE } from './lease-table.ts';
import { CONFIRMED, PERHAPS_SEEN } from './ledger-columns.ts';
import type { Namespace } from './namespaces.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';

const LEASE_ID = /^[A-Za-z0-9._~-]{1,128}$/;

export function isLeaseId(id: string): boolean {
  return LEASE_ID.test(id) && id !== 'renew';
}

export function namespaceNotFound(name: string): Refusal {
  return refuse('namespace-not-found', `Cannot find namespace "${name}": it is not configured`);
}

/** undefined: within the namespace's bounds. */
export function ttlRefusal(namespace: Namespace, ttlMs: number): Refusal | undefined {
  const { minMs, maxMs } = namespace.contract.ttl;
  if (Number.isInteger(ttlMs) && ttlMs >= minMs && ttlMs <= maxMs) return undefined;
  return refuse(
    'ttl-out-of-range',
    `Cannot use a TTL of ${ttlMs} ms: namespace "${namespace.contract.name}" takes whole ` +
      `milliseconds from ${minMs} to ${maxMs}`,
    { minMs, maxMs },
  );
}

/** `id`, where the caller has it at hand, saves reading it back. */
export function leaseView(state: State, lease: number, id = state.leases.id(lease)): LeaseView {
  const { leases } = state;
  const live = leases.isLive(lease, state.now);
  const deadline = leases.deadline[lease]!;
  const remainingMs = live ? Math.floor(deadline - state.now) : 0;
  const view: LeaseView = {
    id,
    namespace: state.namespaceOfLease(lease).contract.name,
    holder: leases.holder(lease),
    state: live ? 'live' : 'ended',
    ttlMs: leases.ttlMs[lease]!,
    remainingMs,
    // Sidecar and holder share one clock, and the holder counts from before the request came
    // here, so all that remains may be relied on.
    safeForMs: remainingMs,
    grantedAt: leases.grantedAt[lease]!,
    renewedAt: leases.touchedAt[lease]!,
    expiresAt: deadline,
    renewals: leases.renewals[lease]!,
    entries: live ? leases.entryCount[lease]! : 0,
    labels: shownLabels(leases.labels(lease)),
    implicit: leases.isImplicit(lease),
  };
  if (live) return view;
  const endedAt = leases.touchedAt[lease]!;
  return {
    ...view,
    // The last renewal's instant gave its place to the ending's.
    renewedAt: Math.min(endedAt, Math.max(view.grantedAt, deadline - view.ttlMs)),
    reason: END_REASONS[leases.endReason[lease]!]!,
    endedAt,
  };
}

/** The row of a live lease, or why there is none; an ending that is due is recorded first. */
export function liveLease(
  state: State,
  id: string,
  action: string,
  bearer?: Bearer,
): number | Refusal {
  const lease = state.leases.find(id);
  if (lease === 0) {
    return refuse('lease-not-found', `Cannot ${action} lease "${id}": it is not known here`);
  }
  if (!mayHold(state, lease, bearer)) return forbiddenLease(id, action);
  if (settleLease(state, lease)) return lease;
  return leaseEnded(state, lease, action);
}

function leaseEnded(state: State, lease: number, action: string): Refusal {
  const { leases } = state;
  const reason = END_REASONS[leases.endReason[lease]!]!;
  const endedAt = leases.touchedAt[lease]!;
  const agoMs = Math.max(0, Math.round(state.now - endedAt));
  return refuse(
    'lease-ended',
    `Cannot ${action} lease "${leases.id(lease)}": ${reason} ${agoMs} ms ago`,
    { reason, endedAt: new Instant(endedAt) },
  );
}

/** A timeline instant among the members of a problem; the edge writes it as wall-clock time. */
export class Instant {
  readonly at: number;
  constructor(at: number) {
    this.at = at;
  }
}

/**
 * A TTL that nobody asked for, as long as it is given now: longer under pressure where the namespace
 * wants that, so that holders come back less often (Consul does so too). The lease keeps its own.
 */
function stretchedTtl(state: State, namespace: Namespace, ttlMs: number): number {
  const { stretchUnderPressure = 1, maxMs } = namespace.contract.ttl;
  if (!state.stretching || stretchUnderPressure === 1) return ttlMs;
  return Math.max(ttlMs, Math.min(Math.floor(ttlMs * stretchUnderPressure), maxMs));
}

/** The view says how long it was given, and that this was stretched. */
function stretchedView(view: LeaseView, givenMs: number): LeaseView {
  return givenMs === view.ttlMs ? view : { ...view, ttlMs: givenMs, stretched: true };
}

export function grant(state: State, command: GrantCommand): GrantReply | Refusal {
  const { leases } = state;
  const namespace = state.namespaces.obtain(command.namespace);
  if (namespace === undefined) return namespaceNotFound(command.namespace);
  if (command.id !== undefined && !isLeaseId(command.id)) {
    return refuse('invalid-request', `Cannot grant lease "${command.id}": not a lease id`);
  }
  if (isIsolated(state, namespace)) return isolated(namespace, 'grant a lease');
  const ttlMs = command.ttlMs ?? namespace.contract.ttl.defaultMs;
  const outside = ttlRefusal(namespace, ttlMs);
  if (outside !== undefined) return outside;
  const lifetimeMs = command.maxLifetimeMs ?? namespace.contract.ttl.maxLifetimeMs;
  if (lifetimeMs < ttlMs || lifetimeMs > namespace.contract.ttl.maxLifetimeMs) {
    return refuse(
      'ttl-out-of-range',
      `Cannot use a lifetime of ${lifetimeMs} ms: from the TTL of ${ttlMs} to ` +
        `${namespace.contract.ttl.maxLifetimeMs} ms are allowed`,
      { minMs: ttlMs, maxMs: namespace.contract.ttl.maxLifetimeMs },
    );
  }
  let earlier = 0;
  if (command.id !== undefined) {
    earlier = leases.find(command.id);
    if (earlier !== 0 && settleLease(state, earlier)) {
      return heldLease(state, earlier, command);
    }
    // Such a lease is found by what its id says, so an explicit one of that id never would be.
    if (isImplicitId(command.id)) {
      return refuse('invalid-request', `Cannot grant lease "${command.id}": only implicit leases have such ids`);
    }
  }
  const givenMs =
    command.ttlMs === undefined
      ? Math.min(stretchedTtl(state, namespace, ttlMs), lifetimeMs)
      : ttlMs;
  const full = roomForLease(state, namespace, command);
  if (full !== undefined) return full;
  let sequence = state.nextSequence();
  let id = command.id ?? explicitId(state.actors.text(state.actors.self), sequence);
  // A client may have chosen what would have been the next one; each such lease is passed over once.
  while (command.id === undefined && leases.find(id) !== 0) {
    sequence = state.nextSequence();
    id = explicitId(state.actors.text(state.actors.self), sequence);
  }
  state.namespaces.adopt(namespace);
  const lease = state.allocateLease({
    namespace,
    originActor: state.actors.self,
    originSeq: sequence,
    ttlMs,
    deadline: state.now + givenMs,
    grantedAt: state.now,
    trace: command.trace,
    explicit: {
      id,
      holder: command.holder,
      labels: labelsOf(command.labels, command.bearer),
      lifetimeEnd: state.now + lifetimeMs,
      earlier,
    },
  });
  if (lease === 0) {
    return refuse('capacity', `Cannot grant lease "${id}": the memory for leases is used up`);
  }
  state.facts.leaseGranted(namespace, lease);
  return { lease: stretchedView(leaseView(state, lease), givenMs), created: true };
}

/** The same id again: an idempotent grant for its holder, a conflict for anybody else. */
function heldLease(state: State, lease: number, command: GrantCommand): GrantReply | Refusal {
  const view = leaseView(state, lease);
  if (!mayHold(state, lease, command.bearer)) return forbiddenLease(view.id, 'grant');
  if (view.holder !== command.holder || view.implicit) {
    return refuse('lease-held', `Cannot grant lease "${view.id}": another holder has it`, {
      remainingMs: view.remainingMs,
    });
  }
  if (view.namespace !== command.namespace) {
    return refuse(
      'namespace-mismatch',
      `Cannot grant lease "${view.id}" in "${command.namespace}": it is live in "${view.namespace}"`,
    );
  }
  return { lease: view, created: false };
}

export function renew(state: State, command: RenewCommand): RenewReply | Refusal {
  const { leases } = state;
  const lease = liveLease(state, command.id, 'renew', command.bearer);
  if (typeof lease !== 'number') return lease;
  const namespace = state.namespaceOfLease(lease);
  if (command.ttlMs !== undefined) {
    const outside = ttlRefusal(namespace, command.ttlMs);
    if (outside !== undefined) return outside;
  }
  if (isIsolated(state, namespace)) return isolated(namespace, `renew lease "${command.id}"`);
  const ownMs = leases.ttlMs[lease]!;
  const givenMs = command.ttlMs ?? stretchedTtl(state, namespace, ownMs);
  const capped = extendLease(state, namespace, lease, state.now + givenMs);
  const view = leaseView(state, lease, command.id);
  return { lease: command.ttlMs === undefined ? stretchedView(view, givenMs) : view, capped };
}

/** Too long without the ledger for promises that it could not take into account. */
function isIsolated(state: State, namespace: Namespace): boolean {
  return (
    namespace.reconciles && state.now > namespace.contactAt + namespace.contract.autonomyMs
  );
}

function isolated(namespace: Namespace, action: string): Refusal {
  const { name, autonomyMs } = namespace.contract;
  return refuse(
    'isolated',
    `Cannot ${action}: "${name}" has been without the ledger for more than ${autonomyMs} ms`,
    { autonomyMs },
  );
}

/**
 * Moves the deadline to `wanted`, never back, never past the lifetime; true when it did not get
 * there. Where entries are known to the ledger, no renewal promises more than the silence after
 * which others may end them; the rest follows when the ledger knows (PROTOCOL §3.5 rule 4).
 */
export function extendLease(
  state: State,
  namespace: Namespace,
  lease: number,
  wanted: number,
): boolean {
  const { leases } = state;
  const lifetimeEnd = leases.lifetimeEnd(lease, namespace.contract.ttl.maxLifetimeMs);
  const allowed = Math.min(wanted, lifetimeEnd);
  let deadline = Math.max(leases.deadline[lease]!, allowed);
  let waits = false;
  if (namespace.reconciles && leases.entryCount[lease]! > 0) {
    const autonomous = namespace.contactAt + namespace.contract.autonomyMs;
    waits = deadline > Math.max(leases.deadline[lease]!, autonomous);
    if (waits) deadline = Math.max(leases.deadline[lease]!, autonomous);
    if (waits) state.wanted.set(lease, allowed);
    // A final deadline is known to others only when it is told; a session's follows its owner.
    if (waits || leases.isImplicit(lease)) noteEntriesChanged(state, lease);
  }
  state.renewLease(lease, deadline, state.now, leases.renewals[lease]! + 1);
  state.noteRenewal(lease);
  return waits || wanted > lifetimeEnd;
}

/** Entries of one lease whose deadline is told to the ledger at a renewal; beyond, it stays capped. */
const TOLD_ENTRIES_MAX = 4096;

function noteEntriesChanged(state: State, lease: number): void {
  const { leases, entries } = state;
  if (leases.entryCount[lease]! > TOLD_ENTRIES_MAX) {
    state.wanted.delete(lease);
    return;
  }
  for (let row = leases.entryHead[lease]!; row !== 0; row = entries.leaseNext[row]!) {
    if (state.ledger!.confirmed[row] === CONFIRMED) state.ledger!.confirmed[row] = PERHAPS_SEEN;
    state.noteChanged(row);
  }
}

export function renewMany(state: State, command: RenewManyCommand): RenewManyReply {
  const { ids, bearer } = command;
  const asked = bearer === undefined ? {} : { bearer };
  return { results: ids.map((id) => ({ id, reply: renew(state, { op: 'renew', id, ...asked }) })) };
}

export function transfer(state: State, command: TransferCommand): LeaseReply | Refusal {
  const lease = liveLease(state, command.id, 'transfer', command.bearer);
  if (typeof lease !== 'number') return lease;
  if (state.leases.isImplicit(lease)) {
    return refuse(
      'invalid-request',
      `Cannot transfer lease "${command.id}": an implicit lease has no holder`,
    );
  }
  const previousHolder = state.leases.holder(lease);
  if (previousHolder === command.holder) return { lease: leaseView(state, lease) };
  if (!state.canEndUnder(lease, command.holder)) {
    return capacityRefusal(state.namespaceOfLease(lease), 'outbox');
  }
  if (!state.transferLease(lease, command.holder)) {
    return refuse(
      'capacity', `Cannot transfer lease "${command.id}": the memory for leases is used up`,
    );
  }
  state.facts.leaseTransferred(state.namespaceOfLease(lease), lease, previousHolder);
  return { lease: leaseView(state, lease) };
}

export function release(state: State, command: ReleaseCommand): Done | Refusal {
  const lease = state.leases.find(command.id);
  if (lease === 0) {
    return refuse(
      'lease-not-found', `Cannot release lease "${command.id}": it is not known here`,
    );
  }
  if (!mayHold(state, lease, command.bearer)) return forbiddenLease(command.id, 'release');
  if (settleLease(state, lease)) {
    endLease(state, lease, command.reason ?? 'released', command.cause);
  }
  return { done: true };
}

export function getLease(state: State, command: GetLeaseCommand): LeaseReply | Refusal {
  const lease = state.leases.find(command.id);
  if (lease === 0) {
    return refuse('lease-not-found', `Cannot find lease "${command.id}": it is not known here`);
  }
  if (!mayHold(state, lease, command.bearer)) return forbiddenLease(command.id, 'find');
  if (state.leases.state[lease] === LIVE) settleLease(state, lease);
  return { lease: leaseView(state, lease) };
}
