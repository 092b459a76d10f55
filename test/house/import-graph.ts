/** Which file imports which, read from the source text: static and dynamic imports, types too. */
import { dirname, join, normalize } from 'node:path';
import { codeOnly } from './source-text.ts';

export interface Import {
  readonly from: string;
  readonly to: string;
  /** false: `import type`, gone when the program runs. */
  readonly value: boolean;
}

const STATIC = /\b(import|export)\b(\s+type\b(?!\s*(?:,|from\b)))?\s*(?:[\w$*{}\s,]*?\bfrom\s*)?(['"])(.*?)\3/g;
const DYNAMIC = /\bimport\s*\(\s*(['"])(.*?)\1\s*\)/g;

/** Imports of other files of the repository, in the source text of `file`. */
export function importsOf(file: string, source: string): Import[] {
  const { code, withStrings } = codeOnly(source);
  const found: Import[] = [];
  const add = (at: number, specifier: string, value: boolean): void => {
    // A word inside a string is no keyword.
    if (code[at] === ' ') return;
    if (specifier.startsWith('.')) {
      found.push({ from: file, to: normalize(join(dirname(file), specifier)), value });
    }
  };
  for (const match of withStrings.matchAll(STATIC)) add(match.index, match[4]!, match[2] === undefined);
  for (const match of withStrings.matchAll(DYNAMIC)) add(match.index, match[2]!, true);
  return found;
}

/** The folder under `src` that a file is in, or its own name without ending where it is in none. */
export function roomOf(file: string): string {
  const [, room, ...rest] = file.split('/');
  return rest.length > 0 ? room! : room!.replace(/\.ts$/, '');
}

/** One cycle of the graph as the names along it, or undefined. */
export function cycleOf(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] | undefined => {
    if (done.has(node)) return undefined;
    const seenAt = path.indexOf(node);
    if (seenAt >= 0) return [...path.slice(seenAt), node];
    path.push(node);
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const cycle = visit(node);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

export function edgesOf(pairs: Iterable<readonly [string, string]>): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const [from, to] of pairs) {
    const targets = edges.get(from) ?? new Set();
    edges.set(from, targets.add(to));
  }
  return edges;
}
