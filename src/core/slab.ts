/**
 * Byte storage for keys, values and details: a slab allocator in the manner of memcached, so that
 * a million values are a few thousand `Uint8Array`s and the garbage collector has nothing to walk.
 *
 * Chunks of 256 KiB are each cut into cells of one size class. A chunk keeps its own chain of freed
 * cells, threaded through the cells themselves, and a class keeps a list of its chunks with room;
 * so a chunk whose last cell is freed leaves its class whole, goes to a pool, and serves the next
 * class that needs one. A value above 32 KiB gets an array to itself. What is held, chunks in the
 * pool included, never exceeds the limit: `allocate` answers 0 instead.
 *
 * Internal fragmentation: classes are 16 B apart up to 512 B, so a cell wastes at most 15 B there
 * (16 B for an empty value); above, eight classes to the doubling, so less than 1/8 of the size.
 * External: the tail of a chunk that no cell fits, at most 8.6 % (`TAIL_SHARE`); one chunk begun
 * for each of the 80 classes; and holes: freed cells in chunks that other cells keep alive, which
 * only their own class can use. Holes have no bound but the limit, since one cell of 16 B can keep
 * a chunk; so a class may be refused while others have holes, and the caller must expect a 0 even
 * below the payload that `worstCase` was asked for.
 *
 * Given up: moving cells to close holes, which would make every reference a lookup; and returning
 * empty chunks to the system, except where a large value needs their room.
 */

const CHUNK_BYTES = 256 * 1024;
const UNIT_BYTES = 16;
const UNITS_PER_CHUNK_BITS = 14;
const UNIT_MASK = (1 << UNITS_PER_CHUNK_BITS) - 1;
const FINE_CLASSES = 32;
const FINE_BYTES_MAX = FINE_CLASSES * UNIT_BYTES;
const FINE_EXPONENT = 9;
const CLASSES_PER_DOUBLING = 8;
const CELL_BYTES_MAX = 32 * 1024;
/** References from here on are values with an array of their own. */
const LARGE = 2 ** 31;
/** Chunk numbers from 1, in what 31 bits leave beside the offset. */
const CHUNKS_MAX = 2 ** (31 - UNITS_PER_CHUNK_BITS) - 1;
const NO_CLASS = 255;

/** By class: bytes of its cells. */
const CELL_BYTES: readonly number[] = cellSizes();
/** The largest share of a chunk that the cells of some class cannot use. */
const TAIL_SHARE = Math.max(...CELL_BYTES.map((cell) => (CHUNK_BYTES % cell) / CHUNK_BYTES));

function cellSizes(): number[] {
  const sizes: number[] = [];
  for (let size = UNIT_BYTES; size <= FINE_BYTES_MAX; size += UNIT_BYTES) sizes.push(size);
  for (let base = FINE_BYTES_MAX; base < CELL_BYTES_MAX; base *= 2) {
    const step = base / CLASSES_PER_DOUBLING;
    for (let size = base + step; size <= base * 2; size += step) sizes.push(size);
  }
  return sizes;
}

/** The smallest class whose cells take `size` bytes, for sizes up to 32 KiB. */
function classFor(size: number): number {
  if (size <= FINE_BYTES_MAX) return size === 0 ? 0 : (size - 1) >>> 4;
  const exponent = 31 - Math.clz32(size - 1);
  const step = (size - 1) >>> (exponent - 3);
  return FINE_CLASSES + (exponent - FINE_EXPONENT) * CLASSES_PER_DOUBLING + step - 8;
}

export class Slab {
  readonly #limitBytes: number;
  readonly #chunksMax: number;
  /** By chunk number, from 1; a hole where a chunk has been given back. */
  readonly #chunks: (Uint8Array | undefined)[] = [undefined];
  readonly #classOf: Uint8Array;
  readonly #live: Uint16Array;
  /** By chunk: cells ever handed out; beyond them the chunk is untouched. */
  readonly #carved: Uint16Array;
  /** By chunk: first freed cell, as its offset in units plus 1, or 0. */
  readonly #freed: Uint16Array;
  /** Lists of a class's chunks with room, of the pool, and of unused numbers: by chunk. */
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  /** By class: the first of its chunks with room, or 0. */
  readonly #withRoom = new Uint32Array(CELL_BYTES.length);
  /** Heads of the list of empty chunks and of the list of numbers without a chunk, or 0. */
  #pooled = 0;
  #numbers = 0;
  readonly #large: (Uint8Array | undefined)[] = [];
  readonly #largeFree: number[] = [];
  #heldBytes = 0;
  #usedBytes = 0;

  /** @param limitBytes what `heldBytes` never exceeds */
  constructor(limitBytes: number) {
    const chunks = Math.floor(limitBytes / CHUNK_BYTES);
    if (chunks > CHUNKS_MAX) {
      throw new RangeError(`Cannot make a slab of ${limitBytes} B: references end at 32 GiB`);
    }
    this.#limitBytes = limitBytes;
    this.#chunksMax = chunks;
    this.#classOf = new Uint8Array(chunks + 1).fill(NO_CLASS);
    this.#live = new Uint16Array(chunks + 1);
    this.#carved = new Uint16Array(chunks + 1);
    this.#freed = new Uint16Array(chunks + 1);
    this.#next = new Uint32Array(chunks + 1);
    this.#previous = new Uint32Array(chunks + 1);
  }

  /**
   * A limit that `cells` values of `payloadBytes` together fit in, whatever their sizes, when
   * nothing has left holes: their cells, the tails of the chunks, and one chunk begun per class.
   */
  static worstCase(payloadBytes: number, cells: number): number {
    const cellBytes = payloadBytes * (1 + 1 / CLASSES_PER_DOUBLING) + cells * UNIT_BYTES;
    return Math.ceil(cellBytes / (1 - TAIL_SHARE)) + CELL_BYTES.length * CHUNK_BYTES;
  }

  /** Bytes of all chunks and large values. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes of the cells and large values in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A reference (above 0) to at least `size` bytes, of any content; 0 when there is no room. */
  allocate(size: number): number {
    if (size > CELL_BYTES_MAX) return this.#allocateLarge(size);
    const cellClass = classFor(size);
    const cellBytes = CELL_BYTES[cellClass] as number;
    let chunk = this.#withRoom[cellClass] as number;
    if (chunk === 0) {
      chunk = this.#takeChunk();
      if (chunk === 0) return 0;
      this.#classOf[chunk] = cellClass;
      this.#link(chunk, cellClass);
    }
    let unit = (this.#freed[chunk] as number) - 1;
    if (unit >= 0) {
      const bytes = this.#chunks[chunk] as Uint8Array;
      const at = unit * UNIT_BYTES;
      this.#freed[chunk] = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    } else {
      unit = ((this.#carved[chunk] as number) * cellBytes) / UNIT_BYTES;
      this.#carved[chunk] = (this.#carved[chunk] as number) + 1;
    }
    const live = (this.#live[chunk] as number) + 1;
    this.#live[chunk] = live;
    if ((live + 1) * cellBytes > CHUNK_BYTES) this.#unlink(chunk, cellClass);
    this.#usedBytes += cellBytes;
    return (chunk << UNITS_PER_CHUNK_BITS) | unit;
  }

  /** Gives the bytes of `ref` back; `zero` overwrites them first. */
  free(ref: number, zero: boolean): void {
    if (ref >= LARGE) return this.#freeLarge(ref, zero);
    const chunk = ref >>> UNITS_PER_CHUNK_BITS;
    const unit = ref & UNIT_MASK;
    const cellClass = this.#classOf[chunk] as number;
    const cellBytes = CELL_BYTES[cellClass];
    if (cellBytes === undefined) throw new Error(`Broken invariant: cell ${ref} is not in use`);
    const bytes = this.#chunks[chunk] as Uint8Array;
    const at = unit * UNIT_BYTES;
    if (zero) bytes.fill(0, at, at + cellBytes);
    this.#usedBytes -= cellBytes;
    const live = this.#live[chunk] as number;
    this.#live[chunk] = live - 1;
    if (live === 1) {
      // It was not full: a chunk has eight cells at the least.
      this.#unlink(chunk, cellClass);
      this.#poolChunk(chunk);
      return;
    }
    const next = this.#freed[chunk] as number;
    bytes[at] = next & 255;
    bytes[at + 1] = next >>> 8;
    this.#freed[chunk] = unit + 1;
    if ((live + 1) * cellBytes > CHUNK_BYTES) this.#link(chunk, cellClass);
  }

  /** The array that holds the bytes of `ref`, from `offsetOf(ref)` on. */
  chunkOf(ref: number): Uint8Array {
    if (ref >= LARGE) return this.#large[ref - LARGE] as Uint8Array;
    return this.#chunks[ref >>> UNITS_PER_CHUNK_BITS] as Uint8Array;
  }

  offsetOf(ref: number): number {
    return ref >= LARGE ? 0 : (ref & UNIT_MASK) * UNIT_BYTES;
  }

  /** How many bytes `ref` has room for. */
  capacityOf(ref: number): number {
    if (ref >= LARGE) return (this.#large[ref - LARGE] as Uint8Array).length;
    return CELL_BYTES[this.#classOf[ref >>> UNITS_PER_CHUNK_BITS] as number] as number;
  }

  /** `size` bytes would get as much room as `ref` has, so they may as well be written there. */
  sameClass(ref: number, size: number): boolean {
    if (ref >= LARGE) return size === (this.#large[ref - LARGE] as Uint8Array).length;
    if (size > CELL_BYTES_MAX) return false;
    return classFor(size) === this.#classOf[ref >>> UNITS_PER_CHUNK_BITS];
  }

  /** Number of an empty chunk, or 0 when the limit allows none. */
  #takeChunk(): number {
    let chunk = this.#pooled;
    if (chunk !== 0) {
      this.#pooled = this.#next[chunk] as number;
      return chunk;
    }
    if (this.#heldBytes + CHUNK_BYTES > this.#limitBytes) return 0;
    chunk = this.#numbers;
    if (chunk !== 0) this.#numbers = this.#next[chunk] as number;
    else {
      chunk = this.#chunks.length;
      if (chunk > this.#chunksMax) return 0;
      this.#chunks.push(undefined);
    }
    this.#chunks[chunk] = new Uint8Array(CHUNK_BYTES);
    this.#heldBytes += CHUNK_BYTES;
    return chunk;
  }

  #poolChunk(chunk: number): void {
    this.#classOf[chunk] = NO_CLASS;
    this.#carved[chunk] = 0;
    this.#freed[chunk] = 0;
    this.#next[chunk] = this.#pooled;
    this.#pooled = chunk;
  }

  #link(chunk: number, cellClass: number): void {
    const first = this.#withRoom[cellClass] as number;
    this.#next[chunk] = first;
    this.#previous[chunk] = 0;
    if (first !== 0) this.#previous[first] = chunk;
    this.#withRoom[cellClass] = chunk;
  }

  #unlink(chunk: number, cellClass: number): void {
    const next = this.#next[chunk] as number;
    const previous = this.#previous[chunk] as number;
    if (previous === 0) this.#withRoom[cellClass] = next;
    else this.#next[previous] = next;
    if (next !== 0) this.#previous[next] = previous;
  }

  #allocateLarge(size: number): number {
    let pooledBytes = 0;
    for (let chunk = this.#pooled; chunk !== 0; chunk = this.#next[chunk] as number) {
      if (this.#heldBytes - pooledBytes + size <= this.#limitBytes) break;
      pooledBytes += CHUNK_BYTES;
    }
    // Nothing is given back for a value that does not fit even then.
    if (this.#heldBytes - pooledBytes + size > this.#limitBytes) return 0;
    for (; pooledBytes > 0; pooledBytes -= CHUNK_BYTES) {
      const chunk = this.#pooled;
      this.#pooled = this.#next[chunk] as number;
      this.#chunks[chunk] = undefined;
      this.#next[chunk] = this.#numbers;
      this.#numbers = chunk;
      this.#heldBytes -= CHUNK_BYTES;
    }
    const number = this.#largeFree.pop() ?? this.#large.length;
    this.#large[number] = new Uint8Array(size);
    this.#heldBytes += size;
    this.#usedBytes += size;
    return LARGE + number;
  }

  #freeLarge(ref: number, zero: boolean): void {
    const number = ref - LARGE;
    const bytes = this.#large[number];
    if (bytes === undefined) throw new Error(`Broken invariant: value ${ref} is not in use`);
    if (zero) bytes.fill(0);
    this.#large[number] = undefined;
    this.#largeFree.push(number);
    this.#heldBytes -= bytes.length;
    this.#usedBytes -= bytes.length;
  }
}
