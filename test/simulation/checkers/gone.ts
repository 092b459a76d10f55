/**
 * Why a value that was acknowledged may be gone: something that somebody asked for, a deadline, or
 * a fault against which its namespace promises nothing. Everything else is a loss.
 */
import { covers, dotText, type Dot } from './reading.ts';
import type { Room } from './room.ts';
import type { Act, Key } from './story.ts';

export interface Looked {
  /** The latest instant at which whoever answered can have looked. */
  readonly atMs: number;
  /** Everything has been told: an eviction shows among the endings. */
  readonly isAtRest: boolean;
}

/** undefined: it must be there, at the sidecar that acknowledged it. */
export function whyGone(room: Room, key: Key, act: Act, looked: Looked): string | undefined {
  const { story } = room;
  const { namespace } = key;
  const { sidecar, askedAtMs } = act.operation;
  return (
    leaseMayBeOver(room, act, looked) ??
    (story.mayBeForgotten(sidecar, namespace, askedAtMs, looked.atMs)
      ? `its namespace promises nothing of it: ${namespace.durability}` : undefined) ??
    mayBeEvicted(room, key, act, looked) ??
    replacedBy(room, key, act, looked)
  );
}

function leaseMayBeOver({ story, clocks }: Room, act: Act, { atMs }: Looked): string | undefined {
  const lease = act.lease === undefined ? undefined : story.leases.get(act.lease);
  if (lease === undefined) return 'nothing is known of its lease';
  const { sidecar } = act.operation;
  // A ledger whose clock was put forward ends values early: as its steps are bounded, by little.
  const remainsMs = story.surelyRemainsMs(lease, sidecar, atMs) - clocks.ledgerForwardMs;
  if (remainsMs <= 0) return 'its deadline may have come';
  const released = lease.releases.some(
    (operation) => operation.askedAtMs <= atMs && (operation.answer?.status ?? 0) < 400,
  );
  if (released) return 'somebody asked to release its lease';
  if (lease.isAdopted) return 'its lease went on elsewhere';
  if (lease.namespace?.onDrain === 'release' && story.wasStopped) return 'draining releases it';
  return undefined;
}

function mayBeEvicted({ story }: Room, key: Key, act: Act, { isAtRest }: Looked): string | undefined {
  if (!key.namespace.capacity.evicts) return undefined;
  if (!isAtRest) return 'it may have been evicted';
  const endings = act.lease === undefined ? [] : (story.leases.get(act.lease)?.endings ?? []);
  const evicted = endings.some(({ data }) => data['reason'] === 'evicted' && data['key'] === key.key);
  return evicted ? 'it was evicted' : undefined;
}

function replacedBy(room: Room, key: Key, act: Act, { atMs }: Looked): string | undefined {
  // Asked again with its key a write is answered again, and has been there since it was first asked.
  const first = key.acts.find((other) => isSameWrite(other, act)) ?? act;
  const replacing = key.acts.find(
    (other) =>
      other !== act && other.outcome !== 'refused' && other.operation.askedAtMs <= atMs &&
      !isSameWrite(other, act) && mayReplace(room, key, other, first),
  );
  return replacing === undefined ? undefined : `#${replacing.operation.id} may have replaced it`;
}

function isSameWrite(other: Act, act: Act): boolean {
  return other.dot !== undefined && act.dot !== undefined && dotText(other.dot) === dotText(act.dot);
}

/** Whether `other` may have taken away what `act` wrote, as the namespace settles such things. */
function mayReplace(room: Room, key: Key, other: Act, act: Act): boolean {
  const { conflict } = key.namespace;
  const wasBefore = (other.operation.answer?.atMs ?? Infinity) <= act.operation.askedAtMs;
  const isSamePlace = other.operation.sidecar === act.operation.sidecar;
  const { dot } = act;
  if (dot !== undefined && other.saw !== undefined && covers(other.saw, dot)) return true;
  if (conflict === 'siblings') {
    // A write that names nothing replaces nothing; a delete that names nothing takes all there is.
    if (other.asked.kind === 'put') return dot === undefined;
    if (other.asked.kind === 'delete' && other.saw !== undefined) return dot === undefined;
    return !wasBefore;
  }
  if (wasBefore && (isSamePlace || other.asked.kind === 'delete')) return false;
  if (isSamePlace || other.asked.kind === 'delete') return true;
  if (other.dot !== undefined && act.saw !== undefined && covers(act.saw, other.dot)) return false;
  // The ledger has said that this one was first; it may have forgotten that with what it lost.
  if (conflict === 'firstWins' && key.namespace.durability === 'ledger') {
    return room.story.ledgerMayForget(act.operation.askedAtMs);
  }
  return conflict !== 'lww' || mayBeLater(room, other.dot, dot);
}

/** The last writer wins, by the hybrid clock that the ledger keeps with each value. */
function mayBeLater({ story }: Room, other: Dot | undefined, dot: Dot | undefined): boolean {
  if (other === undefined || dot === undefined) return true;
  const theirs = story.hybridClockOf.get(dotText(other));
  const ours = story.hybridClockOf.get(dotText(dot));
  if (theirs === undefined || ours === undefined) return true;
  return theirs > ours || (theirs === ours && dotText(other) > dotText(dot));
}
