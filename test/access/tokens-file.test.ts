/** The file that is looked at again and again, in a real directory under a clock of the test. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TOKENS_FILE_BYTES_MAX } from '../../src/access/token-list.ts';
import { Tokens } from '../../src/access/tokens.ts';
import { readTokens, TokensFile } from '../../src/access/tokens-file.ts';

const SECRET = 'a-secret-of-thirty-two-characters';
const listing = (subject: string) =>
  JSON.stringify({ tokens: [{ subject, token: SECRET, namespaces: ['*'], verbs: ['*'] }] });

let directory: string;
let path: string;
let logged: string[];
let tokens: Tokens;
let file: TokensFile;
let look: () => void;

function open(): void {
  const read = readTokens(path);
  if ('complaints' in read) throw new Error(JSON.stringify(read.complaints));
  tokens = new Tokens(Buffer.alloc(32), () => 0, read.tokens);
  const tell = (level: string) => (_fields: object, message: string) => void logged.push(`${level} ${message}`);
  const after = (_delayMs: number, work: () => void) => {
    look = work;
    return () => {};
  };
  file = new TokensFile({
    path, tokens, stamp: read.stamp, timers: { after }, log: { info: tell('info'), error: tell('error') },
  });
}
const subject = (): unknown => (tokens.find(`Bearer ${SECRET}`) as { subject?: string }).subject;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'leasehold-tokens-'));
  path = join(directory, 'tokens.yaml');
  logged = [];
});
afterEach(() => {
  file.close();
  rmSync(directory, { recursive: true });
});

test('is read again when it was written, and only then', () => {
  writeFileSync(path, listing('web'));
  open();
  look();
  expect(logged).toEqual([]);
  writeFileSync(path, listing('jobs'));
  look();
  look();
  expect(subject()).toBe('jobs');
  expect(logged).toEqual(['info tokens read']);
});

test('is read again when a directory above it is another one, as orchestrators swap them', () => {
  for (const name of ['first', 'second']) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'tokens.yaml'), listing(name));
  }
  symlinkSync('first', join(directory, '..data'));
  symlinkSync('..data/tokens.yaml', path);
  open();
  expect(subject()).toBe('first');
  symlinkSync('second', join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
  look();
  expect(subject()).toBe('second');
});

test.each<[string, () => void]>([
  ['is bad', () => writeFileSync(path, '{')],
  ['is gone', () => rmSync(path)],
  ['is a pipe', () => {
    rmSync(path);
    execFileSync('mkfifo', [path]);
  }],
  ['is too long', () => writeFileSync(path, ' '.repeat(TOKENS_FILE_BYTES_MAX + 1))],
])('that %s leaves the tokens as they are, says so once, and is read when it is good again', (_what, spoil) => {
  writeFileSync(path, listing('web'));
  open();
  spoil();
  look();
  look();
  expect(subject()).toBe('web');
  expect(logged).toEqual(['error the tokens are refused; those there were stay']);
  rmSync(path, { force: true });
  writeFileSync(path, listing('jobs'));
  look();
  expect(subject()).toBe('jobs');
});

test('is read at once when somebody says so', () => {
  writeFileSync(path, listing('web'));
  open();
  writeFileSync(path, listing('jobs'));
  file.read();
  expect(subject()).toBe('jobs');
  look();
  expect(logged).toEqual(['info tokens read']);
});
