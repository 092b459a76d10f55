/** What an answer must be, whatever was asked: documented, well-formed, and silent about others. */
import type { Caller } from './caller.ts';
import type { Reply } from './wire.ts';
import type { Request } from './request.ts';

/** Where nothing on the connection could be made out, so that no route was reached. */
const OF_NO_HTTP = new Set(['invalid-request', 'malformed-body', 'body-too-large', 'request-timeout']);

/** They are about all namespaces at once, as far as the caller may know of them. */
const PAGES_OF_ALL = new Set(['status', 'metrics', 'reconcile', 'listLeases']);

/** What is wrong with it; undefined: nothing. */
export function complaintOf(request: Request, reply: Reply, others: readonly Caller[]): string | undefined {
  const { operation, strays } = request;
  const { status } = reply;
  const leak = leakIn(reply.text, others);
  if (leak !== undefined) return `shows what is ${leak}`;
  // Where nothing was asked by name, another's namespace is not named either.
  const tellsOfAll = status === 200 && PAGES_OF_ALL.has(operation.name);
  const names = tellsOfAll ? others.flatMap(({ namespaces }) => namespaces) : [];
  const named = names.find((name) => reply.body.includes(`"${name}"`));
  if (named !== undefined) return `names "${named}"`;
  if (status === 0) {
    // A refusal of something large may be lost: the rest of it meets a closed connection.
    return request.bytes.length > 1024 ** 2 ? undefined : 'was not answered';
  }
  if (status >= 500 && status !== 503) return `answered ${status}`;
  const codes = operation.replies.get(status);
  const isProblem = status >= 400;
  if (!isProblem) return operation.replies.has(status) || strays ? undefined : `answered ${status}, which is not documented`;
  if (operation.method === 'HEAD') return codes !== undefined || strays ? undefined : `answered ${status}, which is not documented`;
  return problemComplaint(request, reply, codes);
}

function problemComplaint({ strays }: Request, { status, contentType, body }: Reply, codes: ReadonlySet<string> | undefined) {
  if (contentType !== 'application/problem+json') return `answered ${status} as "${contentType}"`;
  let problem: Readonly<Record<string, unknown>>;
  try {
    problem = JSON.parse(Buffer.from(body, 'latin1').toString('utf8'));
  } catch {
    return `answered ${status} with what is no JSON`;
  }
  const { type, code, title, detail } = problem;
  if (problem['status'] !== status || type !== `urn:leasehold:problem:${code}`) return `answered ${status} with a problem of another kind`;
  if (typeof title !== 'string' || typeof detail !== 'string') return 'answered with half a problem';
  // What strays may reach another route, or none.
  if (strays || codes?.has(String(code)) === true || OF_NO_HTTP.has(String(code))) return undefined;
  return `answered ${status} ${code}, which is not documented`;
}

/** Whose word stands there, as it is or in base64, wherever it begins in a group of three bytes. */
export function leakIn(text: string, others: readonly Caller[]): string | undefined {
  return others.find(({ marker }) => spellings(marker).some((spelling) => text.includes(spelling)))?.name;
}

const spelt = new Map<string, readonly string[]>();

function spellings(marker: string): readonly string[] {
  const known = spelt.get(marker);
  if (known !== undefined) return known;
  const shifted = [0, 1, 2].map((skipped) =>
    // Without its ends, which depend on what stands around it.
    Buffer.from(`${'\0'.repeat(skipped)}${marker}`).toString('base64').slice(4, -4),
  );
  const all = [marker, ...shifted, Buffer.from(marker).toString('hex')];
  spelt.set(marker, all);
  return all;
}
