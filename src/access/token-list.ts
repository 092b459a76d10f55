/**
 * The file of tokens: YAML, so JSON too. Judged whole, with every complaint at once and its place;
 * what was written is never repeated, since it may be a token.
 *
 *     tokens:
 *       - subject: web                    # who: callers of one subject share their leases
 *         sha256: "<64 hex of the token>" # or token: "<its text>"
 *         namespaces: [sessions]          # or ["*"]
 *         verbs: [read, write, watch]     # or ["*"]
 *         expiresAt: 2027-01-01T00:00:00Z # optional
 */
import { hash } from 'node:crypto';
import { type Document, isNode, LineCounter, parseDocument, visit } from 'yaml';
import * as z from 'zod';
import { NAMESPACE_NAME } from '../core/namespaces.ts';
import { TOKEN_LENGTH_MAX, TOKEN_LENGTH_MIN, TOKEN_TEXT, type Token } from './token.ts';
import { type Verb, VERBS } from './verbs.ts';

/** Several for each of a few hundred callers; each request with an unknown one costs two hashes. */
export const TOKENS_MAX = 1_000;
/** Room for so many; reading this much of YAML holds everything else up for a quarter of a second. */
export const TOKENS_FILE_BYTES_MAX = 256 * 1024;
const NAMESPACES_MAX = 1_024;
const COMPLAINTS_MAX = 32;

export interface TokenComplaint {
  /** As in `tokens[2].verbs`; empty for the file as a whole. */
  readonly path: string;
  /** Reads on after the path, as in "must be …". */
  readonly message: string;
}

const everything = z.tuple([z.literal('*')]);
const namespaceNames = `must be a list of 1 to ${NAMESPACES_MAX} names of namespaces, or ["*"]`;
const verbNames = `must be a list from ${VERBS.join(', ')}, or ["*"]`;
const instant = 'must be an instant as in 2027-01-01T00:00:00Z';

const tokenSchema = z.strictObject({
  subject: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}$/, 'must be a name of 1 to 128 characters from A-Z, a-z, 0-9 and . _ @ / -'),
  sha256: z
    .string('must be text: write it in quotes')
    .regex(/^[0-9a-fA-F]{64}$/, 'must be the 64 hexadecimal digits of a SHA-256')
    .exactOptional(),
  token: z
    .string('must be text: write it in quotes')
    .min(TOKEN_LENGTH_MIN, `must have at least ${TOKEN_LENGTH_MIN} characters`)
    .max(TOKEN_LENGTH_MAX, `must have at most ${TOKEN_LENGTH_MAX} characters`)
    .regex(TOKEN_TEXT, 'must be of A-Z, a-z, 0-9 and . _ ~ + / - with = only at its end')
    .exactOptional(),
  namespaces: z.union(
    [everything, z.array(z.string().regex(NAMESPACE_NAME, namespaceNames)).min(1, namespaceNames).max(NAMESPACES_MAX)],
    namespaceNames,
  ),
  verbs: z.union(
    [everything, z.array(z.enum(VERBS, verbNames)).min(1, verbNames)],
    verbNames,
  ),
  expiresAt: z.iso.datetime({ offset: true, error: instant }).exactOptional(),
});

const fileSchema = z.strictObject(
  { tokens: z.array(tokenSchema, 'must be a list of tokens').max(TOKENS_MAX, `must be at most ${TOKENS_MAX}`) },
  { error: ({ code }) => (code === 'invalid_type' ? 'must have its list of tokens under "tokens:"' : undefined) },
);

type Written = z.output<typeof tokenSchema>;

/** The tokens of a file, or everything that is wrong with it. */
export function parseTokens(
  text: string,
): { readonly tokens: readonly Token[] } | { readonly complaints: readonly TokenComplaint[] } {
  const lines = new LineCounter();
  // Its own look for keys that stand there twice compares each with each.
  const document = parseDocument(text, { lineCounter: lines, schema: 'core', uniqueKeys: false });
  const problems = [...document.errors, ...document.warnings].slice(0, COMPLAINTS_MAX);
  if (problems.length > 0) {
    // Only the place: the line itself may hold a token.
    return { complaints: problems.map(({ code, pos }) => malformed(code, lines.linePos(pos[0]))) };
  }
  const twice = keysWrittenTwice(document);
  if (twice.length > 0) {
    return { complaints: twice.map((offset) => malformed('DUPLICATE_KEY', lines.linePos(offset))) };
  }
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: 0 });
  } catch {
    return { complaints: [{ path: '', message: 'must have no aliases' }] };
  }
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success) {
    const { issues } = parsed.error;
    return { complaints: issues.slice(0, COMPLAINTS_MAX).map(complaintOf) };
  }
  const written = parsed.data.tokens;
  const complaints = contradictions(written);
  return complaints.length > 0 ? { complaints } : { tokens: written.map(tokenOf) };
}

function malformed(code: string, { line, col }: { readonly line: number; readonly col: number }): TokenComplaint {
  return { path: '', message: `must be well-formed YAML: ${code} (line ${line}, column ${col})` };
}

/** Where they stand the second time. */
function keysWrittenTwice(document: Document): number[] {
  const offsets: number[] = [];
  visit(document, {
    Map(_key, { items }) {
      const keys = new Set<string>();
      for (const { key } of items) {
        const name = String(key);
        if (keys.has(name)) offsets.push(isNode(key) ? (key.range?.[0] ?? 0) : 0);
        keys.add(name);
      }
      return offsets.length < COMPLAINTS_MAX ? undefined : visit.BREAK;
    },
  });
  return offsets.slice(0, COMPLAINTS_MAX);
}

function complaintOf(issue: z.core.$ZodIssue): TokenComplaint {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return { path, message: `holds an unknown key: ${issue.keys.slice(0, COMPLAINTS_MAX).map(shownKey).join(', ')}` };
  }
  // The checker's own words, which tell kinds and never what was written.
  const message = issue.message.replace(/^Invalid input: expected (\w+), received (\w+)$/, 'must be of kind $1, got $2');
  return { path, message };
}

/** One as long as a token may be one that was written in the wrong place. */
function shownKey(key: string): string {
  return key.length < TOKEN_LENGTH_MIN ? key : `one of ${key.length} characters`;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('').slice(1);
}

function contradictions(written: readonly Written[]): TokenComplaint[] {
  const complaints: TokenComplaint[] = [];
  const first = new Map<string, number>();
  for (const [index, { sha256, token }] of written.entries()) {
    const path = `tokens[${index}]`;
    if ((sha256 === undefined) === (token === undefined)) {
      complaints.push({ path, message: 'must have one of sha256 and token' });
      continue;
    }
    const digest = digestOf(written[index]!).toString('hex');
    const earlier = first.get(digest);
    if (earlier === undefined) first.set(digest, index);
    else complaints.push({ path, message: `must not be the token of tokens[${earlier}] again` });
  }
  return complaints.slice(0, COMPLAINTS_MAX);
}

function digestOf({ sha256, token }: Written): Buffer {
  return sha256 === undefined ? sha256Of(token!) : Buffer.from(sha256, 'hex');
}

export function sha256Of(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

function tokenOf(written: Written): Token {
  const { subject, namespaces, verbs, expiresAt } = written;
  return {
    subject,
    digest: digestOf(written),
    namespaces: isEverything(namespaces) ? undefined : new Set(namespaces),
    verbs: new Set<Verb>(isEverything(verbs) ? VERBS : (verbs as readonly Verb[])),
    expiresAtMs: expiresAt === undefined ? undefined : Date.parse(expiresAt),
  };
}

function isEverything(list: readonly string[]): boolean {
  return list[0] === '*';
}
