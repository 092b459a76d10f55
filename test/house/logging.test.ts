/**
 * The table of log fields against the lines there are. That a line has no other field, the compiler
 * sees; that every field is some line's, this test does, by reading the calls.
 */
import { describe, expect, test } from 'vitest';
import { LOGGING_PAGE, loggingPage } from '../../scripts/logging-page.ts';
import { ENVELOPE, LOG_FIELDS } from '../../src/log/fields.ts';
import { filesUnder, quoted, read, section } from './repository.ts';
import { codeOnly } from './source-text.ts';

/** What makes a line, directly or for others. */
const CALL = /\b#?log(?:\.(?:debug|info|warn|error)|\[\w+\])\(|#(?:refused|write|tell)\(|\bendAtOnce\(/g;

/** Types whose members are handed on to a line as they are. */
const HANDED_ON: Readonly<Record<string, readonly string[]>> = {
  'src/engine/recovery.ts': ['RecoveryProgress', 'RecoverySummary'],
  'src/engine/snapshotter.ts': ['SnapshotterParts'],
  'src/ledger/ledger.ts': ['PartitionName'],
  'src/log/exception-fields.ts': ['ExceptionFields'],
  'src/log/key-fields.ts': ['KeyFields'],
  'src/log/trace-fields.ts': ['TraceFields'],
};

interface Call {
  readonly file: string;
  readonly text: string;
}

function callsOf(file: string, source: string): Call[] {
  const { code, withStrings } = codeOnly(source);
  return [...code.matchAll(CALL)].map(({ index, 0: begin }) => {
    let at = index + begin.length;
    for (let depth = 1; depth > 0 && at < code.length; at++) {
      if (code[at] === '(') depth++;
      else if (code[at] === ')') depth--;
    }
    return { file, text: withStrings.slice(index + begin.length, at - 1) };
  });
}

function membersOf(source: string, name: string): string[] {
  const body = new RegExp(`interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(source)?.[1];
  if (body === undefined) throw new Error(`There is no interface ${name}`);
  return [...body.matchAll(/readonly '?([\w.]+)'?\??:/g)].map((match) => match[1]!);
}

const files = filesUnder('src', '.ts').filter((file) => file !== 'src/log/fields.ts');
const calls = files.flatMap((file) => callsOf(file, read(file)));
const names = Object.keys(LOG_FIELDS);

describe('the fields of the log', () => {
  test('are each in some line', () => {
    expect(calls.length).toBeGreaterThan(40);
    const handedOn = new Set(
      Object.entries(HANDED_ON).flatMap(([file, types]) => types.flatMap((type) => membersOf(read(file), type))),
    );
    const isWritten = (name: string): boolean => {
      const asKey = new RegExp(`[{,]\\s*'?${name.replace('.', '\\.')}'?\\s*(?:[:,}]|$)`);
      return calls.some(({ text }) => asKey.test(text));
    };
    expect(names.filter((name) => !handedOn.has(name) && !isWritten(name))).toEqual([]);
  });

  test('are not named like what the log itself writes', () => {
    expect(names.filter((name) => name in ENVELOPE)).toEqual([]);
  });

  test('are named as OpenTelemetry does, or in camel case with the unit last', () => {
    const theirs = /^(?:trace_id|span_id|(?:exception|error|http)\.[a-z]+)$/;
    const ours = /^[a-z]+(?:[A-Z][a-z]+)*$/;
    expect(names.filter((name) => !theirs.test(name) && !ours.test(name))).toEqual([]);
  });
});

describe('the messages of the log', () => {
  test('are the same words each time', () => {
    expect(calls.filter(({ text }) => text.includes('`')).map(({ file, text }) => `${file}: ${text}`)).toEqual([]);
  });
});

describe('docs/logging.md', () => {
  test('is what `npm run docs` would write now', () => {
    expect(read('docs/logging.md')).toBe(loggingPage());
    expect(LOGGING_PAGE).toContain('docs/logging.md');
  });

  test('shows a line with no field that there is not', () => {
    const lines = [...read('docs/logging.md').matchAll(/^```json\n(.*)\n```$/gm)].map((match) => JSON.parse(match[1]!));
    expect(lines.length).toBeGreaterThan(0);
    const known = [...names, ...Object.keys(ENVELOPE)];
    for (const line of lines) expect(known).toEqual(expect.arrayContaining(Object.keys(line)));
  });

  test('explains each name it uses in the text', () => {
    const text = section(read('docs/logging.md'), '## Reading it');
    const named = quoted(text).filter((word) => /^[a-z_]+$/.test(word) && !['error', 'warn', 'traceparent'].includes(word));
    expect([...names, ...Object.keys(ENVELOPE)]).toEqual(expect.arrayContaining(named));
  });
});
