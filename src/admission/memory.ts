/**
 * How much of its memory the process uses: what is resident, against the limit it was given. The
 * worst case was checked against the same limit at start, so this tells of what that arithmetic did
 * not know: a heap that grows between two collections, or a neighbour's library gone wrong.
 */
import type { Signal } from './signals.ts';

export function memorySignal(
  limitBytes: number,
  residentBytes: () => number,
): Signal {
  return { source: 'memory', what: 'resident', fill: () => residentBytes() / limitBytes };
}
