/**
 * Everything a watcher was told, in order, across every run of the sidecar. The stream must make
 * sense by itself (each entry's versions follow one another, each grant ends once, nothing is told
 * twice), and it must agree with what the clients believe.
 *
 * A `resync` is wrong unless the run before was killed at a failpoint: that one may have died right
 * after a snapshot, and then nothing that a cursor could refer to is held any more. What is told of
 * a thing for the first time after such a gap cannot be compared with what came before.
 */
import type { Fate, Lease, Run } from './belief.ts';
import { monotonicOf, slackMs } from './span.ts';

/** One run of the sidecar process; instants are monotonic milliseconds of this process. */
export interface SidecarRun {
  /** undefined: it did not live long enough to be asked. */
  readonly actor: string | undefined;
  readonly launchedAt: number;
  /** By then it knew what had fallen due before. */
  readonly readyAt: number;
}

interface Ending {
  readonly id: string;
  readonly reason: string;
  readonly cause: string | undefined;
  readonly actor: string;
  readonly atMs: number;
  readonly deadlineMs: number;
}

interface Life {
  readonly subject: string;
  readonly lease: string;
  /** Wall-clock milliseconds; of a lease, when it was granted. */
  readonly deadlineMs: number;
  readonly etags: string[];
  ending: Ending | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: the stream's documents; what matters is checked here.
type Data = any;

export class Chronicle {
  /** What is wrong with the stream itself. */
  readonly wrong: string[] = [];
  readonly #live = new Map<string, Life>();
  readonly #grants = new Map<string, Life[]>();
  readonly #byEtag = new Map<string, Life>();
  readonly #entries: Life[] = [];
  readonly #endingIds = new Set<string>();
  readonly #ended = new Map<string, Life>();
  readonly #sequences = new Map<string, number>();
  /** Things that have been told of since the gap. */
  readonly #sure = new Set<string>();
  events = 0;
  endings = 0;
  gaps = 0;
  /** The last run that told anything may have died right after a snapshot. */
  mayHaveGap = false;

  /** One event as it stood in the stream. `id` is the cursor after it. */
  tell(id: string, event: string, text: string): void {
    if (event === 'resync') {
      if (!this.mayHaveGap) this.wrong.push(`The stream lost its place: ${text}`);
      this.gaps++;
      this.#live.clear();
      this.#sure.clear();
      return;
    }
    this.events++;
    const { type, source, sequence, data } = JSON.parse(text) as Data;
    const actor = String(source).split('/').at(-1)!;
    if (type !== event || id !== `${actor}.${Number(sequence)}`) {
      this.wrong.push(`Event ${id} "${event}" says it is ${actor}.${sequence} "${type}"`);
    }
    const last = this.#sequences.get(actor) ?? 0;
    if (Number(sequence) <= last) this.wrong.push(`Event ${id} came after number ${last}`);
    this.#sequences.set(actor, Number(sequence));
    const name = /^leasehold\.(.+)\.v1$/.exec(type)?.[1];
    // A busy machine causes it, and it is of no subject.
    if (name === 'pressure.changed') return;
    const subject = name?.startsWith('entry.') === true ? `${data.namespace}/${data.key}` : data.lease;
    const wrong = this.#take(name, subject, data, actor);
    if (wrong !== undefined) this.wrong.push(`Event ${id} (${name} of ${subject}) ${wrong}`);
  }

  #take(name: string | undefined, subject: string, data: Data, actor: string): string | undefined {
    if (this.gaps > 0 && !this.#sure.has(subject)) {
      this.#sure.add(subject);
      return this.#takeUp(name, subject, data, actor);
    }
    const live = this.#live.get(subject);
    switch (name) {
      case 'lease.granted': {
        if (live !== undefined) return 'comes although it is live';
        const life = this.#begin(subject, data.lease, Date.parse(data.deadline));
        this.#grants.set(subject, [...(this.#grants.get(subject) ?? []), life]);
        return undefined;
      }
      case 'lease.renewed':
        return live === undefined ? 'comes although it is not live' : undefined;
      case 'entry.created':
        if (live !== undefined) return 'comes although it is live';
        return this.#write(this.#begin(subject, data.lease, Number.NaN), data.etag);
      case 'entry.updated':
        return this.#update(subject, live, data);
      case 'lease.ended':
      case 'entry.ended':
        return this.#end(subject, live, data, actor);
      default:
        return 'is of a kind that nobody caused';
    }
  }

  /** The first that is told of it after a gap. */
  #takeUp(name: string | undefined, subject: string, data: Data, actor: string): string | undefined {
    switch (name) {
      case 'lease.ended':
      case 'entry.ended': {
        const life = this.#begin(subject, data.lease, Number.NaN);
        life.etags.push(data.etag);
        return this.#end(subject, life, data, actor);
      }
      case 'lease.renewed':
        this.#begin(subject, data.lease, Number.NaN);
        return undefined;
      case 'entry.updated':
        return this.#write(this.#begin(subject, data.lease, Number.NaN), data.etag);
      default:
        return this.#take(name, subject, data, actor);
    }
  }

  #begin(subject: string, lease: string, deadlineMs: number): Life {
    const life: Life = { subject, lease, deadlineMs, etags: [], ending: undefined };
    this.#live.set(subject, life);
    return life;
  }

  #write(life: Life, etag: string): string | undefined {
    if (this.#byEtag.has(etag)) return `has version ${etag}, which was told before`;
    if (life.etags.length === 0) this.#entries.push(life);
    life.etags.push(etag);
    this.#byEtag.set(etag, life);
    return undefined;
  }

  #update(subject: string, live: Life | undefined, data: Data): string | undefined {
    if (live !== undefined) {
      const last = live.etags.at(-1);
      if (data.previousEtag !== last) return `follows ${data.previousEtag}, but ${last} came last`;
      if (data.lease !== live.lease) return 'is under another lease, but the run before did not end';
      return this.#write(live, data.etag);
    }
    const before = this.#ended.get(subject);
    if (before?.ending?.reason !== 'superseded') return 'comes although it is not live';
    if (before.etags.at(-1) !== data.previousEtag || before.lease !== data.previousLease) {
      return `follows ${data.previousEtag} under ${data.previousLease}, which is not what ended`;
    }
    return this.#write(this.#begin(subject, data.lease, Number.NaN), data.etag);
  }

  #end(subject: string, live: Life | undefined, data: Data, actor: string): string | undefined {
    this.endings++;
    if (this.#endingIds.has(data.endingId)) return `has ending ${data.endingId}, which was told before`;
    this.#endingIds.add(data.endingId);
    if (live === undefined) return 'comes although it is not live';
    if (data.etag !== live.etags.at(-1)) return `ends ${data.etag}, but ${live.etags.at(-1)} came last`;
    live.ending = {
      id: data.endingId,
      reason: data.reason,
      cause: data.cause,
      actor,
      atMs: Date.parse(data.at),
      deadlineMs: Date.parse(data.deadline),
    };
    this.#live.delete(subject);
    this.#ended.set(subject, live);
    return undefined;
  }

  /**
   * Compares the whole story with what the clients believe, once everything has been ended.
   * `lostWrites` and `lostGrants`: how many were asked for and never answered.
   */
  account(
    runs: Iterable<Run>,
    leases: Iterable<Lease>,
    sidecarRuns: readonly SidecarRun[],
    lost: { readonly writes: number; readonly grants: number },
  ): string[] {
    const wrong: string[] = [];
    for (const life of this.#live.values()) wrong.push(`${life.subject} has no ending`);
    let knownWrites = 0;
    for (const run of runs) {
      const told = run.etags.filter((etag) => this.#byEtag.has(etag));
      knownWrites += told.length;
      if (told.length < run.etags.length && this.gaps === 0) {
        wrong.push(`${run.subject}: of the acknowledged writes ${run.etags}, only ${told} were told`);
      }
      const life = this.#byEtag.get(told[0] ?? '');
      if (life === undefined) continue;
      const strangers = told.filter((etag) => this.#byEtag.get(etag) !== life);
      if (strangers.length > 0 && this.gaps === 0) wrong.push(`${run.subject}: ${strangers} are not told as one run`);
      wrong.push(...endingOf(life, run.fate, run.lease, sidecarRuns));
    }
    const unknownWrites = this.#byEtag.size - knownWrites;
    if (unknownWrites > lost.writes) {
      wrong.push(`${unknownWrites} writes were told that nobody knows, and only ${lost.writes} went unanswered`);
    }
    wrong.push(...this.#accountOfLeases(leases, sidecarRuns, lost.grants));
    return wrong;
  }

  /** Grants of one id come in order, at intervals far longer than the clocks may differ by. */
  #accountOfLeases(
    leases: Iterable<Lease>,
    sidecarRuns: readonly SidecarRun[],
    lostGrants: number,
  ): string[] {
    const wrong: string[] = [];
    let unknown = 0;
    const told = new Map([...this.#grants].map(([id, lives]) => [id, [...lives]]));
    for (const lease of leases) {
      const lives = told.get(lease.id!) ?? [];
      const at = lives.findIndex((life) => {
        const deadline = monotonicOf(life.deadlineMs);
        const slack = slackMs();
        const { from, to } = lease.grantedDeadline;
        return deadline >= from - slack && deadline <= to + slack;
      });
      if (at < 0) {
        if (lease.certain && this.gaps === 0) wrong.push(`lease ${lease.id} was granted and never told`);
        continue;
      }
      if (lease.certain) unknown += at;
      const life = lives[at]!;
      lives.splice(0, at + 1);
      wrong.push(...endingOf(life, lease.fate, lease, sidecarRuns));
    }
    for (const lives of told.values()) unknown += lives.length;
    if (unknown > lostGrants) {
      wrong.push(`${unknown} grants were told that nobody knows, and only ${lostGrants} went unanswered`);
    }
    return wrong;
  }
}

/** What is wrong with how a life ended; nothing, or one sentence. */
function endingOf(
  life: Life,
  { must, may }: Fate,
  lease: Lease,
  sidecarRuns: readonly SidecarRun[],
): string[] {
  const { ending, subject } = life;
  if (ending === undefined) return [];
  const { reason, cause } = ending;
  if (must !== undefined && reason !== must) return [`${subject} ended as ${reason} instead of ${must}`];
  if (reason !== 'expired') {
    return must === reason || may.has(reason) ? [] : [`${subject} ended as ${reason}, which nobody asked for`];
  }
  const deadline = monotonicOf(ending.deadlineMs);
  const slack = slackMs();
  if (deadline < lease.earliest - slack || deadline > lease.latest + slack) {
    const offMs = Math.round(deadline - (deadline < lease.earliest ? lease.earliest : lease.latest));
    return [`${subject} expired at a deadline that is ${offMs} ms off`];
  }
  if (ending.atMs < ending.deadlineMs) return [`${subject} expired before its deadline`];
  const fits = ({ actor, launchedAt, readyAt }: SidecarRun): boolean => {
    if (actor !== undefined && actor !== ending.actor) return false;
    return cause === 'downtime' ? deadline <= readyAt + slack : deadline >= launchedAt - slack;
  };
  if (!sidecarRuns.some(fits)) {
    return [`${subject} expired with cause ${cause}, which its deadline contradicts`];
  }
  return [];
}
