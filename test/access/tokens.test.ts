import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseTokens } from '../../src/access/token-list.ts';
import type { Token } from '../../src/access/token.ts';
import { Tokens } from '../../src/access/tokens.ts';

const SECRET = 'a-secret-of-thirty-two-characters';
const OTHER = 'another-secret-of-more-than-that-many';

function tokensOf(...tokens: object[]): readonly Token[] {
  const parsed = parseTokens(JSON.stringify({ tokens }));
  if ('complaints' in parsed) throw new Error(JSON.stringify(parsed.complaints));
  return parsed.tokens;
}

const web = { subject: 'web', token: SECRET, namespaces: ['a'], verbs: ['read'] };

function world(...tokens: object[]) {
  const clock = { ms: Date.UTC(2026, 0, 1) };
  return { clock, tokens: new Tokens(Buffer.alloc(32, 1), () => clock.ms, tokensOf(...tokens)) };
}

describe('a token', () => {
  test.each([`Bearer ${SECRET}`, `bearer ${SECRET}`, `BEARER   ${SECRET} `])('is found in %j', (header) => {
    expect(world(web).tokens.find(header)).toMatchObject({ subject: 'web' });
  });

  test.each([
    `Bearer ${SECRET}x`, `Bearer ${SECRET.slice(1)}`, `Bearer ${SECRET.toUpperCase()}`, 'Bearer', 'Bearer ',
    SECRET, `Basic ${SECRET}`, `Bearer ${SECRET} ${SECRET}`, `Bearer ${SECRET},`, `Bearer ${'x'.repeat(5000)}`, '',
  ])('is not found in %j', (header) => {
    expect(world(web).tokens.find(header)).toBe('unknown');
  });

  test('that could be guessed is not found, though its digest is listed', () => {
    const { token: _token, ...rest } = web;
    const sha256 = createHash('sha256').update('test').digest('hex');
    expect(world({ ...rest, sha256 }).tokens.find('Bearer test')).toBe('unknown');
  });

  test('that is not shown is missing', () => {
    expect(world(web).tokens.find(undefined)).toBe('missing');
  });

  test('is over from the instant at which it expires', () => {
    const { clock, tokens } = world({ ...web, expiresAt: '2026-01-01T01:00:00+01:00' });
    clock.ms -= 1;
    const token = tokens.find(`Bearer ${SECRET}`) as Token;
    expect(tokens.holds(token)).toBe(true);
    clock.ms += 1;
    expect(tokens.find(`Bearer ${SECRET}`)).toBe('expired');
    expect(tokens.holds(token)).toBe(false);
  });

  test('holds while it is listed and allows the same', () => {
    const { tokens } = world(web);
    const token = tokens.find(`Bearer ${SECRET}`) as Token;
    tokens.replace(tokensOf({ ...web }, { ...web, token: OTHER }));
    expect(tokens.holds(token)).toBe(true);
    expect(tokens.find(`Bearer ${OTHER}`)).toMatchObject({ subject: 'web' });
    tokens.replace(tokensOf({ ...web, namespaces: ['b'] }));
    expect(tokens.holds(token)).toBe(false);
    tokens.replace(tokensOf({ ...web, token: OTHER }));
    expect(tokens.find(`Bearer ${SECRET}`)).toBe('unknown');
  });
});
