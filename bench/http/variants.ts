/** What is compared: which server, over what, with which requests. */
import { encode } from 'cbor-x';
import { HOST } from './load.ts';

export const VALUE_BYTES = 200;
export const BATCH = 100;
const KEYS = 1_000;
const BATCHES = 20;
const TTL_MS = 600_000;

const value = Buffer.alloc(VALUE_BYTES, 'v').toString('latin1');

function keyOf(index: number): string {
  return `bench-${String(index).padStart(10, '0')}`;
}

function request(method: string, path: string, headers: string, body: string): string {
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: ${HOST}\r\n${headers}${length}\r\n${body}`;
}

const BYTES = 'Content-Type: application/octet-stream\r\n';

export function bareTexts(): string[] {
  return [request('GET', '/', '', '')];
}

/** `ttlMs` given: every one under a fresh lease; else the deadline stays. */
export function putTexts(namespace: string, query = `?ttlMs=${TTL_MS}`, keys = KEYS): string[] {
  return Array.from({ length: keys }, (_, index) =>
    request('PUT', `/v1/entries/${namespace}/${keyOf(index)}${query}`, BYTES, value),
  );
}

export function getTexts(namespace: string): string[] {
  return Array.from({ length: KEYS }, (_, index) =>
    request('GET', `/v1/entries/${namespace}/${keyOf(index)}`, '', ''),
  );
}

export function batchTexts(namespace: string, format: 'json' | 'cbor'): string[] {
  const bytes = Buffer.from(value, 'latin1');
  return Array.from({ length: BATCHES }, (_, batch) => {
    const operations = Array.from({ length: BATCH }, (_, index) => ({
      op: 'put',
      namespace,
      key: keyOf((batch * BATCH + index) % KEYS),
      value: format === 'json' ? bytes.toString('base64') : bytes,
      ttlMs: TTL_MS,
    }));
    const body =
      format === 'json'
        ? JSON.stringify({ operations })
        : Buffer.from(encode({ operations })).toString('latin1');
    const type = `application/${format}`;
    return request('POST', '/v1/batch', `Content-Type: ${type}\r\nAccept: ${type}\r\n`, body);
  });
}

/** Puts of 100 B values for entries `from` to `to` (32 B keys), `batch` to a request. */
export function manyPutTexts(namespace: string, from: number, to: number, batch: number): string[] {
  const bytes = Buffer.alloc(100, 'v');
  const texts: string[] = [];
  for (let start = from; start < to; start += batch) {
    const operations = Array.from({ length: Math.min(batch, to - start) }, (_, index) => ({
      op: 'put',
      namespace,
      key: longKeyOf(start + index),
      value: bytes,
      ttlMs: TTL_MS,
    }));
    const body = Buffer.from(encode({ operations })).toString('latin1');
    texts.push(request('POST', '/v1/batch', 'Content-Type: application/cbor\r\n', body));
  }
  return texts;
}

/** A read of one of them. */
export function entryText(namespace: string, index: number): string {
  return request('GET', `/v1/entries/${namespace}/${longKeyOf(index)}`, '', '');
}

function longKeyOf(index: number): string {
  return String(index).padStart(32, '0');
}
