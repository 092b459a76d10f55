/**
 * Two sidecars of the model and a partition of the real specification, with everything that can
 * happen between them: what clients do, messages that are lost, doubled and late, crashes, a ledger
 * that goes back to an older state, and time. A step never changes a world; it makes another one.
 */
import {
  type BeatReply, type Caller, NO_CURSOR, type SweepReply, type Terms,
} from '../../../src/ledger/ledger.ts';
import { type LedgerRecord, sameDot } from '../../../src/ledger/record.ts';
import { beat } from '../../../src/ledger/specification/beat.ts';
import {
  clonePartition, emptyPartition, type Partition, type Server,
} from '../../../src/ledger/specification/partition.ts';
import { pull } from '../../../src/ledger/specification/pull.ts';
import { push } from '../../../src/ledger/specification/push.ts';
import { sweep } from '../../../src/ledger/specification/sweep.ts';
import { type Ghost, NO_GHOST, Oracle } from './oracle.ts';
import { at, type Rules, termsOf } from './rules.ts';
import {
  added, answeredIn, callerOf, confirmed, crashed, deleted, digestOf, ended, isOurs, merged,
  newSidecar, ownedOf, reincarnated, renewed, restamped, restarted, retired, type Sent, sent,
  type Sidecar, type Straggler, written,
} from './sidecar.ts';

export type Name = 'A' | 'B';

export type Action =
  | { readonly does: 'tick' }
  /** The ledger's state of now is what a later `rollback` leads back to; before: nothing. */
  | { readonly does: 'save' }
  | { readonly does: 'rollback' }
  | { readonly does: Deed; readonly who: Name };
export type Deed =
  /** A client overwrites what it has read, or writes without having read. */
  | 'write' | 'write-blind' | 'renew' | 'end' | 'delete'
  | 'push'
  /** The ledger takes it, and the answer is lost: the same bytes will be sent again. */
  | 'push-unanswered'
  /** Nobody answers; the bytes are on their way. */
  | 'push-delayed'
  /** The ledger gets the bytes of an earlier push (again). */
  | 'late-push'
  | 'beat' | 'truth-check' | 'pull' | 'sweep-own' | 'sweep-orphans'
  /** It times out, and happens later. */
  | 'sweep-own-delayed' | 'retire-delayed' | 'late-request'
  | 'crash' | 'restart'
  /** Says goodbye, and goes down. */
  | 'retire'
  /** Forgets what the ledger has confirmed to be over. */
  | 'forget';

export interface Setting {
  readonly policy: Terms['policy'];
  readonly rules: Rules;
  /** Whether the lease is an explicit one. */
  readonly session: Readonly<Record<Name, boolean>>;
}

export interface World {
  readonly now: number;
  readonly ledger: Partition;
  /** Counts the ledger's histories. */
  readonly history: number;
  readonly image: Partition;
  readonly A: Sidecar;
  readonly B: Sidecar;
  readonly ghost: Ghost;
  /** What has gone wrong, in words. */
  readonly violation: string | undefined;
}

export function newWorld(): World {
  return {
    now: 0, history: 1, ledger: emptyPartition(), image: emptyPartition(),
    A: newSidecar('A', 0), B: newSidecar('B', 0), ghost: NO_GHOST, violation: undefined,
  };
}

export function recordOf({ ledger }: World): LedgerRecord | undefined {
  return ledger.records.get('key');
}

/** undefined: it cannot happen now, or changes nothing. */
export function step(world: World, action: Action, setting: Setting): World | undefined {
  switch (action.does) {
    case 'tick':
      return ticked(world);
    case 'save':
      return { ...world, image: clonePartition(world.ledger) };
    case 'rollback':
      return rolledBack(world);
    default:
      return deed(world, action.does, action.who, setting);
  }
}

function ticked(world: World): World {
  const now = world.now + 1;
  const oracle = new Oracle(world.ghost, now);
  const expired = (sidecar: Sidecar) => (sidecar.up ? expire(sidecar, now, oracle) : sidecar);
  const [A, B] = [expired(world.A), expired(world.B)];
  return judged({ ...world, now, A, B }, oracle);
}

/** Deadlines are kept to the instant by whoever gave them. */
function expire(sidecar: Sidecar, now: number, oracle: Oracle): Sidecar {
  let next = sidecar;
  for (const value of sidecar.values) {
    if (value.deadline > now) continue;
    oracle.ended(value.dot, 'expired');
    oracle.told(value.born);
    next = ended(next, value, 'expired');
  }
  return next;
}

function rolledBack(world: World): World {
  const oracle = new Oracle(world.ghost, world.now);
  oracle.rolledBack();
  return {
    ...world, ledger: clonePartition(world.image), history: world.history + 1, ghost: oracle.ghost,
  };
}

/* ---- what a sidecar does --------------------------------------------------------------- */

function deed(world: World, does: Deed, who: Name, setting: Setting): World | undefined {
  const sidecar = world[who];
  if (does === 'restart') return sidecar.up ? undefined : restart(world, who, setting);
  if (does === 'late-push') return latePush(world, who, setting);
  if (does === 'late-request') return lateRequest(world, who, setting);
  if (!sidecar.up) return undefined;
  switch (does) {
    case 'write':
    case 'write-blind':
      return write(world, who, does === 'write-blind', setting);
    case 'renew': {
      const next = renewed(sidecar, world.now, setting.rules);
      if (next === undefined) return undefined;
      const oracle = new Oracle(world.ghost, world.now);
      const { dot, deadline } = next.values.at(-1)!;
      oracle.promised(dot, deadline);
      return judged({ ...world, [who]: next }, oracle);
    }
    case 'end':
      return end(world, who);
    case 'delete':
      return remove(world, who);
    case 'push':
    case 'push-unanswered':
    case 'push-delayed':
      return pushed(world, who, does, setting);
    case 'beat':
      return beaten(world, who, setting, false);
    case 'truth-check':
      return truthChecked(world, who, setting);
    case 'pull':
      return pulled(world, who, setting);
    case 'sweep-own':
      return sweptOwn(world, who, setting);
    case 'sweep-orphans':
      return sweptOrphans(world, who, setting);
    case 'sweep-own-delayed':
      return owesSweep(sidecar) ? delayed(world, who, 'sweep-own') : undefined;
    case 'retire-delayed':
    case 'retire': {
      if (!isTold(world, who)) return undefined;
      const leaving = { ...world, [who]: retired(sidecar, setting.rules) };
      const gone = delayed(leaving, who, 'retire');
      const next = { ...gone, [who]: crashed(gone[who], setting.rules) };
      return does === 'retire' ? lateRequest(next, who, setting) : next;
    }
    case 'crash':
      return { ...world, [who]: crashed(sidecar, setting.rules) };
    case 'forget':
      if (sidecar.tombstone?.confirmed !== true || sidecar.changed) return undefined;
      return { ...world, [who]: { ...sidecar, tombstone: undefined } };
  }
}

function write(world: World, who: Name, blind: boolean, setting: Setting): World | undefined {
  const sidecar = world[who];
  if (blind && sidecar.values.length + sidecar.copies.length === 0) return undefined;
  const oracle = new Oracle(world.ghost, world.now);
  const hlc = world.now * 16 + oracle.ghost.fates.length + 1;
  const { sidecar: next, value, replaced } = written(sidecar, world.now, {
    blind, hlc, session: setting.session[who],
  });
  oracle.minted(value);
  for (const { dot, born } of replaced) {
    oracle.ended(dot, 'superseded');
    const ours = sidecar.values.some((one) => sameDot(one.dot, dot));
    if (ours && !sameDot(born, value.born)) oracle.told(born);
  }
  return judged({ ...world, [who]: next }, oracle);
}

function end(world: World, who: Name): World | undefined {
  const value = world[who].values.at(-1);
  if (value === undefined) return undefined;
  const oracle = new Oracle(world.ghost, world.now);
  oracle.ended(value.dot, 'released');
  oracle.told(value.born);
  return judged({ ...world, [who]: ended(world[who], value, 'released') }, oracle);
}

function remove(world: World, who: Name): World | undefined {
  const sidecar = world[who];
  if (sidecar.copies.length === 0) return undefined;
  const oracle = new Oracle(world.ghost, world.now);
  for (const { dot } of sidecar.copies) oracle.ended(dot, 'deleted');
  return judged({ ...world, [who]: deleted(sidecar) }, oracle);
}

function restart(world: World, who: Name, { rules }: Setting): World {
  const oracle = new Oracle(world.ghost, world.now);
  const next = restarted(world[who], world.now, rules);
  return judged({ ...world, [who]: expire(next, world.now, oracle) }, oracle);
}

/* ---- what passes between sidecar and ledger -------------------------------------------- */

function serverOf({ now, history }: World, { rules }: Setting): Server {
  return { time: at(now), replid: rules.epochs ? String(history) : '' };
}

function pushed(
  world: World, who: Name, does: 'push' | 'push-unanswered' | 'push-delayed', setting: Setting,
): World | undefined {
  const before = world[who];
  if (before.flight === undefined && !before.changed) return undefined;
  const sidecar = sent(before, setting.rules);
  const flight = sidecar.flight!;
  if (does === 'push-delayed') return { ...world, [who]: { ...sidecar, late: flight } };
  const oracle = new Oracle(world.ghost, world.now);
  const ledger = clonePartition(world.ledger);
  const reply = push(ledger, serverOf(world, setting), {
    ...flight, records: [flight.record], terms: termsIn(setting), version: 2,
  });
  const next: World = { ...world, ledger };
  // What a policy has ended must be known before its owner learns of it.
  oracle.look(next);
  if (does === 'push-unanswered') {
    return judged({ ...next, [who]: { ...sidecar, late: flight } }, oracle);
  }
  if (reply.status === 'stale') {
    const again = reincarnated(answeredIn(sidecar, reply.epoch), setting.rules);
    oracle.restamped(sidecar.values, again.values);
    return judged({ ...next, [who]: again }, oracle);
  }
  const { code, record } = reply.results[0]!;
  let after: Sidecar = {
    ...answeredIn(sidecar, reply.epoch), flight: undefined, answered: flight.batch,
  };
  // Whoever has seen everything before has seen its own push too.
  if (sidecar.cursor.seq === world.ledger.seq && sidecar.cursor.chain === world.ledger.chain) {
    after = { ...after, cursor: reply.tail };
  }
  if (code === 'expired') {
    if (record !== undefined) after = learned(after, world.now, record, oracle);
    if (setting.rules.encodesAgain) after = { ...after, changed: true };
    else after = takenForClosed(after, flight, oracle);
    return judged({ ...next, [who]: after }, oracle);
  }
  if (record !== undefined) after = learned(after, world.now, record, oracle);
  after = confirmed(after, flight);
  oracle.acknowledged(flight.record);
  return judged({ ...next, [who]: after }, oracle);
}

/** S2 with the rule off: what the ledger did not take is given up. */
function takenForClosed(sidecar: Sidecar, { record }: Sent, oracle: Oracle): Sidecar {
  const given = sidecar.values.filter(({ dot }) =>
    record.siblings.some((sibling) => sameDot(sibling.dot, dot)),
  );
  for (const { born } of given) oracle.told(born);
  return { ...sidecar, values: sidecar.values.filter((value) => !given.includes(value)) };
}

/** Merges a record, and tells the endings of own values that are gone there. */
function learned(
  sidecar: Sidecar, now: number, record: LedgerRecord | undefined, oracle: Oracle,
): Sidecar {
  const { sidecar: next, gone } = merged(sidecar, now, record);
  for (const { born, dot } of gone) {
    oracle.learnedGone(dot);
    if (!next.values.some((value) => sameDot(value.born, born))) oracle.told(born);
  }
  return next;
}

function latePush(world: World, who: Name, setting: Setting): World | undefined {
  const { late } = world[who];
  if (late === undefined) return undefined;
  const ledger = clonePartition(world.ledger);
  push(ledger, serverOf(world, setting), {
    ...late, records: [late.record], terms: termsIn(setting), version: 2,
  });
  const next = { ...world, ledger, [who]: { ...world[who], late: undefined } };
  return judged(next, new Oracle(world.ghost, world.now));
}

/** A heartbeat, and what it says about contact. */
function beatOnce(
  world: World, who: Name, setting: Setting, withDigests: boolean,
): { world: World; reply: BeatReply; vouched: boolean } {
  const sidecar = world[who];
  const caller = callerOf(sidecar);
  const ledger = clonePartition(world.ledger);
  const { vouching } = setting.rules;
  // With the rule off, it says what the ledger wants to hear.
  const owned = vouching
    ? ownedOf(sidecar)
    : [caller.actor, ...caller.predecessors].map((actor) => ({
        actor, ...(ledger.owners.get(actor)?.owned ?? digestOf([])),
      }));
  const reply = beat(ledger, serverOf(world, setting), {
    caller, terms: termsIn(setting), cursor: sidecar.cursor, batch: sidecar.answered,
    ...(withDigests || !vouching ? { owned } : {}),
  });
  const vouched = [caller.actor, ...caller.predecessors].every((actor) =>
    reply.vouched.includes(actor),
  );
  const known = answeredIn(sidecar, reply.epoch);
  const after = vouched ? { ...known, contact: world.now, rejoining: false } : known;
  return { world: { ...world, ledger, [who]: after }, reply, vouched };
}

function beaten(world: World, who: Name, setting: Setting, withDigests: boolean): World {
  const { world: next, reply } = beatOnce(world, who, setting, withDigests);
  const distrusts = reply.history === 'lost' || reply.forgotBatch;
  const after = distrusts ? { ...next[who], checkDue: true } : next[who];
  return judged({ ...next, [who]: after }, new Oracle(world.ghost, world.now));
}

function truthChecked(world: World, who: Name, setting: Setting): World | undefined {
  if (world[who].changed || world[who].flight !== undefined) return undefined;
  const { world: next, reply, vouched } = beatOnce(world, who, setting, true);
  const oracle = new Oracle(world.ghost, world.now);
  if (vouched && reply.history !== 'lost' && !reply.forgotBatch) {
    const after = { ...next[who], checkDue: false, checkFailed: false };
    return judged({ ...next, [who]: after }, oracle);
  }
  let sidecar = next[who];
  const before = sidecar.values;
  for (const actor of sidecar.predecessors) {
    if (reply.vouched.includes(actor)) continue;
    const holds = sidecar.values.some(({ dot }) => dot.actor === actor);
    if (holds && !sidecar.checkFailed) continue;
    sidecar = restamped(sidecar, ({ dot }) => dot.actor === actor, setting.rules);
    const predecessors = sidecar.predecessors.filter((one) => one !== actor);
    sidecar = { ...sidecar, predecessors };
  }
  oracle.restamped(before, sidecar.values);
  const record = recordOf(next);
  sidecar = learned(sidecar, world.now, record, oracle);
  // Compared value by value: what is left to sweep is what is there.
  let unswept: Sidecar['unswept'] = {};
  for (const sibling of record?.siblings ?? []) {
    const held = sidecar.values.some(({ dot }) => sameDot(dot, sibling.dot));
    const over = !sibling.session && sibling.deadline <= at(world.now);
    if (held || !over || !isOurs(sidecar, sibling.dot)) continue;
    unswept = added(unswept, sibling.dot.actor, digestOf([sibling]));
  }
  const tombstone = sidecar.tombstone;
  const lost = reply.history === 'lost' || reply.forgotBatch;
  sidecar = {
    ...sidecar, unswept, checkDue: true, checkFailed: true,
    cursor: reply.history === 'lost' ? reply.tail : sidecar.cursor,
    // It was told of an end that it may have forgotten.
    changed: sidecar.changed || (lost && tombstone !== undefined),
    answered: reply.forgotBatch ? 0 : sidecar.answered,
  };
  return judged({ ...next, [who]: sidecar }, oracle);
}

function pulled(world: World, who: Name, setting: Setting): World {
  const sidecar = world[who];
  const ledger = clonePartition(world.ledger);
  const reply = pull(ledger, serverOf(world, setting), {
    caller: callerOf(sidecar), cursor: sidecar.cursor, limit: 1000, records: false, ids: ['key'],
  });
  const oracle = new Oracle(world.ghost, world.now);
  const known = answeredIn(sidecar, reply.epoch);
  let after = learned(known, world.now, reply.wanted[0]!.record, oracle);
  if (reply.status === 'ok') after = { ...after, cursor: reply.cursor };
  else after = { ...after, checkDue: true };
  if (!setting.rules.selectsOnRead) after = selectedByDeleting(after);
  return judged({ ...world, ledger, [who]: after }, oracle);
}

/** S9 with the rule off: a loser by the hybrid clock is dropped, and covered. */
function selectedByDeleting(sidecar: Sidecar): Sidecar {
  const own = sidecar.values.at(-1);
  if (own === undefined) return sidecar;
  const losers = sidecar.copies.filter(({ hlc }) => hlc < own.hlc);
  const seen = { ...own.seen };
  for (const { dot } of losers) seen[dot.actor] = Math.max(seen[dot.actor] ?? 0, dot.seq);
  const values = sidecar.values.map((value) => (value === own ? { ...own, seen } : value));
  return { ...sidecar, values, copies: sidecar.copies.filter((copy) => !losers.includes(copy)) };
}

/** The ledger knows every deadline: from now on they are final. */
function isTold(world: World, who: Name): boolean {
  const { changed, flight, values } = world[who];
  const there = recordOf(world)?.siblings ?? [];
  return !changed && flight === undefined && values.every(({ dot, deadline }) =>
    there.some((sibling) => sameDot(sibling.dot, dot) && sibling.deadline >= at(deadline)),
  );
}

function delayed(world: World, who: Name, does: Straggler['does']): World {
  const sidecar = world[who];
  const straggler: Straggler = { does, caller: callerOf(sidecar), asOf: at(world.now) };
  return { ...world, [who]: { ...sidecar, straggler } };
}

/** It happens; nobody waits for the answer any more. */
function lateRequest(world: World, who: Name, setting: Setting): World | undefined {
  const { straggler } = world[who];
  if (straggler === undefined) return undefined;
  const { does, caller, asOf } = straggler;
  const ledger = clonePartition(world.ledger);
  const server = serverOf(world, setting);
  const terms = termsIn(setting);
  if (does === 'retire') {
    beat(ledger, server, { caller, terms, cursor: NO_CURSOR, batch: 0, retire: true });
  } else sweepOwnOf(ledger, server, caller, asOf, setting);
  const next = { ...world, ledger, [who]: { ...world[who], straggler: undefined } };
  return judged(next, new Oracle(world.ghost, world.now));
}

function owesSweep({ changed, flight, unswept }: Sidecar): boolean {
  return !changed && flight === undefined && Object.keys(unswept).length > 0;
}

function sweepOwnOf(
  ledger: Partition, server: Server, caller: Caller, asOf: number, setting: Setting,
): SweepReply {
  return sweep(ledger, server, {
    caller, terms: termsIn(setting), scope: 'own', limit: 10, dryRun: false,
    ...(setting.rules.sweepsAsOf ? { asOf } : {}),
  });
}

function sweptOwn(world: World, who: Name, setting: Setting): World | undefined {
  const sidecar = world[who];
  if (!owesSweep(sidecar)) return undefined;
  const ledger = clonePartition(world.ledger);
  const server = serverOf(world, setting);
  const { removed, epoch } = sweepOwnOf(ledger, server, callerOf(sidecar), at(world.now), setting);
  let { unswept } = sidecar;
  for (const { actor, ...digest } of removed) unswept = added(unswept, actor, digest, -1);
  const after = { ...answeredIn(sidecar, epoch), unswept };
  return judged({ ...world, ledger, [who]: after }, new Oracle(world.ghost, world.now));
}

function sweptOrphans(world: World, who: Name, setting: Setting): World {
  const ledger = clonePartition(world.ledger);
  const { ended: found } = sweep(ledger, serverOf(world, setting), {
    caller: callerOf(world[who]), terms: termsIn(setting), scope: 'orphans', limit: 10,
    dryRun: false,
  });
  const oracle = new Oracle(world.ghost, world.now);
  for (const { ending } of found) oracle.told(ending.born);
  return judged({ ...world, ledger }, oracle);
}

const TERMS_BY_POLICY = new Map<Terms['policy'], Terms>();

function termsIn({ policy }: Setting): Terms {
  let terms = TERMS_BY_POLICY.get(policy);
  if (terms === undefined) {
    terms = termsOf(policy);
    TERMS_BY_POLICY.set(policy, terms);
  }
  return terms;
}

/** The world with what the oracle has to say about it. */
function judged(world: World, oracle: Oracle): World {
  oracle.look(world);
  const { ghost, violation } = oracle;
  return { ...world, ghost, violation: world.violation ?? violation };
}

