/**
 * The outbox: what is committed and not yet acknowledged by the bus. Two streams. Endings always
 * find room, because whatever lives has reserved it (core/owed.ts). The other events find room up to
 * a bound: commands that would make one are refused before it is reached, renewals wait for each
 * other, and what nobody can refuse (a value that comes back, a repair) is the last to be dropped,
 * with its number, so that readers see it.
 */
import type { Fact, LastSequences } from '../core/fact.ts';
import { ENDINGS_STREAM } from '../core/told.ts';
import type { StreamName } from './bus.ts';
import { type LogPosition, type OutboxFact, OutboxLog } from './outbox-log.ts';

export interface OutboxLimits {
  readonly events: number;
  readonly eventBytes: number;
  readonly endings: number;
  readonly endingBytes: number;
  /** Acknowledged endings still held. */
  readonly keptBytes: number;
  readonly keptMs: number;
}

export interface OutboxParts {
  readonly limits: OutboxLimits;
  readonly now: () => number;
  /** An ending was acknowledged: what it held is free. */
  readonly onSettled: (namespace: string, ofLease: boolean, bytes: number) => void;
}

/** What commands leave free, for what cannot be refused. */
const MARGIN = 1 / 16;
/** Beyond it renewals are told by the last of their lease, when there is room again. */
const RENEWALS_UP_TO = 1 / 2;
/** What one may weigh, its names included. */
const RENEWAL_BYTES = 512;

export interface OutboxPosition extends LogPosition {
  readonly stream: StreamName;
}

export class Outbox {
  readonly endings: OutboxLog;
  readonly events: OutboxLog;
  readonly limits: OutboxLimits;
  /** The last run that said that it is over. */
  #closed: string | undefined;
  /**
   * What earlier runs left beyond what commands may fill: the journal is told now and then how far
   * the bus has come, so more can be pending after a crash than before it. Whatever cannot be
   * refused (that a run is over, first of all) has its margin on top.
   */
  #inheritedEvents = 0;
  #inheritedBytes = 0;

  constructor({ limits, now, onSettled }: OutboxParts) {
    this.limits = limits;
    const { keptBytes, keptMs } = limits;
    this.endings = new OutboxLog({ stream: 'endings', keptBytes, keptMs, now, onSettled });
    this.events = new OutboxLog({
      stream: 'events', keptBytes: 0, keptMs: 0, now, onSettled: () => {},
    });
  }

  streamOf(number: number): OutboxLog {
    return number === ENDINGS_STREAM ? this.endings : this.events;
  }

  /** Takes a fact into a stream (core/told.ts) and answers its number there; 0: it was dropped. */
  append(stream: number, fact: OutboxFact): number {
    if (stream === ENDINGS_STREAM) return this.endings.append(fact);
    const { events, eventBytes } = this.limits;
    const full =
      this.events.pending >= events + this.#inheritedEvents ||
      this.events.pendingBytes >= eventBytes + this.#inheritedBytes;
    if (!full) return this.events.append(fact);
    this.events.drop();
    return 0;
  }

  /** Whether commands may add so many events of so many bytes. */
  hasRoom(count: number, bytes: number): boolean {
    const { events, eventBytes } = this.limits;
    return (
      this.events.pending + count <= events * (1 - MARGIN) &&
      this.events.pendingBytes + bytes <= eventBytes * (1 - MARGIN)
    );
  }

  /** How many renewals are told one by one; beyond them the last of each lease is, later. */
  get renewalRoom(): number {
    const { events, eventBytes } = this.limits;
    const room = events * RENEWALS_UP_TO - this.events.pending;
    const bytes = eventBytes * RENEWALS_UP_TO - this.events.pendingBytes;
    return Math.max(0, Math.floor(Math.min(room, bytes / RENEWAL_BYTES)));
  }

  /** How full it is: 1 when a stream takes nothing more that could be refused. */
  get eventsFill(): number {
    const { events, eventBytes } = this.limits;
    return Math.max(this.events.pending / events, this.events.pendingBytes / eventBytes);
  }

  get endingsFill(): number {
    const { endings, endingBytes } = this.limits;
    return Math.max(this.endings.pending / endings, this.endings.pendingBytes / endingBytes);
  }

  beginRun(actor: string): void {
    this.endings.beginRun(actor);
    this.events.beginRun(actor);
    const { events, eventBytes } = this.limits;
    const { pending, pendingBytes } = this.events;
    this.#inheritedEvents = Math.max(0, pending - events * (1 - MARGIN));
    this.#inheritedBytes = Math.max(0, pendingBytes - eventBytes * (1 - MARGIN));
  }

  /** The run's last numbers. */
  get last(): LastSequences {
    return { endings: this.endings.sequence, events: this.events.sequence };
  }

  /** A run that has told something and has not said that it is over. */
  runToClose(): { readonly actor: string; readonly last: LastSequences } | undefined {
    const { actor } = this.events;
    const { last } = this;
    if (actor === undefined || actor === this.#closed) return undefined;
    return last.endings + last.events === 0 ? undefined : { actor, last };
  }

  /* ---- recovery ------------------------------------------------------------------------ */

  restoreRun(actor: string, told: LastSequences | undefined): void {
    this.endings.restoreRun(actor, told?.endings ?? 0);
    this.events.restoreRun(actor, told?.events ?? 0);
  }

  /** A fact that an earlier run told, by its stream and number. */
  restore(
    told: { readonly stream: number; readonly sequence: number },
    actor: string,
    fact: Fact,
    record: { readonly bytes: Uint8Array; readonly start: number; readonly valueAt: number },
  ): void {
    if (fact.kind === 'source.closed') this.#closed = fact.actor;
    this.streamOf(told.stream).restore(actor, told.sequence, {
      ...record,
      end: record.bytes.length,
      namespace: fact.namespace,
      ofLease: fact.kind === 'lease.ended',
    });
  }

  restoreAcknowledged(position: OutboxPosition & { readonly at: number }): void {
    const { stream, actor, sequence, at, seen } = position;
    this[stream].restoreAcknowledged(actor, sequence, at, seen);
  }

  /** Endings that wait for their acknowledgement, for who counts what they hold. */
  *owed(): IterableIterator<{ namespace: string; ofLease: boolean; bytes: number }> {
    for (let index = this.endings.first; index < this.endings.head; index++) {
      yield { ...this.endings.ownerOf(index), bytes: this.endings.factBytes(index).length };
    }
  }

  /** Lets go of acknowledged endings that are too old. */
  forget(): void {
    this.endings.forget();
  }

  /** What has changed since the last call, for the journal. */
  takeNotes(): OutboxPosition[] {
    return [this.endings, this.events].flatMap((log) => {
      const note = log.takeNote();
      return note === undefined ? [] : [{ stream: log.stream, ...note }];
    });
  }

  positions(): OutboxPosition[] {
    return [this.endings, this.events].flatMap((log) => {
      const position = log.position();
      return position === undefined ? [] : [{ stream: log.stream, ...position }];
    });
  }

  status(): object {
    const { endings, events, limits } = this;
    return {
      depth: endings.pending + events.pending,
      capacity: limits.endings + limits.events,
      endings: {
        pending: endings.pending, limit: limits.endings,
        bytes: endings.pendingBytes, limitBytes: limits.endingBytes,
        kept: endings.first - endings.kept, keptMs: Math.round(endings.keptMs),
      },
      events: {
        pending: events.pending, limit: limits.events,
        bytes: events.pendingBytes, limitBytes: limits.eventBytes,
        dropped: events.dropped,
      },
    };
  }
}
