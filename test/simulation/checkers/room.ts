/** What checkers share: the world, and what is known of it so far. */
import type { CheckedWorld } from './checker.ts';
import { Clocks } from './clocks.ts';
import { LedgerWatch } from './ledger-watch.ts';
import { Rest } from './at-rest.ts';
import { Story } from './story.ts';

export interface Room {
  readonly world: CheckedWorld;
  readonly clocks: Clocks;
  readonly watch: LedgerWatch;
  readonly story: Story;
  readonly rest: Rest;
}

export function roomOf(world: CheckedWorld): Room {
  const clocks = new Clocks(world);
  const watch = new LedgerWatch(world);
  return { world, clocks, watch, story: new Story(world, clocks, watch), rest: new Rest(world) };
}

/** Hands out each item of a list that grows, once. */
export function newOnes<T>(list: readonly T[]): (visit: (item: T) => void) => void {
  let next = 0;
  return (visit) => {
    while (next < list.length) visit(list[next++]!);
  };
}
