/**
 * Sessions as a page prints them: fenced `console` blocks in which `$ ` begins a command, a
 * backslash at the end of a line continues it, and what follows is its output. In the output `…`
 * stands for any characters of one line, and on a line of its own for any number of lines.
 */
export interface Exchange {
  readonly command: string;
  /** Lines, as printed. */
  readonly expected: readonly string[];
}

const ELLIPSIS = '…';

export function sessionOf(page: string): Exchange[] {
  const exchanges: Exchange[] = [];
  for (const [, block] of page.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    const lines = block!.split('\n').slice(0, -1);
    if (!lines[0]!.startsWith('$ ')) throw new Error(`A session begins with "${lines[0]}"`);
    let expected: string[] = [];
    for (let at = 0; at < lines.length; at++) {
      if (!lines[at]!.startsWith('$ ')) {
        expected.push(lines[at]!);
        continue;
      }
      let command = lines[at]!.slice(2);
      while (command.endsWith('\\')) command += `\n${lines[++at]!}`;
      expected = [];
      exchanges.push({ command, expected });
    }
  }
  return exchanges;
}

/** Whether `output` is what the page prints. Carriage returns and trailing blanks do not count. */
export function isAsPrinted(output: string, expected: readonly string[]): boolean {
  const lines = output.replaceAll('\r', '').trimEnd().split('\n').map((line) => line.trimEnd());
  const shown = output.trim() === '' ? [] : lines;
  return matchesFrom(shown, 0, expected, 0);
}

function matchesFrom(lines: readonly string[], at: number, expected: readonly string[], next: number): boolean {
  if (next === expected.length) return at === lines.length;
  if (expected[next] === ELLIPSIS) {
    for (let skip = at; skip <= lines.length; skip++) {
      if (matchesFrom(lines, skip, expected, next + 1)) return true;
    }
    return false;
  }
  return at < lines.length && isLine(lines[at]!, expected[next]!) && matchesFrom(lines, at + 1, expected, next + 1);
}

function isLine(line: string, expected: string): boolean {
  const parts = expected.trimEnd().split(ELLIPSIS);
  const literal = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`).test(line);
}
