/**
 * Facts as a core writes them, to be put into outboxes again and again: an entry that was written,
 * and its ending. 32 B keys, 100 B values, which are not told.
 */
import { Core } from '../../src/core/core.ts';
import { RECORD_HEADER_BYTES } from '../../src/core/fact-format.ts';
import { decodeFact } from '../../src/core/fact-reader.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import type { StreamName } from '../../src/events/bus.ts';
import { type OutboxFact, OutboxLog } from '../../src/events/outbox-log.ts';
import { coreOptions, keyOf, NAMESPACE, putOf } from '../core/population.ts';

export const ACTOR = '0123456789abcdef';
const TTL_MS = 60_000;
/** As a wall clock reads, which gives events instants as long as they really are. */
const NOW = 1_800_000_000_123;

export type ToldFacts = Readonly<Record<StreamName, readonly OutboxFact[]>>;

/** So many of each stream, all different. */
export function toldFacts(count: number): ToldFacts {
  const core = new Core(coreOptions(count), NOW);
  const facts = { endings: [] as OutboxFact[], events: [] as OutboxFact[] };
  const keep = (): void => {
    const { bytes, starts, valueAt } = core.facts;
    for (let index = 0; index < core.facts.count; index += 1) {
      const start = starts[index]! + RECORD_HEADER_BYTES;
      const end = starts[index + 1]!;
      const { kind } = decodeFact(bytes, starts[index]!, end);
      const stream = kind === 'entry.ended' ? 'endings' : kind === 'entry.written' ? 'events' : undefined;
      if (stream === undefined) continue;
      const own = bytes.slice(start, end);
      const value = valueAt[index]!;
      facts[stream].push({
        bytes: own, start: 0, end: own.length, valueAt: value === 0 ? 0 : value - start,
        namespace: NAMESPACE, ofLease: false,
      });
    }
    core.facts.reset();
  };
  for (let index = 0; index < count; index += 1) {
    const reply = core.step(putOf(index, TTL_MS), NOW + index);
    if (isRefusal(reply)) throw new Error(`Cannot make facts: ${reply.detail}`);
    keep();
  }
  for (let index = 0; index < count; index += 1) {
    core.step({ op: 'delete', namespace: NAMESPACE, key: keyOf(index) }, NOW + TTL_MS / 2);
    keep();
  }
  return facts;
}

/** An outbox of one run, without an engine before it. */
export class Supply {
  readonly endings: OutboxLog;
  readonly events: OutboxLog;
  readonly #facts: ToldFacts;
  #appended = 0;
  #settled = 0;
  #whenSettled: (() => void) | undefined;

  constructor(facts: ToldFacts) {
    this.#facts = facts;
    const options = { keptBytes: 0, keptMs: 0, now: () => 0, onSettled: () => this.#settle() };
    this.endings = new OutboxLog({ stream: 'endings', ...options });
    this.events = new OutboxLog({ stream: 'events', ...options });
    this.endings.beginRun(ACTOR);
    this.events.beginRun(ACTOR);
  }

  /** Takes in so many facts, half of them endings; nobody sees them yet. */
  append(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const stream = index % 2 === 0 ? 'endings' : 'events';
      const facts = this.#facts[stream];
      this[stream].append(facts[(this.#appended >>> 1) % facts.length]!);
      this.#appended += 1;
    }
  }

  /** Shows what was taken in. */
  commit(): void {
    this.endings.commit(this.endings.head);
    this.events.commit(this.events.head);
  }

  /** Resolves when everything has left. */
  settled(): Promise<void> {
    if (this.#settled === this.#appended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenSettled = resolve;
    });
  }

  #settle(): void {
    this.#settled += 1;
    if (this.#settled === this.#appended) this.#whenSettled?.();
  }
}
