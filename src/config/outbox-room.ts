/**
 * How much the outbox may hold, and what publishing from it needs of memory. Whatever is granted
 * reserves the room of its ending, so that room is sized from the pools.
 */
import type { Config, Limits, OutboxLimits } from './config.ts';

const KIBIBYTE = 1024;

/** A quarter more than can live at once: what may wait for the bus before it costs room to live in. */
const ENDINGS_PER_LIVE = 1.25;

/**
 * What an ending is reckoned at. 176 bytes are the most it has beside names, 144 are left for those
 * of namespace, lease, holder and key and for the content type; where they are longer, the bytes are
 * used up before the count. The longest of all (64, 128, 768, 512 and 255 bytes) make 1.9 KiB.
 */
const ENDING_BYTES = 320;

/** Where an event begins and what room it gives back: three places in arrays that grow by half. */
const INDEX_BYTES = 3 * 8 * 1.5;
/** No ending is shorter. */
const ENDING_BYTES_MIN = 96;

const CHUNK_BYTES = 256 * KIBIBYTE;
/** What the next event was too long for stays unused: at most 2.5 KiB of a chunk. */
const CHUNK_TAILS = 1.01;
/** With values in them, events may be longer than half a chunk: each two chunks are filled for one. */
const CHUNK_TAILS_OF_VALUES = 2;

/**
 * A message beside keys and holders: names and values of the attributes, subject, headers, namespace
 * and lease wherever they stand, content type, trace.
 */
const MESSAGE_FRAME_BYTES = 2 * KIBIBYTE;
/** In JSON a control character becomes `\u0001`. */
const ESCAPED = 6;
const HOLDER_LENGTH_MAX = 256;
/** A key as subject and in the data; a holder with the one before. */
const OCCURRENCES = 2;

type Derived = 'endings' | 'endingBytes';
type Given = Omit<OutboxLimits, Derived> & {
  readonly [K in Derived]?: OutboxLimits[K] | undefined;
};

/** The room of the outbox; what the file does not say follows from the pools. */
export function outboxRoom(
  pools: { readonly entries: number; readonly leases: number },
  given: Given,
): OutboxLimits {
  const endings = given.endings ?? Math.ceil(ENDINGS_PER_LIVE * (pools.entries + pools.leases));
  return { ...given, endings, endingBytes: given.endingBytes ?? ENDING_BYTES * endings };
}

/** The largest message without a value. */
export function messageBytes({ keyBytes }: Pick<Limits, 'keyBytes'>): number {
  return MESSAGE_FRAME_BYTES + ESCAPED * OCCURRENCES * (keyBytes + HOLDER_LENGTH_MAX);
}

/** Lines of the worst case: what, how many, bytes of each. Nothing without a bus. */
export function outboxLines(
  { limits, bus, namespaces }: Pick<Config, 'limits' | 'bus' | 'namespaces'>,
): readonly (readonly [what: string, count: number, bytesEach: number])[] {
  const { endings = 0, endingBytes = 0, events = 0, eventBytes = 0, keptBytes = 0 } =
    limits.outbox ?? {};
  const tells = (...values: string[]) =>
    namespaces.some(({ events: told }) => values.includes(told.values));
  return [
    ['endings for the bus', endingBytes, CHUNK_TAILS],
    ['index of those endings', endings, INDEX_BYTES],
    // For a hash the value itself is held.
    [
      'other events for the bus',
      eventBytes,
      tells('hash', 'full') ? CHUNK_TAILS_OF_VALUES : CHUNK_TAILS,
    ],
    ['index of those events', events, INDEX_BYTES],
    ['acknowledged endings, kept', keptBytes, 1 + INDEX_BYTES / ENDING_BYTES_MIN],
    // The first and the last of both streams.
    ['chunks of the outbox begun', limits.outbox === undefined ? 0 : 4, CHUNK_BYTES],
    // Of both streams; in the client, or in the socket, until the bus has taken them.
    ['messages on their way to the bus', 2 * (bus?.window ?? 0), messageBytes(limits)],
    // In base64, as text and as bytes. Never more of them than the outbox holds.
    ['values in those messages', tells('full') ? eventBytes : 0, 8 / 3],
  ];
}
