/**
 * The runs (actors) that live rows refer to, as small numbers. A row holds a number; an actor is
 * forgotten when no row holds it any more, so the table stays as small as the history that is
 * still alive.
 */
const encoder = new TextEncoder();
const BYTE_STRING_OF_8 = 0x48;

export class Actors {
  readonly #text: string[] = [''];
  readonly #encoded: Uint8Array[] = [new Uint8Array(0)];
  readonly #implicitIdPrefix: Uint8Array[] = [new Uint8Array(0)];
  readonly #references: number[] = [0];
  readonly #free: number[] = [];
  readonly #numbers = new Map<string, number>();
  /** This run; never forgotten. */
  self: number;

  constructor(self: string) {
    this.self = this.number(self);
    this.retain(this.self);
  }

  /** Goes on as another run; the old one is forgotten with its last row. */
  become(self: string): void {
    const old = this.self;
    this.self = this.number(self);
    this.retain(this.self);
    this.release(old);
  }

  get size(): number {
    return this.#numbers.size;
  }

  /** The actor's number, a new one when needed; `retain` it to keep it. */
  number(actor: string): number {
    const known = this.#numbers.get(actor);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#text.length;
    this.#text[number] = actor;
    this.#encoded[number] = encodedActor(actor);
    this.#implicitIdPrefix[number] = encoder.encode(`i-${actor}-`);
    this.#references[number] = 0;
    this.#numbers.set(actor, number);
    return number;
  }

  /** 0 when no live row refers to it. */
  find(actor: string): number {
    return this.#numbers.get(actor) ?? 0;
  }

  text(number: number): string {
    return this.#text[number]!;
  }

  /** Eight bytes, big-endian, as a CBOR byte string: facts copy it. */
  encoded(number: number): Uint8Array {
    return this.#encoded[number]!;
  }

  /** What the ids of implicit leases begin with that this actor made. */
  implicitIdPrefix(number: number): Uint8Array {
    return this.#implicitIdPrefix[number]!;
  }

  retain(number: number): void {
    this.#references[number]!++;
  }

  release(number: number): void {
    if (--this.#references[number]! > 0) return;
    this.#numbers.delete(this.#text[number]!);
    this.#free.push(number);
  }
}

function encodedActor(actor: string): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = BYTE_STRING_OF_8;
  bytes.set(actorBytes(actor), 1);
  return bytes;
}

export function actorBytes(actor: string): Uint8Array {
  const bytes = new Uint8Array(8);
  for (let index = 0; index < 8; index++) {
    bytes[index] = Number.parseInt(actor.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}

export function actorText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
