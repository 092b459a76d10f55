/**
 * Pages that are written by hand and have tables made from the source: what stands between
 * `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced.
 */
import { readFileSync } from 'node:fs';

export const code = (text: string): string => `\`${text}\``;

/** A row of a table in Markdown. */
export function row(...cells: readonly string[]): string {
  return `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The page at `path` as it stands, with its tables made anew. @throws Error when it lacks a marker */
export function markedPage(path: string, tables: Readonly<Record<string, () => readonly string[]>>): string {
  let page = readFileSync(path, 'utf8');
  for (const [name, lines] of Object.entries(tables)) {
    const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->`];
    const from = page.indexOf(begin);
    const to = page.indexOf(end);
    if (from < 0 || to < from) throw new Error(`${path} has no place for "${name}"`);
    page = `${page.slice(0, from + begin.length)}${lines().join('\n')}\n${page.slice(to)}`;
  }
  return page;
}
