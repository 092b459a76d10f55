/** The OpenAPI 3.1 document, generated from the routes: the same schemas that check requests. */
import { STATUS_CODES } from 'node:http';
import * as z from 'zod';
import { NAMESPACE_NAME } from '../core/namespaces.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';
import type { HttpOptions } from './options.ts';
import { saysWhen } from './problem.ts';
import type { ReplyHeader, ReplySpec, RequestHeader, Route } from './route.ts';
import { problemsOf } from './route-problems.ts';
import { bytesOut, problemDocument } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const text = { type: 'string' };

const REPLY_HEADERS: Readonly<Record<ReplyHeader, Json>> = {
  ETag: { description: 'The version: strong, the same on every sidecar.', schema: text },
  Location: { description: 'Where the new lease is.', schema: text },
  'Leasehold-Context': {
    description: 'What a reader of this version has seen; opaque. Send it with a PUT or DELETE.',
    schema: text,
  },
  'Leasehold-Lease': { description: 'The id of the lease the entry is under.', schema: text },
  'Leasehold-Remaining-Ms': {
    description: 'Milliseconds until the deadline, floored: 0 may still be live.',
    schema: { type: 'integer', minimum: 0 },
  },
  'Leasehold-Source': {
    description:
      'Where the answer comes from: held here, copied here from another sidecar, or just asked of ' +
      'the ledger.',
    schema: { type: 'string', enum: ['local', 'mirror', 'ledger'] },
  },
  'Leasehold-Cursor': {
    description: 'A place in the events: followed from here, nothing after this reply is missed.',
    schema: text,
  },
};

/** Headers that any reply may have, each described once. */
const SHARED_HEADERS: Readonly<Record<string, Json>> = {
  'Leasehold-Pressure': {
    description:
      'While the level is not nominal: how full the fullest bounded thing is, as ' +
      'level=high; source=outbox; fill=0.83. Levels: elevated (nothing is refused yet), high ' +
      '(grants, listings), critical (writes too). Sources: outbox, ledger, journal, memory, loop.',
    schema: text,
  },
  'Retry-After': {
    description: 'Whole seconds, with a chance in them: not everybody is told the same.',
    schema: { type: 'integer', minimum: 1 },
  },
  'RateLimit-Policy': {
    description:
      'The quotas that count this request (draft-ietf-httpapi-ratelimit-headers-10), where there ' +
      'are any: caller, grants, puts; q is the burst, w the seconds that filling it takes.',
    schema: text,
  },
  'WWW-Authenticate': {
    description: 'That a bearer token is needed, and what was wrong with the one there was (RFC 6750).',
    schema: text,
  },
  RateLimit: {
    description: 'How they stand: r requests are left now, and in t seconds there are more.',
    schema: text,
  },
};
const ON_EVERY_REPLY = ['Leasehold-Pressure'];
/** On a 401. */
const CHALLENGE = ['WWW-Authenticate'];

const TOKEN_SCHEME: Json = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A token of the file that tokensFile names; none is asked for where there is no such file. The ' +
    'verb it must allow stands with each operation.',
};

/** On a 429 or a 503. */
const WHEN_TO_RETRY = ['Retry-After', 'RateLimit-Policy', 'RateLimit'];

const REQUEST_HEADERS: Readonly<Record<RequestHeader, string>> = {
  'If-Match': '* or a list of entity tags, one of which must be current.',
  'If-None-Match': '* or a list of entity tags, none of which may be current.',
  'Leasehold-Context': 'What the writer had read, from an earlier reply.',
  'Idempotency-Key': 'A quoted string; the same request with the same key takes effect once.',
  'Last-Event-ID': 'The cursor of the last event seen.',
};

const PATH_PARAMETERS: Readonly<Record<string, Json>> = {
  id: { description: 'A lease id.', schema: text },
  namespace: {
    description: 'A namespace.',
    schema: { type: 'string', pattern: NAMESPACE_NAME.source },
  },
  key: {
    description: 'The key: 1 to 512 bytes of UTF-8, slashes included, the rest percent-encoded.',
    schema: text,
  },
};

/** Shapes with an id of their own, gathered from every schema that mentions them. */
class Components {
  readonly schemas: Record<string, unknown> = {};

  reference(schema: z.ZodType, io: 'input' | 'output'): Json {
    const generated = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        // The format says it; the pattern would be half a screen in every document.
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
        // A union with a class has no JSON Schema; on the wire it is base64.
        if ((zodSchema as unknown) === bytesOut) {
          delete jsonSchema.anyOf;
          Object.assign(jsonSchema, { type: 'string', contentEncoding: 'base64' });
        }
      },
    }) as Record<string, unknown>;
    const { $schema: _dialect, $defs: definitions, id, ...own } = generated;
    for (const [name, definition] of Object.entries((definitions ?? {}) as Record<string, object>)) {
      this.schemas[name] = rewritten(definition);
    }
    if (typeof id !== 'string') return rewritten(own) as Json;
    this.schemas[id] = rewritten(own);
    return { $ref: `#/components/schemas/${id}` };
  }
}

/** References of one schema become references of the document. */
function rewritten(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewritten);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => !(name === 'id' && typeof member === 'string'))
      .map(([name, member]) =>
        name === '$ref' && typeof member === 'string'
          ? [name, member.replace('#/$defs/', '#/components/schemas/')]
          : [name, rewritten(member)],
      ),
  );
}

export function openApi(routes: readonly Route[], options: HttpOptions): object {
  const components = new Components();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operationOf(route, components);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Leasehold',
      version: options.version,
      description: 'A transient-state sidecar: leases, the entries under them, and their endings.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components.schemas,
      headers: SHARED_HEADERS,
      securitySchemes: { token: TOKEN_SCHEME },
    },
  };
}

function operationOf(route: Route, components: Components): Json {
  const body = bodyOf(route, components);
  return {
    operationId: route.operation,
    summary: route.summary,
    security: securityOf(route),
    parameters: parametersOf(route),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.replies).map(([status, reply]) => [
          status,
          replyOf(route, reply, components),
        ]),
      ),
      ...problemReplies(route, components),
    },
  };
}

/** Without tokens in its configuration a sidecar asks for none. */
function securityOf({ verb }: Route): Json[] {
  return verb === 'none' ? [] : [{}, { token: [verb] }];
}

function parametersOf(route: Route): Json[] {
  const parameters: Json[] = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name, in: 'path', required: true, ...PATH_PARAMETERS[name!],
  }));
  if (route.query !== undefined) {
    const { properties = {} } = z.toJSONSchema(route.query, { io: 'input', unrepresentable: 'any' });
    for (const [name, schema] of Object.entries(properties)) {
      parameters.push({ name, in: 'query', required: false, schema });
    }
  }
  for (const name of route.headers ?? []) {
    parameters.push({
      name, in: 'header', required: false, description: REQUEST_HEADERS[name], schema: text,
    });
  }
  return parameters;
}

function documentContent(schema: Json): Json {
  return { 'application/json': { schema }, 'application/cbor': { schema } };
}

function bodyOf(route: Route, components: Components): Json | undefined {
  if (route.body === undefined) return undefined;
  if (route.body === 'value') {
    return { description: 'The value, as opaque bytes.', required: false, content: { '*/*': {} } };
  }
  const required = !route.body.safeParse({}).success;
  return { required, content: documentContent(components.reference(route.body, 'input')) };
}

function headersOf(names: readonly ReplyHeader[], shared: readonly string[] = []): Json {
  const all = [...ON_EVERY_REPLY, ...shared];
  return {
    ...Object.fromEntries(names.map((name) => [name, REPLY_HEADERS[name]])),
    ...Object.fromEntries(all.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
  };
}

function replyOf(route: Route, reply: ReplySpec, components: Components): Json {
  const head = { description: reply.description, headers: headersOf(reply.headers ?? []) };
  if (route.method === 'HEAD') return head;
  if (reply.document !== undefined) {
    return { ...head, content: documentContent(components.reference(reply.document, 'output')) };
  }
  if (reply.content === 'value') return { ...head, content: { '*/*': {} } };
  if (reply.content === 'events') return { ...head, content: { 'text/event-stream': { schema: text } } };
  if (reply.content === 'metrics') return { ...head, content: { 'text/plain': { schema: text } } };
  return head;
}

function problemReplies(route: Route, components: Components): Json {
  const problem = components.reference(problemDocument, 'output');
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of problemsOf(route)) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const replies: Record<string, unknown> = {};
  for (const [status, codes] of byStatus) {
    const schema = { allOf: [problem, { properties: { code: { enum: codes } } }] };
    replies[status] = {
      description: `${STATUS_CODES[status]}: ${codes.join(', ')}`,
      headers: headersOf(
        status < 500 ? (route.problemHeaders ?? []) : [],
        status === 401 ? CHALLENGE : saysWhen({ status }) ? WHEN_TO_RETRY : [],
      ),
      ...(route.method === 'HEAD' ? {} : { content: { 'application/problem+json': { schema } } }),
    };
  }
  return replies;
}
