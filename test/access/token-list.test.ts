import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseTokens, TOKENS_MAX } from '../../src/access/token-list.ts';
import { VERBS } from '../../src/access/verbs.ts';

const TEXT = 'a-secret-of-thirty-two-characters';
const SHA256 = createHash('sha256').update(TEXT).digest('hex');

/** `path: message` of each complaint; nothing when the file is taken. */
function told(text: string): string[] {
  const parsed = parseTokens(text);
  return 'complaints' in parsed ? parsed.complaints.map(({ path, message }) => `${path}: ${message}`) : [];
}

const whole = { subject: 'web', token: TEXT, namespaces: ['a'], verbs: ['read'] };
const fileOf = (...tokens: object[]): string => JSON.stringify({ tokens });

describe('a file of tokens', () => {
  test('is YAML', () => {
    const parsed = parseTokens(`
      tokens:
        - subject: web                 # who
          sha256: "${SHA256}"
          namespaces: [sessions, presence]
          verbs: [read, write]
          expiresAt: 2027-01-01T00:00:00Z
        - { subject: web, token: another-secret-of-more-than-32-letters, namespaces: ["*"], verbs: ["*"] }
    `);
    expect(parsed).toEqual({
      tokens: [
        {
          subject: 'web',
          digest: createHash('sha256').update(TEXT).digest(),
          namespaces: new Set(['sessions', 'presence']),
          verbs: new Set(['read', 'write']),
          expiresAtMs: Date.UTC(2027, 0, 1),
        },
        expect.objectContaining({ namespaces: undefined, verbs: new Set(VERBS), expiresAtMs: undefined }),
      ],
    });
  });

  test.each<[string, object, RegExp]>([
    ['an unknown key', { ...whole, scope: 'x' }, /^tokens\[0\]: holds an unknown key: scope$/],
    ['no subject', { ...whole, subject: undefined }, /^tokens\[0\]\.subject: must be of kind string/],
    ['a subject that could not stand in a log', { ...whole, subject: 'a\nb' }, /^tokens\[0\]\.subject: must be a name/],
    ['neither text nor digest', { ...whole, token: undefined }, /^tokens\[0\]: must have one of sha256 and token$/],
    ['both', { ...whole, sha256: SHA256 }, /^tokens\[0\]: must have one of sha256 and token$/],
    ['a token that could be guessed', { ...whole, token: 'short' }, /^tokens\[0\]\.token: must have at least 32/],
    ['a token that no header can carry', { ...whole, token: `${TEXT} x` }, /^tokens\[0\]\.token: must be of A-Z/],
    ['a digest that is none', { ...whole, token: undefined, sha256: 'abc' }, /^tokens\[0\]\.sha256: must be the 64/],
    ['a digest without quotes', { ...whole, token: undefined, sha256: 12 }, /^tokens\[0\]\.sha256: must be text: write it in quotes/],
    ['no namespace', { ...whole, namespaces: [] }, /^tokens\[0\]\.namespaces(\[0\])?: must be a list/],
    ['a namespace of no such name', { ...whole, namespaces: ['A b'] }, /^tokens\[0\]\.namespaces(\[0\])?: must be a list/],
    ['everything and something', { ...whole, namespaces: ['*', 'a'] }, /^tokens\[0\]\.namespaces(\[0\])?: must be a list/],
    ['a verb that is none', { ...whole, verbs: ['fly'] }, /^tokens\[0\]\.verbs(\[0\])?: must be a list from read, write/],
    ['a time that is none', { ...whole, expiresAt: 'soon' }, /^tokens\[0\]\.expiresAt: must be an instant/],
  ])('with %s is refused, and says where', (_what, token, complaint) => {
    expect(told(fileOf(token))).toEqual([expect.stringMatching(complaint)]);
  });

  test('tells every complaint at once, and never what was written', () => {
    const complaints = told(fileOf(whole, { ...whole, token: 'short-but-secret', verbs: ['fly'] }, {}));
    expect(complaints.length).toBeGreaterThan(4);
    expect(complaints.join()).not.toContain('short-but-secret');
  });

  test('holds no token twice, however it is written', () => {
    const { token: _token, ...rest } = whole;
    expect(told(fileOf(whole, { ...rest, sha256: SHA256.toUpperCase() }))).toEqual([
      'tokens[1]: must not be the token of tokens[0] again',
    ]);
  });

  test.each([
    ['not YAML', `tokens: [ {subject: web, token: ${TEXT}`, /^: must be well-formed YAML: [A-Z_]+ \(line/],
    ['with a key twice', `tokens: []\ntokens: []`, /^: must be well-formed YAML: DUPLICATE_KEY \(line 2, column 1\)$/],
    ['with a token in the place of a key', `tokens: []\n${TEXT}: web`, /^: holds an unknown key: one of 33 characters$/],
    ['with an alias', `tokens: &all []\nmore: *all`, /^: must have no aliases$/],
    ['of nothing', '', /^: must have its list of tokens under "tokens:"$/],
    ['of entries and nothing above them', '- subject: web\n', /^: must have its list of tokens under "tokens:"$/],
    ['of something else', 'tokens: 3', /^tokens: must be a list of tokens$/],
  ])('%s is refused', (_what, text, complaint) => {
    const complaints = told(text);
    expect(complaints[0]).toMatch(complaint);
    expect(complaints.join()).not.toContain(TEXT);
  });

  test('holds so many at most', () => {
    const tokens = (count: number) => Array.from({ length: count }, (_, index) => ({ ...whole, token: `${TEXT}-${index}` }));
    expect(told(fileOf(...tokens(TOKENS_MAX)))).toEqual([]);
    expect(told(fileOf(...tokens(TOKENS_MAX + 1)))).toEqual([`tokens: must be at most ${TOKENS_MAX}`]);
  });
});
