/**
 * The namespaces in being: contract, what each holds now, and the order of its keys. Unknown names
 * come into being as copies of `default` where the configuration allows it, up to the limit.
 */
import { CborWriter } from './cbor.ts';
import type { NamespaceContract } from './contract.ts';
import type { EntryTable } from './entry-table.ts';
import type { KeyProbe } from './key-probe.ts';
import { type LeafPool, OrderedIndex } from './ordered-index.ts';
import { toldBits } from './told.ts';
import { Unswept } from './unswept.ts';

export const NAMESPACE_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export interface Namespace {
  readonly number: number;
  readonly contract: NamespaceContract;
  /** The name as CBOR text: facts copy it. */
  readonly encodedName: Uint8Array;
  readonly order: OrderedIndex<KeyProbe>;
  leases: number;
  entries: number;
  bytes: number;
  /** Endings of its explicit leases and of its entries that the bus has not acknowledged. */
  owedLeases: number;
  owedEntries: number;
  /** Which of its events the bus is told (told.ts). */
  readonly told: number;
  /** It converges with other sidecars through the ledger. */
  readonly reconciles: boolean;
  /** Timeline instant of the last contact that vouched for everything of ours in it. */
  contactAt: number;
  readonly unswept: Unswept;
}

export class Namespaces {
  readonly #byName = new Map<string, Namespace>();
  readonly #all: Namespace[] = [];
  /** Found by recovery, not in the configuration. */
  readonly unconfigured: Namespace[] = [];
  readonly #entries: EntryTable;
  readonly #pool: LeafPool;
  readonly #limit: number;
  readonly #template: NamespaceContract | undefined;
  readonly #reconciling: boolean;
  readonly #publishing: boolean;
  readonly #startNow: number;
  /** What belongs to no namespace is told in this one's name, which is empty. */
  readonly none: Namespace;

  constructor(
    contracts: readonly NamespaceContract[],
    autoCreate: boolean,
    limit: number,
    entries: EntryTable,
    pool: LeafPool,
    reconciling: boolean,
    publishing: boolean,
    startNow: number,
  ) {
    this.#reconciling = reconciling;
    this.#publishing = publishing;
    this.#startNow = startNow;
    this.#entries = entries;
    this.#pool = pool;
    this.#limit = limit;
    this.#template = autoCreate
      ? contracts.find((contract) => contract.name === 'default')
      : undefined;
    for (const contract of contracts) this.adopt(this.#make(contract));
    this.none = this.#make({ ...contracts[0]!, name: '', durability: 'journal', class: 'local' });
  }

  #make(contract: NamespaceContract): Namespace {
    const name = new CborWriter(128);
    name.text(contract.name);
    const entries = this.#entries;
    return {
      number: this.#all.length,
      contract,
      encodedName: name.bytes.slice(0, name.end),
      order: new OrderedIndex<KeyProbe>({
        slotCapacity: entries.slots.capacity,
        leafOf: entries.leafOf,
        pool: this.#pool,
        compareSlots: (left, right) => entries.compareRows(left, right),
        compareProbe: (probe, slot) => entries.compareProbe(probe, slot),
      }),
      leases: 0,
      entries: 0,
      bytes: 0,
      owedLeases: 0,
      owedEntries: 0,
      told: this.#publishing ? toldBits(contract.events.publish ?? 'all') : 0,
      reconciles: this.#reconciling && contract.class === 'shared',
      contactAt: this.#startNow,
      unswept: new Unswept(),
    };
  }

  /** Brings a namespace that `obtain` drafted into being; one in being already stays as it is. */
  adopt(namespace: Namespace): void {
    if (this.#all[namespace.number] === namespace) return;
    this.#all.push(namespace);
    this.#byName.set(namespace.contract.name, namespace);
  }

  all(): readonly Namespace[] {
    return this.#all;
  }

  /** The namespace if it is in being. */
  find(name: string): Namespace | undefined {
    return this.#byName.get(name);
  }

  /**
   * The namespace, or a draft of it where it may come into being: a refused command leaves it a
   * draft, one that changes something adopts it first.
   */
  obtain(name: string): Namespace | undefined {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#template === undefined || this.#all.length >= this.#limit) return undefined;
    if (!NAMESPACE_NAME.test(name)) return undefined;
    return this.#make({ ...this.#template, name });
  }

  /**
   * Recovery found a namespace that is no longer configured: it is there again under the rules of
   * `default`, so that what it holds can be ended properly.
   */
  adoptUnconfigured(name: string): Namespace {
    const template = this.find('default')?.contract;
    if (template === undefined) throw new Error('Namespace "default" is not configured');
    const namespace = this.#make({ ...template, name });
    this.adopt(namespace);
    this.unconfigured.push(namespace);
    return namespace;
  }

  at(number: number): Namespace {
    return this.#all[number]!;
  }
}
