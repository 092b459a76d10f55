/**
 * The shapes that several routes share, once: what is checked on the way in and what the OpenAPI
 * document says are the same schemas. TTLs are let through as any number, because only the core
 * knows the bounds of the namespace, and its refusal names them.
 */
import * as z from 'zod';
import { NAMESPACE_NAME } from '../core/namespaces.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';

const wellFormed = (text: string): boolean => text.isWellFormed();
const NUMERIC = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** A media type with its parameters, in characters that may stand in a header. */
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+ *(?:;[\x20-\x7e]*)?$/;
const MEDIA_TYPE_LENGTH_MAX = 255;

export function isMediaType(text: string): boolean {
  return text.length <= MEDIA_TYPE_LENGTH_MAX && MEDIA_TYPE.test(text);
}

/* ---- fields of requests ---------------------------------------------------------------- */

export const ttlMs = z
  .custom<number>((value) => typeof value === 'number', 'must be whole milliseconds')
  .meta({
    type: 'integer',
    minimum: 1,
    description: 'Time to live in milliseconds, within the bounds of the namespace.',
  });
export const ttlMsQuery = z
  .string()
  .regex(NUMERIC, 'must be whole milliseconds')
  .transform(Number)
  .meta({
    type: 'integer',
    minimum: 1,
    description: 'Time to live in milliseconds, within the bounds of the namespace.',
  });
export const namespaceName = z
  .string()
  .regex(NAMESPACE_NAME, 'must be 1 to 63 characters of a-z, 0-9, _ and -, not beginning with _ or -');
/** Any text of that length may be looked for; only the core knows which leases there are. */
export const leaseRef = z.string().min(1).max(128);
export const newLeaseId = z
  .string()
  .regex(/^[A-Za-z0-9._~-]{1,128}$/, 'must be 1 to 128 characters of A-Z, a-z, 0-9 and . _ ~ -')
  .refine((id) => id !== 'renew', 'must not be "renew"');
export const holderName = z
  .string()
  .min(1)
  .max(256)
  .refine(wellFormed, 'must be well-formed Unicode');
export const labels = z
  .record(
    z.string().regex(/^[A-Za-z0-9._/-]{1,63}$/, 'must be 1 to 63 characters of A-Z, a-z, 0-9 and . _ / -'),
    z.string().max(255).refine(wellFormed, 'must be well-formed Unicode'),
  )
  .refine((all) => Object.keys(all).length <= 32, 'must be at most 32 labels')
  .meta({ maxProperties: 32 });
export const mediaType = z
  .string()
  .max(MEDIA_TYPE_LENGTH_MAX)
  .refine(isMediaType, 'must be a media type, as in text/plain');
/** Text of a query as a yes or no. */
export const flagQuery = z.enum(['true', 'false']).transform((text) => text === 'true');

export function pageLimit(itemsMax: number) {
  const wrong = `must be a whole number from 1 to ${itemsMax}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, wrong)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= itemsMax, wrong)
    .meta({
      type: 'integer',
      minimum: 1,
      maximum: itemsMax,
      default: Math.min(PAGE_ITEMS_DEFAULT, itemsMax),
      description: 'Items on the page.',
    });
}
export const PAGE_ITEMS_DEFAULT = 100;

/* ---- documents in replies -------------------------------------------------------------- */

const durationMs = z.int().min(0);
const instant = z.iso.datetime().describe('Informative; durations are what counts.');

export const etagText = z.string().describe('The ETag, with its quotes.');
/** Bytes: base64 in JSON, a byte string in CBOR. */
export const bytesOut = z
  .union([z.base64(), z.instanceof(Uint8Array)])
  .meta({ description: 'Base64 in JSON, a byte string in CBOR.' });

export const leaseDocument = z
  .strictObject({
    id: z.string(),
    namespace: z.string(),
    holder: z.string(),
    state: z.enum(['live', 'ended']),
    ttlMs: durationMs,
    remainingMs: durationMs.describe('Floored: 0 may still be live.'),
    safeForMs: durationMs.describe(
      'What the holder may rely on, on its own clock, from when it sent the request.',
    ),
    grantedAt: instant,
    renewedAt: instant,
    expiresAt: instant,
    renewals: z.int().min(0),
    entries: z.int().min(0),
    labels: z.record(z.string(), z.string()),
    stretched: z.literal(true).exactOptional()
      .describe('Given longer than the namespace’s TTL, as long as the sidecar is under pressure.'),
    reason: z.enum(['released', 'expired', 'revoked', 'superseded', 'deleted', 'evicted']).exactOptional(),
    endedAt: instant.exactOptional(),
  })
  .meta({ id: 'Lease' });

export const renewedDocument = leaseDocument
  .extend({ capped: z.literal(true).exactOptional().describe('maxLifetimeMs shortened what was asked, or the ledger must know it first.') })
  .meta({ id: 'RenewedLease' });

export const grantedDocument = leaseDocument
  .extend({
    adopted: z.literal(true).exactOptional()
      .describe('Handed over by another sidecar, and going on here.'),
  })
  .meta({ id: 'GrantedLease' });

export const entryDocument = z
  .strictObject({
    key: z.string(),
    etag: etagText,
    contentType: z.string(),
    lease: z.string(),
    remainingMs: durationMs,
    value: bytesOut.exactOptional(),
  })
  .meta({ id: 'Entry' });

export const siblingsDocument = z
  .strictObject({
    siblings: z.array(
      z.strictObject({
        value: bytesOut,
        contentType: z.string(),
        etag: etagText,
        lease: z.string(),
        remainingMs: durationMs,
        actor: z.string(),
      }),
    ),
    context: z.string(),
  })
  .meta({ id: 'Siblings' });

export const problemDocument = z
  .looseObject({
    type: z.string().regex(/^urn:leasehold:problem:[a-z-]+$/),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    retryable: z.boolean(),
    retryAfterMs: durationMs.exactOptional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457. Members beyond these depend on the code.' });
