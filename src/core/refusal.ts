/**
 * Refusals are expected answers, not exceptions: a code, the sentence a person reads, and the
 * members that go into the problem document. The core knows only the codes it can give; the
 * catalogue in `errors.ts` adds status, title and whether to retry.
 */
export type RefusalCode =
  | 'invalid-request'
  | 'invalid-cursor'
  | 'ttl-out-of-range'
  | 'forbidden'
  | 'namespace-not-found'
  | 'lease-not-found'
  | 'entry-not-found'
  | 'lease-held'
  | 'entry-held'
  | 'wrong-class'
  | 'namespace-mismatch'
  | 'not-an-integer'
  | 'counter-overflow'
  | 'too-many-siblings'
  | 'batch-refused'
  | 'lease-ended'
  | 'version-mismatch'
  | 'value-too-large'
  | 'capacity'
  | 'isolated'
  | 'quota-exceeded'
  | 'journal-full'
  | 'draining';

export interface Refusal {
  readonly refused: RefusalCode;
  /** Action first, then the state that refused it: `Cannot renew lease "a": expired 120 ms ago`. */
  readonly detail: string;
  /** Extension members of the problem document, by their public names. */
  readonly members?: Readonly<Record<string, unknown>>;
}

export function refuse(
  refused: RefusalCode,
  detail: string,
  members?: Readonly<Record<string, unknown>>,
): Refusal {
  return members === undefined ? { refused, detail } : { refused, detail, members };
}

export function isRefusal(reply: object): reply is Refusal {
  return 'refused' in reply;
}
