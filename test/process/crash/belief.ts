/**
 * What a client may believe of the sidecar from the answers it got. A deadline is believed to lie
 * between two bounds; what must be there and what must be gone follows from them, and between them
 * both are right. Leases and runs are shared by all the worlds a client holds for possible: a world
 * is only which of them it takes for live.
 */
import { type Span, slackMs } from './span.ts';

/** Why something has ended, or may have. */
export interface Fate {
  /** Known for certain: it was acknowledged while the thing was certainly live. */
  must: string | undefined;
  /** Asked for without an answer, or answered when it may have been over. */
  readonly may: Set<string>;
}

export class Lease {
  /** Known from the answer for implicit ones; undefined where there was none. */
  id: string | undefined;
  readonly explicit: boolean;
  /** Between these its first deadline lies. */
  readonly grantedDeadline: Span;
  /** Somebody said that it had been granted. */
  certain = false;
  /** The deadline lies between these. */
  earliest: number;
  latest: number;
  readonly fate: Fate = { must: undefined, may: new Set() };

  constructor(id: string | undefined, explicit: boolean, granted: Span, ttlMs: number) {
    this.id = id;
    this.explicit = explicit;
    this.earliest = granted.from + ttlMs;
    this.latest = granted.to + ttlMs;
    this.grantedDeadline = { from: this.earliest, to: this.latest };
  }

  /** Live, however the clocks stand, at every instant up to `at`. */
  surelyLiveUntil(at: number): boolean {
    return at < this.earliest - slackMs();
  }

  /** Past its deadline, however the clocks stand, at every instant from `at` on. */
  surelyOverFrom(at: number): boolean {
    return at > this.latest + slackMs();
  }

  /** A renewal that was acknowledged. */
  renewed(span: Span, ttlMs: number): void {
    this.earliest = Math.max(this.earliest, span.from + ttlMs);
    this.latest = Math.max(this.latest, span.to + ttlMs);
  }

  /** A renewal whose outcome is unknown. */
  perhapsRenewed(span: Span, ttlMs: number): void {
    this.latest = Math.max(this.latest, span.to + ttlMs);
  }

  /**
   * Takes over what the sidecar says remained at an instant within `span`; what is wrong with it,
   * where it contradicts the belief.
   */
  told(remainingMs: number, span: Span): string | undefined {
    // Floored, and nothing may mean that it was over already.
    if (remainingMs === 0) return undefined;
    const earliest = span.from + remainingMs;
    const latest = span.to + remainingMs + 1;
    const slack = slackMs();
    if (latest < this.earliest - slack || earliest > this.latest + slack) {
      const [low, high] = [this.earliest - span.to, this.latest - span.from].map(Math.round);
      return `${remainingMs} ms remain, when it should be ${low} to ${high}`;
    }
    this.earliest = earliest;
    this.latest = latest;
    return undefined;
  }
}

/** The unbroken life of one entry under one lease: it gets exactly one ending. */
export class Run {
  /** namespace/key */
  readonly subject: string;
  readonly lease: Lease;
  /** Of the writes in it that are known, in order. */
  readonly etags: string[] = [];
  readonly fate: Fate = { must: undefined, may: new Set() };

  constructor(subject: string, lease: Lease) {
    this.subject = subject;
    this.lease = lease;
  }

  /** It was ended for this reason, within a span that ended at `to`. */
  ended(reason: string, to: number): void {
    if (this.lease.surelyLiveUntil(to)) this.fate.must = reason;
    else this.fate.may.add(reason);
  }
}

/** An entry's last write. */
export interface Held {
  readonly run: Run;
  readonly value: Buffer;
  /** undefined: its answer never came. */
  readonly etag: string | undefined;
}

/** Everything that was ever believed to have begun; for the final account. */
export class Memory {
  readonly runs = new Set<Run>();
  /** Explicit ones. */
  readonly leases = new Set<Lease>();
}

/** What a client takes for live. */
export class World {
  readonly entries: Map<string, Held>;
  /** Explicit ones, by id. */
  readonly leases: Map<string, Lease>;
  /** undefined: only one of several that are possible. */
  #memory: Memory | undefined;

  constructor(entries = new Map<string, Held>(), leases = new Map<string, Lease>()) {
    this.entries = entries;
    this.leases = leases;
  }

  /** One that can be changed to see what if. */
  copy(): World {
    return new World(new Map(this.entries), new Map(this.leases));
  }

  /** It is the real one: what it holds, now and later, goes into `memory`. */
  become(memory: Memory): void {
    this.#memory = memory;
    for (const { run } of this.entries.values()) memory.runs.add(run);
    for (const lease of this.leases.values()) memory.leases.add(lease);
  }

  hold(key: string, held: Held): void {
    this.entries.set(key, held);
    this.#memory?.runs.add(held.run);
  }

  grant(id: string, lease: Lease): void {
    this.leases.set(id, lease);
    this.#memory?.leases.add(lease);
  }

  under(lease: Lease): Held[] {
    return [...this.entries.values()].filter(({ run }) => run.lease === lease);
  }

  /** The lease is over, and with it what was under it. */
  forget(lease: Lease): void {
    if (lease.id !== undefined && this.leases.get(lease.id) === lease) this.leases.delete(lease.id);
    for (const [key, { run }] of this.entries) if (run.lease === lease) this.entries.delete(key);
  }

  /** Forgets what is certainly over. */
  passTo(at: number): void {
    for (const lease of this.leases.values()) if (lease.surelyOverFrom(at)) this.forget(lease);
    for (const { run } of this.entries.values()) {
      if (run.lease.surelyOverFrom(at)) this.forget(run.lease);
    }
  }
}

/** What the sidecar shows of a client's things, asked for within `span`. */
export interface Seen {
  readonly span: Span;
  readonly entries: ReadonlyMap<string, SeenEntry>;
  readonly leases: ReadonlyMap<string, SeenLease>;
}
export interface SeenEntry {
  readonly value: Buffer;
  readonly etag: string;
  readonly lease: string;
  readonly remainingMs: number;
}
export interface SeenLease {
  readonly remainingMs: number;
  readonly entries: number;
}

/** Where what is seen cannot be if the world is this one; empty: it may be. */
export function contradictions(world: World, seen: Seen): string[] {
  const wrong: string[] = [];
  const { span } = seen;
  for (const [key, held] of world.entries) {
    const there = seen.entries.get(key);
    const { lease } = held.run;
    if (there === undefined) {
      if (lease.surelyLiveUntil(span.to)) wrong.push(`entry "${key}" is lost`);
    } else if (lease.surelyOverFrom(span.from)) {
      wrong.push(`entry "${key}" is still there after its deadline`);
    } else {
      wrong.push(...differences(held, there).map((what) => `entry "${key}": ${what}`));
    }
  }
  for (const key of seen.entries.keys()) {
    if (!world.entries.has(key)) wrong.push(`entry "${key}" is there, and should not be`);
  }
  for (const [id, lease] of world.leases) {
    const there = seen.leases.get(id);
    if (there === undefined) {
      if (lease.surelyLiveUntil(span.to)) wrong.push(`lease "${id}" is lost`);
      continue;
    }
    if (lease.surelyOverFrom(span.from)) wrong.push(`lease "${id}" is live after its deadline`);
    const entries = world.under(lease).length;
    if (there.entries !== entries) {
      wrong.push(`lease "${id}" holds ${there.entries} entries instead of ${entries}`);
    }
  }
  for (const id of seen.leases.keys()) {
    if (!world.leases.has(id)) wrong.push(`lease "${id}" is there, and should not be`);
  }
  return wrong;
}

function differences(held: Held, there: SeenEntry): string[] {
  const wrong: string[] = [];
  if (!held.value.equals(there.value)) {
    wrong.push(`has the value ${shown(there.value)} instead of ${shown(held.value)}`);
  }
  if (held.etag !== undefined && held.etag !== there.etag) {
    wrong.push(`has the version ${there.etag} instead of ${held.etag}`);
  }
  const { id } = held.run.lease;
  if (id !== undefined && id !== there.lease) {
    wrong.push(`is under lease ${there.lease} instead of ${id}`);
  }
  return wrong;
}

/** Values begin with what tells them apart. */
export function shown(value: Buffer): string {
  return `"${value.subarray(0, 24).toString('latin1')}" (${value.length} bytes)`;
}

/**
 * Learns from what is seen, once it is known to fit: versions that were never acknowledged, where
 * deadlines really are, and what is over. Returns what contradicts after all.
 */
export function learn(world: World, seen: Seen): string[] {
  const wrong: string[] = [];
  for (const [key, held] of [...world.entries]) {
    const there = seen.entries.get(key);
    if (there === undefined) {
      world.entries.delete(key);
      continue;
    }
    const { run } = held;
    run.lease.id ??= there.lease;
    if (held.etag === undefined) {
      run.etags.push(there.etag);
      world.entries.set(key, { ...held, etag: there.etag });
    }
    if (run.lease.explicit) continue;
    const told = run.lease.told(there.remainingMs, seen.span);
    if (told !== undefined) wrong.push(`entry "${key}": ${told}`);
  }
  for (const [id, lease] of [...world.leases]) {
    const there = seen.leases.get(id);
    if (there === undefined) {
      world.forget(lease);
      continue;
    }
    lease.certain = true;
    const told = lease.told(there.remainingMs, seen.span);
    if (told !== undefined) wrong.push(`lease "${id}": ${told}`);
  }
  return wrong;
}
