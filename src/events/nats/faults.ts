/** What the server's answers mean: one place that turns its codes into outcomes. */
import type { Msg, NatsError } from 'nats';
import type { BusFault, BusFaultKind, PublishOutcome } from '../bus.ts';

/**
 * Nobody listened: no stream takes the subject, or JetStream is off, or, in a cluster, the servers
 * have yet to agree who leads the stream. Which of them it is, `prepare` finds out.
 */
const NO_RESPONDERS = 503;

/**
 * `err_code` of the server (server/errors.json of nats-server); others are refusals. 10077 stands
 * for everything a stream cannot store, which with this adapter's streams is a bound of theirs.
 */
const KINDS: ReadonlyMap<number, BusFaultKind> = new Map([
  [10_023, 'full'], // insufficient resources
  [10_028, 'full'], // memory of the server
  [10_047, 'full'], // storage of the server
  [10_077, 'full'], // the stream's own bounds
  [10_002, 'full'], // resources of the account
  [10_059, 'no-stream'],
  [10_060, 'no-stream'], // another one than was expected
]);

/** What a JetStream publish is answered with. */
interface PublishAcknowledgement {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/**
 * What nearly every answer begins with, by stream, as nats-server writes it: so many come that
 * reading each as JSON would cost a tenth of publishing. Anything else is read as JSON.
 */
const PREFIXES = new Map<string, Uint8Array>();

function prefixOf(stream: string): Uint8Array {
  let prefix = PREFIXES.get(stream);
  if (prefix === undefined) {
    prefix = Buffer.from(`{"stream":"${stream}", "seq":`);
    PREFIXES.set(stream, prefix);
  }
  return prefix;
}

const ZERO = 0x30;
const CLOSING_BRACE = 0x7d;
/** Longer numbers are not exact as they are added up here. */
const DIGITS_MAX = 15;

/** The place in the stream, where the answer says that and nothing else; else 0. */
function plainSequence(data: Uint8Array, stream: string): number {
  const prefix = prefixOf(stream);
  const last = data.length - 1;
  const digits = last - prefix.length;
  if (digits < 1 || digits > DIGITS_MAX || data[last] !== CLOSING_BRACE) return 0;
  for (let index = 0; index < prefix.length; index++) {
    if (data[index] !== prefix[index]) return 0;
  }
  let sequence = 0;
  for (let index = prefix.length; index < last; index++) {
    const digit = data[index]! - ZERO;
    if (digit < 0 || digit > 9) return 0;
    sequence = sequence * 10 + digit;
  }
  return sequence;
}

/** `expected` is the stream that should have it. */
export function outcomeOf(answer: Msg, expected: string): PublishOutcome {
  const plain = plainSequence(answer.data, expected);
  if (plain > 0) return { ok: true, sequence: plain, duplicate: false };
  if (answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS) {
    const why = `${expected} is missing or has no leader just now, or JetStream is off`;
    return failed('no-stream', `No stream takes it: ${why}`);
  }
  let acknowledgement: PublishAcknowledgement;
  try {
    acknowledgement = answer.json<PublishAcknowledgement>();
  } catch {
    return failed('refused', 'The server answered with something that is no acknowledgement');
  }
  const { stream, seq = 0, duplicate = false, error } = acknowledgement;
  if (error !== undefined) {
    const { err_code: code = 0, description = 'an unknown error' } = error;
    return failed(KINDS.get(code) ?? 'refused', `The server refused it: ${description} (${code})`);
  }
  if (stream !== expected) {
    return failed('refused', `It went to the stream ${stream} instead of ${expected}`);
  }
  // A repeat of what the stream does not know a place of proves nothing.
  if (!(seq > 0)) return failed('refused', 'The server acknowledged it without a place in the stream');
  return { ok: true, sequence: seq, duplicate };
}

export function failed(kind: BusFaultKind, detail: string): PublishOutcome {
  return { ok: false, fault: fault(kind, detail) };
}

export function fault(kind: BusFaultKind, detail: string): BusFault {
  return { kind, detail };
}

/** What to tell an operator of an error of the client: never empty, never a stack. */
export function sentenceOf(error: unknown): string {
  const { message, chainedError, code } = error as Partial<NatsError>;
  const text = chainedError?.message || message || code;
  return text === undefined || text === '' ? 'the connection was closed' : text;
}
