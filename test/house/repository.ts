/** The repository as text: what the tests of the house compare with one another. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** The text of a file, by its path from the root of the repository. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Paths from the root of the repository, sorted, of all files under `folder` that end so. */
export function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
}

/** The part of a page under one heading, up to the next of the same level or above. */
export function section(page: string, heading: string): string {
  const lines = page.split('\n');
  const from = lines.indexOf(heading);
  if (from < 0) throw new Error(`There is no heading "${heading}"`);
  const level = heading.indexOf(' ');
  const length = lines.slice(from + 1).findIndex((line) => {
    const hashes = /^(#+) /.exec(line)?.[1]?.length;
    return hashes !== undefined && hashes <= level;
  });
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length).join('\n');
}

/** The rows of the tables in a piece of Markdown, as trimmed cells, without heads and rulers. */
export function tableRows(markdown: string): string[][] {
  const rows: string[][] = [];
  const lines = markdown.split('\n');
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('|') || line.startsWith('|--')) continue;
    if (lines[index + 1]?.startsWith('|--') === true) continue;
    const cells = line.replaceAll('\\|', '\u0000').split('|').slice(1, -1);
    rows.push(cells.map((cell) => cell.trim().replaceAll('\u0000', '|')));
  }
  return rows;
}

/** What stands between backquotes on one line. */
export function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
}
