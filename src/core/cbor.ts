/**
 * The few CBOR forms (RFC 8949) that facts are made of, written straight into one growing buffer
 * and read back by position: arrays, unsigned integers, doubles, text, byte strings, booleans and
 * null. Any CBOR library reads what is written here; a general encoder would need an object per
 * fact, which a burst of 200 000 endings cannot afford.
 */

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder();

const UNSIGNED = 0x00;
const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const DOUBLE = 0xfb;
const TWO_32 = 4294967296;
/** Below this many characters a loop beats the native encoder's call. */
const SHORT_TEXT = 64;

/** What a byte string of so many bytes takes, with its head. */
export function byteStringBytes(length: number): number {
  if (length < 24) return length + 1;
  if (length < 0x100) return length + 2;
  return length + (length < 0x10000 ? 3 : 5);
}

export class CborWriter {
  bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  end = 0;

  constructor(initialBytes = 65536) {
    this.bytes = new Uint8Array(initialBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `count` more bytes. */
  ensure(count: number): void {
    const needed = this.end + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.end));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #head(major: number, length: number): void {
    const bytes = this.bytes;
    if (length < 24) {
      bytes[this.end++] = major | length;
    } else if (length < 0x100) {
      bytes[this.end++] = major | 24;
      bytes[this.end++] = length;
    } else if (length < 0x10000) {
      bytes[this.end++] = major | 25;
      this.#view.setUint16(this.end, length);
      this.end += 2;
    } else if (length < TWO_32) {
      bytes[this.end++] = major | 26;
      this.#view.setUint32(this.end, length);
      this.end += 4;
    } else {
      bytes[this.end++] = major | 27;
      this.#view.setUint32(this.end, Math.floor(length / TWO_32));
      this.#view.setUint32(this.end + 4, length >>> 0);
      this.end += 8;
    }
  }

  array(length: number): void {
    this.ensure(9);
    this.#head(ARRAY, length);
  }

  /** An integer from 0 to 2^53 − 1. */
  unsigned(value: number): void {
    this.ensure(9);
    this.#head(UNSIGNED, value);
  }

  double(value: number): void {
    this.ensure(9);
    this.bytes[this.end++] = DOUBLE;
    this.#view.setFloat64(this.end, value);
    this.end += 8;
  }

  boolean(value: boolean): void {
    this.ensure(1);
    this.bytes[this.end++] = value ? TRUE : FALSE;
  }

  null(): void {
    this.ensure(1);
    this.bytes[this.end++] = NULL;
  }

  text(value: string): void {
    const length = value.length;
    this.ensure(length * 3 + 9);
    if (length < SHORT_TEXT) {
      const mark = this.end;
      this.#head(TEXT, length);
      const bytes = this.bytes;
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        bytes[this.end++] = code;
      }
      if (index === length) return;
      this.end = mark;
    }
    const encoded = utf8Encoder.encode(value);
    this.textBytes(encoded, 0, encoded.length);
  }

  /** Text made of a prefix in ASCII and a number in decimal. */
  prefixedNumber(prefix: Uint8Array, value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    this.ensure(prefix.length + digits + 9);
    this.#head(TEXT, prefix.length + digits);
    const bytes = this.bytes;
    let at = this.end;
    for (let index = 0; index < prefix.length; index++) bytes[at++] = prefix[index]!;
    at += digits;
    this.end = at;
    let rest = value;
    for (let left = digits; left > 0; left--) {
      const next = Math.floor(rest / 10);
      bytes[--at] = 0x30 + (rest - next * 10);
      rest = next;
    }
  }

  optionalText(value: string | undefined): void {
    if (value === undefined) this.null();
    else this.text(value);
  }

  /** Text whose UTF-8 bytes are at hand. */
  textBytes(source: Uint8Array, start: number, end: number): void {
    this.ensure(end - start + 9);
    this.#head(TEXT, end - start);
    this.raw(source, start, end);
  }

  byteString(source: Uint8Array, start: number, end: number): void {
    this.ensure(end - start + 9);
    this.#head(BYTES, end - start);
    this.raw(source, start, end);
  }

  /** Bytes that are CBOR already. */
  raw(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.ensure(length);
    if (length < SHORT_TEXT) {
      const bytes = this.bytes;
      let to = this.end;
      for (let from = start; from < end; from++) bytes[to++] = source[from]!;
    } else {
      this.bytes.set(source.subarray(start, end), this.end);
    }
    this.end += length;
  }
}

/** Thrown when bytes are not what the writer above writes. */
export class CborShapeError extends Error {
  override readonly name = 'CborShapeError';
}

export class CborReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = start;
    this.end = end;
  }

  #take(count: number): number {
    const at = this.position;
    if (at + count > this.end) throw new CborShapeError(`Cannot read ${count} bytes at ${at}`);
    this.position = at + count;
    return at;
  }

  #length(major: number): number {
    const byte = this.#bytes[this.#take(1)]!;
    if ((byte & 0xe0) !== major) {
      throw new CborShapeError(`Cannot read major type ${major >> 5}: found byte ${byte}`);
    }
    const low = byte & 0x1f;
    if (low < 24) return low;
    if (low === 24) return this.#bytes[this.#take(1)]!;
    if (low === 25) return this.#view.getUint16(this.#take(2));
    if (low === 26) return this.#view.getUint32(this.#take(4));
    if (low === 27) {
      const at = this.#take(8);
      return this.#view.getUint32(at) * TWO_32 + this.#view.getUint32(at + 4);
    }
    throw new CborShapeError(`Cannot read length form ${low}`);
  }

  array(): number {
    return this.#length(ARRAY);
  }

  unsigned(): number {
    return this.#length(UNSIGNED);
  }

  double(): number {
    const byte = this.#bytes[this.#take(1)]!;
    if (byte !== DOUBLE) throw new CborShapeError(`Cannot read a double: found byte ${byte}`);
    return this.#view.getFloat64(this.#take(8));
  }

  boolean(): boolean {
    const byte = this.#bytes[this.#take(1)]!;
    if (byte !== TRUE && byte !== FALSE) {
      throw new CborShapeError(`Cannot read a boolean: found byte ${byte}`);
    }
    return byte === TRUE;
  }

  text(): string {
    const length = this.#length(TEXT);
    const at = this.#take(length);
    if (length < SHORT_TEXT) {
      let text = '';
      let index = at;
      for (; index < at + length; index++) {
        const code = this.#bytes[index]!;
        if (code > 0x7f) break;
        text += String.fromCharCode(code);
      }
      if (index === at + length) return text;
    }
    return utf8Decoder.decode(this.#bytes.subarray(at, at + length));
  }

  optionalText(): string | undefined {
    if (this.#bytes[this.position] === NULL) {
      this.#take(1);
      return undefined;
    }
    return this.text();
  }

  /** A view, not a copy. */
  byteString(): Uint8Array {
    const length = this.#length(BYTES);
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
}
