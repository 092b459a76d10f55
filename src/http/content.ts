/** Documents in two spellings, JSON and CBOR: which one a request uses, asks for, and is answered in. */
import { isUtf8 } from 'node:buffer';
import { Decoder, Encoder } from 'cbor-x';
import { reject, type Rejection } from '../errors.ts';
import type { Checked } from './checked.ts';
import { cborComplaint } from './plain-cbor.ts';

export type Format = 'json' | 'cbor';

const MEDIA_TYPES: Readonly<Record<Format, string>> = {
  json: 'application/json',
  cbor: 'application/cbor',
};

const plain = { useRecords: false, mapsAsObjects: true, int64AsNumber: true, tagUint8Array: false };
const decoder = new Decoder(plain);
const encoder = new Encoder({ ...plain, variableMapSize: true });

/** The format of a body by its Content-Type; 415 when it is neither. */
export function formatOfBody(contentType: string | undefined): Format | Rejection {
  if (contentType === 'application/json') return 'json';
  if (contentType === 'application/cbor') return 'cbor';
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  const utf8Only = parameters.every((parameter) => /^\s*charset="?utf-8"?\s*$/.test(parameter));
  if (type.trim() === MEDIA_TYPES.json && utf8Only) return 'json';
  if (type.trim() === MEDIA_TYPES.cbor && parameters.length === 0) return 'cbor';
  return reject(
    'unsupported-media-type',
    contentType === undefined
      ? 'Cannot read a body without Content-Type: application/json or application/cbor'
      : `Cannot read a body of type "${contentType.slice(0, 128)}": application/json or application/cbor`,
  );
}

interface Range {
  readonly type: string;
  readonly quality: number;
}

function acceptRanges(accept: string): Range[] {
  return accept.split(',').map((member) => {
    const [type = '', ...parameters] = member.split(';');
    const weight = parameters.find((parameter) => /^\s*q\s*=/i.test(parameter));
    const quality = weight === undefined ? 1 : Number(weight.slice(weight.indexOf('=') + 1));
    return { type: type.trim().toLowerCase(), quality: Number.isNaN(quality) ? 0 : quality };
  });
}

/** What the most specific range that covers `type` says of it (RFC 9110 §12.5.1). */
function qualityOf(ranges: readonly Range[], type: string): number {
  const family = `${type.slice(0, type.indexOf('/'))}/*`;
  for (const name of [type, family, '*/*']) {
    const range = ranges.find((each) => each.type === name);
    if (range !== undefined) return range.quality;
  }
  return 0;
}

/** The best of `types` for this Accept header; undefined when none will do. */
export function preferred<T extends string>(accept: string | undefined, types: readonly T[]): T | undefined {
  if (accept === undefined || accept === '*/*') return types[0];
  const ranges = acceptRanges(accept);
  let best: T | undefined;
  let bestQuality = 0;
  for (const type of types) {
    const quality = qualityOf(ranges, type);
    if (quality > bestQuality) {
      best = type;
      bestQuality = quality;
    }
  }
  return best;
}

const DOCUMENT_TYPES = [MEDIA_TYPES.json, MEDIA_TYPES.cbor];

/** The format of the answer; 406 when neither is accepted. JSON when both are equally welcome. */
export function formatOfReply(accept: string | undefined): Format | Rejection {
  const type = preferred(accept, DOCUMENT_TYPES);
  if (type === MEDIA_TYPES.json) return 'json';
  if (type === MEDIA_TYPES.cbor) return 'cbor';
  return reject('not-acceptable', 'Cannot answer in any accepted type: application/json or application/cbor');
}

export function mediaTypeOf(format: Format): string {
  return MEDIA_TYPES[format];
}

function malformed(what: string, why: string): { readonly refusal: Rejection } {
  return { refusal: reject('malformed-body', `Cannot read the ${what} body: ${why}`) };
}

/** The value a body holds; 400 `malformed-body` when it is not well-formed. */
export function decodeDocument(format: Format, body: Buffer): Checked<unknown> {
  if (format === 'cbor') {
    const complaint = cborComplaint(body);
    if (complaint !== undefined) return malformed('CBOR', complaint);
    try {
      return { value: decoder.decode(body) };
    } catch {
      return malformed('CBOR', 'it is not well-formed');
    }
  }
  if (!isUtf8(body)) return malformed('JSON', 'it is not UTF-8');
  try {
    return { value: JSON.parse(body.toString('utf8')) };
  } catch (error) {
    return malformed('JSON', error instanceof Error ? error.message : 'it is not well-formed');
  }
}

export function encodeDocument(format: Format, document: object): Buffer {
  if (format === 'cbor') return encoder.encode(document);
  return Buffer.from(JSON.stringify(document));
}

/** A value as a member of a document: bytes in CBOR, base64 in JSON. */
export function bytesIn(format: Format, value: Uint8Array): Uint8Array | string {
  if (format === 'cbor') return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}
