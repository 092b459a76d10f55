/**
 * The history by what it is about: writes by key, by value and by version; leases with what was
 * promised of them; endings. Built once, as things happen, for all checkers.
 *
 * An operation counts from the moment it is asked: it may take effect long before its answer, or
 * without one. What an answer says is known from when it is given.
 */
import type { Asked, Delete, Increment, Operation, Write } from '../history/operation.ts';
import type { CheckedNamespace, CheckedWorld, RawSibling } from './checker.ts';
import { type Clocks, HEARD_OF_MS } from './clocks.ts';
import type { LedgerWatch } from './ledger-watch.ts';
import {
  actorOf, type Cover, coverOf, coverOfDots, type Document, documentOf, type Dot, dotsOf, dotText,
  headerOf, isDone, isRefused, numberOf, placeName, textOf, type Told, toldOf,
} from './reading.ts';

/** One change of a key that somebody asked for; also as a part of a batch. */
export interface Act {
  readonly operation: Operation;
  readonly asked: Write | Delete | Increment;
  /** As the client named it: versions that it replaces. Undefined: it named none. */
  readonly saw: Cover | undefined;
  /** Known once it is answered: the dot of what it wrote. */
  dot: Dot | undefined;
  /** The lease it wrote under, once that is known. */
  lease: string | undefined;
  outcome: 'open' | 'done' | 'refused';
}

export interface Key {
  readonly name: string;
  readonly namespace: CheckedNamespace;
  readonly key: string;
  readonly acts: Act[];
}

/** An answer that said of a lease how long it lives. */
export interface Promised {
  readonly place: string;
  readonly run: number;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly remainingMs: number;
  /** What it may become without another answer: a renewal that was capped is made good later. */
  readonly mostMs: number;
}

export interface Lease {
  readonly id: string;
  readonly namespace: CheckedNamespace | undefined;
  /** Granted by itself: it ends with an event of its own. */
  isExplicit: boolean;
  readonly promises: Promised[];
  /** Everything asked of it: renewals, releases, transfers. */
  readonly asked: Operation[];
  /** Somebody asked to release it, and was not refused so far. */
  readonly releases: Operation[];
  /** Told by anybody. */
  readonly endings: Told[];
  isAdopted: boolean;
}

/** A value, seen at an instant: in an answer or in the ledger. */
export interface Sighting {
  readonly atMs: number;
  readonly where: string;
}

const STOPS: ReadonlySet<string> = new Set(['restart', 'rolling-restart', 'configuration-change']);

export class Story {
  readonly world: CheckedWorld;
  readonly clocks: Clocks;
  readonly watch: LedgerWatch;
  readonly keys = new Map<string, Key>();
  readonly leases = new Map<string, Lease>();
  readonly intents = new Map<number, Operation[]>();
  /** By the text of a value: unique in a run, but for attempts of one intent. */
  readonly writesOfValue = new Map<string, Act[]>();
  readonly firstSeen = new Map<string, Sighting>();
  /** By dot: the act that wrote it, once known. */
  readonly actOfDot = new Map<string, Act>();
  /** By dot, from the ledger. */
  readonly hybridClockOf = new Map<string, number>();
  /** All events, and the part of them that are endings, in the order they came. */
  readonly told: Told[] = [];
  readonly #namespaces = new Map<string, CheckedNamespace>();
  readonly #actsOf = new Map<Operation, Act[]>();
  #operations = 0;
  #answers = 0;
  #events = 0;
  /** Instants at which machines lost their power, by sidecar. */
  readonly #powerCuts = new Map<string, number>();
  /** When there were last two primaries of the ledger, of which one forgets. */
  #splitUntilMs = Number.NEGATIVE_INFINITY;
  #incidents = 0;
  /** Somebody was told to stop in good order: what a namespace says of draining has happened. */
  wasStopped = false;

  constructor(world: CheckedWorld, clocks: Clocks, watch: LedgerWatch) {
    this.world = world;
    this.clocks = clocks;
    this.watch = watch;
    for (const namespace of world.namespaces) this.#namespaces.set(namespace.name, namespace);
    watch.onChange(({ records, namespace }) => {
      for (const { after, before } of records) {
        if (after === undefined) continue;
        for (const sibling of after.siblings) {
          if (before?.siblings.includes(sibling) !== true) this.#seeInLedger(sibling, namespace);
        }
      }
    });
  }

  namespace(name: string): CheckedNamespace | undefined {
    return this.#namespaces.get(name);
  }

  actsOf(operation: Operation): readonly Act[] {
    return this.#actsOf.get(operation) ?? [];
  }

  /** Everything that has happened since the last look. */
  catchUp(): void {
    this.clocks.look();
    const { operations, answered, told, incidents } = this.world.history;
    while (this.#incidents < incidents.length) {
      const { kind, where, detail, atMs } = incidents[this.#incidents++]!;
      if (STOPS.has(kind)) this.wasStopped = true;
      if (kind === 'power-cut' || detail['power'] === true) this.#powerCuts.set(where, atMs);
      if (kind === 'ledger-split') this.#splitUntilMs = Number.POSITIVE_INFINITY;
      if (kind === 'ledger-split ends') this.#splitUntilMs = atMs;
    }
    while (this.#operations < operations.length) this.#ask(operations[this.#operations++]!);
    while (this.#answers < answered.length) this.#answer(answered[this.#answers++]!);
    while (this.#events < told.length) this.#tell(toldOf(told[this.#events++]!));
  }

  /** What the ledger acknowledged from then on, it may have forgotten since. */
  ledgerMayForget(atMs: number): boolean {
    return this.watch.lostSince(atMs) || this.#splitUntilMs >= atMs;
  }

  /** Its machine lost its power at or after that instant. */
  powerLostSince(place: string, atMs: number): boolean {
    const lastMs = this.#powerCuts.get(place);
    return lastMs !== undefined && lastMs >= atMs;
  }

  /**
   * Whether what a sidecar took in at `atMs` may be gone from it by `byMs`, by what the namespace
   * risks: `memory` does not survive the process, `journal` not a power cut; `ledger` survives one
   * if the ledger keeps it. (P4)
   */
  mayBeForgotten(place: string, { durability }: CheckedNamespace, atMs: number, byMs: number): boolean {
    switch (durability) {
      case 'memory':
        return this.clocks.runAt(place, atMs) !== this.clocks.runAt(place, byMs);
      case 'journal':
        return this.powerLostSince(place, atMs);
      case 'ledger':
        return this.powerLostSince(place, atMs) && this.watch.lostSince(atMs);
      case 'fsync':
        return false;
    }
  }

  /**
   * Certainly without effect. Where the first writer wins, the ledger decides: a write that it
   * refuses was there for a moment, was told, and is told to have ended.
   */
  isRefused(operation: Operation): boolean {
    if (!isRefused(operation)) return false;
    const { asked, answer } = operation;
    if (answer!.code !== 'entry-held') return true;
    return !partsOf(asked).some(({ namespace }) => this.#isForTheLedger(namespace));
  }

  #isForTheLedger(namespace: string): boolean {
    return this.namespace(namespace)?.conflict === 'firstWins';
  }

  keyOf(namespace: string, key: string): Key | undefined {
    const name = placeName(namespace, key);
    let found = this.keys.get(name);
    const contract = this.namespace(namespace);
    if (found === undefined && contract !== undefined) {
      found = { name, key, namespace: contract, acts: [] };
      this.keys.set(name, found);
    }
    return found;
  }

  leaseOf(id: string, namespace: string | undefined): Lease {
    let lease = this.leases.get(id);
    if (lease === undefined) {
      lease = {
        id, namespace: namespace === undefined ? undefined : this.namespace(namespace),
        isExplicit: false, promises: [], asked: [], releases: [], endings: [], isAdopted: false,
      };
      this.leases.set(id, lease);
    }
    return lease;
  }

  /**
   * For how long a lease surely lives on at `atMs`, by what its sidecar has said; 0 or less: it may
   * be over. A machine that was suspended does not know how late it is, and others have ended for it
   * what they held for abandoned (SPEC, Gaps): nothing is sure until it has heard of that.
   */
  surelyRemainsMs(lease: Lease, place: string, atMs: number): number {
    let remainsMs = -Infinity;
    for (const promise of lease.promises) {
      if (promise.place !== place || promise.answeredAtMs > atMs) continue;
      if (this.clocks.stoodStillSince(place, promise.askedAtMs - HEARD_OF_MS)) continue;
      const passedMs = this.clocks.mostBetween(place, promise.askedAtMs, atMs);
      remainsMs = Math.max(remainsMs, promise.remainingMs - passedMs);
    }
    return remainsMs;
  }

  /**
   * The longest for which it may still live at `atMs`, by its owner's clock; negative: it is surely
   * over. Infinity where a renewal may have taken effect that was never answered.
   */
  mayRemainMs(lease: Lease, atMs: number): number {
    let remainsMs = -Infinity;
    for (const operation of lease.asked) {
      if (operation.asked.kind === 'renew' && !isDone(operation) && !isRefused(operation)) return Infinity;
    }
    for (const promise of lease.promises) {
      const passedMs = this.clocks.leastBetween(promise.place, promise.answeredAtMs, atMs);
      remainsMs = Math.max(remainsMs, promise.mostMs + 1 - passedMs);
    }
    return remainsMs;
  }

  #seeInLedger({ dot, hlc, value }: RawSibling, namespace: string): void {
    this.hybridClockOf.set(dotText(dot), hlc);
    const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
    this.sawValue(text, 'the ledger');
    if (this.namespace(namespace)?.conflict !== 'counter') this.#name(dot, text);
  }

  sawValue(value: string, where: string): void {
    if (!this.firstSeen.has(value)) this.firstSeen.set(value, { atMs: this.world.nowMs, where });
  }

  /** A value under a dot: whose write that is, is known even if nobody ever answered it. */
  #name(dot: Dot, value: string): void {
    const acts = this.writesOfValue.get(value);
    const name = dotText(dot);
    // Of several attempts any may have taken effect, and more than one.
    if (acts?.length === 1 && !this.actOfDot.has(name)) this.actOfDot.set(name, acts[0]!);
  }

  #ask(operation: Operation): void {
    const { asked, intent } = operation;
    const attempts = this.intents.get(intent);
    if (attempts === undefined) this.intents.set(intent, [operation]);
    else attempts.push(operation);
    const parts = partsOf(asked);
    if (parts.length > 0) {
      this.#actsOf.set(operation, parts.map((part) => this.#act(operation, part)));
    }
    if (asked.kind === 'renew' || asked.kind === 'release' || asked.kind === 'transfer') {
      const lease = this.leaseOf(asked.lease, undefined);
      lease.asked.push(operation);
      if (asked.kind === 'release') lease.releases.push(operation);
    }
  }

  #act(operation: Operation, asked: Write | Delete | Increment): Act {
    const named = 'context' in asked ? coverOf(asked.context) : undefined;
    const matched = 'ifMatch' in asked && asked.ifMatch !== undefined
      ? coverOfDots(dotsOf(asked.ifMatch)) : undefined;
    const act: Act = {
      operation, asked, saw: named ?? matched, dot: undefined, outcome: 'open',
      lease: asked.kind === 'put' ? asked.lease : undefined,
    };
    this.keyOf(asked.namespace, asked.key)?.acts.push(act);
    if (asked.kind === 'put') {
      const same = this.writesOfValue.get(asked.value);
      if (same === undefined) this.writesOfValue.set(asked.value, [act]);
      else same.push(act);
    }
    return act;
  }

  #answer(operation: Operation): void {
    const { asked } = operation;
    const answer = operation.answer!;
    if (asked.kind === 'batch') return this.#answerBatch(operation);
    const act = this.#actsOf.get(operation)?.[0];
    const document = documentOf(answer.document);
    if (act !== undefined) {
      if (this.isRefused(operation)) act.outcome = 'refused';
      if (isDone(operation)) {
        const etag = answer.etag ?? textOf(document, 'etag');
        this.#done(act, etag, headerOf(answer, 'leasehold-lease'), actorOf(answer));
      }
    }
    if (!isDone(operation)) return;
    if (asked.kind === 'get') {
      const dots = dotsOf(answer.etag);
      for (const value of answer.values ?? []) this.sawValue(value, operation.sidecar);
      if (dots.length === 1 && answer.values?.length === 1) this.#name(dots[0]!, answer.values[0]!);
    }
    this.#promise(operation, document);
  }

  #promise(operation: Operation, document: Document | undefined): void {
    const { asked, askedAtMs, sidecar, run } = operation;
    const answer = operation.answer!;
    const isOfLease =
      asked.kind === 'grant' || asked.kind === 'renew' || asked.kind === 'get-lease' || asked.kind === 'transfer';
    // An answer that may have been remembered says what remained when it was first given.
    const isAgain = this.intents.get(operation.intent)?.[0] !== operation;
    if (isAgain && (asked.kind === 'put' || asked.kind === 'increment')) return;
    // A copy's deadline is its owner's to promise.
    if (asked.kind === 'get' && headerOf(answer, 'leasehold-source') !== 'local') return;
    const id = isOfLease ? textOf(document, 'id') : headerOf(answer, 'leasehold-lease');
    if (id === undefined) return;
    if (isOfLease && textOf(document, 'state') !== 'live') return;
    const remaining = headerOf(answer, 'leasehold-remaining-ms');
    const remainingMs = isOfLease
      ? numberOf(document, 'remainingMs')
      : remaining === undefined ? undefined : Number(remaining);
    if (remainingMs === undefined) return;
    const namespace = 'namespace' in asked ? asked.namespace : textOf(document, 'namespace');
    const lease = this.leaseOf(id, namespace);
    if (isOfLease && asked.kind === 'grant') {
      lease.isExplicit = true;
      if (document?.['adopted'] === true) lease.isAdopted = true;
    }
    // Reading extends an implicit lease where reads are said to; elsewhere it says what is so.
    const wished = document?.['capped'] === true ? (numberOf(document, 'ttlMs') ?? 0) : 0;
    const mostMs = Math.max(remainingMs, wished);
    lease.promises.push({ run, askedAtMs, remainingMs, mostMs, place: sidecar, answeredAtMs: answer.atMs });
  }

  #answerBatch(operation: Operation): void {
    const acts = this.#actsOf.get(operation) ?? [];
    const results = documentOf(operation.answer!.document)?.['results'];
    acts.forEach((act, index) => {
      if (this.isRefused(operation)) act.outcome = 'refused';
      if (!isDone(operation) || !Array.isArray(results)) return;
      const result = documentOf(results[index]);
      const status = numberOf(result, 'status') ?? 0;
      if (status >= 400) act.outcome = this.#isForTheLedger(act.asked.namespace) ? 'open' : 'refused';
      else this.#done(act, textOf(result, 'etag'), textOf(result, 'lease'), actorOf(operation.answer!));
    });
  }

  #done(act: Act, etag: string | undefined, lease: string | undefined, actor: string | undefined): void {
    act.outcome = 'done';
    if (act.asked.kind === 'delete') return;
    act.lease = lease ?? act.lease;
    const dots = dotsOf(etag);
    // Where several values stand, the new one is the last of the run that answered.
    const own = actor === undefined ? dots : dots.filter((dot) => dot.actor === actor);
    const among = own.length > 0 ? own : dots.length === 1 ? dots : [];
    const dot = among.reduce<Dot | undefined>(
      (last, each) => (last === undefined || each.seq > last.seq ? each : last), undefined,
    );
    if (dot === undefined) return;
    act.dot = dot;
    const name = dotText(dot);
    if (!this.actOfDot.has(name)) this.actOfDot.set(name, act);
  }

  #tell(told: Told): void {
    this.told.push(told);
    const value = textOf(told.data, 'value');
    if (value !== undefined) {
      const text = Buffer.from(value, 'base64').toString();
      this.sawValue(text, told.id);
      for (const dot of dotsOf(textOf(told.data, 'etag'))) this.#name(dot, text);
    }
    const lease = textOf(told.data, 'lease');
    if (lease === undefined || lease === '') return;
    const known = this.leaseOf(lease, textOf(told.data, 'namespace'));
    if (told.what === 'lease.adopted') known.isAdopted = true;
    if (told.what === 'lease.granted') known.isExplicit = true;
    if (told.what.endsWith('.ended')) known.endings.push(told);
  }
}

function partsOf(asked: Asked): readonly (Write | Delete | Increment)[] {
  switch (asked.kind) {
    case 'put': case 'delete': case 'increment':
      return [asked];
    case 'batch':
      return asked.operations;
    default:
      return [];
  }
}
