/**
 * `no-resurrection` (P6, I-Z; PROTOCOL §3.4): what has ended is never live again, where its end is
 * known: a lease is not renewed or shown, a version is not shown, after the sidecar has told the
 * end, or acknowledged the release or a delete that had seen it; and at rest nobody shows it.
 *
 * Forgiven: an ending that the namespace's durability let the sidecar forget; a ledger that has
 * lost data may show what had ended for as long as its deadline and the owner's autonomy last; a
 * lease that was `superseded` goes on elsewhere, under the same name.
 */
import type { Delete, Operation } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import { covers, type Dot, dotsOf, dotText, headerOf, isDone, lineOfOperation, lineOfTold, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'no-resurrection';
/** Copies follow within a round or two. */
const MIRROR_LAG_MS = 3_000;

interface End {
  readonly place: string;
  readonly atMs: number;
  readonly line: string;
  /** Told to the bus, which may have come before the disk had it for good. */
  readonly isTold: boolean;
}

export function noResurrection({ world, story, watch, rest, clocks }: Room): Checker {
  const eachTold = newOnes(story.told);
  const eachAnswered = newOnes(world.history.answered);
  /** By lease, and by dot. */
  const ends = new Map<string, End>();
  /** What runs of sidecars have shown. */
  const shown = new Set<string>();

  function end(name: string, found: End): void {
    if (!ends.has(name)) ends.set(name, found);
  }

  function learnTold(told: Told): void {
    const { place, atMs, data, what } = told;
    if (data['reason'] === 'superseded' && what === 'lease.ended') return;
    if (!what.endsWith('.ended')) return;
    const found = { place, atMs, line: lineOfTold(told), isTold: true };
    if (what === 'lease.ended') end(`lease ${textOf(data, 'lease')}`, found);
    else for (const dot of dotsOf(textOf(data, 'etag'))) end(dotText(dot), found);
  }

  function learnAnswer(operation: Operation): void {
    const { asked, sidecar } = operation;
    if (!isDone(operation)) return;
    const { atMs } = operation.answer!;
    const found = { place: sidecar, atMs, line: lineOfOperation(operation), isTold: false };
    if (asked.kind === 'release') end(`lease ${asked.lease}`, found);
    if (asked.kind === 'delete') for (const dot of deletedBy(operation, asked)) end(dotText(dot), found);
  }

  /** Versions that it had seen and that its sidecar held: its own, or a copy where it keeps them all. */
  function deletedBy(operation: Operation, { namespace, key, ifMatch }: Delete): readonly Dot[] {
    const found = story.keyOf(namespace, key);
    const saw = story.actsOf(operation)[0]?.saw;
    if (found === undefined || saw === undefined || found.namespace.conflict === 'counter') return [];
    const matched = ifMatch === undefined ? undefined : dotsOf(ifMatch).map(dotText);
    const { mirror, conflict } = found.namespace;
    const keepsCopies = mirror === 'all' && (conflict === 'siblings' || conflict === 'lww');
    return found.acts.flatMap(({ dot, operation: { sidecar, answer } }) => {
      if (dot === undefined || !covers(saw, dot) || matched?.includes(dotText(dot)) === false) return [];
      if (answer === undefined || answer.atMs > operation.askedAtMs) return [];
      const wasThere = sidecar === operation.sidecar || (keepsCopies && shown.has(sightOf(operation, dot)));
      return wasThere ? [dot] : [];
    });
  }

  function sightOf({ sidecar, run }: Operation, dot: Dot): string {
    return `${sidecar} ${run} ${dotText(dot)}`;
  }

  function mayReturn({ place, atMs, isTold }: End, namespaceName: string | undefined, byMs: number): boolean {
    const namespace = story.namespace(namespaceName ?? '');
    if (namespace === undefined || namespace.onExpire === 'revert') return true;
    if (isTold && story.powerLostSince(place, atMs)) return true;
    if (story.mayBeForgotten(place, namespace, atMs, byMs)) return true;
    return watch.lostSince(atMs - namespace.maxTtlMs);
  }

  function judge(operation: Operation): void {
    const { asked, askedAtMs, sidecar } = operation;
    const answer = operation.answer!;
    if (!isDone(operation)) return;
    const document = answer.document as { readonly state?: unknown; readonly namespace?: string } | undefined;
    const isLive =
      asked.kind === 'renew' || (asked.kind === 'get-lease' && document?.state === 'live');
    if (isLive) fail(`lease ${asked.lease}`, document?.namespace, operation, sidecar, askedAtMs);
    if (asked.kind !== 'get') return;
    for (const dot of dotsOf(answer.etag)) {
      shown.add(sightOf(operation, dot));
      fail(dotText(dot), asked.namespace, operation, sidecar, askedAtMs);
    }
    const lease = headerOf(answer, 'leasehold-lease');
    if (lease !== undefined && headerOf(answer, 'leasehold-source') === 'local') {
      fail(`lease ${lease}`, asked.namespace, operation, sidecar, askedAtMs);
    }
  }

  function fail(
    name: string, namespace: string | undefined, operation: Operation, sidecar: string, askedAtMs: number,
  ): void {
    const found = ends.get(name);
    if (found === undefined || found.place !== sidecar || found.atMs >= askedAtMs) return;
    if (mayReturn(found, namespace, operation.answer!.atMs)) return;
    throw new Violation(NAME, `${name} had ended and is live again at ${sidecar}`, [
      found.line, lineOfOperation(operation),
    ]);
  }

  function judgeRest(dot: Dot, shownAtMs: number, namespace: string, where: string): void {
    const found = ends.get(dotText(dot));
    // What replaced it there is stamped too far ahead for the ledger to take it, and others show the last it took.
    if (found !== undefined && clocks.wroteAhead(found.place)) return;
    if (found === undefined || found.atMs >= shownAtMs - MIRROR_LAG_MS || mayReturn(found, namespace, world.nowMs)) return;
    throw new Violation(NAME, `${dotText(dot)} had ended and is shown ${where}`, [found.line]);
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachTold(learnTold);
      eachAnswered((operation) => {
        judge(operation);
        learnAnswer(operation);
      });
    },
    atRest() {
      for (const key of story.keys.values()) {
        for (const sidecar of rest.running) {
          const shown = rest.entry(sidecar, key.namespace.name, key.key);
          for (const dot of shown?.dots ?? []) {
            judgeRest(dot, shown!.atMs, key.namespace.name, `as ${key.name} at ${sidecar.name}`);
          }
        }
      }
    },
  };
}
