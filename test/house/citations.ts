/** Tests as pages cite them: the file, and the names of tests in it, as they are written there. */
import { read } from './repository.ts';
import { codeOnly } from './source-text.ts';

export interface Citation {
  readonly file: string;
  readonly name: string;
}

/** `file` "name", "name"; `file` "name" */
export function citationsOf(cell: string): Citation[] {
  const citations: Citation[] = [];
  let file = '';
  for (const match of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (match[1] !== undefined) file = match[1];
    else citations.push({ file, name: match[2]! });
  }
  return citations;
}

/** Names of the tests in a file, as they are written: placeholders of `each` stay. */
export function testNames(file: string): Set<string> {
  const source = read(file);
  const { code } = codeOnly(source);
  const names = new Set<string>();
  for (const call of code.matchAll(/(?:(?<![.\w])(?:test|it|testIf)(?:\.\w+)*|\)(?=\(\s*['"`]))\(/g)) {
    // The name is the first argument, or follows a condition that may quote something itself.
    const begin = call.index + call[0].length - 1;
    const body = code.indexOf('=>', begin);
    const head = code.slice(begin, body < 0 ? undefined : body);
    for (const match of head.matchAll(/[(,]\s*(['"`])(.*?)\1/gs)) {
      const from = begin + match.index + match[0].length - match[2]!.length - 1;
      const text = source.slice(from, from + match[2]!.length);
      names.add(text.replaceAll(/\\(['"`\\])/g, '$1'));
    }
  }
  return names;
}
