/**
 * Who asks, by the token that came with the request. Its verbs are judged at the edge, and so are
 * namespaces that a request names; whose a lease is only the core knows, at the moment it acts.
 *
 * A lease remembers the subject it was granted to as a label of a name that no client can give one.
 * So it goes wherever labels go: into journal and snapshot, to a successor, to another sidecar; and
 * what was written before there were tokens reads as it did.
 */
import type { LeaseTable } from './lease-table.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';

/** Absent in a command: the sidecar knows no tokens, or asks for itself, and may do everything. */
export interface Bearer {
  /** Who: callers of one subject share their leases. */
  readonly subject: string;
  /** undefined: all of them. */
  readonly namespaces: ReadonlySet<string> | undefined;
}

type Labels = Readonly<Record<string, string>>;

const SUBJECT = '@subject';

/** The labels of a lease that `bearer` is granted. */
export function labelsOf(labels: Labels | undefined, bearer: Bearer | undefined): Labels {
  return bearer === undefined ? (labels ?? {}) : { [SUBJECT]: bearer.subject, ...labels };
}

/** The labels as clients see them. */
export function shownLabels(labels: Labels): Labels {
  if (!(SUBJECT in labels)) return labels;
  const { [SUBJECT]: _subject, ...shown } = labels;
  return shown;
}

export function mayUse(bearer: Bearer, namespace: string): boolean {
  return bearer.namespaces === undefined || bearer.namespaces.has(namespace);
}

/** Whether a lease with these labels is everybody's, or the bearer's own. */
export function isOwn(labels: Labels, bearer: Bearer): boolean {
  const subject = labels[SUBJECT];
  return subject === undefined || subject === bearer.subject;
}

/**
 * Whether a bearer may see and use a lease: one of a namespace it may use, and of its own subject.
 * One without a subject is everybody's there: an implicit lease, or one granted without a token.
 */
export function mayHold(state: State, lease: number, bearer: Bearer | undefined): boolean {
  if (bearer === undefined) return true;
  if (!mayUse(bearer, state.namespaceOfLease(lease).contract.name)) return false;
  const { leases }: { leases: LeaseTable } = state;
  return isOwn(leases.labels(lease), bearer);
}

/** The same whether the lease is another subject's or in another namespace, live or ended. */
export function forbiddenLease(id: string, action: string): Refusal {
  return refuse('forbidden', `Cannot ${action} lease "${id}": the token does not allow it`);
}
