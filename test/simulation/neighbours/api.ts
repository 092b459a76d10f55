/** The sidecar's HTTP API as its clients use it: from what is wished to a request, and back. */
import type { Answer, Asked, Delete, Increment, Write } from '../history/operation.ts';
import type { HttpAnswer } from './http-exchange.ts';
import type { RequestHead } from './messages.ts';

/** Of a page: all there is, in the small worlds this is for. */
const PAGE_ITEMS = 100;
const DOCUMENT = /^application\/(problem\+)?json$/;

export function requestOf(asked: Asked): RequestHead {
  switch (asked.kind) {
    case 'grant': {
      const { namespace, ttlMs, holder } = asked;
      return document('POST', '/v1/leases', { namespace, ttlMs, holder }, onceOnly(asked));
    }
    case 'renew': {
      const path = `${pathOfLease(asked.lease)}/renew`;
      return asked.ttlMs === undefined ? bare('POST', path) : document('POST', path, { ttlMs: asked.ttlMs });
    }
    case 'release':
      return bare('DELETE', pathOfLease(asked.lease));
    case 'transfer':
      return document('POST', `${pathOfLease(asked.lease)}/transfer`, { holder: asked.holder });
    case 'get-lease':
      return bare('GET', pathOfLease(asked.lease));
    case 'put':
      return {
        method: 'PUT',
        path: `${pathOfEntry(asked)}${queryOf({ lease: asked.lease, ttlMs: asked.ttlMs })}`,
        headers: { 'content-type': 'text/plain', ...conditions(asked), ...onceOnly(asked) },
        body: Buffer.from(asked.value),
      };
    case 'get':
      return bare('GET', pathOfEntry(asked));
    case 'delete':
      return bare('DELETE', pathOfEntry(asked), conditions(asked));
    case 'increment': {
      const { by, ttlMs } = asked;
      const amount = ttlMs === undefined ? { by } : { by, ttlMs };
      return document('POST', `${pathOfEntry(asked)}/increment`, amount, onceOnly(asked));
    }
    case 'batch':
      return document('POST', '/v1/batch', { atomic: true, operations: asked.operations.map(part) });
    case 'list': {
      const query = queryOf({ prefix: asked.prefix, limit: PAGE_ITEMS, values: 'true' });
      return bare('GET', `/v1/entries/${asked.namespace}${query}`);
    }
  }
}

export function answerOf(asked: Asked, { status, code, headers, body }: HttpAnswer, atMs: number): Answer {
  // Nothing in an answer says whether it was remembered.
  const common = { atMs, status, headers, replayed: false };
  if (code !== undefined) return { ...common, code };
  const isDocument = DOCUMENT.test(headers['content-type'] ?? '');
  const decoded: unknown = isDocument ? JSON.parse(body.toString()) : body.toString();
  if (status >= 400) return { ...common, code: (decoded as { code: string }).code, document: decoded };
  const etag = headers['etag'] ?? (asked.kind === 'increment' ? (decoded as { etag: string }).etag : undefined);
  const context = headers['leasehold-context'];
  const values = asked.kind === 'get' ? valuesOf(status, decoded) : undefined;
  const shown = documentOf(asked, decoded, values);
  return {
    ...common,
    ...(shown === undefined ? {} : { document: shown }),
    ...(etag === undefined ? {} : { etag }),
    ...(context === undefined ? {} : { context }),
    ...(values === undefined ? {} : { values }),
  };
}

/* ---- requests ---------------------------------------------------------------------------- */

type Headers = Readonly<Record<string, string>>;

function bare(method: string, path: string, headers: Headers = {}): RequestHead {
  return { method, path, headers };
}

function document(method: string, path: string, body: object, headers: Headers = {}): RequestHead {
  return {
    method, path,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(body)),
  };
}

function pathOfLease(id: string): string {
  return `/v1/leases/${encodeURIComponent(id)}`;
}

function pathOfEntry({ namespace, key }: { readonly namespace: string; readonly key: string }): string {
  return `/v1/entries/${namespace}/${encodeURIComponent(key)}`;
}

function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
  const text = given.map(([name, value]) => `${name}=${encodeURIComponent(value!)}`).join('&');
  return text === '' ? '' : `?${text}`;
}

function onceOnly({ idempotencyKey }: { readonly idempotencyKey?: string }): Headers {
  return idempotencyKey === undefined ? {} : { 'idempotency-key': `"${idempotencyKey}"` };
}

function conditions(asked: Write | Delete): Headers {
  const isPut = asked.kind === 'put';
  return {
    ...(asked.ifMatch === undefined ? {} : { 'if-match': asked.ifMatch }),
    ...(isPut && asked.ifAbsent === true ? { 'if-none-match': '*' } : {}),
    ...(asked.context === undefined ? {} : { 'leasehold-context': asked.context }),
  };
}

/** One operation of a batch. */
function part(asked: Write | Delete | Increment): object {
  const { kind: op, namespace, key } = asked;
  if (asked.kind === 'increment') {
    return { op, namespace, key, by: asked.by, ...(asked.ttlMs === undefined ? {} : { ttlMs: asked.ttlMs }) };
  }
  const when = {
    ...(asked.ifMatch === undefined ? {} : { ifMatch: asked.ifMatch }),
    ...(asked.context === undefined ? {} : { context: asked.context }),
  };
  if (asked.kind === 'delete') return { op, namespace, key, ...when };
  return {
    op, namespace, key, ...when,
    value: Buffer.from(asked.value).toString('base64'),
    contentType: 'text/plain',
    ...(asked.ifAbsent === true ? { ifNoneMatch: '*' } : {}),
    ...(asked.lease === undefined ? {} : { lease: asked.lease }),
    ...(asked.ttlMs === undefined ? {} : { ttlMs: asked.ttlMs }),
  };
}

/* ---- answers ----------------------------------------------------------------------------- */

function textOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}

interface Siblings {
  readonly siblings: readonly { readonly value: string }[];
}

interface Page {
  readonly entries: readonly { readonly value: string }[];
}

function valuesOf(status: number, decoded: unknown): readonly string[] {
  if (status !== 300) return [String(decoded)];
  return (decoded as Siblings).siblings.map(({ value }) => textOf(value));
}

function documentOf(asked: Asked, decoded: unknown, values: readonly string[] | undefined): unknown {
  if (values !== undefined) return values.length === 1 ? values[0] : values;
  if (decoded === '') return undefined;
  if (asked.kind !== 'list') return decoded;
  const page = decoded as Page;
  return { ...page, entries: page.entries.map((entry) => ({ ...entry, value: textOf(entry.value) })) };
}
