/**
 * What one sidecar's core should do, said as plainly as possible: lists and maps, no budgets, no
 * caches, nothing clever. The property test asks the model and the core the same things and
 * compares every answer and every fact. It shares no code with the core.
 *
 * Time is exact here: at a deadline everything under the lease has ended, whoever looks. The core
 * *tells* of an ending later, when it is asked or when its sweep comes by; until then the model
 * keeps the fact in `owed`. What a command itself must tell goes to `expected`.
 *
 * Some words only the core can know before they are seen: generated lease ids, ETags, dots. The
 * model names them (`Name`) and learns the text at first sight, which must then be new; every
 * later sight must be the same text. Where the contract leaves the choice (room taken by endings
 * not told yet, remembered endings past their age), the model follows what the core answered.
 */
import type {
  BatchCommand, BatchOperation, Command, Conditions, DeleteCommand, EndReason, GetCommand,
  GrantCommand, IncrementCommand, ListEntriesCommand, ListLeasesCommand, PutCommand, ReleaseCommand,
  RenewCommand, TransferCommand,
} from '../../src/core/command.ts';
import type { CoreOptions, NamespaceContract } from '../../src/core/contract.ts';
import type { RefusalCode } from '../../src/core/refusal.ts';

export interface Name {
  readonly names: 'etag' | 'lease' | 'dot';
  /** undefined until the core has been seen to use it. */
  text: string | undefined;
}

export interface Lease {
  readonly id: Name;
  readonly origin: Name;
  readonly namespace: string;
  holder: string;
  readonly implicit: boolean;
  readonly ttlMs: number;
  readonly grantedAt: number;
  readonly lifetimeEnd: number;
  readonly labels: Readonly<Record<string, string>>;
  deadline: number;
  renewedAt: number;
  renewals: number;
  live: boolean;
  reason: EndReason | undefined;
  /** When the core told of the ending; undefined while it owes it. */
  endedAt: number | undefined;
}

/** One value: a run of overwrites under one lease. */
export interface Value {
  readonly namespace: string;
  readonly key: string;
  readonly lease: Lease;
  bytes: Uint8Array;
  contentType: string;
  /** Grows with every write; what a reader has seen is everything up to some number. */
  stamp: number;
  /** Which run of the process wrote it last. */
  run: number;
  dot: Name;
  readonly born: Name;
  /** It came back to the top of its key, and the core has not told yet. */
  revert: OwedFact | undefined;
}

/** Members of a fact, by name; a `Name` stands for a word of the core's, a function for its result. */
export type FactPattern = Readonly<Record<string, unknown>> & { readonly kind: string };

export interface OwedFact {
  readonly pattern: FactPattern;
  /** The core must not tell it before. */
  readonly notBefore: number;
  readonly lease: Lease;
  readonly value: Value | undefined;
  /** What it says of the value, when the core never told that it had come back. */
  readonly unrevertedDot: Name | undefined;
}

export type Prediction =
  | { readonly refusedWith: ReadonlySet<RefusalCode>; readonly members?: unknown }
  | {
      readonly reply: unknown;
      /** The highest stamp when it was given: what a context in it covers. */
      readonly seen?: number;
    };

/** What the core answered, as far as the model may follow it. */
export interface Observed {
  readonly refused?: string;
  readonly members?: { readonly results?: readonly object[] };
  readonly results?: readonly object[];
}

interface State {
  now: number;
  run: number;
  /** What fell due up to here fell due while the process was down. */
  resumedAt: number;
  stamp: number;
  leases: Lease[];
  /** By namespace and key: values in the order they came; under `revert` the last one shows. */
  keys: Map<string, Value[]>;
  owed: OwedFact[];
  expected: FactPattern[];
  /** Renewed since the last time renewals were told. */
  renewed: Set<Lease>;
  etags: Map<string, Name>;
  contexts: Map<string, number>;
}

const LEASE_ID = /^[A-Za-z0-9._~-]{1,128}$/;
/** Ended leases the model keeps; more than the core may remember, or still has to settle. */
const ENDED_KEPT = 150;
const INTEGER = /^-?[0-9]+$/;
const COUNTER_TYPE = 'text/plain; charset=utf-8';
/** In a pattern: whatever stands there. */
export const anything = Object.freeze({ anything: true });

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class Model {
  state: State;
  readonly #options: CoreOptions;
  readonly #contracts = new Map<string, NamespaceContract>();

  constructor(options: CoreOptions, startNow: number) {
    this.#options = options;
    for (const contract of options.namespaces) this.#contracts.set(contract.name, contract);
    this.state = {
      now: startNow,
      run: 1,
      resumedAt: 0,
      stamp: 0,
      leases: [],
      keys: new Map(),
      owed: [],
      expected: [],
      renewed: new Set(),
      etags: new Map(),
      contexts: new Map(),
    };
  }

  contractOf(name: string): NamespaceContract | undefined {
    const known = this.#contracts.get(name);
    if (known !== undefined || !this.#options.autoCreateNamespaces) return known;
    if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(name)) return undefined;
    const template = this.#contracts.get('default');
    return template === undefined ? undefined : { ...template, name };
  }

  /* ---- time ------------------------------------------------------------------------------ */

  /** Time passes: what is due has ended, told or not. */
  moveTo(now: number): void {
    const { state } = this;
    state.now = Math.max(state.now, now);
    state.expected = [];
    if (state.leases.length > 3 * ENDED_KEPT) this.#forget();
    const due = state.leases.filter((lease) => lease.live && lease.deadline <= state.now);
    if (due.length === 0) return;
    const tops = new Map([...state.keys].map(([key, values]) => [key, values.at(-1)]));
    for (const lease of due) this.#endLease(lease, 'expired', undefined);
    this.#revertTops(tops);
  }

  #forget(): void {
    const { state } = this;
    const owing = new Set(state.owed.map((fact) => fact.lease));
    const ended = state.leases.filter((lease) => lease.endedAt !== undefined && !owing.has(lease));
    const gone = new Set(ended.slice(0, -ENDED_KEPT));
    state.leases = state.leases.filter((lease) => !gone.has(lease));
  }

  /** The process dies and comes back at `now` from its journal, as another run. */
  crash(now: number): void {
    const { state } = this;
    const survives = (namespace: string): boolean =>
      this.contractOf(namespace)?.durability !== 'memory';
    state.leases = state.leases.filter((lease) => survives(lease.namespace));
    for (const [key, values] of state.keys) {
      if (!survives((values[0] as Value).namespace)) state.keys.delete(key);
    }
    state.owed = state.owed.filter((fact) => survives(fact.lease.namespace));
    state.renewed.clear();
    state.run += 1;
    // Of what was due already and not told, the next run can only say that it was down.
    state.resumedAt = Math.max(state.now, now);
    this.moveTo(now);
  }

  /** Ends a live lease with everything under it; the facts are owed. */
  #endLease(lease: Lease, reason: EndReason, cause: string | undefined): void {
    lease.live = false;
    lease.reason = reason;
    const under = this.#valuesUnder(lease);
    if (!lease.implicit) {
      this.#owe(lease, undefined, {
        kind: 'lease.ended',
        namespace: lease.namespace,
        lease: lease.id,
        holder: lease.holder,
        origin: lease.origin,
        deadline: lease.deadline,
        entries: under.length,
        reason,
        cause,
      });
    }
    for (const value of under) {
      this.#take(value);
      // The entry of an implicit lease tells its life, so it tells the cause too.
      this.#owe(lease, value, { ...this.#endingOf(value, reason), cause: lease.implicit ? cause : undefined });
    }
  }

  #owe(lease: Lease, value: Value | undefined, pattern: FactPattern): void {
    this.state.owed.push({
      pattern,
      notBefore: lease.reason === 'expired' ? lease.deadline : this.state.now,
      lease,
      value,
      unrevertedDot: undefined,
    });
  }

  #endingOf(value: Value, reason: EndReason): FactPattern {
    return { ...this.#entryFact(value, 'entry.ended'), reason, cause: undefined };
  }

  /** Keys whose top value ended, under `revert`: what lay below shows again, as a new version. */
  #revertTops(tops: ReadonlyMap<string, Value | undefined>): void {
    for (const [key, top] of tops) {
      const values = this.state.keys.get(key);
      const now = values?.at(-1);
      if (top === undefined || now === undefined || now === top) continue;
      if (this.contractOf(now.namespace)?.onExpire !== 'revert') continue;
      const before = now.revert?.unrevertedDot ?? now.dot;
      this.state.owed = this.state.owed.filter((fact) => fact !== now.revert);
      now.dot = { names: 'dot', text: undefined };
      now.stamp = ++this.state.stamp;
      now.run = this.state.run;
      now.revert = {
        pattern: this.#entryFact(now, 'entry.reverted'),
        notBefore: 0,
        lease: now.lease,
        value: now,
        unrevertedDot: before,
      };
      this.state.owed.push(now.revert);
    }
  }

  /* ---- what is there --------------------------------------------------------------------- */

  #valuesUnder(lease: Lease): Value[] {
    return [...this.state.keys.values()].flat().filter((value) => value.lease === lease);
  }

  #stack(namespace: string, key: string): Value[] {
    return this.state.keys.get(`${namespace} ${key}`) ?? [];
  }

  /** The values a reader sees, the newest first. */
  #visible(namespace: string, key: string): Value[] {
    const values = this.#stack(namespace, key);
    if (this.contractOf(namespace)?.onExpire === 'revert') return values.slice(-1);
    return [...values].sort((left, right) => right.stamp - left.stamp);
  }

  /** The value whose lease, type and bytes a reader sees first. */
  #first(values: readonly Value[]): Value {
    return values[0] as Value;
  }

  #take(value: Value): void {
    const place = `${value.namespace} ${value.key}`;
    const left = this.#stack(value.namespace, value.key).filter((other) => other !== value);
    if (left.length === 0) this.state.keys.delete(place);
    else this.state.keys.set(place, left);
  }

  /** The version is the set of values that show; each such set has its name. */
  #etagOf(values: readonly Value[]): Name {
    const key = values.map((value) => value.stamp).sort((left, right) => left - right).join();
    let name = this.state.etags.get(key);
    if (name === undefined) {
      name = { names: 'etag', text: undefined };
      this.state.etags.set(key, name);
    }
    return name;
  }

  #entryFact(value: Value, kind: string): FactPattern {
    return {
      kind,
      namespace: value.namespace,
      lease: value.lease.id,
      holder: value.lease.holder,
      key: value.key,
      dot: value.dot,
      born: value.born,
      contentType: value.contentType,
      size: value.bytes.length,
      deadline: value.lease.deadline,
      implicit: value.lease.implicit,
    };
  }

  remaining(lease: Lease): number {
    return Math.floor(lease.deadline - this.state.now);
  }

  /** Live and ended leases of that id; the live one, or the one that ended last. */
  find(id: string): Lease | undefined {
    const all = this.state.leases.filter((lease) => lease.id.text === id);
    return all.find((lease) => lease.live) ?? all.at(-1);
  }

  /** The ending may have been pushed out of memory by age or by number. */
  mayForget(lease: Lease): boolean {
    const { entries, ttlMs } = this.#options.limits.endedMemory;
    const { endedAt } = lease;
    if (endedAt === undefined) return false;
    if (this.state.now >= endedAt + ttlMs) return true;
    let since = 0;
    for (const other of this.state.leases) {
      if (other.endedAt !== undefined && other.endedAt >= endedAt) since += 1;
    }
    return since > entries;
  }

  /* ---- counts ---------------------------------------------------------------------------- */

  /** Live and, with `owed`, ended but not told. */
  leasesIn(namespace: string, owed: boolean): number {
    return this.state.leases.filter(
      (lease) =>
        lease.namespace === namespace && (lease.live || (owed && lease.endedAt === undefined)),
    ).length;
  }

  entriesIn(namespace: string, owed: boolean): number {
    let count = 0;
    for (const values of this.state.keys.values()) {
      if ((values[0] as Value).namespace === namespace) count += values.length;
    }
    if (!owed) return count;
    const ended = this.state.owed.filter(
      ({ pattern }) => pattern.kind === 'entry.ended' && pattern['namespace'] === namespace,
    );
    return count + ended.length;
  }

  /** undefined: there is room. `may`: only endings that are not told yet stand in the way. */
  #shortage(contract: NamespaceContract, leases: number, entries: number): 'must' | 'may' | undefined {
    const short = (owed: boolean): boolean =>
      (leases > 0 && this.leasesIn(contract.name, owed) + leases > contract.capacity.leases) ||
      (entries > 0 && this.entriesIn(contract.name, owed) + entries > contract.capacity.entries);
    if (short(false)) return 'must';
    return short(true) ? 'may' : undefined;
  }

  /* ---- commands -------------------------------------------------------------------------- */

  /** Executes `command` at the model's time. `observed` is the core's answer. */
  perform(command: Command, observed: Observed): Prediction {
    const prediction = this.#perform(command, observed);
    return 'reply' in prediction ? { ...prediction, seen: this.state.stamp } : prediction;
  }

  #perform(command: Command, observed: Observed): Prediction {
    switch (command.op) {
      case 'grant':
        return this.#grant(command, observed);
      case 'renew':
        return this.#renew(command, observed);
      case 'renew-many': {
        const answers = observed.results as readonly { readonly reply: Observed }[];
        const results = command.ids.map((id, index) => {
          const prediction = this.#renew({ op: 'renew', id }, answers[index]?.reply ?? {});
          return { id, reply: 'reply' in prediction ? prediction.reply : prediction };
        });
        return { reply: { results } };
      }
      case 'transfer':
        return this.#transfer(command, observed);
      case 'release':
        return this.#release(command, observed);
      case 'get-lease': {
        const lease = this.#known(command.id, observed);
        return lease === undefined
          ? refused('lease-not-found')
          : { reply: { lease: this.rememberedView(lease) } };
      }
      case 'list-leases':
        return this.#listLeases(command);
      case 'put':
        return this.#put(command, observed);
      case 'get':
        return this.#get(command);
      case 'delete':
        return this.#delete(command);
      case 'increment':
        return this.#increment(command, observed);
      case 'list-entries':
        return this.#listEntries(command);
      case 'batch':
        return this.#batch(command, observed);
    }
  }

  /** An ending that may be forgotten leaves the one before it, of the same id, to be shown. */
  rememberedView(lease: Lease): unknown {
    const older = this.state.leases.filter(({ id, live }) => id.text === lease.id.text && !live);
    older.splice(older.indexOf(lease));
    const views = [this.leaseView(lease)];
    for (let newest = lease; !newest.live && this.mayForget(newest); ) {
      const before = older.pop();
      if (before === undefined) break;
      views.push(this.leaseView(before));
      newest = before;
    }
    return { oneOf: views };
  }

  leaseView(lease: Lease): unknown {
    const view = {
      id: lease.id,
      namespace: lease.namespace,
      holder: lease.holder,
      state: lease.live ? 'live' : 'ended',
      ttlMs: lease.ttlMs,
      grantedAt: lease.grantedAt,
      expiresAt: lease.deadline,
      renewals: lease.renewals,
      labels: lease.labels,
      implicit: lease.implicit,
    };
    if (lease.live) {
      return {
        ...view,
        remainingMs: this.remaining(lease),
        safeForMs: this.remaining(lease),
        renewedAt: lease.renewedAt,
        entries: this.#valuesUnder(lease).length,
        reason: undefined,
        endedAt: undefined,
      };
    }
    return {
      ...view,
      remainingMs: 0,
      safeForMs: 0,
      renewals: this.state.run > 1 ? anything : lease.renewals,
      entries: 0,
      reason: lease.reason,
      // Told in this very step, perhaps, and then known only after its facts have been read.
      endedAt: () => lease.endedAt,
    };
  }

  /** The lease of that id, live or remembered; undefined where the core has forgotten it, and may. */
  #known(id: string, observed: Observed): Lease | undefined {
    const lease = this.find(id);
    if (lease === undefined || observed.refused !== 'lease-not-found') return lease;
    return lease.live || !this.mayForget(lease) ? lease : undefined;
  }

  /** What stands in the way of using a lease. */
  #leaseTroubles(id: string, observed: Observed): Set<RefusalCode> {
    const lease = this.#known(id, observed);
    if (lease === undefined) return new Set(['lease-not-found']);
    return new Set(lease.live ? [] : ['lease-ended']);
  }

  #grant(command: GrantCommand, observed: Observed): Prediction {
    const contract = this.contractOf(command.namespace);
    if (contract === undefined) return refused('namespace-not-found');
    const troubles = new Set<RefusalCode>();
    const { id } = command;
    if (id !== undefined && (!LEASE_ID.test(id) || id === 'renew')) troubles.add('invalid-request');
    const ttlMs = command.ttlMs ?? contract.ttl.defaultMs;
    const lifetimeMs = command.maxLifetimeMs ?? contract.ttl.maxLifetimeMs;
    if (!isWithin(ttlMs, contract)) troubles.add('ttl-out-of-range');
    if (lifetimeMs < ttlMs || lifetimeMs > contract.ttl.maxLifetimeMs) {
      troubles.add('ttl-out-of-range');
    }
    const earlier = id === undefined ? undefined : this.find(id);
    if (earlier?.live === true) {
      if (earlier.holder !== command.holder) troubles.add('lease-held');
      else if (earlier.namespace !== command.namespace) troubles.add('namespace-mismatch');
      if (troubles.size > 0) return { refusedWith: troubles };
      return { reply: { lease: this.leaseView(earlier), created: false } };
    }
    if (troubles.size > 0) return { refusedWith: troubles };
    if (this.#isFull(contract, 1, 0, observed)) return refused('capacity');
    const { now } = this.state;
    const lease: Lease = {
      id: { names: 'lease', text: id },
      origin: { names: 'dot', text: undefined },
      namespace: command.namespace,
      holder: command.holder,
      implicit: false,
      ttlMs,
      grantedAt: now,
      lifetimeEnd: now + lifetimeMs,
      labels: command.labels ?? {},
      deadline: now + ttlMs,
      renewedAt: now,
      renewals: 0,
      live: true,
      reason: undefined,
      endedAt: undefined,
    };
    this.state.leases.push(lease);
    this.state.expected.push({
      kind: 'lease.granted',
      namespace: lease.namespace,
      lease: lease.id,
      holder: lease.holder,
      origin: lease.origin,
      ttlMs,
      deadline: lease.deadline,
      lifetimeEnd: lease.lifetimeEnd,
      labels: lease.labels,
    });
    return { reply: { lease: this.leaseView(lease), created: true } };
  }

  #isFull(contract: NamespaceContract, leases: number, entries: number, observed: Observed): boolean {
    const short = this.#shortage(contract, leases, entries);
    return short === 'must' || (short === 'may' && observed.refused === 'capacity');
  }

  #renew(command: RenewCommand, observed: Observed): Prediction {
    const troubles = this.#leaseTroubles(command.id, observed);
    const lease = this.find(command.id);
    if (lease === undefined) return { refusedWith: troubles };
    const contract = this.contractOf(lease.namespace) as NamespaceContract;
    if (command.ttlMs !== undefined && !isWithin(command.ttlMs, contract)) {
      troubles.add('ttl-out-of-range');
    }
    if (troubles.size > 0) return { refusedWith: troubles };
    const capped = this.#extend(lease, this.state.now + (command.ttlMs ?? lease.ttlMs));
    return { reply: { lease: this.leaseView(lease), capped } };
  }

  #extend(lease: Lease, wanted: number): boolean {
    lease.deadline = Math.max(lease.deadline, Math.min(wanted, lease.lifetimeEnd));
    lease.renewedAt = this.state.now;
    lease.renewals += 1;
    this.state.renewed.add(lease);
    return wanted > lease.lifetimeEnd;
  }

  #transfer(command: TransferCommand, observed: Observed): Prediction {
    const troubles = this.#leaseTroubles(command.id, observed);
    const lease = this.find(command.id);
    if (lease?.implicit === true) troubles.add('invalid-request');
    if (troubles.size > 0 || lease === undefined) return { refusedWith: troubles };
    const previousHolder = lease.holder;
    if (previousHolder !== command.holder) {
      lease.holder = command.holder;
      this.state.expected.push({
        kind: 'lease.transferred',
        namespace: lease.namespace,
        lease: lease.id,
        holder: lease.holder,
        previousHolder,
      });
    }
    return { reply: { lease: this.leaseView(lease) } };
  }

  #release(command: ReleaseCommand, observed: Observed): Prediction {
    const lease = this.#known(command.id, observed);
    if (lease === undefined) return refused('lease-not-found');
    if (lease.live) {
      const tops = new Map([...this.state.keys].map(([key, values]) => [key, values.at(-1)]));
      this.#endLease(lease, command.reason ?? 'released', command.cause);
      this.#revertTops(tops);
    }
    return { reply: { done: true } };
  }

  /* ---- entries --------------------------------------------------------------------------- */

  #conditionFails(conditions: Conditions, visible: readonly Value[]): boolean {
    const etag = visible.length === 0 ? undefined : this.#etagOf(visible).text;
    const matches = (tags: readonly string[] | '*'): boolean =>
      visible.length > 0 && (tags === '*' || (etag !== undefined && tags.includes(etag)));
    const { ifMatch, ifNoneMatch } = conditions;
    return (
      (ifMatch !== undefined && !matches(ifMatch)) ||
      (ifNoneMatch !== undefined && matches(ifNoneMatch))
    );
  }

  #put(command: PutCommand, observed: Observed): Prediction {
    const contract = this.contractOf(command.namespace);
    if (contract === undefined) return refused('namespace-not-found');
    const visible = this.#visible(command.namespace, command.key);
    const troubles = new Set<RefusalCode>();
    if (contract.conflict === 'counter') troubles.add('wrong-class');
    if (command.value.length > this.#options.limits.valueBytes) troubles.add('value-too-large');
    if (this.#conditionFails(command, visible)) troubles.add('version-mismatch');

    const seen = command.context === undefined ? undefined : this.state.contexts.get(command.context);
    // Judged before the write changes any of them.
    const isStale = seen !== undefined && visible.some((value) => value.stamp > seen);
    let replaced = visible;
    if (contract.conflict === 'siblings' && (seen !== undefined || command.ifMatch === undefined)) {
      replaced = visible.filter((value) => seen !== undefined && value.stamp <= seen);
      if (replaced.length === 0 && visible.length >= this.#options.limits.siblings) {
        troubles.add('too-many-siblings');
      }
    }
    const written = this.#write(contract, command, visible, replaced, command.value,
      command.contentType, troubles, observed);
    if (!('value' in written)) return written;

    const kept = this.#visible(command.namespace, command.key);
    if (contract.conflict === 'siblings' ? kept.length > 1 : isStale) {
      this.state.expected.push({
        kind: 'entry.conflict',
        namespace: command.namespace,
        key: command.key,
        policy: contract.conflict,
        siblings: contract.conflict === 'siblings' ? kept.length : 2,
      });
    }
    const { lease } = written.value;
    return {
      reply: {
        created: visible.length === 0,
        etag: this.#etagOf(kept),
        lease: lease.id,
        remainingMs: this.remaining(lease),
        context: anything,
      },
    };
  }

  /** Which lease the write goes under, by the table of the contract, and the change itself. */
  #write(
    contract: NamespaceContract,
    command: PutCommand | IncrementCommand,
    visible: readonly Value[],
    replaced: readonly Value[],
    bytes: Uint8Array,
    contentType: string,
    troubles: Set<RefusalCode>,
    observed: Observed,
  ): Prediction | { readonly value: Value } {
    let target: Lease | undefined;
    let ttlMs = contract.ttl.defaultMs;
    if (command.lease !== undefined && command.ttlMs !== undefined) troubles.add('invalid-request');
    if (command.lease !== undefined) {
      for (const code of this.#leaseTroubles(command.lease, observed)) troubles.add(code);
      target = this.find(command.lease);
      if (target !== undefined && target.namespace !== contract.name) {
        troubles.add('namespace-mismatch');
      }
    } else if (command.ttlMs !== undefined) {
      ttlMs = command.ttlMs;
      if (!isWithin(ttlMs, contract)) troubles.add('ttl-out-of-range');
    } else {
      target = (replaced[0] ?? visible[0])?.lease;
    }
    if (contract.conflict === 'ownerWins') {
      const others = visible.filter((value) => value.lease !== target);
      if (others.some((value) => value.lease.holder !== (target?.holder ?? ''))) {
        troubles.add('entry-held');
      }
    }
    if (troubles.size > 0) return { refusedWith: troubles };

    const reverts = contract.onExpire === 'revert';
    const same = replaced.find((value) => value.lease === target);
    const gone = reverts ? [] : replaced.filter((value) => value !== same);
    const leasesGone = new Set(
      gone.map((value) => value.lease).filter(
        (lease) => lease.implicit && this.#valuesUnder(lease).every((value) => gone.includes(value)),
      ),
    );
    const full = this.#isFull(
      contract,
      (target === undefined ? 1 : 0) - leasesGone.size,
      (same === undefined ? 1 : 0) - gone.length,
      observed,
    );
    if (full) return refused('capacity');

    const previousEtag = visible.length === 0 ? undefined : this.#etagOf(visible);
    const previousLease = same === undefined && replaced.length > 0 ? replaced[0]?.lease.id : undefined;
    for (const value of gone) this.#end(value, 'superseded');
    const stamp = ++this.state.stamp;
    const dot: Name = { names: 'dot', text: undefined };
    let value: Value;
    if (same === undefined) {
      const lease = target ?? this.#implicitLease(contract, ttlMs, dot);
      value = {
        namespace: contract.name, key: command.key, lease, bytes, contentType, stamp,
        run: this.state.run, dot, born: dot, revert: undefined,
      };
      const place = `${contract.name} ${command.key}`;
      this.state.keys.set(place, [...this.#stack(contract.name, command.key), value]);
    } else {
      value = Object.assign(same, {
        bytes, contentType, stamp, dot, run: this.state.run, revert: undefined,
      });
    }
    this.state.expected.push({
      ...this.#entryFact(value, 'entry.written'),
      created: visible.length === 0,
      previousEtag,
      previousLease,
      ttlMs: value.lease.ttlMs,
      grantedAt: value.lease.grantedAt,
      value: bytes,
    });
    const stack = this.#stack(contract.name, command.key);
    if (reverts && stack.length > this.#options.limits.siblings) {
      this.#end(this.#first(stack), 'superseded');
    }
    return { value };
  }

  #implicitLease(contract: NamespaceContract, ttlMs: number, origin: Name): Lease {
    const { now } = this.state;
    const lease: Lease = {
      id: { names: 'lease', text: undefined },
      origin,
      namespace: contract.name,
      holder: '',
      implicit: true,
      ttlMs,
      grantedAt: now,
      lifetimeEnd: now + contract.ttl.maxLifetimeMs,
      labels: {},
      deadline: now + ttlMs,
      renewedAt: now,
      renewals: 0,
      live: true,
      reason: undefined,
      endedAt: undefined,
    };
    this.state.leases.push(lease);
    return lease;
  }

  /** The core made room; whom it chose is its own affair. */
  evict(namespace: string, key: string): void {
    this.#end(this.#first(this.#visible(namespace, key)), 'evicted');
  }

  /** One value ends by a command; an implicit lease with nothing left under it ends with it. */
  #end(value: Value, reason: EndReason): void {
    this.#take(value);
    this.state.expected.push(this.#endingOf(value, reason));
    const { lease } = value;
    if (!lease.implicit || this.#valuesUnder(lease).length > 0) return;
    lease.live = false;
    lease.reason = reason;
    lease.endedAt = this.state.now;
  }

  #get(command: GetCommand): Prediction {
    const contract = this.contractOf(command.namespace);
    if (contract === undefined) return refused('namespace-not-found');
    const visible = this.#visible(command.namespace, command.key);
    if (visible.length === 0) return refused('entry-not-found');
    if (contract.sliding) {
      for (const { lease } of visible) {
        const isDue = this.state.now - lease.renewedAt >= lease.ttlMs / 8;
        if (lease.implicit && isDue) this.#extend(lease, this.state.now + lease.ttlMs);
      }
    }
    const first = this.#first(visible);
    const reply = {
      etag: this.#etagOf(visible),
      contentType: first.contentType,
      lease: first.lease.id,
      remainingMs: this.remaining(first.lease),
      context: anything,
      value: first.bytes,
    };
    if (visible.length === 1) return { reply: { ...reply, siblings: undefined } };
    if (contract.conflict === 'counter') {
      return { reply: { ...reply, value: encoder.encode(String(sum(visible))) } };
    }
    const siblings = visible.map((value) => ({
      value: value.bytes,
      contentType: value.contentType,
      etag: this.#etagOf([value]),
      lease: value.lease.id,
      remainingMs: this.remaining(value.lease),
      actor: anything,
    }));
    return { reply: { ...reply, siblings } };
  }

  #delete(command: DeleteCommand): Prediction {
    const contract = this.contractOf(command.namespace);
    if (contract === undefined) return refused('namespace-not-found');
    const visible = this.#visible(command.namespace, command.key);
    if (this.#conditionFails(command, visible)) return refused('version-mismatch');
    const seen = command.context === undefined ? undefined : this.state.contexts.get(command.context);
    const doomed =
      contract.conflict === 'siblings' && seen !== undefined
        ? visible.filter((value) => value.stamp <= seen)
        : this.#stack(command.namespace, command.key);
    for (const value of [...doomed]) this.#end(value, 'deleted');
    return { reply: { existed: doomed.length > 0 } };
  }

  #increment(command: IncrementCommand, observed: Observed): Prediction {
    const contract = this.contractOf(command.namespace);
    if (contract === undefined) return refused('namespace-not-found');
    const visible = this.#visible(command.namespace, command.key);
    const troubles = new Set<RefusalCode>();
    let part: Value | undefined = visible[0];
    let total = command.by;
    if (contract.conflict === 'counter') {
      // What this run added, under the lease that is named or under any; the others stay beside.
      const mine = visible.filter((value) => value.run === this.state.run);
      part = command.lease === undefined
        ? mine[0]
        : mine.find((value) => value.lease === this.find(command.lease as string));
      total += sum(visible);
    } else if (visible.length > 1) {
      troubles.add('not-an-integer');
    } else if (part !== undefined) {
      if (INTEGER.test(decoder.decode(part.bytes))) total += sum([part]);
      else troubles.add('not-an-integer');
    }
    const amount = command.by + (part === undefined || troubles.size > 0 ? 0 : sum([part]));
    if (!Number.isSafeInteger(total) || !Number.isSafeInteger(amount)) {
      troubles.add('counter-overflow');
    }
    const isCounter = contract.conflict === 'counter';
    const written = this.#write(
      contract, command, visible, part === undefined ? [] : [part],
      encoder.encode(String(amount)),
      isCounter || part === undefined ? COUNTER_TYPE : part.contentType,
      troubles, observed,
    );
    if (!('value' in written)) return written;
    return {
      reply: {
        value: total,
        created: visible.length === 0,
        etag: this.#etagOf(this.#visible(command.namespace, command.key)),
        lease: written.value.lease.id,
        remainingMs: this.remaining(written.value.lease),
      },
    };
  }

  /* ---- listings -------------------------------------------------------------------------- */

  #listEntries(command: ListEntriesCommand): Prediction {
    const contract = this.contractOf(command.namespace);
    if (contract === undefined) return refused('namespace-not-found');
    if (command.limit < 1 || command.limit > this.#options.limits.pageItems) {
      return refused('invalid-request');
    }
    const { after } = command;
    const keys = [...this.state.keys.values()]
      .map((values) => values[0] as Value)
      .filter((value) => value.namespace === command.namespace)
      .map((value) => value.key)
      .filter((key) => key.startsWith(command.prefix))
      .filter((key) => after === undefined || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
      .sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
    const page = keys.slice(0, command.limit);
    const entries = page.map((key) => {
      const visible = this.#visible(command.namespace, key);
      const first = this.#first(visible);
      const isSum = contract.conflict === 'counter' && visible.length > 1;
      return {
        key,
        etag: this.#etagOf(visible),
        contentType: first.contentType,
        lease: first.lease.id,
        remainingMs: this.remaining(first.lease),
        value: !command.values
          ? undefined
          : isSum ? encoder.encode(String(sum(visible))) : first.bytes,
      };
    });
    return { reply: { entries, last: keys.length > page.length ? page.at(-1) : undefined } };
  }

  /** All that the page may begin with, in order: live leases, or those whose ending was told. */
  #listLeases(command: ListLeasesCommand): Prediction {
    if (command.limit < 1 || command.limit > this.#options.limits.pageItems) {
      return refused('invalid-request');
    }
    const wantsLive = (command.state ?? 'live') === 'live';
    const ids = new Set(this.state.leases.map((lease) => lease.id.text as string));
    const leases = [...ids]
      .map((id) => this.find(id) as Lease)
      .filter((lease) => lease.live === wantsLive && (!lease.implicit || command.implicit === true))
      .filter((lease) => command.namespace === undefined || lease.namespace === command.namespace)
      .filter((lease) => command.holder === undefined || lease.holder === command.holder)
      .filter((lease) => command.after === undefined || (lease.id.text as string) > command.after)
      .filter((lease) => lease.live || lease.endedAt !== undefined)
      .sort((left, right) => ((left.id.text as string) < (right.id.text as string) ? -1 : 1));
    return { reply: leases };
  }

  /* ---- batch ----------------------------------------------------------------------------- */

  #batch(command: BatchCommand, observed: Observed): Prediction {
    const answers = observed.results ?? observed.members?.results ?? [];
    const perform = (operation: BatchOperation, index: number): Prediction => {
      if (operation.op === 'refused') throw new Error('No edge has refused anything here');
      return this.perform(operation, answers[index] ?? {});
    };
    if (!command.atomic) {
      const results = command.operations.map(perform);
      return { reply: { applied: results.filter((each) => 'reply' in each).length, results } };
    }
    const before = structuredClone(this.state);
    const results = command.operations.map(perform);
    if (results.every((each) => 'reply' in each)) {
      return { reply: { applied: results.length, results } };
    }
    // What was read on the way has been seen all the same: its words stay known.
    const { etags, stamp } = this.state;
    this.state = { ...before, etags, stamp };
    return { refusedWith: new Set(['batch-refused']), members: { results } };
  }
}

function refused(code: RefusalCode): Prediction {
  return { refusedWith: new Set([code]) };
}

function isWithin(ttlMs: number, contract: NamespaceContract): boolean {
  return Number.isInteger(ttlMs) && ttlMs >= contract.ttl.minMs && ttlMs <= contract.ttl.maxMs;
}

function sum(values: readonly Value[]): number {
  return values.reduce((total, value) => total + Number(decoder.decode(value.bytes)), 0);
}
