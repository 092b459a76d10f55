/**
 * One stream in memory: bounded by bytes and age. Ids are remembered for their window, but no longer
 * than their messages are held, so the bound of bytes is one of everything here; a real server goes
 * on remembering them. What is old goes when somebody looks: nothing here needs a timer.
 */
import type { BusMessage, PublishOutcome, StreamName, StreamState } from '../bus.ts';

export interface MemoryStreamOptions {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly duplicateWindowMs: number;
  /** Full, it takes no more (`new`) or loses its oldest (`old`). */
  readonly discard: 'new' | 'old';
}

export interface StoredMessage extends BusMessage {
  /** Its place, counted from 1. */
  readonly sequence: number;
  readonly storedAt: number;
}

/** What a message costs beside its strings and body: about what a file store adds. */
const OVERHEAD_BYTES = 30;
/** Gone messages at the head of the list that make it worth moving the others. */
const GONE_MAX = 1_024;

export class MemoryStream {
  readonly #name: StreamName;
  readonly #created: string;
  readonly #options: MemoryStreamOptions;
  #maxBytes: number;
  #messages: StoredMessage[] = [];
  /** Where the list begins: what is before it is gone. */
  #head = 0;
  #bytes = 0;
  #last = 0;
  readonly #byId = new Map<string, StoredMessage>();

  constructor(name: StreamName, created: string, options: MemoryStreamOptions) {
    this.#name = name;
    this.#created = created;
    this.#options = options;
    this.#maxBytes = options.maxBytes;
  }

  store(message: BusMessage, now: number): PublishOutcome {
    this.#forget(now);
    const known = this.#byId.get(message.id);
    if (known !== undefined && known.storedAt + this.#options.duplicateWindowMs > now) {
      return { ok: true, sequence: known.sequence, duplicate: true };
    }
    const bytes = bytesOf(message);
    if (bytes > this.#maxBytes || !this.#makeRoom(bytes)) {
      const detail = `The stream of ${this.#name} is full (${this.#bytes} of ${this.#maxBytes} bytes)`;
      return { ok: false, fault: { kind: 'full', detail } };
    }
    this.#last += 1;
    const sequence = this.#last;
    const stored = { ...message, sequence, storedAt: now };
    this.#messages.push(stored);
    this.#bytes += bytes;
    this.#byId.set(message.id, stored);
    return { ok: true, sequence, duplicate: false };
  }

  messages(now: number): readonly StoredMessage[] {
    this.#forget(now);
    return this.#messages.slice(this.#head);
  }

  state(now: number): StreamState {
    this.#forget(now);
    return {
      name: this.#name,
      created: this.#created,
      lastSequence: this.#last,
      messages: this.#messages.length - this.#head,
      bytes: this.#bytes,
      differences: this.#differences(),
    };
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  purge(): void {
    while (this.#oldest !== undefined) this.#drop();
  }

  loseAfter(sequence: number): void {
    const lost = this.#messages.slice(this.#head).filter((each) => each.sequence > sequence);
    for (const message of lost) this.#release(message);
    this.#messages.length -= lost.length;
    this.#last = Math.min(this.#last, sequence);
  }

  #differences(): readonly string[] {
    const { maxBytes } = this.#options;
    if (this.#maxBytes === maxBytes) return [];
    return [`max_bytes is ${this.#maxBytes} and should be ${maxBytes}`];
  }

  get #oldest(): StoredMessage | undefined {
    return this.#messages[this.#head];
  }

  #makeRoom(bytes: number): boolean {
    while (this.#bytes + bytes > this.#maxBytes) {
      if (this.#options.discard === 'new' || this.#oldest === undefined) return false;
      this.#drop();
    }
    return true;
  }

  #forget(now: number): void {
    const { maxAgeMs } = this.#options;
    while (this.#oldest !== undefined && this.#oldest.storedAt + maxAgeMs <= now) this.#drop();
  }

  #drop(): void {
    this.#release(this.#oldest!);
    this.#head += 1;
    if (this.#head < GONE_MAX && this.#head < this.#messages.length) return;
    this.#messages = this.#messages.slice(this.#head);
    this.#head = 0;
  }

  #release(message: StoredMessage): void {
    this.#bytes -= bytesOf(message);
    // The id may be that of a later one by now, if it came again after its window.
    if (this.#byId.get(message.id) === message) this.#byId.delete(message.id);
  }
}

function bytesOf({ subject, id, headers, body }: BusMessage): number {
  let bytes = OVERHEAD_BYTES + subject.length + id.length + body.byteLength;
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}
