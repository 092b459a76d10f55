/**
 * A walk over CBOR from outside before a decoder sees it. The library knows extensions (records,
 * packed tables, shared references, classes) that turn bytes into more than data; none of them can
 * be reached once every tag is refused. What passes is what JSON can say, plus byte strings.
 */
import { isUtf8 } from 'node:buffer';

const DEPTH_MAX = 32;

const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;
const SIMPLE = 7;

class Walk {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** undefined: one plain item and nothing after it. */
  complaint(): string | undefined {
    const complaint = this.#item(0, false);
    if (complaint !== undefined) return complaint;
    return this.#at === this.#bytes.length ? undefined : 'bytes follow its end';
  }

  #item(depth: number, asKey: boolean): string | undefined {
    if (depth > DEPTH_MAX) return `it is nested deeper than ${DEPTH_MAX}`;
    if (this.#at >= this.#bytes.length) return 'it ends early';
    const initial = this.#bytes[this.#at++]!;
    const major = initial >> 5;
    const short = initial & 0x1f;
    if (asKey && major !== TEXT) return 'a key of a map is not text';
    if (major === TAG) return 'it holds a tag';
    if (major === SIMPLE) return this.#simple(short);
    const argument = this.#argument(short);
    if (argument === undefined) return 'it ends early, or has no definite length';
    switch (major) {
      case BYTES:
      case TEXT: {
        const start = this.#at;
        this.#at += argument;
        if (this.#at > this.#bytes.length) return 'it ends early';
        if (major === TEXT && !isUtf8(this.#bytes.subarray(start, this.#at))) return 'a text is not UTF-8';
        return undefined;
      }
      case ARRAY:
        return this.#items(argument, depth, false);
      case MAP:
        return this.#items(argument, depth, true);
      default:
        return undefined;
    }
  }

  #items(count: number, depth: number, pairs: boolean): string | undefined {
    // Each takes a byte at least: an absurd count is found out before the loop is.
    if (count > this.#bytes.length - this.#at) return 'it ends early';
    for (let index = 0; index < count; index++) {
      if (pairs) {
        const complaint = this.#item(depth + 1, true);
        if (complaint !== undefined) return complaint;
      }
      const complaint = this.#item(depth + 1, false);
      if (complaint !== undefined) return complaint;
    }
    return undefined;
  }

  /** false, true, null and floats; `undefined` and the rest have no counterpart in JSON. */
  #simple(short: number): string | undefined {
    if (short >= 20 && short <= 22) return undefined;
    if (short < 25 || short > 27) return 'it holds a simple value that is not false, true or null';
    this.#at += 2 ** (short - 24);
    return this.#at <= this.#bytes.length ? undefined : 'it ends early';
  }

  #argument(short: number): number | undefined {
    if (short < 24) return short;
    if (short > 27) return undefined;
    const width = 2 ** (short - 24);
    const at = this.#at;
    this.#at += width;
    if (this.#at > this.#bytes.length) return undefined;
    switch (width) {
      case 1:
        return this.#bytes[at]!;
      case 2:
        return this.#view.getUint16(at);
      case 4:
        return this.#view.getUint32(at);
      default:
        return this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
    }
  }
}

/** Why `bytes` are not one plain CBOR item; undefined when they are. */
export function cborComplaint(bytes: Uint8Array): string | undefined {
  return new Walk(bytes).complaint();
}
