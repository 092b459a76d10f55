/**
 * Which facts are told on the bus, and by which of its two streams. Endings always are; of the rest
 * a namespace names what it tells (`events.publish`). The choice is made where the fact is written,
 * before it is numbered, so the numbers have no holes.
 */

/** A fact is told by one stream or by none; the numbers are part of the journal's format. */
export const NO_STREAM = 0;
export const ENDINGS_STREAM = 1;
export const EVENTS_STREAM = 2;

/** Events a namespace may leave out, in the order of their bits. */
export const TOLD_BY_CHOICE = [
  'lease.granted', 'lease.renewed', 'lease.transferred', 'lease.adopted', 'entry.created',
  'entry.updated', 'entry.reverted', 'entry.conflict', 'reconcile.repaired',
] as const;
export type ToldByChoice = (typeof TOLD_BY_CHOICE)[number];

/** One bit for each event that is told; 0 where there is no bus. */
export function toldBits(publish: 'all' | readonly string[]): number {
  return TOLD_BY_CHOICE.reduce(
    (bits, name, index) => (publish === 'all' || publish.includes(name) ? bits | (1 << index) : bits),
    0,
  );
}

export function bitOf(name: ToldByChoice): number {
  return 1 << TOLD_BY_CHOICE.indexOf(name);
}
