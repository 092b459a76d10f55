/**
 * What a row of the entry table has more when a ledger is connected: its place in the ledger, the
 * list of rows in the same partition, the fingerprint of its write once that has been computed,
 * and how far the ledger knows it.
 */
import { murmur3, type Placement, placementOf } from './placement.ts';

const encoder = new TextEncoder();

/** The row's present version has not been confirmed by the ledger. */
export const UNCONFIRMED = 0;
/** The ledger holds exactly this version. */
export const CONFIRMED = 1;
/** It may have held it once: others may have seen it, so it must never be written anew. */
export const PERHAPS_SEEN = 2;

export class LedgerColumns {
  readonly partitions: number;
  readonly buckets: number;
  readonly placement: Uint32Array;
  readonly next: Uint32Array;
  readonly previous: Uint32Array;
  readonly hashHigh: Uint32Array;
  readonly hashLow: Uint32Array;
  readonly hashed: Uint8Array;
  readonly confirmed: Uint8Array;
  /** 1 while the row is in the list of changes. */
  readonly changed: Uint8Array;
  /** First row of each partition, by namespace number. */
  readonly #heads: Uint32Array[] = [];

  static readonly slotBytes = 4 * 5 + 3;

  constructor(capacity: number, layout: { readonly partitions: number; readonly buckets: number }) {
    const rows = capacity + 1;
    this.partitions = layout.partitions;
    this.buckets = layout.buckets;
    this.placement = new Uint32Array(rows);
    this.next = new Uint32Array(rows);
    this.previous = new Uint32Array(rows);
    this.hashHigh = new Uint32Array(rows);
    this.hashLow = new Uint32Array(rows);
    this.hashed = new Uint8Array(rows);
    this.confirmed = new Uint8Array(rows);
    this.changed = new Uint8Array(rows);
  }

  /** A new row, for a key of `length` bytes. */
  begin(row: number, key: Uint8Array, length: number): void {
    this.placement[row] = murmur3(key, 0, length);
    this.touch(row);
    this.changed[row] = 0;
  }

  /** The row's version is another one now. */
  touch(row: number): void {
    this.hashed[row] = 0;
    this.confirmed[row] = UNCONFIRMED;
  }

  placementOfKey(key: string): Placement {
    return placementOf(murmur3(encoder.encode(key)), this.partitions, this.buckets);
  }

  partitionOf(row: number): number {
    return this.placement[row]! % this.partitions;
  }

  bucketOf(row: number): number {
    return Math.floor(this.placement[row]! / this.partitions) % this.buckets;
  }

  link(row: number, namespace: number): void {
    const heads = this.#headsOf(namespace);
    const partition = this.partitionOf(row);
    const head = heads[partition]!;
    this.next[row] = head;
    this.previous[row] = 0;
    if (head !== 0) this.previous[head] = row;
    heads[partition] = row;
  }

  unlink(row: number, namespace: number): void {
    const next = this.next[row]!;
    const previous = this.previous[row]!;
    if (previous === 0) this.#headsOf(namespace)[this.partitionOf(row)] = next;
    else this.next[previous] = next;
    if (next !== 0) this.previous[next] = previous;
  }

  /** The first row of a partition, 0 for none; `next` leads on. */
  first(namespace: number, partition: number): number {
    return this.#heads[namespace]?.[partition] ?? 0;
  }

  #headsOf(namespace: number): Uint32Array {
    let heads = this.#heads[namespace];
    if (heads === undefined) {
      heads = new Uint32Array(this.partitions);
      this.#heads[namespace] = heads;
    }
    return heads;
  }
}
