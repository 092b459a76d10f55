/**
 * What several sidecars hold when nobody writes any more and all has been told: the same live
 * entries, byte for byte, under the same leases to the same deadlines; exactly those that are in
 * the ledger, read past every adapter; and of every key a version that can have won.
 *
 * Entries go on coming to their deadlines while all this is read, so only those are compared that
 * outlive the reading.
 */
import { decodeLabel } from '../../../src/ledger/label.ts';
import type { Sibling } from '../../../src/ledger/record.ts';
import { disagreements } from '../../../test/process/cluster/agreement.ts';
import { dumpLedger } from '../../../test/process/cluster/ledger-dump.ts';
import type { LedgerView } from '../../../test/process/cluster/view.ts';
import { bareEtag } from '../etag.ts';
import type { KeyNames } from '../payload.ts';
import type { Convergence } from '../run.ts';
import type { ViolationKind } from '../violation.ts';
import type { Fleet } from './fleet.ts';
import { COPY_SLACK_MS, isSurelyOlder, mayBeOver, type SharedKey } from './history.ts';
import type { SharedJudge } from './judge.ts';

const LOOK_MS = 100;
/** Two looks of a mirror at the change log, at the default interval, and some. */
const FOLLOWED_MS = 1_500;
const PAGE_ENTRIES = 1_000;
/** Asked of nobody in particular: every deadline may be off as that of a copy. */
const ANYWHERE = -1;

export interface Difference {
  readonly kind: ViolationKind;
  /** 0: of no key. */
  readonly rank: number;
  readonly detail: string;
}

export interface RestOptions {
  readonly fleet: Pick<Fleet, 'redis' | 'sidecars'>;
  readonly namespace: string;
  readonly names: KeyNames;
  readonly judge: SharedJudge;
  /** Until everybody agrees; a guard against never, not a measure of speed. */
  readonly restMaxMs: number;
  readonly report: (difference: Difference) => void;
}

/** What one page of a listing shows of an entry. */
export interface Listed {
  readonly key: string;
  readonly etag: string;
  readonly contentType: string;
  readonly lease: string;
  readonly remainingMs: number;
  /** In base64. */
  readonly value: string;
}

interface Status {
  readonly ready: boolean;
  readonly state: string;
  readonly reasons: readonly string[];
  readonly ledger: { readonly unpushed: number };
  readonly rounds: {
    readonly pushed: number;
    readonly pulled: number;
    readonly repairs: { readonly pushed: number; readonly pulled: number; readonly ended: number };
  };
}

/** Waits until all are told of everything, compares, and reports what differs for good. */
export async function judgeRest(options: RestOptions): Promise<Omit<Convergence, 'toldMs'>> {
  const { fleet, judge, restMaxMs } = options;
  const startedAt = performance.now();
  await untilTold(options);
  const deadline = performance.now() + restMaxMs;
  await pause(FOLLOWED_MS);
  let look = await lookAround(options);
  while (look.differences.length > 0 && performance.now() < deadline) {
    await pause(FOLLOWED_MS);
    look = await lookAround(options);
  }
  for (const difference of look.differences) options.report(difference);
  if (look.held === 0) {
    options.report({ kind: 'not at rest', rank: 0, detail: 'there was nothing left that all could be asked for' });
  }
  const restMs = performance.now() - startedAt;
  const statuses = await Promise.all(fleet.sidecars.map(({ url }) => statusOf(url)));
  const sum = (of: (status: Status) => number): number => statuses.reduce((total, each) => total + of(each), 0);
  return {
    sidecars: fleet.sidecars.length,
    restMs,
    held: look.held,
    records: look.records,
    unjudged: judge.unjudged,
    pushed: sum(({ rounds }) => rounds.pushed),
    pulled: sum(({ rounds }) => rounds.pulled),
    repairs: sum(({ rounds: { repairs } }) => repairs.pushed + repairs.pulled + repairs.ended),
  };
}

/**
 * Waits until nobody has anything left to tell the ledger, and reports who still has when time is
 * over. How long it took, in milliseconds.
 */
export async function untilTold({ fleet, restMaxMs, report }: RestOptions): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const statuses = await Promise.all(fleet.sidecars.map(({ url }) => statusOf(url)));
    const restless = statuses.flatMap(({ ready, state, reasons, ledger }, index) => [
      ...(ready && state === 'ready' ? [] : [`sidecar ${index} is ${state} (${reasons.join(', ')})`]),
      ...(ledger.unpushed === 0 ? [] : [`sidecar ${index} has ${ledger.unpushed} unpushed`]),
    ]);
    const tookMs = performance.now() - startedAt;
    if (restless.length === 0) return tookMs;
    if (tookMs > restMaxMs) {
      for (const who of restless) report({ kind: 'not at rest', rank: 0, detail: `after ${restMaxMs} ms ${who}` });
      return tookMs;
    }
    await pause(LOOK_MS);
  }
}

interface Look {
  readonly differences: readonly Difference[];
  readonly held: number;
  readonly records: number;
}

async function lookAround({ fleet, namespace, names, judge }: RestOptions): Promise<Look> {
  const ledger = await dumpLedger([fleet.redis]);
  const comparison = new Comparison(ledger, namespace, fleet.sidecars.length);
  await Promise.all(
    fleet.sidecars.map(async ({ url }, index) => {
      for await (const { page, from, to } of listAll(url, namespace)) {
        for (const listed of page) comparison.take(index, listed, from, to);
      }
    }),
  );
  const end = Date.now();
  const outcome = comparison.outcome(end);
  const winners = new Map<number, string>();
  for (const [key, etag] of outcome.winners) {
    const rank = names.rankOf(key);
    if (rank !== undefined) winners.set(rank, etag);
  }
  const differences = [
    ...outcome.differences.map(
      ({ key, detail }): Difference => ({ kind: 'differs at rest', rank: names.rankOf(key) ?? 0, detail }),
    ),
    ...ledgerFaults(ledger, namespace),
    ...misremembered(judge, winners, performance.now()),
  ];
  return { differences, held: outcome.held, records: ledger.records.size };
}

/** Every page of a sidecar, with the wall-clock instants between which it was asked and answered. */
async function* listAll(url: string, namespace: string) {
  let cursor: string | undefined;
  do {
    const more = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const from = Date.now();
    const path = `/v1/entries/${namespace}?values=true&limit=${PAGE_ENTRIES}${more}`;
    const response = await fetch(`${url}${path}`);
    if (response.status !== 200) throw new Error(`${path} was answered ${response.status}`);
    const { entries, cursor: next } = (await response.json()) as { entries: Listed[]; cursor?: string };
    yield { page: entries, from, to: Date.now() };
    cursor = next;
  } while (cursor !== undefined);
}

interface InLedger {
  readonly sibling: Sibling;
  readonly alone: boolean;
  readonly seenBy: Set<number>;
}

interface Unlike {
  readonly key: string;
  /** Until when it matters, wall clock. */
  readonly until: number;
  readonly detail: string;
}

/** Listings of several sidecars against the ledger, entry by entry. Wall-clock milliseconds. */
export class Comparison {
  readonly #ledger = new Map<string, InLedger>();
  readonly #sidecars: number;
  readonly #unlike: Unlike[] = [];

  constructor(ledger: Pick<LedgerView, 'records'>, namespace: string, sidecars: number) {
    this.#sidecars = sidecars;
    for (const [place, { siblings }] of ledger.records) {
      const key = place.slice(place.indexOf('/') + 1);
      const [sibling] = siblings;
      if (place !== `${namespace}/${key}` || sibling === undefined) continue;
      this.#ledger.set(key, { sibling, alone: siblings.length === 1, seenBy: new Set() });
    }
  }

  /** Sidecar `index` listed this between the two instants. */
  take(index: number, listed: Listed, from: number, to: number): void {
    const { key, remainingMs } = listed;
    const until = from + remainingMs;
    const there = this.#ledger.get(key);
    const unlike = (detail: string): void => {
      this.#unlike.push({ key, until, detail: `sidecar ${index} shows ${bareEtag(listed.etag)}, ${detail}` });
    };
    if (there === undefined) {
      unlike('the ledger holds nothing of the key');
      return;
    }
    there.seenBy.add(index);
    const { dot, value, label, deadline } = there.sibling;
    const { contentType, lease } = decodeLabel(label);
    const etag = `${dot.actor}.${dot.seq}`;
    if (bareEtag(listed.etag) !== etag) unlike(`the ledger holds ${etag}`);
    else if (listed.value !== Buffer.from(value).toString('base64')) unlike('and the ledger other bytes of it');
    else if (listed.contentType !== contentType) unlike(`as ${listed.contentType}, the ledger as ${contentType}`);
    else if (listed.lease !== lease) unlike(`under ${listed.lease}, the ledger under ${lease}`);
    else if (deadline < from + remainingMs - COPY_SLACK_MS || deadline > to + remainingMs + 1 + COPY_SLACK_MS) {
      const off = Math.round(deadline - from - remainingMs);
      unlike(`and the ledger to a deadline that is ${off} ms off`);
    }
  }

  /** What differs of what outlives `end`, and what is the same everywhere. */
  outcome(end: number) {
    const lasts = (until: number): boolean => until > end + COPY_SLACK_MS;
    const differences = this.#unlike
      .filter(({ until }) => lasts(until))
      .map(({ key, detail }) => ({ key, detail: `${key}: ${detail}` }));
    const winners = new Map<string, string>();
    let held = 0;
    for (const [key, { sibling, alone, seenBy }] of this.#ledger) {
      const { dot, deadline } = sibling;
      if (!lasts(deadline)) continue;
      const etag = `${dot.actor}.${dot.seq}`;
      winners.set(key, etag);
      if (!alone) differences.push({ key, detail: `${key}: the ledger holds several values` });
      if (seenBy.size === this.#sidecars) {
        held += 1;
        continue;
      }
      const missing = Array.from({ length: this.#sidecars }, (_, index) => index).filter((each) => !seenBy.has(each));
      const detail = `${key}: the ledger holds ${etag}, which sidecar ${missing.join(' and ')} does not show`;
      differences.push({ key, detail });
    }
    return { differences, winners, held };
  }
}

/** Fingerprints and digests in the ledger that are not those of its values. */
function ledgerFaults(ledger: LedgerView, namespace: string): Difference[] {
  // What is past its deadline and waits to be swept is none of it.
  const timeless = { ...ledger, nowMs: -Infinity };
  const policies = new Map([[namespace, 'lww']] as const);
  return disagreements({ policies, sidecars: [], ledger: timeless, span: { from: 0, to: 0 } }).map(
    (detail) => ({ kind: 'ledger at rest', rank: 0, detail }),
  );
}

/**
 * Acknowledged writes that must be there and have given way to an older one, or to nothing.
 * `winners`: what is held of each key, of what outlives the reading; `now`: when that had ended.
 */
export function misremembered(
  judge: Pick<SharedJudge, 'keys' | 'find'>,
  winners: ReadonlyMap<number, string>,
  now: number,
): Difference[] {
  const wrong: Difference[] = [];
  for (const key of judge.keys.values()) {
    const newest = newestOf(key);
    if (newest === undefined || mayBeOver(key, newest, ANYWHERE, now)) continue;
    const etag = winners.get(key.rank);
    if (etag === undefined) {
      // It may come to its deadline before the comparison's margin.
      if (newest.deadlineLo - 2 * COPY_SLACK_MS <= now) continue;
      wrong.push({ kind: 'lost write', rank: key.rank, detail: `${newest.etag} was acknowledged, and nothing is there` });
      continue;
    }
    const winner = judge.find(etag);
    if (winner === newest) continue;
    if (winner?.rank !== key.rank) {
      wrong.push({ kind: 'unknown version', rank: key.rank, detail: `${etag} is there, and nobody wrote it` });
    } else if (isSurelyOlder(winner, newest)) {
      const detail = `${newest.etag} was acknowledged and has given way to ${etag}, which is older`;
      wrong.push({ kind: 'lost write', rank: key.rank, detail });
    }
  }
  return wrong;
}

function newestOf(key: SharedKey) {
  if (key.blind) return undefined;
  let newest = undefined as SharedKey['versions'][number] | undefined;
  for (const version of key.versions) {
    if (version.acknowledged && (newest === undefined || version.fromLo > newest.fromLo)) newest = version;
  }
  return newest;
}

async function statusOf(url: string): Promise<Status> {
  return (await (await fetch(`${url}/v1/status`)).json()) as Status;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
