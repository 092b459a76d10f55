/**
 * Numbers that stand for what is compared. Two 32-bit lanes that mix differently: together they tell
 * millions of rows apart, where one lane would take two of them for the same now and then. Against
 * chance, not against somebody who aims: whoever can choose what is in memory needs no collision.
 */
import { crc32 } from 'node:zlib';

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** Fed piece by piece; `high` and `low` are what it has come to, once `end` was called. */
export class Fingerprint {
  high = 0;
  low = 0;

  begin(kind: number): this {
    this.high = 0x9e3779b9 ^ kind;
    this.low = 0x811c9dc5 ^ kind;
    return this;
  }

  text(text: string): this {
    for (let index = 0; index < text.length; index++) this.#mix(text.charCodeAt(index));
    this.#mix(text.length);
    return this;
  }

  number(value: number): this {
    double[0] = value;
    this.#mix(words[0]!);
    this.#mix(words[1]!);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#mix(crc32(bytes));
    this.#mix(bytes.length);
    return this;
  }

  end(): this {
    this.high = avalanche(this.high ^ this.low);
    this.low = avalanche(this.low);
    return this;
  }

  #mix(word: number): void {
    this.low = Math.imul(this.low ^ word, 0x01000193) ^ (this.low >>> 15);
    const turned = Math.imul(this.high ^ word, 0xcc9e2d51);
    this.high = Math.imul((turned << 15) | (turned >>> 17), 5) + 0x38495ab5;
  }
}

/** The last step of MurmurHash3. */
function avalanche(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
