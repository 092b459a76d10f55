/**
 * What happened, as a hash and as lines. The hash covers every event of a run and everything that
 * was noted: two runs of a seed that differ anywhere differ here. Lines are kept only when somebody
 * wants to read them, since most runs end well.
 */
export interface TraceLine {
  readonly atMs: number;
  /** Who: `world`, `s1`, `s1/disk`, `c3`. */
  readonly who: string;
  readonly what: string;
}

export class Trace {
  readonly lines: TraceLine[] = [];
  readonly #keepsLines: boolean;
  readonly #labels = new Map<string, number>();
  #high = 0x811c9dc5;
  #low = 0xcbf29ce4;
  events = 0;

  constructor(keepsLines: boolean) {
    this.#keepsLines = keepsLines;
  }

  get keepsLines(): boolean {
    return this.#keepsLines;
  }

  /** Sixteen hexadecimal digits. */
  get hash(): string {
    const digits = (part: number) => (part >>> 0).toString(16).padStart(8, '0');
    return digits(this.#high) + digits(this.#low);
  }

  /** An event of the queue that is about to run. */
  event(atMs: number, label: string): void {
    this.events += 1;
    this.#mix(this.#numberOf(label));
    // Microseconds: all that differs shows, and it stays a whole number.
    const micros = Math.round(atMs * 1000);
    this.#mix(micros | 0);
    this.#mix((micros / 2 ** 32) | 0);
  }

  /** Something worth a line. */
  note(atMs: number, who: string, what: string): void {
    this.event(atMs, who);
    this.#mix(this.#hashOf(what));
    if (this.#keepsLines) this.lines.push({ atMs, who, what });
  }

  #mix(bits: number): void {
    this.#high = Math.imul(this.#high ^ bits, 0x01000193);
    this.#low = Math.imul(this.#low ^ (bits + (this.#high >>> 13)), 0x85ebca6b);
  }

  /** Labels come again and again: each is hashed once. */
  #numberOf(label: string): number {
    let known = this.#labels.get(label);
    if (known === undefined) {
      known = this.#hashOf(label);
      this.#labels.set(label, known);
    }
    return known;
  }

  #hashOf(text: string): number {
    let hash = 0x811c9dc5;
    for (let index = 0; index < text.length; index++) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
    return hash;
  }
}
