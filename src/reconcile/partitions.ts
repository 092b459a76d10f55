/**
 * The partitions this sidecar is active in: it holds values of its own there, has something to
 * push, or keeps copies of everything. The others are not asked for anything.
 */
import type { NamespaceContract } from '../core/contract.ts';
import { murmur3, placementOf } from '../ledger/placement.ts';
import { Partition } from './partition.ts';
import type { Replica } from './replica.ts';
import { type ReconcileSettings, termsOf } from './settings.ts';
import { UnpushedBudget } from './unpushed.ts';

const encoder = new TextEncoder();
/** Names that do not reconcile, remembered from one look to the next. */
const UNKNOWN_MAX = 1_000;

export class Partitions {
  readonly #replica: Pick<Replica, 'namespaces'>;
  readonly #settings: ReconcileSettings;
  readonly #contracts = new Map<string, NamespaceContract>();
  readonly #templateOf: (namespace: string) => NamespaceContract | undefined;
  /** Names looked for in vain since the last look at all. */
  readonly #unknown = new Set<string>();
  readonly #active = new Map<string, Map<number, Partition>>();
  readonly budget: UnpushedBudget;
  /** Called for each partition that becomes active. */
  onActive: (partition: Partition) => void = () => {};
  size = 0;

  constructor(
    replica: Pick<Replica, 'namespaces'>,
    settings: ReconcileSettings,
    budget: UnpushedBudget = new UnpushedBudget(),
    templateOf: (namespace: string) => NamespaceContract | undefined = () => undefined,
  ) {
    this.#replica = replica;
    this.#settings = settings;
    this.budget = budget;
    this.#templateOf = templateOf;
  }

  /** Namespaces that reconcile, those made on demand meanwhile too. */
  contracts(): readonly NamespaceContract[] {
    const contracts = this.#replica.namespaces();
    for (const contract of contracts) this.#contracts.set(contract.name, contract);
    this.#unknown.clear();
    return contracts;
  }

  /** Those seen at the last look. */
  known(): Iterable<NamespaceContract> {
    return this.#contracts.values();
  }

  /** Of a namespace in which something has changed, so that it is in being. */
  contract(namespace: string): NamespaceContract | undefined {
    const known = this.#contracts.get(namespace);
    if (known !== undefined) return known;
    this.contracts();
    return this.#contracts.get(namespace);
  }

  /**
   * Of a namespace that somebody asks for: undefined when it does not reconcile. Cheap for those,
   * too, whose commands all come through here.
   */
  contractFor(namespace: string): NamespaceContract | undefined {
    const known = this.#contracts.get(namespace);
    if (known !== undefined) return known;
    if (!this.#unknown.has(namespace)) {
      const found = this.contract(namespace);
      if (found !== undefined) return found;
      if (this.#unknown.size < UNKNOWN_MAX) this.#unknown.add(namespace);
    }
    const template = this.#templateOf(namespace);
    return template?.class === 'shared' ? template : undefined;
  }

  /** Where the ledger keeps a key. */
  place(id: string): { readonly partition: number; readonly bucket: number } {
    const { partitions, buckets } = this.#settings;
    return placementOf(murmur3(encoder.encode(id)), partitions, buckets);
  }

  find(namespace: string, partition: number): Partition | undefined {
    return this.#active.get(namespace)?.get(partition);
  }

  findOf(namespace: string, id: string): Partition | undefined {
    return this.find(namespace, this.place(id).partition);
  }

  /** Active partitions of one namespace. */
  of(namespace: string): Iterable<Partition> {
    return this.#active.get(namespace)?.values() ?? [];
  }

  isActive(namespace: string): boolean {
    return (this.#active.get(namespace)?.size ?? 0) > 0;
  }

  *all(): Iterable<Partition> {
    for (const partitions of this.#active.values()) yield* partitions.values();
  }

  /** The partition, active from now on. */
  activate(contract: NamespaceContract, partition: number): Partition {
    let partitions = this.#active.get(contract.name);
    if (partitions === undefined) {
      partitions = new Map();
      this.#active.set(contract.name, partitions);
    }
    let found = partitions.get(partition);
    if (found === undefined) {
      found = this.make(contract, partition);
      partitions.set(partition, found);
      this.size += 1;
      this.onActive(found);
    }
    return found;
  }

  /** One that is looked at once, without becoming active. */
  make(contract: NamespaceContract, partition: number): Partition {
    return new Partition({
      name: { namespace: contract.name, partition },
      contract,
      terms: termsOf(contract, this.#settings),
      driftRatio: this.#settings.driftRatio,
      budget: this.budget,
    });
  }

  remove(partition: Partition): void {
    const { namespace, partition: number } = partition.name;
    if (this.#active.get(namespace)?.delete(number) !== true) return;
    partition.removed = true;
    this.size -= 1;
  }
}
