/**
 * Everybody who follows the events. A watcher is a place in the feed and a connection; it is
 * written to only while its connection takes more, so a slow one costs a place and nothing else.
 * One pump serves all in turn, a bounded number of facts per turn of the loop, so that a crowd far
 * behind cannot hold up requests. Watchers near the head read the same facts: texts are made once.
 */
import type { ServerResponse } from 'node:http';
import type { FeedFact, FeedReader, ResyncNotice } from '../engine/service.ts';
import type { Fact } from '../core/fact.ts';
import { eventName } from '../events/cloud-event.ts';
import { repeat, type Timers } from '../machine/machine.ts';
import type { EventOf } from './edge.ts';

export interface EventFilter {
  readonly namespace: string | undefined;
  /** Those that the reader may see; undefined: all. What is of no namespace is told to everybody. */
  readonly namespaces: ReadonlySet<string> | undefined;
  readonly prefix: string | undefined;
  readonly lease: string | undefined;
  /** noun.verb; undefined: all. */
  readonly names: ReadonlySet<string> | undefined;
}

export const HEARTBEAT_MS = 15_000;
/** About 8 µs each when all must be encoded: 2 ms a turn. */
const FACTS_PER_TURN = 256;
/** What one watcher gets before the next has its turn. */
const FACTS_PER_READ = 32;
const RESYNC_WINDOW_MS = 60_000;
/** One that loses its place so often reads too slowly to be of use to itself. */
const RESYNCS_MAX = 3;
/** 1 024 texts of at most 4 KiB: 4 MiB at worst. */
const TEXTS_KEPT = 1024;
const TEXT_KEPT_LENGTH_MAX = 4096;

interface KeptText {
  readonly actor: string;
  readonly sequence: number;
  readonly text: string;
}

function isAsked(filter: EventFilter, fact: Fact): boolean {
  if (filter.namespace !== undefined && fact.namespace !== filter.namespace) return false;
  if (filter.namespaces !== undefined && !isSeen(filter.namespaces, fact)) return false;
  if (filter.lease !== undefined && fact.lease !== filter.lease) return false;
  if (filter.prefix !== undefined) {
    if (!('key' in fact) || !fact.key.startsWith(filter.prefix)) return false;
  }
  return filter.names === undefined || filter.names.has(eventName(fact) ?? '');
}

function isSeen(namespaces: ReadonlySet<string>, { namespace }: Fact): boolean {
  return namespace === '' || namespaces.has(namespace);
}

function isNotice(read: readonly FeedFact[] | ResyncNotice): read is ResyncNotice {
  return 'reason' in read;
}

class Watcher {
  readonly response: ServerResponse;
  readonly reader: FeedReader;
  readonly filter: EventFilter;
  /** Whether its token still holds; undefined: it needed none. */
  readonly mayGoOn: (() => boolean) | undefined;
  /** Waits for its turn of the pump. */
  queued = false;
  /** The connection has as much as it takes for now. */
  full = false;
  /** Instants of the last ones. */
  resyncs: number[] = [];

  constructor(
    response: ServerResponse,
    reader: FeedReader,
    filter: EventFilter,
    mayGoOn: (() => boolean) | undefined,
  ) {
    this.response = response;
    this.reader = reader;
    this.filter = filter;
    this.mayGoOn = mayGoOn;
  }
}

export class Watchers {
  readonly #eventOf: EventOf;
  readonly #now: () => number;
  readonly #limit: number;
  readonly #watchers = new Set<Watcher>();
  readonly #queue: Watcher[] = [];
  readonly #texts: (KeptText | undefined)[] = new Array(TEXTS_KEPT).fill(undefined);
  readonly #timers: Timers;
  #endHeartbeat: (() => void) | undefined;
  #pumpDue = false;
  /** How often a watcher was told that facts were lost to it. */
  resyncs = 0;

  constructor(eventOf: EventOf, now: () => number, limit: number, timers: Timers) {
    this.#eventOf = eventOf;
    this.#now = now;
    this.#limit = limit;
    this.#timers = timers;
  }

  get count(): number {
    return this.#watchers.size;
  }

  get full(): boolean {
    return this.#watchers.size >= this.#limit;
  }

  /**
   * Writes what `reader` reads to `response`, whose head is sent, until that closes or `mayGoOn`
   * says no: it is asked before each piece and with each heartbeat. Returns what ends it before:
   * who ended the response alone would still have it written to until it closes.
   */
  add(
    response: ServerResponse,
    reader: FeedReader,
    filter: EventFilter,
    mayGoOn?: () => boolean,
  ): () => void {
    const watcher = new Watcher(response, reader, filter, mayGoOn);
    this.#watchers.add(watcher);
    this.#endHeartbeat ??= repeat(this.#timers, HEARTBEAT_MS, () => this.#beat());
    reader.onFact = () => this.#wake(watcher);
    response.on('drain', () => {
      watcher.full = false;
      this.#wake(watcher);
    });
    response.once('close', () => this.#forget(watcher));
    // A block without data is no event, but the reader's place is known before the first one.
    watcher.full = !response.write(`id: ${reader.cursor}\n\n`);
    this.#wake(watcher);
    return () => this.#end(watcher);
  }

  /** Ends every stream: readers come back elsewhere, or later, with the last id they saw. */
  closeAll(): void {
    for (const watcher of [...this.#watchers]) this.#end(watcher);
  }

  #end(watcher: Watcher): void {
    watcher.response.end();
    this.#forget(watcher);
  }

  #forget(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    watcher.reader.onFact = () => {};
    watcher.reader.close();
    if (this.#watchers.size === 0) {
      this.#endHeartbeat?.();
      this.#endHeartbeat = undefined;
    }
  }

  /** Comments keep proxies from hanging up; the id lets a reader of few events keep its place. */
  #beat(): void {
    for (const watcher of [...this.#watchers]) {
      if (watcher.mayGoOn?.() === false) this.#end(watcher);
      else if (!watcher.full) this.#keepAlive(watcher);
    }
  }

  #keepAlive(watcher: Watcher): void {
    watcher.full = !watcher.response.write(`: alive\nid: ${watcher.reader.cursor}\n\n`);
  }

  #wake(watcher: Watcher): void {
    if (watcher.queued || watcher.full || !this.#watchers.has(watcher)) return;
    watcher.queued = true;
    this.#queue.push(watcher);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#pumpDue) return;
    this.#pumpDue = true;
    this.#timers.soon(() => {
      this.#pumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    let left = FACTS_PER_TURN;
    while (left > 0) {
      const watcher = this.#queue.shift();
      if (watcher === undefined) return;
      watcher.queued = false;
      if (watcher.full || !this.#watchers.has(watcher)) continue;
      left -= this.#serve(watcher);
    }
    if (this.#queue.length > 0) this.#schedule();
  }

  /** Gives one watcher its share; returns what it cost, at least 1. */
  #serve(watcher: Watcher): number {
    if (watcher.mayGoOn?.() === false) {
      this.#end(watcher);
      return 1;
    }
    const read = watcher.reader.read(FACTS_PER_READ);
    if (isNotice(read)) {
      this.#resync(watcher, read);
      return 1;
    }
    let text = '';
    for (const fact of read) {
      if (isAsked(watcher.filter, fact.fact)) text += this.#textOf(fact);
    }
    if (text !== '') watcher.full = !watcher.response.write(text);
    if (read.length > 0) this.#wake(watcher);
    return Math.max(1, read.length);
  }

  #resync(watcher: Watcher, { from, to, reason }: ResyncNotice): void {
    this.resyncs++;
    const data = JSON.stringify({ from, to, reason });
    watcher.full = !watcher.response.write(`id: ${to}\nevent: resync\ndata: ${data}\n\n`);
    const now = this.#now();
    watcher.resyncs = [...watcher.resyncs.filter((at) => now - at < RESYNC_WINDOW_MS), now];
    if (watcher.resyncs.length > RESYNCS_MAX) this.#end(watcher);
    else this.#wake(watcher);
  }

  #textOf(fact: FeedFact): string {
    const { actor, sequence } = fact;
    const place = sequence % TEXTS_KEPT;
    const kept = this.#texts[place];
    if (kept !== undefined && kept.sequence === sequence && kept.actor === actor) return kept.text;
    const event = this.#eventOf(fact);
    const text =
      event === undefined
        ? ''
        : `id: ${actor}.${sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    if (text.length <= TEXT_KEPT_LENGTH_MAX) this.#texts[place] = { actor, sequence, text };
    return text;
  }
}
