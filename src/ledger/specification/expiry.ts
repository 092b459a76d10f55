/**
 * When each record of a partition must be looked at next: a sorted set, as in Redis. A binary heap
 * whose entries are not moved when a score changes; the outdated ones are passed over when they
 * come up, and thrown out together once they outnumber the others.
 */
interface Due {
  readonly id: string;
  readonly score: number;
}

/** Outdated entries that are not worth a rebuild. */
const REBUILD_MIN = 64;

export class Expiry {
  readonly #scores = new Map<string, number>();
  #heap: Due[] = [];

  copy(): Expiry {
    const copy = new Expiry();
    for (const [id, score] of this.#scores) copy.#scores.set(id, score);
    copy.#rebuild();
    return copy;
  }

  get size(): number {
    return this.#scores.size;
  }

  scoreOf(id: string): number | undefined {
    return this.#scores.get(id);
  }

  set(id: string, score: number): void {
    if (this.#scores.get(id) === score) return;
    this.#scores.set(id, score);
    this.#push({ id, score });
    if (this.#heap.length > 2 * this.#scores.size + REBUILD_MIN) this.#rebuild();
  }

  delete(id: string): void {
    this.#scores.delete(id);
  }

  /** Ids with a score of at most `now`, lowest first, then in the order of their bytes. */
  due(now: number, limit: number): string[] {
    const found: Due[] = [];
    while (found.length < limit) {
      const top = this.#heap[0];
      if (top === undefined || top.score > now) break;
      this.#pop();
      if (this.#scores.get(top.id) !== top.score) continue;
      // A score that was left and taken again stands in the heap twice.
      const last = found.at(-1);
      if (last === undefined || last.id !== top.id || last.score !== top.score) found.push(top);
    }
    for (const due of found) this.#push(due);
    return found.map(({ id }) => id);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!before(due, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const length = heap.length;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      if (below + 1 < length && before(heap[below + 1]!, heap[below]!)) below += 1;
      if (!before(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
  }

  #rebuild(): void {
    // A sorted array is a heap.
    this.#heap = [...this.#scores].map(([id, score]) => ({ id, score }));
    this.#heap.sort((left, right) => (before(left, right) ? -1 : 1));
  }
}

function before(left: Due, right: Due): boolean {
  if (left.score !== right.score) return left.score < right.score;
  return comparesLess(left.id, right.id);
}

/**
 * By UTF-8 bytes. UTF-16 has the same order but for surrogates, which stand below U+E000…U+FFFF
 * and mean code points above them.
 */
function comparesLess(left: string, right: string): boolean {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const one = left.charCodeAt(at);
    const other = right.charCodeAt(at);
    if (one !== other) return byteOrder(one) < byteOrder(other);
  }
  return left.length < right.length;
}

function byteOrder(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
