/**
 * What is going to happen, in the order `(time, priority, tie)`. The tie is drawn from the seed, so
 * that things due at the same moment come in every order some seed has. A binary heap; what is
 * called off stays until its time and is skipped then.
 */
export interface QueuedEvent {
  readonly at: number;
  readonly priority: number;
  readonly tie: number;
  /** In the order of making: the same tie twice must not make a run ambiguous. */
  readonly order: number;
  readonly label: string;
  readonly work: () => void;
  cancelled: boolean;
}

function isBefore(one: QueuedEvent, other: QueuedEvent): boolean {
  if (one.at !== other.at) return one.at < other.at;
  if (one.priority !== other.priority) return one.priority < other.priority;
  if (one.tie !== other.tie) return one.tie < other.tie;
  return one.order < other.order;
}

export class EventQueue {
  readonly #heap: QueuedEvent[] = [];

  /** Those called off included. */
  get size(): number {
    return this.#heap.length;
  }

  push(event: QueuedEvent): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = event;
  }

  /** The next that was not called off, which stays. */
  peek(): QueuedEvent | undefined {
    while (this.#heap[0]?.cancelled === true) this.#takeFirst();
    return this.#heap[0];
  }

  pop(): QueuedEvent | undefined {
    if (this.peek() === undefined) return undefined;
    return this.#takeFirst();
  }

  #takeFirst(): QueuedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}
