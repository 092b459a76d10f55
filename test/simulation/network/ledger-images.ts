/**
 * What a ledger was a while ago: where a replica that lags behind stands, and what an old copy
 * holds. A partition in which nothing happened between two images is shared by them.
 */
import type { EmbeddedLedger, LedgerImage } from '../../../src/ledger/embedded/embedded-ledger.ts';
import { cloneRegistry } from '../../../src/ledger/specification/join.ts';
import { clonePartition, type Partition } from '../../../src/ledger/specification/partition.ts';

export interface ImagePace {
  /** At least so much is between two images that nobody asked for. */
  readonly everyMs: number;
  /** How far back they go. */
  readonly keptMs: number;
}

interface DatedImage {
  /** True time of the last change that is in it. */
  readonly upToMs: number;
  readonly image: LedgerImage;
}

export class LedgerImages {
  readonly #pace: ImagePace;
  #images: DatedImage[] = [];
  #takenAtMs = -Infinity;
  #changedAtMs = -Infinity;
  /** Where something happened since the last image. */
  readonly #touched = new Set<Partition>();
  /** Of each partition, its copy in the last image. */
  #copies = new Map<Partition, Partition>();

  constructor(pace: ImagePace) {
    this.#pace = pace;
  }

  /** To be told of every change, whether images are taken at present or not. */
  changed(partition: Partition | undefined, atMs: number): void {
    if (partition !== undefined) this.#touched.add(partition);
    this.#changedAtMs = atMs;
  }

  isDue(atMs: number): boolean {
    return atMs - this.#takenAtMs >= this.#pace.everyMs;
  }

  take(ledger: EmbeddedLedger, atMs: number): void {
    const { registry, partitions } = ledger.holdings;
    const copies = new Map<Partition, Partition>();
    const imaged = new Map<string, Partition>();
    for (const [name, partition] of partitions) {
      const kept = this.#touched.has(partition) ? undefined : this.#copies.get(partition);
      const copy = kept ?? clonePartition(partition);
      copies.set(partition, copy);
      imaged.set(name, copy);
    }
    this.#touched.clear();
    this.#copies = copies;
    this.#takenAtMs = atMs;
    const image = { registry: cloneRegistry(registry), partitions: imaged };
    this.#images.push({ upToMs: this.#changedAtMs, image });
    // The first of them is what stood at the beginning of what is kept.
    while ((this.#images[1]?.upToMs ?? Infinity) <= atMs - this.#pace.keptMs) this.#images.shift();
  }

  /** The youngest without a change after `atMs`, else the oldest; undefined: there is none. */
  asOf(atMs: number): DatedImage | undefined {
    return this.#images.findLast(({ upToMs }) => upToMs <= atMs) ?? this.#images[0];
  }

  /** The ledger has gone back to one of them: no replica has what came after it. */
  wentBackTo({ upToMs }: DatedImage): void {
    this.#images = this.#images.filter((each) => each.upToMs <= upToMs);
    this.#changedAtMs = upToMs;
  }
}
