/**
 * How much is worked on at once: a number of requests per class, and a number of bytes in all.
 * Whoever is over is refused at once; nothing queues here, because a queue would only make every
 * answer late.
 */
export class Gate {
  readonly limit: number;
  #inFlight = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** false: full. Whoever entered must `leave` exactly once. */
  enter(): boolean {
    if (this.#inFlight >= this.limit) return false;
    this.#inFlight++;
    return true;
  }

  leave(): void {
    this.#inFlight--;
  }
}

/** A sixteenth on top of what all others may hold, and room for one body at least. */
export function renewalBodyBytes(limits: {
  readonly inFlightBodyBytes: number;
  readonly bodyBytes: number;
}): number {
  return Math.max(limits.bodyBytes, Math.floor(limits.inFlightBodyBytes / 16));
}

export class ByteBudget {
  readonly limitBytes: number;
  #heldBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** false: there is no room for so many; none were taken. */
  take(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.limitBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}
