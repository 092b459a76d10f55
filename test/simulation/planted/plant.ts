/**
 * Plants a fault in this process: a module hook exchanges the text of the product's files as they
 * are loaded. So it must be called before anything imports them; what runs afterwards imports the
 * product dynamically.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import type { PlantedEdit, PlantedFault } from './planted-fault.ts';

const ROOT = new URL('../../../', import.meta.url);

export interface Planting {
  /** Edited files that have not been loaded yet: nothing of their faults is at work so far. */
  readonly idle: readonly string[];
}

/** Throws when an edit does not fit the text of its file. */
export function plant({ edits }: PlantedFault): Planting {
  const byUrl = Map.groupBy(edits, ({ file }) => new URL(file, ROOT).href);
  for (const [url, each] of byUrl) rewritten(readFileSync(new URL(url), 'utf8'), each);
  const idle = new Set(edits.map(({ file }) => file));
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const each = byUrl.get(url);
      if (each === undefined) return loaded;
      idle.delete(each[0]!.file);
      // The types are stripped afterwards, as from the file itself.
      return { ...loaded, source: rewritten(textOf(loaded.source), each) };
    },
  });
  return {
    get idle() {
      return [...idle];
    },
  };
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | null | undefined): string {
  if (source === null || source === undefined) throw new Error('The module has no text to rewrite');
  return typeof source === 'string' ? source : new TextDecoder().decode(source);
}

/** The text of one file with its edits. Throws unless each finds its place exactly once. */
export function rewritten(text: string, edits: readonly PlantedEdit[]): string {
  return edits.reduce((before, { file, find, replace }) => {
    const parts = before.split(find);
    if (parts.length !== 2) {
      throw new Error(`Cannot plant in ${file}: found ${parts.length - 1} times, not once: ${find}`);
    }
    return parts.join(replace);
  }, text);
}
