/** The sidecar as a whole: its status, a round with the ledger, and what the platform asks. */
import * as z from 'zod';
import { type Bearer, mayUse } from '../../core/bearer.ts';
import { isRefusal } from '../../core/refusal.ts';
import { reject, type ErrorCode, type Rejection } from '../../errors.ts';
import { READINESS_CODES } from '../../readiness.ts';
import { PROMETHEUS_MEDIA_TYPE } from '../../metrics/prometheus-text.ts';
import type { Exchange } from '../exchange.ts';
import type { Readiness } from '../operations.ts';
import { defineRoute, type Route } from '../route.ts';

const part = z.unknown();
const statusReply = z.looseObject({
  replica: z.string(),
  actor: z.string(),
  version: z.string(),
  uptimeMs: z.int().min(0),
  namespaces: part,
  leases: part,
  entries: part,
  capacity: part,
  pressure: part,
  journal: part,
  recovery: part,
  ledger: part,
  bus: part,
  outbox: part,
  rounds: part,
  pathways: part,
  memory: part,
});

const readyReply = z.strictObject({
  ready: z.boolean(),
  state: z.enum(['ready', 'degraded', 'recovering', 'draining', 'failed']),
  reasons: z.array(z.enum(READINESS_CODES)).describe('Why it is not simply ready; docs/runbook has a page for each.'),
});

const reconcileBody = z.strictObject({
  dryRun: z.boolean().exactOptional().describe('Only report what would be repaired.'),
});

/** Which namespaces a bearer is told of. */
function seenBy(bearer: Bearer | undefined): (namespace: string) => boolean {
  return (namespace) => bearer === undefined || mayUse(bearer, namespace);
}

export const operationRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/v1/status',
    // Who looks at it under pressure is who can do something about it.
    class: 'read',
    verb: 'operate',
    operation: 'status',
    summary: 'Everything about this sidecar on one page',
    replies: {
      200: { description: 'The status', headers: ['Leasehold-Cursor'], document: statusReply },
    },
    problems: [],
    whileRecovering: true,
    handle(exchange) {
      const { operations } = exchange.edge;
      // Before it has recovered, a sidecar has no feed to be followed.
      const running = operations.readiness().state !== 'recovering';
      const headers = running ? ['Leasehold-Cursor', exchange.cursor] : [];
      exchange.sendDocument(200, headers, operations.status(seenBy(exchange.bearer)));
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/v1/reconcile',
    class: 'list',
    verb: 'operate',
    operation: 'reconcile',
    summary: 'Make a round with the ledger now',
    body: reconcileBody,
    replies: { 200: { description: 'Its outcome', document: z.looseObject({}) } },
    problems: ['ledger-unavailable'],
    handle(exchange, _query, { dryRun = false }) {
      exchange.edge.operations
        .reconcile({ dryRun })
        .then((outcome) => {
          if (isRefusal(outcome)) exchange.refuse(outcome as Rejection);
          else exchange.sendDocument(200, [], outcome);
        })
        .catch((error: unknown) => exchange.fail(error));
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/livez',
    class: 'health',
    verb: 'none',
    fromAnywhere: true,
    operation: 'live',
    summary: 'Whether the event loop turns',
    replies: { 200: { description: 'It does', document: z.strictObject({ alive: z.literal(true) }) } },
    problems: ['under-pressure'],
    whileRecovering: true,
    handle(exchange) {
      if (exchange.edge.operations.alive()) return exchange.sendDocument(200, [], { alive: true });
      exchange.refuse(reject('under-pressure', 'Cannot vouch for this sidecar: its event loop stood still'));
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/readyz',
    class: 'health',
    verb: 'none',
    fromAnywhere: true,
    operation: 'ready',
    summary: 'Whether the sidecar can serve; degraded is ready',
    replies: { 200: { description: 'It can', document: readyReply } },
    problems: ['recovering', 'draining', 'under-pressure'],
    whileRecovering: true,
    handle: answerReadiness,
  }),

  defineRoute({
    method: 'GET',
    path: '/metrics',
    class: 'health',
    verb: 'metrics',
    operation: 'metrics',
    summary: 'Metrics, as Prometheus reads them',
    replies: { 200: { description: 'In the text format 0.0.4', content: 'metrics' } },
    problems: ['under-pressure'],
    whileRecovering: true,
    handle: answerScrape,
  }),
];

/** A page is larger than the room a connection has anyway, so few may wait for a reader at once. */
function answerScrape(exchange: Exchange): void {
  const { operations, scrapes } = exchange.edge;
  if (!scrapes.enter()) {
    const detail = `Cannot show metrics: ${scrapes.limit} scrapes have not been read yet`;
    return exchange.refuse(reject('under-pressure', detail));
  }
  exchange.response.once('close', () => scrapes.leave());
  // Whatever is accepted: every scraper reads this.
  exchange.send(200, ['Content-Type', PROMETHEUS_MEDIA_TYPE], Buffer.from(operations.metrics(seenBy(exchange.bearer))));
}

/**
 * The catalogue has no code of its own for a journal that failed (the process is about to stop), nor
 * for a divergence that is being repaired (degraded, and not ready).
 */
const NOT_READY: Readonly<Record<Readiness['state'], ErrorCode>> = {
  ready: 'under-pressure',
  degraded: 'under-pressure',
  recovering: 'recovering',
  draining: 'draining',
  failed: 'under-pressure',
};

function answerReadiness(exchange: Exchange): void {
  const { ready, state, reasons } = exchange.edge.operations.readiness();
  if (ready) return exchange.sendDocument(200, [], { ready, state, reasons });
  const why = reasons.length > 0 ? reasons.join('; ') : state;
  exchange.refuse(reject(NOT_READY[state], `Cannot serve: ${why}`, { ready, state, reasons }));
}
