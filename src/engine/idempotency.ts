/**
 * Memory of what was answered to which Idempotency-Key (draft-ietf-httpapi-idempotency-key-header):
 * bounded by count, bytes and age, the oldest completed first. What is kept is what the answer was
 * about (ids, versions, outcome), not the answer: a replay is put together anew, so that it tells
 * what remains now.
 */
import type { Essence } from './essence.ts';

export interface IdempotencyLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly ttlMs: number;
}

export interface Remembered {
  readonly fingerprint: string;
  /** undefined while the first request is still on its way to the journal. */
  essence: Essence | undefined;
  readonly at: number;
  bytes: number;
}

/** Rough cost of one record beside its bytes: map entry, strings' headers, objects. */
const RECORD_OVERHEAD_BYTES = 160;

export class IdempotencyMemory {
  readonly #limits: IdempotencyLimits;
  readonly #records = new Map<string, Remembered>();
  #bytes = 0;

  constructor(limits: IdempotencyLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#records.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Age of the oldest record: how far back a key is still known. */
  windowMs(now: number): number {
    for (const record of this.#records.values()) return now - record.at;
    return 0;
  }

  find(key: string, now: number): Remembered | undefined {
    const record = this.#records.get(key);
    if (record === undefined || now - record.at < this.#limits.ttlMs) return record;
    if (record.essence !== undefined) this.#drop(key, record);
    return undefined;
  }

  /** The key is in use from here on. */
  begin(key: string, fingerprint: string, now: number): Remembered {
    const bytes = key.length * 2 + fingerprint.length + RECORD_OVERHEAD_BYTES;
    const record: Remembered = { fingerprint, essence: undefined, at: now, bytes };
    this.#records.set(key, record);
    this.#bytes += bytes;
    this.#makeRoom(now);
    return record;
  }

  complete(record: Remembered, essence: Essence, essenceBytes: number): void {
    record.essence = essence;
    record.bytes += essenceBytes;
    this.#bytes += essenceBytes;
  }

  /** The request did not take place after all; its key is free again. */
  abandon(key: string): void {
    const record = this.#records.get(key);
    if (record !== undefined) this.#drop(key, record);
  }

  restore(key: string, fingerprint: string, essence: Essence, bytes: number, at: number): void {
    const known = this.#records.get(key);
    if (known !== undefined) this.#drop(key, known);
    this.complete(this.begin(key, fingerprint, at), essence, bytes);
  }

  /** Completed records, oldest first. */
  *completed(): IterableIterator<[string, Remembered & { readonly essence: Essence }]> {
    for (const [key, record] of this.#records) {
      if (record.essence !== undefined) {
        yield [key, record as Remembered & { readonly essence: Essence }];
      }
    }
  }

  #makeRoom(now: number): void {
    for (const [key, record] of this.#records) {
      const tooMany = this.#records.size > this.#limits.entries;
      const tooLarge = this.#bytes > this.#limits.bytes;
      if (!tooMany && !tooLarge && now - record.at < this.#limits.ttlMs) return;
      // What is still running must be found again by its repeats.
      if (record.essence !== undefined) this.#drop(key, record);
    }
  }

  #drop(key: string, record: Remembered): void {
    this.#records.delete(key);
    this.#bytes -= record.bytes;
  }
}
