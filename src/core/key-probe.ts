/**
 * The key a command is about, as bytes with its hash: encoded once, compared without allocation.
 * One probe serves a core, since a command is about one key at a time.
 */
import { hashBytes } from './key-index.ts';

const encoder = new TextEncoder();

export class KeyProbe {
  bytes = new Uint8Array(1024);
  length = 0;
  hash = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  set(namespace: number, key: string): void {
    const most = key.length * 3;
    if (this.bytes.length < most) this.bytes = new Uint8Array(most);
    const bytes = this.bytes;
    let index = 0;
    for (; index < key.length; index++) {
      const code = key.charCodeAt(index);
      if (code > 0x7f) break;
      bytes[index] = code;
    }
    this.length = index === key.length ? index : encoder.encodeInto(key, bytes).written;
    this.hash = hashBytes(this.#seed + namespace, bytes, 0, this.length);
  }
}
