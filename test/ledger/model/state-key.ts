/**
 * One number per world, the same for worlds that behave alike from here on: instants count from
 * now and only as far as anything compares them, positions in the history count by where they
 * stand in it.
 */
import type { Cursor } from '../../../src/ledger/ledger.ts';
import type { LedgerRecord } from '../../../src/ledger/record.ts';
import { standingOf } from '../../../src/ledger/specification/history.ts';
import type { Partition } from '../../../src/ledger/specification/partition.ts';
import { SILENCE, SLACK, tickOf } from './rules.ts';
import type { Sent, Sidecar } from './sidecar.ts';
import type { World } from './world.ts';

/** Further back than this nothing is told apart: all bounds are shorter. */
const PAST_MAX = SILENCE + SLACK + 1;

export function keyOf(world: World): string {
  const { now, ledger, image, A, B, ghost } = world;
  const since = (tick: number) => Math.max(-PAST_MAX, tick - now);
  const instant = (value: number) => (value === 0 ? '-' : since(tickOf(value)));
  const record = (one: LedgerRecord | undefined) =>
    one && [
      one.siblings.map(({ dot, born, hlc, deadline, session }) =>
        [dot.actor, dot.seq, born.actor, born.seq, hlc, instant(deadline), session]),
      one.context.map(({ actor, seq, until }) => [actor, seq, instant(until)]),
      one.ends.map(({ born, dot, reason, told, conflict, deadline, until }) =>
        [born.actor, born.seq, dot.seq, reason, told, conflict, instant(deadline), instant(until)]),
      instant(one.forgetAt),
    ];
  const partition = (one: Partition) => [
    record(one.records.get('key')),
    instant(one.expiry.scoreOf('key') ?? 0),
    instant(one.epochStartedAt),
    [...one.owners].sort().map(([actor, { seen, retiredAt }]) =>
      [actor, instant(seen), retiredAt > 0 ? instant(retiredAt) : retiredAt]),
  ];
  const standing = (cursor: Cursor) => [standingOf(ledger, cursor), standingOf(image, cursor)];
  const bytes = (sent: Sent | undefined, answered: number) =>
    sent && [
      sent.caller.actor, sent.batch - answered, sent.rejoining, sent.caller.predecessors.length,
      sent.record.siblings.map(({ dot, deadline }) => [dot.actor, dot.seq, instant(deadline)]),
      sent.record.context.map(({ actor, seq, until }) => [actor, seq, instant(until)]),
      sent.record.ends.map(({ born, told, reason }) => [born.actor, born.seq, told, reason]),
    ];
  const sidecar = (one: Sidecar) => [
    one.up, one.actor, one.predecessors, one.seq, one.changed, one.checkDue, one.checkFailed,
    one.rejoining, since(one.contact), standing(one.cursor), one.unswept,
    one.epoch === 0 ? '-' : ledger.epoch - one.epoch,
    one.values.map(({ dot, born, deadline, session, hlc, seen, confirmed }) =>
      [dot.actor, dot.seq, born.actor, born.seq, since(deadline), session, hlc, seen, confirmed]),
    one.copies.map(({ dot, deadline, seen }) => [dot.actor, dot.seq, since(deadline), seen]),
    one.tombstone && [
      one.tombstone.context, one.tombstone.confirmed,
      Object.entries(one.tombstone.known).map(([actor, tick]) => [actor, since(tick)]),
      one.tombstone.runs.map(({ born, reason, told }) => [born.actor, born.seq, reason, told]),
    ],
    bytes(one.flight, one.answered), bytes(one.late, one.answered),
    one.straggler && [one.straggler.does, one.straggler.caller.actor, instant(one.straggler.asOf)],
    one.batch - one.answered,
    one.answered - (ledger.owners.get(one.actor)?.batch ?? 0),
    one.answered - (image.owners.get(one.actor)?.batch ?? 0),
  ];
  return JSON.stringify([
    partition(ledger), partition(image), sidecar(A), sidecar(B),
    ghost.fates.map(({ promise, ended, there, gone }) => [since(promise), ended, there, gone]),
    ghost.told,
  ]);
}

/** 53 bits of a text (after cyrb53, public domain): two worlds in 10^5 collide once in 10^6 runs. */
export function hash53(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}
