/**
 * What is left of ended values until the ledger knows: the writes that are over, as a context, and
 * the runs of others that were ended here. A tombstone that the ledger has confirmed stays for a
 * while, so that a ledger which loses data can be told again (PROTOCOL §2.4, W).
 */
import type { EndReason } from './command.ts';
import type { Dot } from './fact.ts';

/** A run that somebody else than its owner has ended. */
export interface BuriedRun {
  readonly born: Dot;
  readonly dot: Dot;
  readonly reason: EndReason;
  readonly deadline: number;
  readonly lease: string;
  readonly holder: string;
  readonly contentType: string;
  readonly size: number;
  /** Of the request that granted its lease. Not kept in snapshots. */
  readonly trace?: Uint8Array | undefined;
  /** It was this sidecar's, and its watchers have been told. */
  readonly told: boolean;
}

export interface Tombstone {
  readonly namespace: number;
  readonly key: string;
  /** By actor, the highest write that is over. */
  readonly context: Map<string, number>;
  readonly runs: BuriedRun[];
  /** The latest deadline that own values of the key ever had, when they ended. */
  until: number;
  /** When the ledger confirmed all of it; 0 while something is to be told. */
  confirmedAt: number;
  /** In the list of changes. */
  changed: boolean;
}

export class Tombstones {
  readonly #byKey = new Map<string, Tombstone>();
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get full(): boolean {
    return this.#byKey.size >= this.limit;
  }

  find(namespace: number, key: string): Tombstone | undefined {
    return this.#byKey.get(`${namespace} ${key}`);
  }

  /** The tombstone of a key; it has something new to tell. */
  open(namespace: number, key: string): Tombstone {
    const name = `${namespace} ${key}`;
    let tombstone = this.#byKey.get(name);
    if (tombstone === undefined) {
      tombstone = {
        namespace, key, context: new Map(), runs: [], until: 0, confirmedAt: 0, changed: false,
      };
      this.#byKey.set(name, tombstone);
    }
    tombstone.confirmedAt = 0;
    return tombstone;
  }

  values(): IterableIterator<Tombstone> {
    return this.#byKey.values();
  }

  /** Forgets those confirmed before an instant. */
  forget(before: number): void {
    for (const [name, { confirmedAt }] of this.#byKey) {
      if (confirmedAt > 0 && confirmedAt < before) this.#byKey.delete(name);
    }
  }

  drop(tombstone: Tombstone): void {
    this.#byKey.delete(`${tombstone.namespace} ${tombstone.key}`);
  }
}

/** Adds a write to a context. */
export function cover(context: Map<string, number>, actor: string, seq: number): void {
  if (seq > (context.get(actor) ?? 0)) context.set(actor, seq);
}
