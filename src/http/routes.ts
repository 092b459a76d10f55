/** All routes of version 1: what the router serves and the OpenAPI document lists. */
import type { HttpOptions } from './options.ts';
import { defineRoute, type Route } from './route.ts';
import { openApi } from './openapi.ts';
import { batchRoutes } from './routes/batch.ts';
import { entryRoutes } from './routes/entries.ts';
import { eventRoutes } from './routes/events.ts';
import { leaseRoutes } from './routes/leases.ts';
import { operationRoutes } from './routes/operations.ts';
import * as z from 'zod';

export function routesFor(options: HttpOptions): readonly Route[] {
  let document: object | undefined;
  const contract = defineRoute({
    method: 'GET',
    path: '/openapi.json',
    class: 'health',
    verb: 'none',
    operation: 'openApi',
    summary: 'This contract',
    replies: { 200: { description: 'An OpenAPI 3.1 document', document: z.looseObject({}) } },
    problems: [],
    whileRecovering: true,
    handle(exchange) {
      document ??= openApi(routes, options);
      exchange.sendDocument(200, [], document);
    },
  });
  const routes: readonly Route[] = [
    ...leaseRoutes(options),
    ...entryRoutes(options),
    ...batchRoutes(options),
    ...eventRoutes,
    ...operationRoutes,
    contract,
  ];
  return routes;
}
