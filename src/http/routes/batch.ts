/** Many operations in one request: fewer system calls for those who have much to say. */
import * as z from 'zod';
import type { BatchOperation, BatchResult } from '../../core/command.ts';
import { DEFAULT_CONTENT_TYPE } from '../../core/entry-table.ts';
import { isRefusal } from '../../core/refusal.ts';
import type { Service } from '../../engine/service.ts';
import { ERRORS, reject, type Rejection } from '../../errors.ts';
import { judgedOperation } from '../access.ts';
import { bytesIn, type Format } from '../content.ts';
import { parseIfMatch, parseIfNoneMatch, quotedTag, type Tags } from '../etag.ts';
import { keyRefusal } from '../key.ts';
import { documentOfRenewal } from '../lease-document.ts';
import type { HttpOptions } from '../options.ts';
import { problemOf } from '../problem.ts';
import { defineRoute, type Route } from '../route.ts';
import {
  bytesOut, etagText, leaseRef, mediaType, namespaceName, problemDocument, renewedDocument,
  siblingsDocument, ttlMs,
} from '../schemas.ts';

const value = z
  .union([z.string(), z.instanceof(Uint8Array)], 'must be base64 in JSON, a byte string in CBOR')
  .meta({ type: 'string', contentEncoding: 'base64', description: 'Base64 in JSON, a byte string in CBOR.' });
const tags = z.string().min(1).describe('As in the header: * or a list of entity tags; or one without quotes.');
const where = { namespace: namespaceName, key: z.string() };
const under = { lease: leaseRef.exactOptional(), ttlMs: ttlMs.exactOptional() };
const conditions = { ifMatch: tags.exactOptional(), ifNoneMatch: tags.exactOptional() };
const context = z.string().exactOptional();

const operation = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('put'), ...where, value, contentType: mediaType.exactOptional(), ...under, ...conditions,
    context,
  }),
  z.strictObject({ op: z.literal('get'), ...where }),
  z.strictObject({ op: z.literal('delete'), ...where, ...conditions, context }),
  z.strictObject({ op: z.literal('renew'), id: leaseRef, ttlMs: ttlMs.exactOptional() }),
  z.strictObject({ op: z.literal('increment'), ...where, by: z.int(), ...under }),
]);
type Asked = z.output<typeof operation>;

const result = z.strictObject({
  status: z.int(),
  etag: etagText.exactOptional(),
  value: z.union([bytesOut, z.int()]).exactOptional().describe('An integer where one was incremented.'),
  contentType: z.string().exactOptional(),
  lease: z
    .union([z.string(), renewedDocument])
    .exactOptional()
    .describe('The id of an entry’s lease; the whole of a renewed one.'),
  siblings: siblingsDocument.shape.siblings.exactOptional(),
  context: z.string().exactOptional(),
  problem: problemDocument.exactOptional(),
});

export function batchRoutes(options: HttpOptions): Route[] {
  const body = z.strictObject({
    atomic: z.boolean().exactOptional().describe('All or nothing within this sidecar; false unless said.'),
    operations: z.array(operation).max(options.batchOperations),
  });
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/batch',
      class: 'put',
      verb: 'write',
      operation: 'batch',
      summary: 'Perform many operations; later ones see earlier ones',
      headers: ['Idempotency-Key'],
      body,
      replies: {
        200: {
          description: 'The batch was understood; each result tells what became of its operation',
          headers: ['Leasehold-Cursor'],
          document: z.strictObject({ applied: z.int().min(0), results: z.array(result) }),
        },
      },
      problems: [
        'batch-refused', 'invalid-key', 'value-too-large', 'journal-full', 'entry-held',
        'ledger-unavailable', 'outcome-unknown',
      ],
      handle(exchange, _query, { atomic = false, operations }) {
        const { service } = exchange.edge;
        const commands: BatchOperation[] = [];
        for (const [index, asked] of operations.entries()) {
          const command = commandOf(asked, exchange.bodyFormat, options);
          if ('refused' in command) {
            const detail = `operations[${index}]: ${command.detail}`;
            return exchange.refuse({ ...command, detail });
          }
          commands.push(judgedOperation(exchange.bearer, command));
        }
        exchange.submit(
          { op: 'batch', atomic, operations: commands },
          ({ applied, results }) => {
            const documents = results.map((each) => documentOf(each, exchange.format, service));
            exchange.sendDocument(200, ['Leasehold-Cursor', exchange.cursor], { applied, results: documents });
          },
          (refusal) => exchange.refuse(withDocuments(refusal, service)),
        );
      },
    }),
  ];
}

function commandOf(asked: Asked, format: Format, options: HttpOptions): BatchOperation | Rejection {
  if (asked.op === 'renew') return asked;
  const wrongKey = keyRefusal(asked.key, options.keyBytes);
  if (wrongKey !== undefined) return wrongKey;
  if (asked.op === 'get') return asked;
  if (asked.op === 'increment') return bothRefusal(asked) ?? asked;
  const { ifMatch, ifNoneMatch, ...rest } = asked;
  const match = ifMatch === undefined ? undefined : tagsOf(ifMatch, parseIfMatch);
  if (match !== undefined && isRejection(match)) return match;
  const noneMatch = ifNoneMatch === undefined ? undefined : tagsOf(ifNoneMatch, parseIfNoneMatch);
  if (noneMatch !== undefined && isRejection(noneMatch)) return noneMatch;
  const when = {
    ...(match === undefined ? {} : { ifMatch: match }),
    ...(noneMatch === undefined ? {} : { ifNoneMatch: noneMatch }),
  };
  if (rest.op === 'delete') return { ...rest, ...when };
  const both = bothRefusal(rest);
  if (both !== undefined) return both;
  const bytes = bytesOf(rest.value, format);
  if (bytes === undefined) {
    return reject('invalid-request', 'Cannot take the value: base64 in JSON, a byte string in CBOR');
  }
  if (bytes.length > options.valueBytes) {
    const detail = `Cannot take the value: it is longer than ${options.valueBytes} bytes`;
    return reject('value-too-large', detail, { limit: options.valueBytes });
  }
  return { ...rest, ...when, value: bytes, contentType: rest.contentType ?? DEFAULT_CONTENT_TYPE };
}

function bothRefusal(asked: { lease?: string | undefined; ttlMs?: number | undefined }): Rejection | undefined {
  if (asked.lease === undefined || asked.ttlMs === undefined) return undefined;
  return reject('invalid-request', 'lease and ttlMs exclude each other');
}

/** A tag on its own may leave out the quotes, as it stands in no list. */
function tagsOf(text: string, parse: (text: string) => Tags | Rejection): Tags | Rejection {
  return parse(text === '*' || text.includes('"') ? text : `"${text}"`);
}

function isRejection(tagsOrNot: Tags | Rejection): tagsOrNot is Rejection {
  return typeof tagsOrNot === 'object' && 'refused' in tagsOrNot;
}

function bytesOf(given: string | Uint8Array, format: Format): Uint8Array | undefined {
  if (typeof given !== 'string') return given;
  if (format === 'cbor') return undefined;
  const bytes = Buffer.from(given, 'base64');
  // The decoder passes over what is not base64, and then comes out short.
  const padding = given.endsWith('==') ? 2 : given.endsWith('=') ? 1 : 0;
  const expected = Math.floor(((given.length - padding) * 3) / 4);
  return bytes.length === expected ? bytes : undefined;
}

function documentOf(reply: BatchResult, format: Format, service: Service): Record<string, unknown> {
  if (isRefusal(reply)) {
    return { status: ERRORS[reply.refused].status, problem: problemOf(reply) };
  }
  if ('existed' in reply) return { status: 204 };
  if ('capped' in reply) return { status: 200, lease: documentOfRenewal(reply, service) };
  const etag = quotedTag(reply.etag);
  if (!('value' in reply)) return { status: reply.created ? 201 : 204, etag, lease: reply.lease };
  if (typeof reply.value === 'number') {
    return { status: 200, etag, value: reply.value, lease: reply.lease };
  }
  if (!('siblings' in reply) || reply.siblings === undefined) {
    const { contentType, lease } = reply as { contentType: string; lease: string };
    return { status: 200, etag, value: bytesIn(format, reply.value), contentType, lease };
  }
  const siblings = reply.siblings.map((each) => ({
    ...each,
    etag: quotedTag(each.etag),
    value: bytesIn(format, each.value),
  }));
  return { status: 300, etag, siblings, context: reply.context };
}

/** The results in a refusal of the whole, as they would be in a reply; problems are JSON always. */
function withDocuments(refusal: Rejection, service: Service): Rejection {
  const results = refusal.members?.['results'];
  if (!Array.isArray(results)) return refusal;
  const documents = results.map((each) => documentOf(each as BatchResult, 'json', service));
  return { ...refusal, members: { ...refusal.members, results: documents } };
}
