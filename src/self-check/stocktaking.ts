/**
 * From facts to an inventory: what there must be after them. Of memory the facts are those of a
 * snapshot taken this instant; of the journal they are its snapshot's and everything since. Where both
 * lead to the same rows, a restart brings back what is held here.
 *
 * It follows the rules of `core/restore.ts`, said again on purpose and in few words: it keeps
 * fingerprints where that fills tables, and a mistake in one of the two is seen here as a difference.
 * Left out is what nobody relies on after a restart: endings that are remembered for a while, the
 * traces of requests, and everything of namespaces that are not journalled. Copies and what the ledger
 * must be told are compared with the ledger (`reconcile/truth-check.ts`).
 *
 * A share is a part of all rows by hash. An entry under an implicit lease is in the share of that lease,
 * so that both come and go together.
 */
import type { EntryRestated, LeaseRestated, Restated } from '../core/fact-format.ts';
import type { Dot, EntryWritten, Fact, LeaseGranted } from '../core/fact.ts';
import { Fingerprint } from './fingerprint.ts';
import type { Inventory } from './inventory.ts';

const LEASE = 1;
const ENTRY = 2;
const PART = 3;

export interface Share {
  readonly number: number;
  /** How many there are. */
  readonly of: number;
}

/** Names of namespaces as numbers, for both inventories of a comparison. */
export class NamespaceNumbers {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  of(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.names.length);
    return this.names.push(name) - 1;
  }
}

export class Stocktaking {
  readonly #inventory: Inventory;
  readonly #share: Share;
  readonly #numbers: NamespaceNumbers;
  readonly #isJournalled: (namespace: string) => boolean;
  readonly #lease = new Fingerprint();
  readonly #entry = new Fingerprint();
  readonly #part = new Fingerprint();
  /** Facts about what is not there: a restart would stop at the first of them. */
  misfits = 0;

  constructor(parts: {
    readonly inventory: Inventory;
    readonly share: Share;
    readonly numbers: NamespaceNumbers;
    readonly isJournalled: (namespace: string) => boolean;
  }) {
    this.#inventory = parts.inventory;
    this.#share = parts.share;
    this.#numbers = parts.numbers;
    this.#isJournalled = parts.isJournalled;
  }

  /** Throws `InventoryFullError`. */
  take(fact: Fact | Restated): void {
    if (!this.#isJournalled(fact.namespace)) return;
    switch (fact.kind) {
      case 'lease.granted':
        return this.#granted(fact);
      case 'lease.restated':
        if (!fact.ended) this.#restated(fact);
        return;
      case 'lease.renewed':
        return this.#changeLease(fact.lease, (row) => {
          this.#inventory.moving[row] = this.#term(fact.deadline, fact.renewedAt, fact.renewals);
        });
      case 'lease.transferred':
        return this.#changeLease(fact.lease, (row) => {
          this.#inventory.holder[row] = this.#name(fact.holder);
        });
      case 'lease.ended':
        return this.#changeLease(fact.lease, (row) => this.#inventory.remove(row));
      case 'entry.written':
        return this.#written(fact);
      case 'entry.restated': {
        const row = this.#rowOf(fact, true);
        if (row === 0) return;
        this.#fill(row, fact);
        if (fact.implicit) this.#count(fact.lease, 1);
        return;
      }
      case 'entry.reverted': {
        const row = this.#rowOf(fact, false);
        if (row > 0) this.#inventory.moving[row] = this.#version(fact.dot, fact.hlc);
        return;
      }
      case 'entry.ended':
        if (fact.elsewhere !== true) this.#over(fact, true);
        return;
      case 'entry.buried':
        // Mostly a copy, of which the journal has nothing but this.
        return this.#over(fact, false);
      default:
        return;
    }
  }

  /* ---- leases -------------------------------------------------------------------------- */

  #isOurs(identity: Fingerprint): boolean {
    return identity.high % this.#share.of === this.#share.number;
  }

  #leaseIdentity(id: string): Fingerprint {
    return this.#lease.begin(LEASE).text(id).end();
  }

  /** The row of a lease of this share, made where there is none; 0: it is of another one. */
  #leaseRow(id: string, namespace: string): number {
    const identity = this.#leaseIdentity(id);
    if (!this.#isOurs(identity)) return 0;
    const row = this.#inventory.find(identity);
    return row === 0 ? this.#inventory.add(identity, this.#numbers.of(namespace)) : row;
  }

  #changeLease(id: string, change: (row: number) => void): void {
    const identity = this.#leaseIdentity(id);
    if (!this.#isOurs(identity)) return;
    const row = this.#inventory.find(identity);
    if (row === 0) this.misfits++;
    else change(row);
  }

  #granted(fact: LeaseGranted): void {
    const row = this.#leaseRow(fact.lease, fact.namespace);
    if (row === 0) return;
    this.#inventory.steady[row] = this.#explicitTerms(fact, fact.at);
    this.#inventory.holder[row] = this.#name(fact.holder);
    this.#inventory.moving[row] = this.#term(fact.deadline, fact.at, 0);
  }

  #restated(fact: LeaseRestated): void {
    const row = this.#leaseRow(fact.lease, fact.namespace);
    if (row === 0) return;
    this.#inventory.steady[row] = fact.implicit
      ? this.#implicitTerms(fact)
      : this.#explicitTerms(fact, fact.grantedAt);
    this.#inventory.holder[row] = this.#name(fact.holder);
    this.#inventory.moving[row] = this.#term(fact.deadline, fact.touchedAt, fact.renewals);
  }

  #explicitTerms(fact: LeaseGranted | LeaseRestated, grantedAt: number): number {
    const { origin, ttlMs, lifetimeEnd, labels } = fact;
    const part = this.#part.begin(PART).text(origin.actor).number(origin.seq).number(ttlMs);
    return part.number(grantedAt).number(lifetimeEnd).text(JSON.stringify(labels)).end().low;
  }

  /** Its origin is in its id, and its lifetime follows from the namespace. */
  #implicitTerms({ ttlMs, grantedAt }: { readonly ttlMs: number; readonly grantedAt: number }): number {
    return this.#part.begin(PART).number(ttlMs).number(grantedAt).end().low;
  }

  #term(deadline: number, touchedAt: number, renewals: number): number {
    return this.#part.begin(PART).number(deadline).number(touchedAt).number(renewals).end().low;
  }

  #name(holder: string): number {
    return this.#part.begin(PART).text(holder).end().low;
  }

  /* ---- entries ------------------------------------------------------------------------- */

  /**
   * The row of a run of overwrites. 0: it is of another share; -1: it is of this one, and not there.
   */
  #rowOf(
    fact: {
      readonly namespace: string; readonly key: string; readonly lease: string;
      readonly born: Dot; readonly implicit: boolean;
    },
    isMade: boolean,
  ): number {
    const { namespace, key, born } = fact;
    const identity = this.#entry.begin(ENTRY).text(namespace).text(key).text(born.actor).number(born.seq).end();
    if (!this.#isOurs(fact.implicit ? this.#leaseIdentity(fact.lease) : identity)) return 0;
    const row = this.#inventory.find(identity);
    if (row !== 0) return row;
    return isMade ? this.#inventory.add(identity, this.#numbers.of(namespace)) : -1;
  }

  #written(fact: EntryWritten): void {
    const known = this.#rowOf(fact, false);
    if (known === 0) return;
    if (known > 0) return this.#fill(known, fact);
    this.#fill(this.#rowOf(fact, true), fact);
    if (!fact.implicit) return;
    if (this.#inventory.find(this.#leaseIdentity(fact.lease)) === 0) {
      const lease = this.#leaseRow(fact.lease, fact.namespace);
      this.#inventory.steady[lease] = this.#implicitTerms(fact);
      this.#inventory.holder[lease] = this.#name('');
      this.#inventory.moving[lease] = this.#term(fact.deadline, fact.grantedAt, 0);
    }
    this.#count(fact.lease, 1);
  }

  /** An implicit lease ends with the last of its entries, without a fact of its own. */
  #count(lease: string, change: 1 | -1): void {
    const row = this.#inventory.find(this.#leaseIdentity(lease));
    if (row === 0) return;
    this.#inventory.entries[row]! += change;
    if (this.#inventory.entries[row] === 0) this.#inventory.remove(row);
  }

  #fill(row: number, fact: EntryWritten | EntryRestated): void {
    const part = this.#part.begin(PART).text(fact.lease).text(fact.contentType).bytes(fact.value);
    for (const { actor, seq } of fact.context) part.text(actor).number(seq);
    this.#inventory.steady[row] = part.end().low;
    this.#inventory.moving[row] = this.#version(fact.dot, fact.hlc);
  }

  #version({ actor, seq }: Dot, hlc: number): number {
    return this.#part.begin(PART).text(actor).number(seq).number(hlc).end().low;
  }

  #over(fact: Extract<Fact, { readonly kind: 'entry.ended' | 'entry.buried' }>, isHeld: boolean): void {
    const row = this.#rowOf(fact, false);
    if (row === 0) return;
    if (row < 0) {
      if (isHeld) this.misfits++;
      return;
    }
    this.#inventory.remove(row);
    if (fact.implicit) this.#count(fact.lease, -1);
  }
}
