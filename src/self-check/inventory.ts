/**
 * What one side holds of a share: a row of fingerprints for each live lease and each entry, in typed
 * arrays of a fixed size. Names and values themselves are not kept: comparing needs none of them, and
 * a check may not need the memory of what it checks.
 */
import { KeyIndex } from '../core/key-index.ts';
import { Slots } from '../core/slots.ts';
import type { Fingerprint } from './fingerprint.ts';

/** The share holds more than there are rows: it has to be divided further. */
export class InventoryFullError extends Error {
  override readonly name = 'InventoryFullError';
}

export class Inventory {
  readonly #slots: Slots;
  readonly #index: KeyIndex;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  /** Index into the names that both sides share. */
  readonly namespace: Uint16Array;
  /** Of what never changes in a lease, or with each write of an entry. */
  readonly steady: Uint32Array;
  /** Of a lease's holder. */
  readonly holder: Uint32Array;
  /** Of a lease's deadline and renewals, or of the version of an entry. */
  readonly moving: Uint32Array;

  /** Entries under an implicit lease: it ends with the last of them. */
  readonly entries: Uint32Array;

  /** Bytes for one row, for the worst case printed at start. */
  static readonly rowBytes = Slots.slotBytes + KeyIndex.slotBytes + 6 * 4 + 2;

  constructor(rowsMax: number) {
    const rows = rowsMax + 1;
    this.#slots = new Slots(rowsMax);
    this.#index = new KeyIndex(rowsMax);
    this.#high = new Uint32Array(rows);
    this.#low = new Uint32Array(rows);
    this.namespace = new Uint16Array(rows);
    this.steady = new Uint32Array(rows);
    this.holder = new Uint32Array(rows);
    this.moving = new Uint32Array(rows);
    this.entries = new Uint32Array(rows);
  }

  get size(): number {
    return this.#slots.used;
  }

  /** Rows are numbered from 1 to here; some may be free. */
  get highest(): number {
    return this.#slots.highest;
  }

  isHeld(row: number): boolean {
    return this.#high[row] !== 0 || this.#low[row] !== 0;
  }

  /** The row of what has this identity; 0: none. */
  find(identity: Fingerprint): number {
    return this.#find(identity.high, identity.low);
  }

  /** The row of what `row` of `other` stands for; 0: none. */
  findIn(other: Inventory, row: number): number {
    return this.#find(other.#high[row]!, other.#low[row]!);
  }

  #find(high: number, low: number): number {
    let row = this.#index.first(low);
    while (row !== 0 && this.#high[row] !== high) row = this.#index.after(row);
    return row;
  }

  /** A new row; the caller has seen that there is none. Throws `InventoryFullError`. */
  add(identity: Fingerprint, namespace: number): number {
    const row = this.#slots.take();
    if (row === 0) throw new InventoryFullError(`Cannot list more than ${this.#slots.capacity} rows`);
    this.#high[row] = identity.high;
    this.#low[row] = identity.low;
    this.namespace[row] = namespace;
    this.holder[row] = 0;
    this.entries[row] = 0;
    this.#index.insert(row, identity.low);
    return row;
  }

  remove(row: number): void {
    this.#index.remove(row);
    this.#high[row] = 0;
    this.#low[row] = 0;
    this.#slots.give(row);
  }
}
