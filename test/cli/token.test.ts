import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseTokens } from '../../src/access/token-list.ts';
import { fakeSidecar, json, leasehold } from './support.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'leasehold-cli-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('leasehold token', () => {
  test('prints a token that nobody had, and its entry, which has the digest only', async () => {
    const argv = ['token', '--subject', 'web', '--namespace', 'a', 'b', '--verb', 'read', '--expires-at', '2027-01-01T00:00:00Z'];
    const [first, second] = [await leasehold(argv), await leasehold(argv)];
    expect(first.code).toBe(0);
    const [token = '', ...lines] = first.out.split('\n');
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(second.out).not.toContain(token);
    const entry = {
      subject: 'web', sha256: sha256(token), namespaces: ['a', 'b'], verbs: ['read'],
      expiresAt: '2027-01-01T00:00:00Z',
    };
    const file = `tokens:\n${lines.join('\n')}`;
    expect(parse(file)).toEqual({ tokens: [entry] });
    expect(parseTokens(file)).toHaveProperty('tokens');
  });

  test('keeps the token in a file of its owner’s, and overwrites none', async () => {
    const out = join(directory, 'web.token');
    const { code, out: shown } = await leasehold(['token', '--subject', 'web', '--out', out]);
    const token = readFileSync(out, 'utf8').trim();
    expect([code, statSync(out).mode & 0o777]).toEqual([0, 0o600]);
    expect(shown).toContain(sha256(token));
    expect(shown).not.toContain(token);
    const again = await leasehold(['token', '--subject', 'web', '--out', out]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('Cannot write the token: EEXIST')]);
    expect(readFileSync(out, 'utf8').trim()).toBe(token);
  });

  test('makes none that a file of tokens would not take', async () => {
    const { code, err } = await leasehold(['token', '--subject', 'web', '--verb', 'fly']);
    expect([code, err]).toEqual([2, expect.stringMatching(/^Cannot make the token: verbs must be a list from read/)]);
  });
});

describe('a command that talks to a sidecar', () => {
  test('shows the token of the file, as it is at each request', async () => {
    const file = join(directory, 'token');
    const sidecar = await fakeSidecar((_seen, response) => json(response, 200, {}));
    const [first, second] = ['1', '2'].map((digit) => digit.repeat(40));
    const shown = () => sidecar.seen.map(({ headers }) => headers.authorization);
    try {
      writeFileSync(file, `${first}\n`);
      await leasehold(['status', '--url', sidecar.url, '--token-file', file]);
      writeFileSync(file, `${second}\n`);
      await leasehold(['status', '--url', sidecar.url], { environment: { LEASEHOLD_TOKEN_FILE: file } });
      await leasehold(['status', '--url', sidecar.url]);
      expect(shown()).toEqual([`Bearer ${first}`, `Bearer ${second}`, undefined]);
    } finally {
      await sidecar.close();
    }
  });

  test.each(['too-short', `${'x'.repeat(40)}\u0007`, `\uFEFF${'x'.repeat(40)}`])('refuses a file without a token, and does not repeat it', async (line) => {
    const file = join(directory, 'token');
    writeFileSync(file, `${line}\n`);
    const { code, err } = await leasehold(['status', '--url', 'http://127.0.0.1:1', '--token-file', file]);
    expect([code, err.trimEnd()]).toEqual([78, `Cannot read the token in "${file}": its first line is no token`]);
  });

  test('says which file it could not read', async () => {
    const { code, err } = await leasehold(['status', '--url', 'http://127.0.0.1:1', '--token-file', '/nowhere']);
    expect([code, err]).toEqual([78, expect.stringContaining('Cannot read the token in "/nowhere": ENOENT')]);
  });
});
