/** The feed as server-sent events. */
import * as z from 'zod';
import { mayUse } from '../../core/bearer.ts';
import { reject } from '../../errors.ts';
import { ALL_NAMES } from '../../events/event-types.ts';
import { foreign } from '../access.ts';
import { preferred } from '../content.ts';
import { defineRoute, type Route } from '../route.ts';
import { leaseRef, namespaceName } from '../schemas.ts';

const EVENT_STREAM = 'text/event-stream';
const CURSOR = /^[0-9a-f]{16}\.\d{1,16}$/;

/** Of parts that are not here yet, too: clients may ask for them. */
const NAMES: readonly string[] = ALL_NAMES;

function namesOf(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim().replace(/^leasehold\.(.*)\.v1$/, '$1'))
    .filter((name) => name !== '');
}

const query = z.strictObject({
  namespace: namespaceName.exactOptional(),
  prefix: z.string().max(512).exactOptional().describe('Only entries whose key begins so.'),
  types: z
    .string()
    .refine(
      (text) => text !== '' && namesOf(text).every((name) => NAMES.includes(name)),
      `must be a list from ${NAMES.join(', ')}, or full event types`,
    )
    .exactOptional()
    .describe('Separated by commas, as noun.verb or as full event types.'),
  lease: leaseRef.exactOptional().describe('Only this lease and the entries under it.'),
  since: z.string().exactOptional().describe('A cursor; events after it. Last-Event-ID goes before it.'),
});

export const eventRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/v1/events',
    class: 'list',
    verb: 'watch',
    operation: 'watch',
    summary: 'Follow what happens, as server-sent events',
    headers: ['Last-Event-ID'],
    query,
    replies: {
      200: {
        description:
          'A stream: id is the cursor, event the type, data the CloudEvent; event resync, with ' +
          '{from, to, reason}, where events were lost; a comment every 15 s',
        content: 'events',
      },
    },
    problems: ['not-acceptable', 'invalid-cursor', 'draining'],
    handle(exchange, { namespace, prefix, types, lease, since }) {
      const { request, response, edge, bearer } = exchange;
      if (preferred(request.headers.accept, [EVENT_STREAM]) === undefined) {
        return exchange.refuse(reject('not-acceptable', `Cannot answer in anything but ${EVENT_STREAM}`));
      }
      if (namespace !== undefined && bearer !== undefined && !mayUse(bearer, namespace)) {
        return exchange.refuse(foreign(namespace));
      }
      if (since !== undefined && !CURSOR.test(since)) {
        return exchange.refuse(reject('invalid-cursor', 'Cannot start there: not a cursor of the feed'));
      }
      if (edge.draining) {
        return exchange.refuse(reject('draining', 'Cannot take a watcher: this sidecar is draining'));
      }
      if (edge.watchers.full) {
        const detail = `Cannot take more watchers: ${edge.options.watchers} are open`;
        return exchange.refuse(reject('under-pressure', detail));
      }
      // A browser repeats the query when it reconnects, and the header says where it really is.
      const lastSeen = request.headers['last-event-id'];
      const from = lastSeen === undefined || lastSeen === '' ? since : String(lastSeen);
      const names = types === undefined ? undefined : new Set(namesOf(types));
      const reader = edge.feed.open(from);
      exchange.sendHead(200, ['Content-Type', EVENT_STREAM, 'Cache-Control', 'no-store']);
      const namespaces = bearer?.namespaces;
      const mayGoOn = bearer === undefined ? undefined : () => edge.access?.holds(bearer) === true;
      const end = edge.watchers.add(response, reader, { namespace, namespaces, prefix, lease, names }, mayGoOn);
      // A reader that has closed its side will not read on; half-open is for requests.
      request.socket.once('end', end);
      response.once('close', () => request.socket.off('end', end));
    },
  }),
];
