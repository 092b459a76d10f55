/** What planted faults took to be found, as it was measured last: written by `scripts/plant.ts`. */
import { readFileSync } from 'node:fs';

export const FOUND_FILE = new URL('./found.json', import.meta.url);

export interface FoundBy {
  /** The first of the seeds from 1 on that fails. */
  readonly seed: number;
  readonly invariant: string;
}

/** By the name of the planted fault. */
export function foundBefore(): Readonly<Record<string, FoundBy>> {
  return JSON.parse(readFileSync(FOUND_FILE, 'utf8')) as Record<string, FoundBy>;
}
