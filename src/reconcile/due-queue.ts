/**
 * Who is due next: a binary heap whose members know their place, so that one who waits for
 * another instant is moved and never stands in it twice.
 */
export interface Due {
  /** Set by the queue: the instant it waits for, and its place; place −1 while it waits for none. */
  dueAt: number;
  place: number;
}

export class DueQueue<T extends Due> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** Waits for `at` from now on, whatever it waited for before; infinite: for nothing. */
  put(item: T, at: number): void {
    if (at === Number.POSITIVE_INFINITY) {
      this.remove(item);
      return;
    }
    if (item.place < 0) {
      item.place = this.#heap.length;
      this.#heap.push(item);
    } else if (item.dueAt === at) {
      return;
    }
    item.dueAt = at;
    this.#settle(item);
  }

  remove(item: T): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#heap.pop()!;
    if (last === item) return;
    this.#heap[place] = last;
    last.place = place;
    this.#settle(last);
  }

  /** Instant of the next one; infinite without one. */
  get next(): number {
    return this.#heap[0]?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  /** Takes out one whose instant has come. */
  take(now: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueAt > now) return undefined;
    this.remove(first);
    return first;
  }

  #settle(item: T): void {
    const heap = this.#heap;
    while (item.place > 0) {
      const parent = heap[(item.place - 1) >> 1]!;
      if (parent.dueAt <= item.dueAt) break;
      this.#swap(item, parent);
    }
    for (;;) {
      const left = heap[2 * item.place + 1];
      const right = heap[2 * item.place + 2];
      const least = right !== undefined && right.dueAt < left!.dueAt ? right : left;
      if (least === undefined || item.dueAt <= least.dueAt) return;
      this.#swap(item, least);
    }
  }

  #swap(one: T, other: T): void {
    const { place } = one;
    one.place = other.place;
    other.place = place;
    this.#heap[one.place] = one;
    this.#heap[other.place] = other;
  }
}
