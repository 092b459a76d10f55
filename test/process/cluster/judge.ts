/**
 * Whether what is there at the end can have come of what was asked and answered. Two questions
 * about every write: an acknowledged one that is not there must have been superseded or ended by
 * something that somebody asked for or a clock brought; one that is there must not have been.
 *
 * Where clocks leave an order open, both are right: hybrid clocks order writes by when they
 * happened, and all sidecars of a campaign share one machine's clock.
 */
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import { disagreements, viewOfLedger } from './agreement.ts';
import { type History, type Place, placeName, type Term, type Write } from './history.ts';
import type { Rest, Shown } from './view.ts';

/** By how much two sidecars' hybrid clocks may disagree about two instants of one machine. */
const ORDER_SLACK_MS = 50;
/** By how much sidecar, copy and ledger may disagree about a deadline. */
const DEADLINE_SLACK_MS = 2_000;

/** Everything that is wrong, in sentences; empty when all is well. */
export function judge(history: History, rest: Rest): string[] {
  const places = history.byPlace();
  const truth = viewOfLedger(rest);
  const wrong = disagreements(rest);
  for (const place of places.values()) {
    const policy = rest.policies.get(place.namespace)!;
    const shown = truth.get(placeName(place.namespace, place.key)) ?? [];
    if (policy === 'counter') wrong.push(...miscounted(place, shown));
    else wrong.push(...misremembered(place, shown, policy, rest));
  }
  for (const name of truth.keys()) {
    if (!places.has(name)) wrong.push(`${name} is there, and nobody has written it`);
  }
  return wrong;
}

function misremembered(place: Place, shown: readonly Shown[], policy: ConflictPolicy, rest: Rest): string[] {
  const name = placeName(place.namespace, place.key);
  const wrong: string[] = [];
  const there = new Map(shown.map(({ value, etag }) => [value.toString(), etag]));
  for (const write of place.writes) {
    const what = `${name}: ${nameOf(write)}`;
    const etag = there.get(write.value);
    if (etag !== undefined) {
      const reason = whyGone(write, place, policy, rest);
      if (reason !== undefined) wrong.push(`${what} is there (${etag}), but ${reason}`);
    } else if (write.outcome === 'done' && !mayBeGone(write, place, policy, rest)) {
      wrong.push(`${what} was acknowledged and is lost`);
    }
  }
  if (there.size < shown.length) wrong.push(`${name} shows one write twice`);
  const written = new Set(place.writes.map(({ value }) => value));
  for (const value of there.keys()) {
    if (!written.has(value)) wrong.push(`${name}: nobody has written "${value.slice(0, 24)}"`);
  }
  return wrong;
}

function nameOf({ value, sidecar }: Write): string {
  return `the write "${value.slice(0, 24)}" at sidecar ${sidecar}`;
}

/** Something that was asked for, or a deadline, may have taken it away. */
function mayBeGone(write: Write, place: Place, policy: ConflictPolicy, { span }: Rest): boolean {
  const { term } = write;
  // Without an answer that named one, nothing is known of its deadline.
  if (term === undefined || term.earliest - DEADLINE_SLACK_MS < span.to) return true;
  if (term.release !== undefined && term.release.outcome !== 'refused') return true;
  const notBefore = write.span.from - ORDER_SLACK_MS;
  const replaces = (other: Write): boolean => {
    if (other === write || other.outcome === 'refused') return false;
    if (other.saw.includes(write.value)) return true;
    // Whatever was not surely earlier may be newer; only named values go where all are kept.
    return policy !== 'siblings' && other.span.to >= notBefore;
  };
  if (place.writes.some(replaces)) return true;
  return place.deletes.some(
    ({ outcome, saw, isBlind, span: when }) =>
      outcome !== 'refused' &&
      (saw.includes(write.value) || (isBlind && when.to >= notBefore)),
  );
}

/** Why it must be gone; undefined when it may be there. */
function whyGone(write: Write, place: Place, policy: ConflictPolicy, { span }: Rest): string | undefined {
  const { term, sidecar } = write;
  if (write.outcome === 'refused') return 'it was refused';
  if (term !== undefined) {
    if (isSurelyOver(term, span.from)) return `its deadline is over for ${Math.round(span.from - term.latest)} ms`;
    if (term.release?.outcome === 'done' && write.span.to <= term.release.span.from) {
      return 'its lease was released';
    }
  }
  // Something that was done at the same sidecar afterwards had it before its eyes.
  const hadSeen = (other: { sidecar: number; span: { from: number }; isBlind: boolean }): boolean =>
    write.outcome === 'done' && other.sidecar === sidecar && other.isBlind && other.span.from >= write.span.to;
  for (const other of place.writes) {
    if (other === write || other.outcome !== 'done') continue;
    if (other.saw.includes(write.value)) return `${nameOf(other)} replaced it`;
    if (policy !== 'siblings' && hadSeen(other)) return `${nameOf(other)} came after it`;
  }
  for (const other of place.deletes) {
    if (other.outcome !== 'done') continue;
    if (other.saw.includes(write.value) || hadSeen(other)) return `it was deleted at sidecar ${other.sidecar}`;
  }
  return undefined;
}

function isSurelyOver(term: Term, at: number): boolean {
  return at > term.latest + DEADLINE_SLACK_MS;
}

/** A counter must show the sum of what was answered; what was not may be in it or not. */
function miscounted(place: Place, shown: readonly Shown[]): string[] {
  const sumOf = (outcome: 'done' | 'unknown'): number =>
    place.increments.filter((each) => each.outcome === outcome).reduce((sum, { by }) => sum + by, 0);
  const least = sumOf('done');
  const most = least + sumOf('unknown');
  const value = shown.length === 0 ? 0 : Number(shown[0]!.value.toString());
  if (value >= least && value <= most) return [];
  const expected = least === most ? `${least}` : `${least} to ${most}`;
  return [`${placeName(place.namespace, place.key)} counts ${value}, and should count ${expected}`];
}
