/** What operators see of reconciliation. */
import type { DegradedReason } from '../readiness.ts';
import { unpushedCount } from './drain.ts';
import type { Room } from './room.ts';
import type { Rounds } from './rounds.ts';

/** Clocks ahead are told for this long after the last refusal. */
const CLOCK_AHEAD_TOLD_MS = 5_000;

/** Why the sidecar is degraded; none: it is in step. */
export function reasonsOf(room: Room): readonly DegradedReason[] {
  const { gate, membership, scheduler, clockAheadAt } = room;
  const now = scheduler.now();
  const reasons: DegradedReason[] = [];
  if (membership.obstacle !== undefined) reasons.push('ledger-misconfigured');
  else if (!membership.joined || gate.state !== 'closed') reasons.push('ledger-unavailable');
  if (anyFull(room)) reasons.push('ledger-full');
  if (gate.lastFault === 'read-only') reasons.push('ledger-read-only');
  if (isolated(room).length > 0) reasons.push('isolated');
  if (clockAheadAt !== undefined && now - clockAheadAt < CLOCK_AHEAD_TOLD_MS) {
    reasons.push('clock-ahead');
  }
  if (isRepairing(room)) reasons.push('repairing');
  return reasons;
}

/**
 * A divergence is being put right. Not while the ledger is away: then nothing can be done about it
 * here, and being taken out of service would not help.
 */
function isRepairing({ partitions, membership, gate }: Room): boolean {
  if (!membership.joined || gate.state !== 'closed') return false;
  for (const partition of partitions.all()) if (partition.repairing) return true;
  return false;
}

function anyFull({ partitions }: Room): boolean {
  for (const partition of partitions.all()) if (partition.full) return true;
  return false;
}

/** Namespaces that are past their autonomy bound. */
function isolated({ partitions, contacts, scheduler, startedAt }: Room): readonly string[] {
  const now = scheduler.now();
  return partitions
    .contracts()
    .filter(({ name, autonomyMs }) => {
      if (!partitions.isActive(name)) return false;
      return (contacts.ageMs(name, now) ?? now - startedAt) > autonomyMs;
    })
    .map(({ name }) => name);
}

export function statusOf(room: Room, rounds: Rounds) {
  const { gate, membership, tally, settings, scheduler, partitions } = room;
  // What was answered a moment ago counts already.
  room.changes.take();
  const now = scheduler.now();
  const age = (instant: number | undefined) =>
    instant === undefined ? null : Math.round(now - instant);
  let oldest: number | undefined;
  for (const { unpushed, batch } of partitions.all()) {
    const since = Math.min(unpushed.oldest ?? now, ...(batch?.since ?? []));
    if (since < now) oldest = Math.min(oldest ?? since, since);
  }
  return {
    ledger: {
      kind: 'redis',
      url: settings.url,
      state: stateOf(room),
      epoch: room.epoch,
      contactAgeMs: age(gate.answeredAt),
      members: membership.members.length,
      recordVersion: membership.version,
      partitions: partitions.size,
      unpushed: unpushedCount(room),
      oldestUnpushedMs: age(oldest),
      requestsInFlight: gate.requestsInFlight,
      isolated: isolated(room),
      faults: tally.faults,
      lastFault: gate.lastFault === undefined ? null : `${gate.lastFault}: ${gate.lastMessage}`,
      epochChanges: tally.epochChanges,
      clockSteps: tally.clockSteps,
      rejoins: tally.rejoins,
    },
    rounds: {
      pushed: tally.pushed,
      pulled: tally.pulled,
      conflicts: tally.conflicts,
      repairs: tally.repairs,
      bytesSent: gate.traffic.sent,
      bytesReceived: gate.traffic.received,
      lastOutcome: tally.lastOutcome,
      lastAgeMs: age(tally.lastAt),
      inProgress: rounds.running,
      orphansTold: tally.orphansTold,
      refused: {
        clockAhead: tally.clockAhead,
        duplicateDots: tally.duplicateDots,
        unreadable: tally.unreadable,
      },
      withheld: tally.withheld,
    },
    pathways: {
      ledger: { readThroughs: tally.readThroughs, missed: tally.readThroughsMissed },
      mirrors: { pulled: tally.repairs.pulled },
    },
  };
}

function stateOf({ membership, gate }: Room): 'connected' | 'joining' | 'refused' | 'away' {
  if (membership.obstacle !== undefined) return 'refused';
  if (gate.state !== 'closed') return 'away';
  return membership.joined ? 'connected' : 'joining';
}
