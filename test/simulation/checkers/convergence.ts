/**
 * `convergence` (P5; PROTOCOL §10.2, at quiescence): everybody is in step with the ledger: nothing
 * unpushed, nothing under repair; sidecars that mirror a namespace show the same versions with the
 * same values, and those are what the ledger holds.
 *
 * Clocks differ by a little, so what is within two seconds of its deadline may be shown by one and
 * not by another; and a ledger may still hold what its owner has ended at a final deadline. Forgiven:
 * what was written while a wall clock was so far ahead that the ledger does not take it yet.
 */
import { type Checker, type CheckedSidecar, type RawRecord, Violation } from './checker.ts';
import { documentOf, dotText, numberOf, placeName } from './reading.ts';
import type { Shown } from './at-rest.ts';
import type { Room } from './room.ts';
import type { Key } from './story.ts';

const NAME = 'convergence';
const NEAR_MS = 2_000;

interface View {
  readonly sidecar: CheckedSidecar;
  readonly shown: Shown;
}

export function convergence({ world, story, rest, clocks }: Room): Checker {
  function judgeStatus(sidecar: CheckedSidecar): void {
    const status = rest.status(sidecar);
    const unpushed = numberOf(documentOf(status?.['ledger']), 'unpushed') ?? 0;
    const reasons = status?.['reasons'];
    if (clocks.wroteAhead(sidecar.name)) return;
    const isRepairing = Array.isArray(reasons) && reasons.includes('repairing');
    if (unpushed === 0 && !isRepairing) return;
    const what = isRepairing ? 'still repairs' : `has not pushed ${unpushed} records`;
    throw new Violation(NAME, `${sidecar.name} ${what}`, [JSON.stringify(status?.['ledger'])]);
  }

  function judgeViews(key: Key, views: readonly View[]): void {
    const [first, ...others] = views.filter(({ shown }) => !isNear(shown));
    if (first === undefined) return;
    for (const { sidecar, shown } of others) {
      if (versionOf(shown) === versionOf(first.shown)) continue;
      if (mayBeNear(key)) continue;
      throw new Violation(NAME, `${key.name} differs between ${first.sidecar.name} and ${sidecar.name}`, [
        `${first.sidecar.name}: ${versionOf(first.shown)}`, `${sidecar.name}: ${versionOf(shown)}`,
      ]);
    }
  }

  /** A value that one shows no more, and another perhaps for a moment longer. */
  /** Its deadline may be about now; or it was late at its owner's, whose machine has stood still (SPEC, Gaps). */
  function mayBeNear(key: Key): boolean {
    return key.acts.some(({ lease: id, outcome, operation }) => {
      if (clocks.stoodStillSince(operation.sidecar, Number.NEGATIVE_INFINITY)) return true;
      const lease = id === undefined ? undefined : story.leases.get(id);
      if (outcome === 'refused' || lease === undefined) return false;
      return Math.abs(story.mayRemainMs(lease, world.nowMs)) < NEAR_MS;
    });
  }

  function judgeLedger(key: Key, { sidecar, shown }: View, record: RawRecord | undefined): void {
    if (isNear(shown) || mayBeNear(key)) return;
    const held = new Map((record?.siblings ?? []).map((sibling) => [dotText(sibling.dot), sibling]));
    for (const dot of shown.dots) {
      if (held.has(dotText(dot))) continue;
      throw new Violation(NAME, `${sidecar.name} shows ${dotText(dot)} of ${key.name}, and the ledger does not hold it`, [
        `the ledger: ${[...held.keys()].join(' ')}`,
      ]);
    }
    if (shown.dots.length > 0 && key.namespace.conflict !== 'siblings' && key.namespace.conflict !== 'counter') return;
    const ledgerNowMs = world.nowMs + world.ledger.clockOffsetMs;
    for (const [name, { deadline }] of held) {
      if (deadline < ledgerNowMs + NEAR_MS || shown.dots.some((dot) => dotText(dot) === name)) continue;
      throw new Violation(NAME, `the ledger holds ${name} of ${key.name}, and ${sidecar.name} does not show it`, [
        `${sidecar.name}: ${versionOf(shown)}`,
      ]);
    }
  }

  return {
    invariant: NAME,
    atRest() {
      for (const sidecar of rest.running) judgeStatus(sidecar);
      const records = new Map<string, RawRecord>();
      for (const { namespace, raw } of world.ledger.partitions()) {
        for (const [id, record] of raw.records) records.set(placeName(namespace, id), record);
      }
      for (const key of story.keys.values()) {
        const { namespace } = key;
        if (namespace.mirror !== 'all' || namespace.class !== 'shared') continue;
        if (key.acts.some(({ operation }) => clocks.wroteAhead(operation.sidecar))) continue;
        const views = rest.running.flatMap((sidecar) => {
          // By its clock, deadlines are not there yet, or were long ago (SPEC, Gaps).
          if (clocks.stoodStillSince(sidecar.name, Number.NEGATIVE_INFINITY)) return [];
          if (clocks.wroteAhead(sidecar.name)) return [];
          const shown = rest.entry(sidecar, namespace.name, key.key);
          return shown === undefined ? [] : [{ sidecar, shown }];
        });
        judgeViews(key, views);
        for (const view of views) judgeLedger(key, view, records.get(key.name));
      }
    },
  };
}

function versionOf({ dots, values }: Shown): string {
  return `${dots.map(dotText).sort().join('+')} ${[...values].sort().join(' ')}`;
}

function isNear({ remainingMs }: Shown): boolean {
  return remainingMs !== undefined && remainingMs < NEAR_MS;
}
