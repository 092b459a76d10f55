/**
 * Heals a world and waits until nothing happens any more: everybody is up, every message gets
 * through, and each sidecar goes through its rounds. Then both must agree with the ledger; and when
 * the holders renew no more, everything must end, be told, and be forgotten.
 */
import { sameDot } from '../../../src/ledger/record.ts';
import { HORIZON, SILENCE, SLACK, TTL } from './rules.ts';
import { nameOf } from './sidecar.ts';
import { type Deed, type Name, recordOf, type Setting, step, type World } from './world.ts';

/** More rounds than any repair here takes. */
const ROUNDS_MAX = 12;
const NAMES: readonly Name[] = ['A', 'B'];

/** What did not come to rest, in words. */
export function drain(world: World, setting: Setting): string | undefined {
  let healed = world;
  for (const who of NAMES) healed = deed(healed, 'restart', who, setting) ?? healed;
  const rested = rest(healed, setting);
  if (typeof rested === 'string') return rested;
  const disagreement = rested.violation ?? disagreementIn(rested);
  if (disagreement !== undefined) return disagreement;
  return endOf(rested, setting);
}

function deed(world: World, does: Deed, who: Name, setting: Setting): World | undefined {
  return step(world, { does, who }, setting);
}

function rest(world: World, setting: Setting): World | string {
  let next = world;
  for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
    const before = next;
    for (const who of NAMES) next = round(next, who, setting);
    if (next.violation !== undefined) return next.violation;
    const same = next.ledger.seq === before.ledger.seq && next.history === before.history;
    const waits = NAMES.some((who) => {
      const { changed, flight, checkDue } = next[who];
      return changed || flight !== undefined || checkDue;
    });
    if (same && !waits) return next;
  }
  return 'the sidecars do not come to rest';
}

/** What a sidecar does between two heartbeats. */
function round(world: World, who: Name, setting: Setting): World {
  let next = world;
  const wants = () => next[who].changed || next[who].flight !== undefined;
  for (let pushes = 0; wants() && pushes < 3; pushes++) {
    next = deed(next, 'push', who, setting) ?? next;
  }
  next = deed(next, 'sweep-own', who, setting) ?? next;
  next = deed(next, 'pull', who, setting) ?? next;
  if (next[who].checkDue) next = deed(next, 'truth-check', who, setting) ?? next;
  else next = deed(next, 'beat', who, setting) ?? next;
  // A heartbeat that does not vouch for everything makes a truth check due.
  if (next[who].contact !== next.now) next = deed(next, 'truth-check', who, setting) ?? next;
  return next;
}

function disagreementIn(world: World): string | undefined {
  const record = recordOf(world);
  const there = record?.siblings ?? [];
  for (const who of NAMES) {
    const { values, contact, copies } = world[who];
    const lost = values.find(({ dot }) => !there.some((sibling) => sameDot(sibling.dot, dot)));
    if (lost !== undefined) return `${nameOf(lost.dot)} of ${who} is not at the ledger`;
    if (contact !== world.now) return `${who} is not vouched for`;
    const beside = there.filter(({ dot }) => !values.some((value) => sameDot(value.dot, dot)));
    const strange = copies.find(({ dot }) => !beside.some((sibling) => sameDot(sibling.dot, dot)));
    if (strange !== undefined) return `${who} shows ${nameOf(strange.dot)}, which is not there`;
  }
  return undefined;
}

/** Long enough for every deadline, silence and horizon one after the other. */
const END_TICKS = TTL + SLACK + 2 * SILENCE + 2 * HORIZON;

function endOf(world: World, setting: Setting): string | undefined {
  let next = world;
  for (let tick = 0; tick < END_TICKS; tick++) {
    next = step(next, { does: 'tick' }, setting)!;
    for (const who of NAMES) {
      next = round(next, who, setting);
      next = deed(next, 'sweep-orphans', who, setting) ?? next;
    }
    if (next.violation !== undefined) return next.violation;
  }
  if (next.ledger.records.size > 0) {
    const left = recordOf(next)!.siblings.map(({ dot }) => nameOf(dot));
    return `the ledger still holds ${left.length > 0 ? left.join(' and ') : 'a tombstone'}`;
  }
  for (const { born, dot } of next.ghost.fates) {
    const told = next.ghost.told.includes(nameOf(born));
    if (!told) return `the end of ${nameOf(dot)} is told by nobody`;
  }
  return undefined;
}
