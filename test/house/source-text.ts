/**
 * Source text without what is only said: a small scanner that tells code from comments, strings and
 * regular expressions. No parser: a few characters of context decide, which is enough for the
 * house's own code, and the tests that use it prove that it sees what it must.
 */

export interface CodeOnly {
  /** Code with the contents of comments, strings and regular expressions blanked, same length. */
  readonly code: string;
  /** Code with strings as they are: only comments and regular expressions are blanked. */
  readonly withStrings: string;
}

/** After one of these a slash begins a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of))\s*$/;

export function codeOnly(source: string): CodeOnly {
  // Code units, not characters: positions here are positions in the source.
  const characters = source.split('');
  const code = source.split('').fill(' ');
  const withStrings = source.split('').fill(' ');
  /** Depths of braces at which a `${` of a template was opened. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  const keep = (count: number): void => {
    for (const end = at + count; at < end; at++) {
      code[at] = characters[at]!;
      withStrings[at] = characters[at]!;
    }
  };
  const blankTo = (end: number, said: boolean): void => {
    for (; at < end && at < characters.length; at++) {
      if (characters[at] === '\n') code[at] = withStrings[at] = '\n';
      else if (said) withStrings[at] = characters[at]!;
    }
  };
  /** From after a backquote or a closing brace to the end of this piece of the template. */
  const template = (): void => {
    let end = at;
    while (end < characters.length && characters[end] !== '`') {
      if (characters[end] === '$' && characters[end + 1] === '{') break;
      end += characters[end] === '\\' ? 2 : 1;
    }
    blankTo(end, true);
    if (characters[at] === '$') {
      templates.push(depth);
      keep(2);
      depth++;
    } else keep(1);
  };
  while (at < characters.length) {
    const here = characters[at]!;
    const next = characters[at + 1];
    if (here === '/' && next === '/') {
      let end = at;
      while (end < characters.length && characters[end] !== '\n') end++;
      blankTo(end, false);
    } else if (here === '/' && next === '*') {
      let end = at + 2;
      while (end < characters.length && !(characters[end - 1] === '*' && characters[end] === '/' && end > at + 2)) end++;
      blankTo(end + 1, false);
    } else if (here === "'" || here === '"') {
      let end = at + 1;
      while (end < characters.length && characters[end] !== here) end += characters[end] === '\\' ? 2 : 1;
      keep(1);
      blankTo(end, true);
      keep(1);
    } else if (here === '`') {
      keep(1);
      template();
    } else if (here === '/' && BEFORE_REGEX.test(code.slice(Math.max(0, at - 20), at).join(''))) {
      let end = at + 1;
      let inClass = false;
      while (end < characters.length && characters[end] !== '\n') {
        if (characters[end] === '[') inClass = true;
        else if (characters[end] === ']') inClass = false;
        else if (characters[end] === '/' && !inClass) break;
        end += characters[end] === '\\' ? 2 : 1;
      }
      blankTo(end + 1, false);
    } else if (here === '{') {
      depth++;
      keep(1);
    } else if (here === '}') {
      depth--;
      keep(1);
      if (templates.at(-1) === depth) {
        templates.pop();
        template();
      }
    } else keep(1);
  }
  return { code: code.join(''), withStrings: withStrings.join('') };
}
