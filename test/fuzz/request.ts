/**
 * One request, as bytes: by the contract of its route, then spoilt more or less. What reaches the
 * sidecar is what no client library would send too: bad percent-encoding, bytes that are no UTF-8,
 * CBOR that was cut, lengths that do not fit.
 */
import { Encoder } from 'cbor-x';
import type { Operation } from './contract.ts';
import { anything, namespace, strangeText, type Surroundings, valueFor } from './values.ts';

export interface Request {
  readonly operation: Operation;
  readonly bytes: Buffer;
  /** Its path or method was spoilt: who answers is not known. */
  readonly strays: boolean;
  /** For people. */
  readonly head: string;
}

const encoder = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
const LARGE_BYTES = 5 * 1024 ** 2;

interface Body {
  readonly type: string | undefined;
  readonly bytes: Buffer;
}

export function requestFor(around: Surroundings, operation: Operation): Request {
  const { chance, caller } = around;
  const body = bodyFor(around, operation);
  const method = chance.happens(0.02) ? chance.pick(['PATCH', 'OPTIONS', 'TRACE']) : operation.method;
  const found = pathFor(around, operation);
  const path = found + (chance.happens(0.02) ? chance.pick(['/', '//', '%', '/x']) : '');
  const strays = method !== operation.method || path !== found || /%(?![0-9A-F]{2})|%C3$|%C3[/]|%FF|[?#]/.test(path);
  const lines = [`${method} ${path}${queryFor(around, operation)} HTTP/1.1`];
  lines.push(`Host: ${chance.weighted([['127.0.0.1:1', 50], ['10.0.0.1', 1], ['', 1], ['a b', 1]])}`);
  lines.push(`Authorization: ${authorization(around)}`, 'Connection: close');
  if (body.type !== undefined) lines.push(`Content-Type: ${body.type}`);
  if (body.bytes.length > 0 || chance.happens(0.1)) {
    const length = body.bytes.length + (chance.happens(0.02) ? chance.integer(5) : 0);
    lines.push(`Content-Length: ${length}`);
  }
  lines.push(...headersFor(around, operation));
  const head = lines.join('\r\n');
  const bytes = Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body.bytes]);
  return { operation, bytes, strays, head: `${caller.name}: ${lines[0]}` };
}

function authorization({ chance, caller }: Surroundings): string {
  return chance.weighted([
    [`Bearer ${caller.token}`, 60], [`bearer  ${caller.token}`, 1], [`Bearer ${caller.token}x`, 1],
    ['Bearer', 1], [`Basic ${caller.token}`, 1], [`Bearer ${'y'.repeat(2000)}`, 1],
  ]);
}

function pathFor(around: Surroundings, { path }: Operation): string {
  const { chance, caller, gossip } = around;
  return path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    if (name === 'namespace') return encoded(around, namespace(around));
    if (name === 'id') return encoded(around, gossip.id(chance));
    return chance.happens(0.9) ? gossip.key(chance, caller) : encoded(around, strangeText(chance));
  });
}

/** Percent-encoded as it should be, or not quite. */
function encoded({ chance }: Surroundings, text: string): string {
  const whole = encodeURIComponent(text.toWellFormed());
  if (!chance.happens(0.03)) return whole;
  return `${whole}${chance.pick(['%', '%zz', '%C3', '%FF%FE', '%2F', '\u00e9', '?', '#'])}`;
}

function queryFor(around: Surroundings, { query }: Operation): string {
  const { chance } = around;
  const parts = query
    .filter(() => chance.happens(0.3))
    .map(({ name, schema }) => {
      const value = name === 'cursor' || name === 'since' ? around.gossip.cursor(chance) : valueFor(around, schema, name);
      const text = name === 'ttlMs' || name === 'limit' ? String(chance.integer(5_000)) : String(value);
      return `${name}=${encodeURIComponent(text.toWellFormed())}`;
    });
  if (chance.happens(0.04)) parts.push(chance.pick(['x=1', '=', '&&', '%=%', 'ttlMs=1&ttlMs=2', '__proto__=1']));
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function headersFor(around: Surroundings, { headers }: Operation): string[] {
  const { chance, gossip } = around;
  const lines = headers
    .filter(() => chance.happens(0.2))
    .map((name) => {
      if (name === 'Idempotency-Key') return `${name}: "key-${chance.integer(40)}"`;
      if (name === 'Last-Event-ID') return `${name}: ${gossip.cursor(chance)}`;
      return `${name}: ${name.startsWith('If-') ? gossip.etag(chance) : 'x'}`;
    });
  if (chance.happens(0.2)) lines.push(`Accept: ${chance.pick(['application/cbor', '*/*', 'image/png', '', ';;q=2'])}`);
  if (chance.happens(0.02)) {
    lines.push(
      chance.pick([
        'Origin: http://evil.example', 'Expect: 100-continue', 'Content-Encoding: gzip', 'traceparent: 00-x',
        'Transfer-Encoding: chunked', 'X: \u00ff\u00fe', 'Bad Header: 1', `X-Long: ${'z'.repeat(20_000)}`,
        'Content-Range: bytes 0-1/2', 'Upgrade: websocket',
      ]),
    );
  }
  return lines;
}

function bodyFor(around: Surroundings, { body, method }: Operation): Body {
  const { chance, caller } = around;
  if (body === undefined) {
    const unasked = chance.happens(0.02) && method !== 'HEAD';
    return { type: undefined, bytes: Buffer.from(unasked ? 'unasked for' : '') };
  }
  if (body === 'value') {
    const type = chance.pick([undefined, 'text/plain', `text/plain; x=${caller.marker}`, 'nonsense']);
    const large = chance.happens(0.004);
    return { type, bytes: large ? Buffer.alloc(LARGE_BYTES) : Buffer.from(valueText(around)) };
  }
  const document = chance.happens(0.05) ? anything(around) : valueFor(around, body);
  const cbor = chance.happens(0.3);
  const bytes = cbor ? encoder.encode(document) : Buffer.from(JSON.stringify(document) ?? '');
  const type = chance.happens(0.97)
    ? cbor ? 'application/cbor' : 'application/json'
    : chance.pick(['text/plain', 'application/json; charset=latin1', '', undefined]);
  return { type, bytes: chance.happens(0.08) ? spoilt(around, bytes) : bytes };
}

function valueText({ chance, caller }: Surroundings): string {
  return chance.happens(0.3) ? String(chance.integer(1000)) : `${caller.marker} ${chance.bits()}`;
}

function spoilt({ chance }: Surroundings, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  switch (chance.integer(4)) {
    case 0: return copy.subarray(0, chance.integer(copy.length + 1));
    case 1: return Buffer.concat([copy, Buffer.from([0xff, 0xfe, 0x80])]);
    case 2: return Buffer.from(Array.from({ length: chance.integer(64) }, () => chance.integer(256)));
    default:
      if (copy.length > 0) copy[chance.integer(copy.length)] = chance.integer(256);
      return copy;
  }
}
