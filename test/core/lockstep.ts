/**
 * A core and its model side by side: every command goes to both, every answer and every fact of
 * the core is compared with what the model predicts. Also the core's world: a journal of the facts
 * in memory, from which it can crash and come back.
 */
import { expect } from 'vitest';
import type {
  BatchReply, Command, EntryPage, LeasePage, ListLeasesCommand,
} from '../../src/core/command.ts';
import type { CoreOptions } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { decodeFact } from '../../src/core/fact-reader.ts';
import type { Fact } from '../../src/core/fact.ts';
import type { RefusalCode } from '../../src/core/refusal.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { differencesNow } from '../../src/self-check/compare.ts';
import { Inventory } from '../../src/self-check/inventory.ts';
import { NamespaceNumbers, Stocktaking } from '../../src/self-check/stocktaking.ts';
import {
  anything, type FactPattern, type Lease, Model, type Name, type Observed, type OwedFact,
  type Prediction,
} from './model.ts';

/** More units than any state here holds: a tick with it leaves nothing. */
const PLENTY = 1_000_000;
/** More than lives in any life here. */
const INVENTORY_ROWS = 512;

export class Lockstep {
  core: Core;
  readonly model: Model;
  readonly #options: CoreOptions;
  /** What the clock says; both take one that has gone back as standing still. */
  now: number;
  #run = 1;
  #factsSeen = 0;
  /** Words the core has minted, of all runs: none may come twice for different things. */
  readonly #taken = new Set<string>();
  #highestHlc = 0;

  /** Journal: the last whole snapshot, and the records since. */
  #snapshot: Uint8Array[] = [];
  #records: Uint8Array[] = [];
  /** Leases and entries that were compared with the journal. */
  compared = 0;
  /** A snapshot under way, and the records since it was begun. */
  #nextSnapshot: Uint8Array[] | undefined;
  #nextRecords: Uint8Array[] = [];

  constructor(options: CoreOptions, startNow: number) {
    this.#options = options;
    this.now = startNow;
    this.core = new Core({ ...options, actor: actorOf(this.#run) }, startNow);
    this.model = new Model(options, startNow);
  }

  /** Gives `command` to both, and compares. Returns the core's answer. */
  step(command: Command): object {
    const { core, model } = this;
    const actual = core.step(command, this.now) as object;
    model.moveTo(this.now);
    const facts = this.#newFacts();
    this.#followEvictions(facts);
    const prediction = model.perform(command, actual as Observed);
    this.#checkFacts(facts);
    this.#checkReply(command, prediction, actual);
    return actual;
  }

  /** Lets the core end what is due; with plenty of budget nothing may be left owing. */
  tick(budget = PLENTY): void {
    const { core, model } = this;
    model.moveTo(this.now);
    core.tick(this.now, budget);
    this.#checkFacts(this.#newFacts());
    if (budget < PLENTY) return;
    for (let calls = 0; core.nextTick() <= model.state.now; calls += 1) {
      if (calls > 10) throw new Error('The sweep does not come to an end');
      core.tick(this.now, budget);
      this.#checkFacts(this.#newFacts());
    }
    const { state } = model;
    // The sweep looks at whole milliseconds; what ended within this one comes with the next.
    const early = state.owed.filter(({ pattern, lease }) => {
      return pattern['reason'] === 'expired' && Math.ceil(lease.deadline) > state.now;
    });
    const missing = state.owed.filter((fact) => {
      const { pattern, lease, value } = fact;
      if (pattern.kind !== 'entry.reverted') return !early.includes(fact);
      // What came back to the top and ended before anyone saw it need not be told.
      const isSeen = value?.revert === fact && lease.live;
      return isSeen && !early.some((other) => other.pattern['key'] === pattern['key']);
    });
    if (missing.length > 0) fail('The sweep left endings untold', missing.map((each) => each.pattern));
    if (early.length === 0) state.owed = [];
    this.#checkCounts();
  }

  /** The group closes: renewals are told, the facts go to the journal. */
  endGroup(): void {
    const { core, model } = this;
    core.tellRenewals();
    const told = this.#newFacts();
    const due = new Set([...model.state.renewed].filter((lease) => lease.endedAt === undefined));
    for (const fact of told) {
      const lease = [...due].find(({ id }) => id.text === fact.lease);
      if (fact.kind !== 'lease.renewed' || lease === undefined) fail('Told unasked', fact);
      due.delete(lease as Lease);
      this.#match({
        kind: 'lease.renewed', namespace: lease?.namespace, lease: lease?.id,
        holder: lease?.holder, ttlMs: lease?.ttlMs, deadline: lease?.deadline,
        renewedAt: lease?.renewedAt, renewals: lease?.renewals, implicit: lease?.implicit,
      }, fact);
    }
    if (due.size > 0) fail('Renewals were not told', [...due]);
    model.state.renewed.clear();
    const { facts } = core;
    for (let index = 0; index < facts.count; index += 1) {
      if (facts.journalled[index] !== true) continue;
      const record = facts.bytes.slice(facts.starts[index], facts.starts[index + 1]);
      this.#records.push(record);
      this.#nextRecords.push(record);
    }
    facts.reset();
    this.#factsSeen = 0;
  }

  /** Begins a snapshot, or goes on with the one under way by `rows` rows. */
  snapshot(rows: number): void {
    this.endGroup();
    if (this.#nextSnapshot === undefined) {
      this.core.beginSnapshot();
      this.#nextSnapshot = [];
      this.#nextRecords = [];
    }
    const taken = this.#nextSnapshot;
    const isDone = this.core.snapshotNext(rows, (bytes, start, end) => {
      taken.push(bytes.slice(start, end));
    });
    if (!isDone) return;
    this.#snapshot = taken;
    this.#records = this.#nextRecords;
    this.#nextSnapshot = undefined;
    this.#nextRecords = [];
  }

  /** The process dies after a group; another run reads the journal back `downMs` later. */
  crash(downMs: number): void {
    this.endGroup();
    this.#checkJournal();
    this.now = this.model.state.now + downMs;
    this.#run += 1;
    this.core = new Core({ ...this.#options, actor: actorOf(this.#run) }, 0);
    // What was not journalled is forgotten, its place on the hybrid clock too.
    this.#highestHlc = 0;
    const restore = (record: Uint8Array): void => {
      const fact = this.core.restore(record);
      if ('hlc' in fact) this.#highestHlc = Math.max(this.#highestHlc, fact.hlc);
    };
    this.#snapshot.forEach(restore);
    this.core.snapshotRestored();
    this.#records.forEach(restore);
    this.core.resume(this.now);
    this.#nextSnapshot = undefined;
    this.#nextRecords = [];
    this.model.crash(this.now);
    this.#checkFacts(this.#newFacts());
    checkInvariants(this.core);
  }

  /** What the self-check would find: nothing. */
  #checkJournal(): void {
    const { core } = this;
    if (this.#nextSnapshot !== undefined) return;
    const numbers = new NamespaceNumbers();
    const stocktaking = (inventory: Inventory) =>
      new Stocktaking({
        inventory, numbers,
        share: { number: 0, of: 1 },
        isJournalled: (name) => core.state.namespaces.find(name)?.contract.durability !== 'memory',
      });
    const memory = new Inventory(INVENTORY_ROWS);
    const held = stocktaking(memory);
    core.beginSnapshot();
    core.snapshotNext(PLENTY, (bytes, start, end) => held.take(decodeFact(bytes, start, end)));
    const journal = new Inventory(INVENTORY_ROWS);
    const told = stocktaking(journal);
    for (const record of [...this.#snapshot, ...this.#records]) told.take(decodeFact(record));
    this.compared += memory.size;
    const found = differencesNow(memory, journal, numbers.names);
    if (found.length > 0 || told.misfits > 0) fail(`Memory and journal differ (${told.misfits} misfits)`, found);
  }

  /** Everything there is, by every read there is. */
  inspect(): void {
    const { model } = this;
    model.moveTo(this.now);
    for (const namespace of this.#options.namespaces) {
      this.step({ op: 'list-entries', namespace: namespace.name, prefix: '', limit: 3, values: true });
    }
    for (const state of ['live', 'ended'] as const) {
      this.step({ op: 'list-leases', state, implicit: true, limit: 50 });
      this.step({ op: 'list-leases', state, limit: 2 });
    }
    checkInvariants(this.core);
  }

  /* ---- facts ----------------------------------------------------------------------------- */

  #newFacts(): Fact[] {
    const { facts } = this.core;
    const found: Fact[] = [];
    for (; this.#factsSeen < facts.count; this.#factsSeen += 1) {
      const start = facts.starts[this.#factsSeen] as number;
      const end = facts.starts[this.#factsSeen + 1] as number;
      found.push(decodeFact(facts.bytes.slice(start, end)) as Fact);
    }
    return found;
  }

  #followEvictions(facts: readonly Fact[]): void {
    for (const fact of facts) {
      if (fact.kind !== 'entry.ended' || fact.reason !== 'evicted') continue;
      const contract = this.model.contractOf(fact.namespace);
      if (contract === undefined || contract.capacity.eviction === 'refuse') {
        fail('Evicted where evicting is not allowed', fact);
        return;
      }
      const isFull =
        this.model.entriesIn(fact.namespace, true) >= contract.capacity.entries ||
        this.model.leasesIn(fact.namespace, true) >= contract.capacity.leases;
      if (!isFull) fail('Evicted although there was room', fact);
      this.model.evict(fact.namespace, fact.key);
    }
  }

  #checkFacts(facts: readonly Fact[]): void {
    const { state } = this.model;
    for (const fact of facts) {
      if (fact.at !== state.now) fail(`Told at ${fact.at}, not at ${state.now}`, fact);
      if ('hlc' in fact) {
        if (fact.hlc <= this.#highestHlc) fail('The hybrid clock did not go forward', fact);
        this.#highestHlc = fact.hlc;
      }
      const expected = state.expected.findIndex((pattern) => this.#differs(pattern, fact) === '');
      if (expected >= 0) {
        this.#match(state.expected[expected] as FactPattern, fact);
        state.expected.splice(expected, 1);
        continue;
      }
      const owed = state.owed.findIndex((each) => this.#differs(owedPattern(each, state), fact) === '');
      if (owed < 0) {
        const near = [...state.expected, ...state.owed.map((each) => owedPattern(each, state))]
          .filter(({ kind }) => kind === fact.kind)
          .map((pattern) => ({ differsIn: this.#differs(pattern, fact), pattern }));
        fail('Told, but not true (or not for the first time)', { fact, near });
      }
      const [told] = state.owed.splice(owed, 1);
      this.#settle(told as OwedFact, fact);
    }
    if (state.expected.length > 0) fail('Not told', state.expected);
  }

  #settle(told: OwedFact, fact: Fact): void {
    if (fact.at < told.notBefore) fail(`Told before ${told.notBefore}`, fact);
    this.#match(owedPattern(told, this.model.state), fact);
    if (told.value?.revert === told) told.value.revert = undefined;
    const { lease } = told;
    const isItsEnding = fact.kind === 'lease.ended' || (lease.implicit && fact.kind === 'entry.ended');
    if (isItsEnding && !lease.live) lease.endedAt ??= fact.at;
  }

  /* ---- answers --------------------------------------------------------------------------- */

  #checkReply(command: Command, prediction: Prediction, actual: object): void {
    if ('refusedWith' in prediction) {
      const { refused, members } = actual as Observed;
      if (!prediction.refusedWith.has(refused as RefusalCode)) {
        fail(`Expected a refusal with one of ${[...prediction.refusedWith]}`, { command, actual });
      }
      if (command.op === 'batch') {
        this.#checkResults(command, (prediction.members as BatchReply).results, members?.results);
      }
      return;
    }
    if (command.op === 'list-leases' && !('refused' in actual)) {
      this.#checkLeasePage(command, prediction.reply as Lease[], actual as LeasePage);
      return;
    }
    if (command.op === 'batch' && !('refused' in actual)) {
      const { applied, results } = prediction.reply as BatchReply;
      expect((actual as BatchReply).applied).toBe(applied);
      this.#checkResults(command, results, (actual as BatchReply).results);
      return;
    }
    this.#match(prediction.reply, actual, command);
    this.#noteContext(command, actual, prediction.seen);
    if (command.op === 'list-entries') {
      const keys = (actual as EntryPage).entries.map(({ key }) => key);
      expect(new Set(keys).size, 'no key twice').toBe(keys.length);
    }
  }

  #checkResults(command: Command, predicted: unknown, actual: unknown): void {
    if (command.op !== 'batch') return;
    const results = actual as readonly object[];
    expect(results).toHaveLength(command.operations.length);
    command.operations.forEach((operation, index) => {
      if (operation.op === 'refused') return;
      this.#checkReply(
        operation, (predicted as Prediction[])[index] as Prediction, results[index] as object,
      );
    });
  }

  #checkLeasePage(
    command: ListLeasesCommand,
    all: readonly Lease[],
    actual: LeasePage,
  ): void {
    const { leases, last } = actual;
    expect(leases.length).toBeLessThanOrEqual(command.limit);
    if (last !== undefined) expect(last).toBe(leases.at(-1)?.id);
    if (command.state !== 'ended') {
      const page = all.slice(0, command.limit);
      this.#match(page.map((lease) => this.model.leaseView(lease)), leases, command);
      expect(last !== undefined).toBe(all.length > page.length);
      return;
    }
    this.#checkEndedPage(command, all, actual);
  }

  /** Remembered endings may be missing once they are old; nothing else may. */
  #checkEndedPage(command: ListLeasesCommand, all: readonly Lease[], actual: LeasePage): void {
    const { model } = this;
    const { leases, last } = actual;
    const ids = leases.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    for (const view of leases) {
      const lease = model.find(view.id);
      if (lease === undefined || lease.live) fail('Should not be on the page', { command, view });
      this.#match(model.rememberedView(lease), view, command);
      expect(command.namespace ?? view.namespace).toBe(view.namespace);
      expect(command.holder ?? view.holder).toBe(view.holder);
    }
    for (const lease of all) {
      const id = lease.id.text as string;
      if (ids.includes(id) || (last !== undefined && id > last) || model.mayForget(lease)) continue;
      fail('Left out of the page', { command, lease });
    }
  }

  #noteContext(command: Command, actual: object, seen = 0): void {
    const { context } = actual as { context?: unknown };
    if (typeof context === 'string' && 'key' in command) this.model.state.contexts.set(context, seen);
  }

  #checkCounts(): void {
    const { model } = this;
    for (const { name, leases, entries, bytes } of this.core.usage().namespaces) {
      expect(leases, `leases in ${name}`).toBe(model.leasesIn(name, true));
      expect(entries, `entries in ${name}`).toBe(model.entriesIn(name, true));
      if (leases === 0 && entries === 0) expect(bytes, `bytes in ${name}`).toBe(0);
    }
  }

  /* ---- comparing ------------------------------------------------------------------------- */

  /** Compares and learns; throws where they differ. */
  #match(expected: unknown, actual: unknown, about?: unknown): void {
    const difference = this.#differs(expected, actual);
    if (difference !== '') fail(`Different: ${difference}`, { about, expected, actual });
    this.#learn(expected, actual);
  }

  /** The path of the first difference, or ''. Learns nothing. */
  #differs(expected: unknown, actual: unknown, path = 'it'): string {
    if (typeof expected === 'function') return this.#differs(expected(), actual, path);
    if (isAnything(expected) || expected === actual) return '';
    if (isChoice(expected)) {
      const found = expected.oneOf.map((each) => this.#differs(each, actual, path));
      return found.includes('') ? '' : (found[0] as string);
    }
    if (isRefusalPrediction(expected)) {
      const { refused } = actual as Observed;
      return expected.refusedWith.has(refused as RefusalCode) ? '' : `${path}.refused`;
    }
    if (isName(expected)) {
      const text = wordOf(actual);
      if (text === undefined) return path;
      if (expected.text !== undefined) return expected.text === text ? '' : path;
      return this.#taken.has(`${expected.names} ${text}`) ? `${path} (not a new word)` : '';
    }
    if (expected instanceof Uint8Array && actual instanceof Uint8Array) {
      return Buffer.compare(expected, actual) === 0 ? '' : path;
    }
    if (typeof expected !== 'object' || typeof actual !== 'object') return path;
    if (expected === null || actual === null) return path;
    if (Array.isArray(expected) && expected.length !== (actual as unknown[]).length) {
      return `${path}.length`;
    }
    for (const [member, value] of Object.entries(expected)) {
      const found = this.#differs(value, (actual as Record<string, unknown>)[member], `${path}.${member}`);
      if (found !== '') return found;
    }
    return '';
  }

  #learn(expected: unknown, actual: unknown): void {
    // Choices are between leases, and their words are known.
    if (isChoice(expected)) return;
    if (isName(expected)) {
      const text = wordOf(actual);
      if (expected.text !== undefined && expected.text !== text) fail('Two words for one', actual);
      expected.text = text;
      this.#taken.add(`${expected.names} ${expected.text}`);
      return;
    }
    if (typeof expected !== 'object' || expected === null || expected instanceof Uint8Array) return;
    for (const [member, value] of Object.entries(expected)) {
      this.#learn(value, (actual as Record<string, unknown>)?.[member]);
    }
  }
}

/** What the core tells of it now. A value whose return was never told ends under its old version. */
function owedPattern(owed: OwedFact, state: Model['state']): FactPattern {
  let { pattern } = owed;
  if (pattern.kind === 'entry.reverted') {
    const { deadline, holder } = owed.lease;
    pattern = { ...pattern, deadline, holder };
  }
  if (pattern.kind === 'entry.ended' && owed.value?.revert !== undefined) {
    pattern = { ...pattern, dot: owed.value.revert.unrevertedDot };
  }
  if (pattern['reason'] === 'expired') {
    const wasDown = owed.lease.deadline <= state.resumedAt;
    pattern = { ...pattern, cause: wasDown ? 'downtime' : undefined };
  }
  return pattern;
}

function isChoice(value: unknown): value is { readonly oneOf: readonly unknown[] } {
  return typeof value === 'object' && value !== null && 'oneOf' in value;
}

function isRefusalPrediction(value: unknown): value is { refusedWith: ReadonlySet<RefusalCode> } {
  return typeof value === 'object' && value !== null && 'refusedWith' in value;
}

function isName(value: unknown): value is Name {
  return typeof value === 'object' && value !== null && 'names' in value;
}

function isAnything(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(anything).every((key) => key in value);
}

/** A word of the core's as text: ids and ETags are, dots are pairs. */
function wordOf(actual: unknown): string | undefined {
  if (typeof actual === 'string') return actual;
  if (typeof actual !== 'object' || actual === null || !('actor' in actual)) return undefined;
  return `${actual.actor}.${(actual as { seq?: number }).seq}`;
}

export function actorOf(run: number): string {
  return run.toString(16).padStart(16, 'a');
}

function fail(message: string, about: unknown): never {
  const text = JSON.stringify(
    about,
    (_key, value) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value),
    1,
  );
  throw new Error(`${message}: ${text}`);
}
