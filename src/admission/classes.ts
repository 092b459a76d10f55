/**
 * What kind of work a request is, and who is refused when something is full. In order, first to be
 * refused first:
 *
 *     list   listings, event streams; a round asked for by hand
 *     grant  new leases, and those adopted from another sidecar
 *     put    writes: puts, increments, deletes, batches
 *     read   one entry or lease; the status page
 *     renew  renewals, releases, transfers: never refused for pressure, because a refused renewal
 *            turns load into a storm of endings, and a refused release keeps what is short
 *
 * What is refused depends on what is full:
 *
 * | source                  | elevated | high        | critical         | within a class |
 * |-------------------------|----------|-------------|------------------|----------------|
 * | outbox, ledger, journal | nothing  | grant       | grant, put       | all, but for deletes |
 * | memory                  | nothing  | list, grant | list, grant, put | all, but for deletes |
 * | loop                    | what `limit.ts` finds too much, in the order above |
 *
 * Fullness refuses what adds to it: a reader adds nothing to a queue of events, and a delete makes
 * room, its ending having had its place since the grant. The loop is another matter: everything
 * costs it, so everything can be refused, and a part of a class is enough. Its levels therefore
 * follow what is refused instead of deciding it: high while lists or grants are, critical while
 * writes are.
 */
import type { PressureLevel, PressureSource } from './signals.ts';

export type RequestClass = 'renew' | 'read' | 'put' | 'grant' | 'list';

/** Last to be refused first: the order in which what the loop can do is handed out. */
export const SHEDDABLE = ['read', 'put', 'grant', 'list'] as const;
export type Sheddable = (typeof SHEDDABLE)[number];

export const LEVELS = ['nominal', 'elevated', 'high', 'critical'] as const;

const NOBODY: readonly Sheddable[] = [];
const FULL_QUEUE: Readonly<Record<PressureLevel, readonly Sheddable[]>> = {
  nominal: NOBODY, elevated: NOBODY, high: ['grant'], critical: ['grant', 'put'],
};
const SHORT_OF_MEMORY: Readonly<Record<PressureLevel, readonly Sheddable[]>> = {
  nominal: NOBODY, elevated: NOBODY, high: ['list', 'grant'], critical: ['list', 'grant', 'put'],
};

/** Classes refused while `source` is at `level`; the loop's are refused one by one, not by level. */
export function refusedAt(source: PressureSource, level: PressureLevel): readonly Sheddable[] {
  if (source === 'loop') return NOBODY;
  return source === 'memory' ? SHORT_OF_MEMORY[level] : FULL_QUEUE[level];
}
