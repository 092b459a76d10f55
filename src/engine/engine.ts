/**
 * The engine: the single writer. Command → core → facts to feed and journal → reply, released
 * when the journal has got as far as the namespace promises. Everything that happened in one turn
 * of the event loop becomes one group: the write happens at the end of the turn, and replies
 * follow it.
 *
 * The core runs ahead of the journal by at most one turn; should an append fail, the process stops
 * and the next run restores what was acknowledged. Nothing is rolled back in place.
 */
import type { BatchCommand, Command } from '../core/command.ts';
import type { Durability, NamespaceContract } from '../core/contract.ts';
import type { Core } from '../core/core.ts';
import { RECORD_HEADER_BYTES } from '../core/fact-format.ts';
import { isRefusal } from '../core/refusal.ts';
import type { State } from '../core/state.ts';
import { ERRORS, reject } from '../errors.ts';
import type { PressureReading } from '../core/fact.ts';
import type { Outbox } from '../events/outbox.ts';
import type { Journal } from '../journal/journal.ts';
import type { Timers } from '../machine/machine.ts';
import { EndingCounts } from './ending-counts.ts';
import { essenceOf, replay } from './essence.ts';
import type { Feed } from './feed.ts';
import type { IdempotencyMemory } from './idempotency.ts';
import { presentableReply } from './presentable.ts';
import { eventDemand } from './outbox-room.ts';
import {
  acknowledgedRecord, answerRecord, FACT_RECORD, RESTATED_RECORD, runRecord, writeHeader,
} from './records.ts';
import { Queue } from './queue.ts';
import type { IdempotencyRequest, Outcome, Service } from './service.ts';
import { Ticker } from './ticker.ts';
import type { Timeline } from './timeline.ts';

export interface EngineParts {
  readonly core: Core;
  readonly journal: Journal;
  readonly feed: Feed;
  readonly timeline: Timeline;
  readonly timers: Timers;
  readonly idempotency: IdempotencyMemory;
  /** Absent without a bus. */
  readonly outbox?: Outbox;
  /** Sees each record that is handed on; it changes nothing. Absent: nothing is traced. */
  readonly observe?: (bytes: Uint8Array, start: number, end: number) => void;
  /** For the durability of namespaces that come into being as copies of `default`. */
  readonly defaultDurability: Durability;
  readonly contracts: readonly NamespaceContract[];
  /** Called after every commit, with no group pending. */
  readonly afterCommit: () => void;
  /** Called once, when the journal has failed or the core broke: the process must stop. */
  readonly onFatal: (error: Error) => void;
}

/** Renewals that waited for room on their way to the bus, told in one turn. */
const RETOLD_PER_TURN = 256;

type Respond = (outcome: Outcome, replayed: boolean) => void;

interface Uncommitted {
  readonly position: number;
  readonly feedHead: number;
  readonly endingsHead: number;
  readonly eventsHead: number;
}

/** A reply that waits for the journal. */
interface Waiting {
  readonly outcome: Outcome;
  readonly respond: Respond;
  readonly replayed: boolean;
  /** Set when its turn ends. */
  position: number;
}

export class Engine implements Service {
  readonly #core: Core;
  readonly #journal: Journal;
  readonly #feed: Feed;
  readonly #timeline: Timeline;
  readonly #timers: Timers;
  readonly #idempotency: IdempotencyMemory;
  readonly #outbox: Outbox | undefined;
  readonly #durability = new Map<string, Durability>();
  readonly #observe: EngineParts['observe'];
  readonly #defaultDurability: Durability;
  readonly #someFsync: boolean;
  readonly #ticker: Ticker;
  readonly #afterCommit: () => void;
  readonly #onFatal: (error: Error) => void;
  readonly endings = new EndingCounts();

  /** Replies of this turn, then those waiting for the two watermarks, oldest first. */
  #turn: { readonly waiting: Waiting; readonly synced: boolean }[] = [];
  readonly #untilWritten = new Queue<Waiting>();
  readonly #untilSynced = new Queue<Waiting>();
  /** How far feed and outbox were, by the group that commits that. */
  readonly #uncommitted = new Queue<Uncommitted>();
  #flushScheduled = false;
  /** Position of the last group that holds anything. */
  #lastPosition = 0;
  #draining = false;
  /** The bus was told that this run is over. */
  #closed = false;
  #stopped = false;

  constructor(parts: EngineParts) {
    this.#core = parts.core;
    this.#journal = parts.journal;
    this.#feed = parts.feed;
    this.#timeline = parts.timeline;
    this.#timers = parts.timers;
    this.#idempotency = parts.idempotency;
    this.#outbox = parts.outbox;
    this.#observe = parts.observe;
    this.#defaultDurability = levelOf(parts.defaultDurability);
    this.#afterCommit = parts.afterCommit;
    this.#onFatal = parts.onFatal;
    for (const contract of parts.contracts) {
      this.#durability.set(contract.name, levelOf(contract.durability));
    }
    this.#someFsync =
      parts.defaultDurability === 'fsync' ||
      parts.contracts.some((contract) => contract.durability === 'fsync');
    this.#ticker = new Ticker(
      {
        now: () => this.now(),
        next: () => this.#core.nextTick(),
        tick: (now, budget) => {
          this.#readWallClock(now);
          return this.#attempt(() => this.#core.tick(now, budget)) ?? false;
        },
      },
      parts.timers,
    );
    this.#journal.onAdvance = () => this.#advance();
    this.#journal.onFailure = (error) => this.#fail(error);
  }

  /** Facts left by recovery go out, and time starts to run. */
  start(): void {
    this.#distribute();
    this.#flush();
  }

  /**
   * Facts from here on are another run's: this one's at the start, or after an isolation. The bus
   * is told that the one before, if it told anything, is over.
   */
  beginRun(actor: string): void {
    const outbox = this.#outbox;
    const before = outbox?.runToClose();
    this.#feed.beginRun(actor);
    outbox?.beginRun(actor);
    const record = runRecord({ actor, sequence: 0 });
    this.#lastPosition = this.#journal.append(record, 0, record.length);
    if (before !== undefined) this.#core.tellSourceClosed(this.now(), before.actor, before.last);
    if (before !== undefined) this.#distribute();
  }

  /**
   * Tells the bus that this run is over. Nothing follows: time stands still from here on, and what
   * falls due is the next run's to end.
   */
  closeSource(): void {
    const outbox = this.#outbox;
    if (outbox === undefined || this.#stopped) return;
    this.#ticker.stop();
    this.#flush();
    this.#closed = true;
    const { endings, events } = outbox.last;
    // Itself included.
    this.#attempt(() =>
      this.#core.tellSourceClosed(this.now(), this.#core.actor, { endings, events: events + 1 }),
    );
    this.#flush();
  }

  tellPressure(reading: PressureReading): void {
    if (this.#stopped || this.#closed) return;
    this.#attempt(() => this.#core.tellPressure(this.now(), reading));
  }

  /** Keeps in the journal how far the bus has come, and tells renewals that it has room for now. */
  noteAcknowledged(): void {
    const outbox = this.#outbox;
    if (outbox === undefined || this.#stopped) return;
    outbox.forget();
    const notes = outbox.takeNotes();
    const at = this.now();
    for (const position of notes) {
      const record = acknowledgedRecord({ ...position, at });
      this.#lastPosition = this.#journal.append(record, 0, record.length);
    }
    if (notes.length > 0 || this.#core.state.heldRenewals.size > 0) this.#scheduleFlush();
  }

  now(): number {
    return this.#timeline.now();
  }

  toWallMs(instant: number): number {
    return instant + this.#core.state.wallOffsetMs;
  }

  /** From here on no new leases. */
  beginDraining(): void {
    this.#draining = true;
  }

  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: IdempotencyRequest,
  ): void;
  submit(command: Command, respond: Respond, idempotency?: IdempotencyRequest): void {
    if (this.#stopped || this.#closed) {
      respond(reject('draining', 'Cannot serve: the sidecar has stopped'), false);
      return;
    }
    const now = this.now();
    this.#readWallClock(now);
    if (idempotency !== undefined) {
      this.#submitOnce(command, respond, idempotency, now);
      return;
    }
    const refused = this.#refusal(command);
    if (refused !== undefined) {
      respond(refused, false);
      return;
    }
    const reply = this.#attempt(() => this.#core.step(command, now));
    if (reply === undefined) return;
    this.#answer(command, presentableReply(command, reply, this), respond, false);
  }

  /** One step of the core on behalf of reconciliation. Throws when the engine has stopped. */
  apply<T>(step: (state: State) => T): T {
    if (this.#stopped || this.#closed) throw new Error('Cannot go on: the engine has stopped');
    const now = this.now();
    this.#readWallClock(now);
    try {
      const result = this.#core.reconcile(now, step);
      this.#distribute();
      return result;
    } catch (error) {
      this.#fail(error as Error);
      throw error;
    }
  }

  /**
   * Keeps the last contacts with the ledger in the journal; not on a full disk, whose reserve is for
   * endings and renewals: the next run takes an older contact for the last one.
   */
  restateContacts(): void {
    if (this.#stopped || this.#journal.state === 'full') return;
    this.#core.restateContacts((bytes, start, end) => {
      writeHeader(bytes, start, RESTATED_RECORD, 0);
      this.#lastPosition = this.#journal.append(bytes, start, end);
    });
    this.#scheduleFlush();
  }

  /** Once a turn: what it tells is told by the wall clock, which may have been put right meanwhile. */
  #readWallClock(now: number): void {
    if (!this.#flushScheduled) this.#core.setWallOffset(this.#timeline.wallMs() - now);
  }

  /** undefined: the core broke off halfway; nothing may be answered from that state any more. */
  #attempt<T>(work: () => T): T | undefined {
    try {
      const reply = work();
      this.#distribute();
      return reply;
    } catch (error) {
      this.#fail(error as Error);
      return undefined;
    }
  }

  #submitOnce(
    command: Command,
    respond: Respond,
    { key, fingerprint }: IdempotencyRequest,
    now: number,
  ): void {
    const known = this.#idempotency.find(key, now);
    if (known !== undefined) {
      if (known.fingerprint !== fingerprint) {
        respond(
          reject('idempotency-key-reused', 'Cannot take the key again: its payload was another'),
          false,
        );
      } else if (known.essence === undefined) {
        respond(
          reject('idempotency-in-progress', 'Cannot answer yet: the first request is running'),
          false,
        );
      } else {
        const { essence } = known;
        const again = this.#attempt(() => replay(this.#core, command, essence, now));
        if (again === undefined) return;
        this.#answer(command, presentableReply(command, again, this), respond, true);
      }
      return;
    }
    const refused = this.#refusal(command);
    if (refused !== undefined) {
      respond(refused, false);
      return;
    }
    const record = this.#idempotency.begin(key, fingerprint, now);
    const reply = this.#attempt(() => this.#core.step(command, now));
    if (reply === undefined) return;
    const outcome = presentableReply(command, reply, this);
    const essence = essenceOf(command, outcome);
    const temporary = isRefusal(reply) && isTemporary(reply.refused);
    if (essence === undefined || temporary) {
      this.#idempotency.abandon(key);
      this.#answer(command, outcome, respond, false);
      return;
    }
    const bytes = answerRecord({ key, fingerprint, at: now, essence });
    if (this.#levelOf(command) !== 'memory') {
      this.#lastPosition = this.#journal.append(bytes, 0, bytes.length);
    }
    // Its repeats are told "in progress" until the first answer may be released.
    this.#answer(command, outcome, respond, false, () => {
      this.#idempotency.complete(record, essence, bytes.length);
    });
  }

  #refusal(command: Command): Outcome | undefined {
    if (this.#draining && command.op === 'grant') {
      return reject('draining', 'Cannot grant: the sidecar is draining');
    }
    if (this.#journal.state === 'full' && needsRoom(command)) {
      return reject('journal-full', 'Cannot take new state: the disk of the journal is full');
    }
    return this.#outbox === undefined ? undefined : this.#outboxRefusal(this.#outbox, command);
  }

  /** What would make an event must find room for it before anything changes. */
  #outboxRefusal(outbox: Outbox, command: Command): Outcome | undefined {
    const { events, bytes } = eventDemand(this.#core.state, command);
    if (events === 0 || outbox.hasRoom(events, bytes)) return undefined;
    // When to come back is the edge's to say, which knows what it tells the others.
    return reject(
      'under-pressure', 'Cannot take new state: the bus has not taken the events there are',
      { source: 'outbox' },
    );
  }

  /** Facts of the step just taken are handed on, and the end of the turn will see to them. */
  #distribute(): void {
    if (this.#handOn() || this.#core.state.renewed.length > 0) this.#scheduleFlush();
  }

  /** Facts go to the feed and into the pending group; false when there were none. */
  #handOn(): boolean {
    const { facts } = this.#core;
    const { count, bytes, starts } = facts;
    const outbox = this.#outbox;
    const whole = count > 1 && !facts.leavesValuesOut;
    let sequence = whole ? this.#feed.appendAll(bytes, starts, count, facts.at) : 0;
    for (let index = 0; index < count; index++) {
      const start = starts[index]!;
      const end = starts[index + 1]!;
      this.#observe?.(bytes, start, end);
      if (!whole) {
        sequence = this.#feed.append(
          bytes, start + RECORD_HEADER_BYTES, end, facts.valueAt[index]!, facts.at,
        );
      }
      this.endings.note(facts, index);
      const stream = outbox === undefined ? 0 : facts.streams[index]!;
      const told = stream === 0 ? 0 : this.#post(outbox!, stream, index);
      if (facts.journalled[index]!) {
        writeHeader(bytes, start, FACT_RECORD, sequence, told === 0 ? 0 : stream, told);
        this.#lastPosition = this.#journal.append(bytes, start, end);
      }
      if (whole) sequence++;
    }
    if (count > 0) facts.reset();
    return count > 0;
  }

  /** Puts a fact into the outbox; its number there, 0 where it found no room. */
  #post(outbox: Outbox, stream: number, index: number): number {
    const { facts } = this.#core;
    return outbox.append(stream, {
      bytes: facts.bytes,
      start: facts.starts[index]! + RECORD_HEADER_BYTES,
      end: facts.starts[index + 1]!,
      valueAt: facts.valueAt[index]!,
      namespace: facts.namespaces[index]?.contract.name ?? '',
      ofLease: facts.ofLease[index] ?? false,
    });
  }

  #levelOf(command: Command): Durability {
    switch (command.op) {
      case 'put':
      case 'get':
      case 'delete':
      case 'increment':
      case 'list-entries':
      case 'grant':
        return this.#durability.get(command.namespace) ?? this.#defaultDurability;
      case 'batch':
        return this.#levelOfBatch(command);
      default:
        // By id: the namespace is not in the command; the strictest in use serves all.
        return this.#someFsync ? 'fsync' : 'journal';
    }
  }

  #levelOfBatch(command: BatchCommand): Durability {
    let strictest: Durability = 'memory';
    for (const operation of command.operations) {
      if (operation.op === 'refused') continue;
      const level = this.#levelOf(operation);
      if (level === 'fsync') return level;
      if (level === 'journal') strictest = level;
    }
    return strictest;
  }

  /** Gives the reply now, or when everything it may have seen has been recorded. */
  #answer(
    command: Command,
    outcome: Outcome,
    respond: Respond,
    replayed: boolean,
    completed?: () => void,
  ): void {
    const level = this.#levelOf(command);
    const pending = this.#flushScheduled || this.#lastPosition > this.#journal.writtenPosition;
    const unsynced = level === 'fsync' && this.#lastPosition > this.#journal.syncedPosition;
    if (level === 'memory' || (!pending && !unsynced)) {
      completed?.();
      respond(outcome, replayed);
      return;
    }
    const release: Respond =
      completed === undefined
        ? respond
        : (...args) => {
            completed();
            respond(...args);
          };
    const waiting: Waiting = {
      outcome, replayed,
      respond: release,
      position: this.#lastPosition,
    };
    this.#turn.push({ waiting, synced: level === 'fsync' });
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#timers.soon(this.#flush);
  }

  /** The end of a turn: one group to the journal, then the replies that waited for it. */
  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.#stopped) return;
    const { renewed, heldRenewals } = this.#core.state;
    if (renewed.length > 0 || heldRenewals.size > 0) {
      this.#core.state.enter(this.now());
      if (renewed.length > 0) this.#core.tellRenewals(this.#renewalRoom());
      this.#handOn();
      const room = Math.min(RETOLD_PER_TURN, this.#renewalRoom());
      if (heldRenewals.size > 0 && room > 0) this.#core.retellRenewals(room);
      this.#handOn();
    }
    const now = this.now();
    const wallMs = this.#timeline.wallMs();
    this.#core.setWallOffset(wallMs - now);
    const turn = this.#turn;
    this.#turn = [];
    let syncWanted = false;
    for (const { waiting, synced } of turn) {
      waiting.position = this.#lastPosition;
      if (synced) {
        syncWanted = true;
        this.#untilSynced.push(waiting);
      } else {
        this.#untilWritten.push(waiting);
      }
    }
    this.#uncommitted.push({
      position: this.#lastPosition,
      feedHead: this.#feed.head,
      endingsHead: this.#outbox?.endings.head ?? 0,
      eventsHead: this.#outbox?.events.head ?? 0,
    });
    this.#journal.commit(now, wallMs);
    if (syncWanted) this.#journal.requestSync();
    this.#advance();
    this.#afterCommit();
    this.#ticker.arm();
  };

  /** How many renewals may go to the bus now. */
  #renewalRoom(): number {
    if (this.#outbox === undefined) return Number.POSITIVE_INFINITY;
    return this.#closed ? 0 : this.#outbox.renewalRoom;
  }

  /** A watermark moved: let go what it covers. */
  #advance(): void {
    const { writtenPosition, syncedPosition } = this.#journal;
    let reached: Uncommitted | undefined;
    for (let next = this.#uncommitted.peek(); next !== undefined; next = this.#uncommitted.peek()) {
      if (next.position > writtenPosition) break;
      reached = next;
      this.#uncommitted.shift();
    }
    if (reached !== undefined) {
      this.#feed.commit(reached.feedHead);
      this.#outbox?.endings.commit(reached.endingsHead);
      this.#outbox?.events.commit(reached.eventsHead);
    }
    this.#release(this.#untilWritten, writtenPosition);
    this.#release(this.#untilSynced, syncedPosition);
  }

  #release(queue: Queue<Waiting>, watermark: number): void {
    for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
      if (next.position > watermark) return;
      queue.shift();
      next.respond(next.outcome, next.replayed);
    }
  }

  #fail(error: Error): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#ticker.stop();
    this.#onFatal(error);
  }

  /** Writes what is pending and stops; replies still waiting for the disk have been given. */
  async stop(): Promise<void> {
    this.#flush();
    this.#stopped = true;
    this.#ticker.stop();
    await this.#journal.close(this.now(), this.#timeline.wallMs());
    this.#advance();
  }
}

/** What the journal is asked for: the ledger, where a reply waits for it, is waited for outside. */
function levelOf(durability: Durability): Durability {
  return durability === 'ledger' ? 'journal' : durability;
}

/** Whether a command may need room on the disk beyond what endings and renewals have reserved. */
function needsRoom(command: Command): boolean {
  switch (command.op) {
    case 'put':
    case 'increment':
    case 'grant':
    case 'transfer':
      return true;
    case 'batch':
      return command.operations.some((each) => each.op !== 'refused' && needsRoom(each));
    default:
      return false;
  }
}

/** A repeat may fare better: nothing is remembered of it. */
function isTemporary(code: keyof typeof ERRORS): boolean {
  const { status } = ERRORS[code];
  return status >= 500 || status === 429;
}
