/** Entries: put, get, delete, page, increment. The busiest routes: no documents on their way. */
import * as z from 'zod';
import type { GetReply } from '../../core/command.ts';
import { DEFAULT_CONTENT_TYPE } from '../../core/entry-table.ts';
import { reject, type Rejection } from '../../errors.ts';
import { conditionsOf } from '../conditions.ts';
import { bytesIn, type Format, formatOfReply } from '../content.ts';
import { cursorAfter, cursorText } from '../cursor.ts';
import { matches, quotedTag } from '../etag.ts';
import type { Exchange } from '../exchange.ts';
import { keyRefusal } from '../key.ts';
import type { HttpOptions } from '../options.ts';
import { defineRoute, type ReplyHeader, type Route } from '../route.ts';
import {
  entryDocument, etagText, flagQuery, leaseRef, PAGE_ITEMS_DEFAULT, pageLimit, siblingsDocument,
  ttlMs, ttlMsQuery,
} from '../schemas.ts';

const notBoth = 'lease and ttlMs exclude each other';

const putQuery = z
  .strictObject({ lease: leaseRef.exactOptional(), ttlMs: ttlMsQuery.exactOptional() })
  .refine(({ lease, ttlMs: ttl }) => lease === undefined || ttl === undefined, notBoth);

const getQuery = z.strictObject({
  consistency: z
    .literal('ledger')
    .exactOptional()
    .describe(
      'ledger: as the ledger has it now, or 503; with the embedded one that is the local answer. ' +
        'Without it: what is held here, else what the ledger answers in time.',
    ),
});

const incrementBody = z
  .strictObject({ by: z.int(), lease: leaseRef.exactOptional(), ttlMs: ttlMs.exactOptional() })
  .refine(({ lease, ttlMs: ttl }) => lease === undefined || ttl === undefined, notBoth);

const incrementReply = z.strictObject({ value: z.int(), etag: etagText });

const written: readonly ReplyHeader[] = [
  'ETag', 'Leasehold-Context', 'Leasehold-Lease', 'Leasehold-Remaining-Ms', 'Leasehold-Cursor',
];
const read: readonly ReplyHeader[] = [...written, 'Leasehold-Source'];

export function entryRoutes(options: HttpOptions): Route[] {
  const pageQuery = z.strictObject({
    prefix: z.string().exactOptional(),
    limit: pageLimit(options.pageItems).exactOptional(),
    cursor: z.string().exactOptional(),
    values: flagQuery.exactOptional(),
  });

  const reading = {
    path: '/v1/entries/{namespace}/{key}',
    class: 'read',
    verb: 'read',
    headers: ['If-Match', 'If-None-Match'],
    query: getQuery,
    replies: {
      200: { description: 'The value, as it was put', headers: read, content: 'value' },
      300: {
        description: 'Concurrent values: write one with the context to settle it',
        headers: ['ETag', 'Leasehold-Context', 'Leasehold-Source', 'Leasehold-Cursor'],
        document: siblingsDocument,
      },
      304: { description: 'If-None-Match names the current version', headers: read },
    },
    problems: ['entry-not-found', 'version-mismatch', 'ledger-unavailable'],
    problemHeaders: ['Leasehold-Source', 'Leasehold-Cursor'],
    handle: answerEntry,
  } as const;

  return [
    defineRoute({
      method: 'PUT',
      path: '/v1/entries/{namespace}/{key}',
      class: 'put',
      verb: 'write',
      operation: 'putEntry',
      summary: 'Write an entry; the body is its value',
      headers: ['If-Match', 'If-None-Match', 'Leasehold-Context', 'Idempotency-Key'],
      query: putQuery,
      body: 'value',
      replies: {
        201: { description: 'Created', headers: written },
        204: { description: 'Replaced', headers: written },
      },
      problems: [
        'ttl-out-of-range', 'lease-not-found', 'lease-ended', 'namespace-mismatch', 'entry-held',
        'wrong-class', 'too-many-siblings', 'version-mismatch', 'capacity', 'journal-full',
        'isolated', 'ledger-unavailable', 'outcome-unknown',
      ],
      handle(exchange, query) {
        const { headers } = exchange.request;
        const conditions = conditionsOf(headers);
        if ('refused' in conditions) return exchange.refuse(conditions);
        exchange.submit(
          {
            op: 'put',
            namespace: exchange.namespace,
            key: exchange.key,
            value: exchange.body,
            contentType: headers['content-type'] ?? DEFAULT_CONTENT_TYPE,
            ...query,
            ...conditions,
            ...contextOf(exchange),
          },
          ({ created, etag, context, lease, remainingMs }) => {
            const headers = [
              'ETag', quotedTag(etag),
              'Leasehold-Lease', lease,
              'Leasehold-Remaining-Ms', String(remainingMs),
              'Leasehold-Cursor', exchange.cursor,
            ];
            if (context !== undefined) headers.push('Leasehold-Context', context);
            exchange.send(created ? 201 : 204, headers, created ? NO_BODY : undefined);
          },
        );
      },
    }),

    defineRoute({
      ...reading,
      method: 'GET',
      operation: 'getEntry',
      summary: 'Read an entry',
    }),

    defineRoute({
      ...reading,
      method: 'HEAD',
      operation: 'headEntry',
      summary: 'Read what is known of an entry, without its value',
    }),

    defineRoute({
      method: 'DELETE',
      path: '/v1/entries/{namespace}/{key}',
      class: 'put',
      verb: 'write',
      operation: 'deleteEntry',
      summary: 'Delete an entry',
      headers: ['If-Match', 'If-None-Match', 'Leasehold-Context', 'Idempotency-Key'],
      replies: {
        204: { description: 'It is gone, or was not there', headers: ['Leasehold-Cursor'] },
      },
      problems: ['version-mismatch', 'entry-held', 'ledger-unavailable', 'outcome-unknown'],
      handle(exchange) {
        const conditions = conditionsOf(exchange.request.headers);
        if ('refused' in conditions) return exchange.refuse(conditions);
        const { namespace, key } = exchange;
        exchange.submit({ op: 'delete', namespace, key, ...conditions, ...contextOf(exchange) }, () => {
          exchange.send(204, ['Leasehold-Cursor', exchange.cursor]);
        });
      },
    }),

    defineRoute({
      method: 'GET',
      path: '/v1/entries/{namespace}',
      class: 'list',
      verb: 'read',
      operation: 'listEntries',
      summary: 'Page through the entries of a namespace, in byte order of their keys',
      query: pageQuery,
      replies: {
        200: {
          description: 'A page; values only when asked for',
          headers: ['Leasehold-Cursor'],
          document: z.strictObject({ entries: z.array(entryDocument), cursor: z.string().exactOptional() }),
        },
      },
      problems: ['invalid-cursor', 'invalid-key'],
      handle(exchange, { prefix = '', limit = PAGE_ITEMS_DEFAULT, cursor, values = false }) {
        const wrong = prefix === '' ? undefined : prefixRefusal(prefix, options.keyBytes);
        if (wrong !== undefined) return exchange.refuse(wrong);
        const { namespace } = exchange;
        const listing = ['entries', namespace, prefix];
        const after = cursor === undefined ? undefined : cursorAfter(listing, cursor);
        if (typeof after === 'object') return exchange.refuse(after);
        exchange.submit(
          {
            op: 'list-entries',
            namespace,
            prefix,
            limit: Math.min(limit, options.pageItems),
            values,
            ...(after === undefined ? {} : { after }),
          },
          ({ entries, last }) => {
            exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], {
              entries: entries.map(({ value, ...entry }) => ({
                ...entry,
                etag: quotedTag(entry.etag),
                ...(value === undefined ? {} : { value: bytesIn(exchange.format, value) }),
              })),
              ...(last === undefined ? {} : { cursor: cursorText(listing, last) }),
            });
          },
        );
      },
    }),

    defineRoute({
      method: 'POST',
      path: '/v1/entries/{namespace}/{key}/increment',
      class: 'put',
      verb: 'write',
      operation: 'incrementEntry',
      summary: 'Add to an integer; an absent one starts at 0',
      headers: ['Idempotency-Key'],
      body: incrementBody,
      replies: {
        200: {
          description: 'The sum',
          headers: ['Leasehold-Lease', 'Leasehold-Remaining-Ms', 'Leasehold-Cursor'],
          document: incrementReply,
        },
      },
      problems: [
        'ttl-out-of-range', 'lease-not-found', 'lease-ended', 'namespace-mismatch', 'entry-held',
        'not-an-integer', 'counter-overflow', 'capacity', 'journal-full', 'isolated',
        'ledger-unavailable', 'outcome-unknown',
      ],
      handle(exchange, _query, body) {
        const { namespace, key } = exchange;
        exchange.submit({ op: 'increment', namespace, key, ...body }, (reply) => {
          exchange.sendDocument(
            200,
            [
              'Leasehold-Lease', reply.lease,
              'Leasehold-Remaining-Ms', String(reply.remainingMs),
              'Leasehold-Cursor', exchange.cursor,
            ],
            { value: reply.value, etag: quotedTag(reply.etag) },
          );
        });
      },
    }),
  ];
}

const NO_BODY = Buffer.alloc(0);

function contextOf(exchange: Exchange): { readonly context?: string } {
  const context = exchange.request.headers['leasehold-context'];
  return context === undefined ? {} : { context: String(context) };
}

/** A prefix is a piece of a key: as long, as well-formed, but its last segment may be unfinished. */
function prefixRefusal(prefix: string, keyBytes: number): Rejection | undefined {
  const lastSegment = prefix.slice(prefix.lastIndexOf('/') + 1);
  const unfinished = lastSegment === '.' || lastSegment === '..';
  return keyRefusal(unfinished ? `${prefix}~` : prefix, keyBytes);
}

function answerEntry(exchange: Exchange, query: z.output<typeof getQuery>): void {
  const { namespace, key } = exchange;
  const conditions = conditionsOf(exchange.request.headers);
  if ('refused' in conditions) return exchange.refuse(conditions);
  const { ifMatch, ifNoneMatch } = conditions;
  exchange.submit(
    { op: 'get', namespace, key, ...query },
    (reply) => {
      if (ifMatch !== undefined && !matches(ifMatch, reply.etag)) {
        const current = quotedTag(reply.etag);
        const detail = `Cannot read "${key}": its version is ${current}`;
        const rejection = reject('version-mismatch', detail, { current });
        return exchange.refuse(rejection, whence(exchange, reply.source));
      }
      if (ifNoneMatch !== undefined && matches(ifNoneMatch, reply.etag)) {
        return exchange.send(304, entryHeaders(reply, exchange));
      }
      if (reply.siblings !== undefined) return answerSiblings(exchange, reply);
      const headers = entryHeaders(reply, exchange);
      headers.push('Content-Type', reply.contentType);
      exchange.send(200, headers, asBuffer(reply.value));
    },
    (refusal) => {
      if (refusal.refused !== 'entry-not-found') return exchange.refuse(refusal);
      const { source, authoritative = true, ...members } = refusal.members ?? {};
      const headers = whence(exchange, source === undefined ? 'local' : String(source));
      if (ifMatch !== undefined) {
        const detail = `Cannot read "${key}": it does not exist`;
        return exchange.refuse(reject('version-mismatch', detail), headers);
      }
      // Whoever knows of somebody who could know better has said so.
      exchange.refuse({ ...refusal, members: { ...members, authoritative } }, headers);
    },
  );
}

function whence(exchange: Exchange, source: string): string[] {
  return ['Leasehold-Source', source, 'Leasehold-Cursor', exchange.cursor];
}

function entryHeaders(reply: GetReply, exchange: Exchange): string[] {
  return [
    'ETag', quotedTag(reply.etag),
    'Leasehold-Context', reply.context,
    'Leasehold-Lease', reply.lease,
    'Leasehold-Remaining-Ms', String(reply.remainingMs),
    ...whence(exchange, reply.source),
  ];
}

function answerSiblings(exchange: Exchange, reply: GetReply): void {
  // A reader of values accepts the type of the value; the list of them comes as JSON then.
  const accepted = formatOfReply(exchange.request.headers.accept);
  const format: Format = typeof accepted === 'string' ? accepted : 'json';
  exchange.format = format;
  const siblings = (reply.siblings ?? []).map((sibling) => ({
    value: bytesIn(format, sibling.value),
    contentType: sibling.contentType,
    etag: quotedTag(sibling.etag),
    lease: sibling.lease,
    remainingMs: sibling.remainingMs,
    actor: sibling.actor,
  }));
  exchange.sendDocument(
    300,
    ['ETag', quotedTag(reply.etag), 'Leasehold-Context', reply.context, ...whence(exchange, reply.source)],
    { siblings, context: reply.context },
  );
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
