/** Leases: grant, look, page, renew, transfer, release. */
import * as z from 'zod';
import { isRefusal } from '../../core/refusal.ts';
import { ERRORS } from '../../errors.ts';
import { cursorAfter, cursorText } from '../cursor.ts';
import { documentOfLease, documentOfRenewal } from '../lease-document.ts';
import type { HttpOptions } from '../options.ts';
import { problemOf } from '../problem.ts';
import { defineRoute, type Route } from '../route.ts';
import {
  flagQuery, grantedDocument, holderName, labels, leaseDocument, leaseRef, namespaceName, newLeaseId,
  PAGE_ITEMS_DEFAULT, pageLimit, problemDocument, renewedDocument, ttlMs,
} from '../schemas.ts';

const DEFAULT_NAMESPACE = 'default';

const grantBody = z.strictObject({
  holder: holderName,
  ttlMs: ttlMs.exactOptional(),
  id: newLeaseId.exactOptional(),
  namespace: namespaceName.exactOptional().describe('default, unless said.'),
  labels: labels.exactOptional(),
  maxLifetimeMs: z.int().positive().exactOptional().describe('No renewal goes past it.'),
});

const renewBody = z.strictObject({ ttlMs: ttlMs.exactOptional() });
const transferBody = z.strictObject({ holder: holderName });

const bulkReply = z.strictObject({
  results: z.array(
    z.strictObject({
      id: z.string(),
      status: z.int(),
      lease: renewedDocument.exactOptional(),
      problem: problemDocument.exactOptional(),
    }),
  ),
});

const pageReply = z.strictObject({ leases: z.array(leaseDocument), cursor: z.string().exactOptional() });

export function leaseRoutes(options: HttpOptions): Route[] {
  const pageQuery = z.strictObject({
    holder: z.string().min(1).max(256).exactOptional(),
    namespace: namespaceName.exactOptional(),
    state: z.enum(['live', 'ended']).exactOptional(),
    implicit: flagQuery.exactOptional(),
    limit: pageLimit(options.pageItems).exactOptional(),
    cursor: z.string().exactOptional(),
  });
  const bulkBody = z.strictObject({ ids: z.array(leaseRef).max(options.renewIds) });

  return [
    defineRoute({
      method: 'POST',
      path: '/v1/leases',
      class: 'grant',
      verb: 'write',
      operation: 'grantLease',
      summary: 'Grant a lease to a holder',
      headers: ['Idempotency-Key'],
      body: grantBody,
      replies: {
        200: {
          description:
            'The same id and holder again: the lease as it stands, not renewed; or one that ' +
            'another sidecar has handed over',
          headers: ['Leasehold-Cursor'],
          document: grantedDocument,
        },
        201: {
          description: 'A new lease',
          headers: ['Location', 'Leasehold-Cursor'],
          document: leaseDocument,
        },
      },
      problems: [
        'ttl-out-of-range', 'namespace-not-found', 'lease-held', 'namespace-mismatch', 'capacity',
        'journal-full', 'draining', 'isolated',
      ],
      handle(exchange, _query, { namespace = DEFAULT_NAMESPACE, ...wanted }) {
        exchange.submit({ op: 'grant', namespace, ...wanted }, ({ lease, created, adopted }) => {
          const headers = ['Leasehold-Cursor', exchange.cursor];
          if (created) headers.push('Location', `/v1/leases/${lease.id}`);
          const document = documentOfLease(lease, exchange.edge.service);
          if (adopted) document['adopted'] = true;
          exchange.sendDocument(created ? 201 : 200, headers, document);
        });
      },
    }),

    defineRoute({
      method: 'GET',
      path: '/v1/leases',
      class: 'list',
      verb: 'read',
      operation: 'listLeases',
      summary: 'Page through leases, ordered by id',
      query: pageQuery,
      replies: {
        200: { description: 'A page', headers: ['Leasehold-Cursor'], document: pageReply },
      },
      problems: ['invalid-cursor'],
      handle(exchange, query) {
        const { limit = PAGE_ITEMS_DEFAULT, cursor, ...filter } = query;
        const { holder = null, namespace = null, state = 'live', implicit = false } = filter;
        const listing = ['leases', holder, namespace, state, implicit];
        const after = cursor === undefined ? undefined : cursorAfter(listing, cursor);
        if (typeof after === 'object') return exchange.refuse(after);
        exchange.submit(
          {
            op: 'list-leases',
            ...filter,
            limit: Math.min(limit, options.pageItems),
            ...(after === undefined ? {} : { after }),
          },
          ({ leases, last }) => {
            exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], {
              leases: leases.map((lease) => documentOfLease(lease, exchange.edge.service)),
              ...(last === undefined ? {} : { cursor: cursorText(listing, last) }),
            });
          },
        );
      },
    }),

    defineRoute({
      method: 'POST',
      path: '/v1/leases/renew',
      class: 'renew',
      verb: 'write',
      operation: 'renewLeases',
      summary: 'Renew many leases in one call',
      headers: ['Idempotency-Key'],
      body: bulkBody,
      replies: {
        200: {
          description: 'What became of each, in the order asked',
          headers: ['Leasehold-Cursor'],
          document: bulkReply,
        },
      },
      problems: [],
      handle(exchange, _query, { ids }) {
        const { service } = exchange.edge;
        exchange.submit({ op: 'renew-many', ids }, ({ results }) => {
          exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], {
            results: results.map(({ id, reply }) =>
              isRefusal(reply)
                ? {
                    id,
                    status: ERRORS[reply.refused].status,
                    problem: problemOf(reply),
                  }
                : { id, status: 200, lease: documentOfRenewal(reply, service) },
            ),
          });
        });
      },
    }),

    defineRoute({
      method: 'GET',
      path: '/v1/leases/{id}',
      class: 'read',
      verb: 'read',
      operation: 'getLease',
      summary: 'Read one lease; an ended one while it is remembered',
      replies: {
        200: { description: 'The lease', headers: ['Leasehold-Cursor'], document: leaseDocument },
      },
      problems: ['lease-not-found'],
      handle(exchange) {
        exchange.submit({ op: 'get-lease', id: exchange.id }, ({ lease }) => {
          const document = documentOfLease(lease, exchange.edge.service);
          exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], document);
        });
      },
    }),

    defineRoute({
      method: 'POST',
      path: '/v1/leases/{id}/renew',
      class: 'renew',
      verb: 'write',
      operation: 'renewLease',
      summary: 'Renew a lease: its deadline moves, never to an earlier instant',
      headers: ['Idempotency-Key'],
      body: renewBody,
      replies: {
        200: {
          description: 'The lease, with capped when maxLifetimeMs shortened what was asked',
          headers: ['Leasehold-Cursor'],
          document: renewedDocument,
        },
      },
      problems: ['ttl-out-of-range', 'lease-not-found', 'lease-ended', 'isolated'],
      handle(exchange, _query, body) {
        exchange.submit({ op: 'renew', id: exchange.id, ...body }, (reply) => {
          const document = documentOfRenewal(reply, exchange.edge.service);
          exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], document);
        });
      },
    }),

    defineRoute({
      method: 'POST',
      path: '/v1/leases/{id}/transfer',
      class: 'renew',
      verb: 'write',
      operation: 'transferLease',
      summary: 'Hand a live lease to a successor',
      headers: ['Idempotency-Key'],
      body: transferBody,
      replies: {
        200: {
          description: 'The lease under its new holder',
          headers: ['Leasehold-Cursor'],
          document: leaseDocument,
        },
      },
      problems: ['lease-not-found', 'lease-ended', 'capacity', 'journal-full'],
      handle(exchange, _query, { holder }) {
        exchange.submit({ op: 'transfer', id: exchange.id, holder }, ({ lease }) => {
          const document = documentOfLease(lease, exchange.edge.service);
          exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], document);
        });
      },
    }),

    defineRoute({
      method: 'DELETE',
      path: '/v1/leases/{id}',
      class: 'renew',
      verb: 'write',
      operation: 'releaseLease',
      summary: 'Release a lease: its entries end with it',
      headers: ['Idempotency-Key'],
      replies: {
        204: {
          description: 'Released, now or before',
          headers: ['Leasehold-Cursor'],
        },
      },
      problems: ['lease-not-found'],
      handle(exchange) {
        exchange.submit({ op: 'release', id: exchange.id }, () => {
          exchange.send(204, ['Leasehold-Cursor', exchange.cursor]);
        });
      },
    }),
  ];
}
