/**
 * Everything that was ever read from the two streams, as a reader keeps it: endings by `endingId`,
 * and of each source and stream which numbers came, and with which bytes. A message that comes
 * again must be the one that came before.
 */
import { hash } from 'node:crypto';
import type { StreamName } from '../../../src/events/bus.ts';

export interface Message {
  readonly stream: StreamName;
  readonly subject: string;
  /** `Nats-Msg-Id` */
  readonly id: string;
  readonly body: Uint8Array;
}

export interface Ending {
  readonly noun: 'lease' | 'entry';
  /** The lease, or the last version of the entry. */
  readonly what: string;
  readonly reason: string;
  readonly atMs: number;
}

/** A write as it was told. `previous`: the version it wrote over under the same lease. */
export interface Write {
  readonly etag: string;
  /** Its own, if it has one of its own. */
  readonly lease: string;
  readonly previous: string | undefined;
}

export type Numbers = Readonly<Record<StreamName, number>>;

interface Source {
  /** By number: subject and bytes, as a digest. */
  readonly digests: Record<StreamName, string[]>;
}

const COMPLAINTS_MAX = 50;
const DIGEST_LENGTH = 12;

export class Archive {
  readonly wrong: string[] = [];
  /** By `endingId`. */
  readonly endings = new Map<string, Ending>();
  readonly grants = new Set<string>();
  readonly writes: Write[] = [];
  /** By actor: how far it says its numbers went. */
  readonly closed = new Map<string, Numbers>();
  readonly sources = new Map<string, Source>();
  messages = 0;
  /** Messages that had been read before. */
  repeats = 0;
  /** Endings told once more under another number. */
  retold = 0;

  /** Takes what was read; the `endingId` of an ending, whether it was known or not. */
  take({ stream, subject, id, body }: Message): string | undefined {
    this.messages++;
    // biome-ignore lint/suspicious/noExplicitAny: judged here.
    const event = JSON.parse(Buffer.from(body).toString()) as any;
    const [actor = '', named, number] = id.split(':');
    const sequence = Number(number);
    const padded = String(sequence).padStart(16, '0');
    const source = String(event.source).split('/').at(-1);
    if (event.id !== id || event.sequence !== padded || source !== actor || named !== stream) {
      this.#complain(`${id} in ${stream} says it is ${event.id}, ${event.sequence} of ${event.source}`);
      return undefined;
    }
    const { endingId } = event.data;
    if (this.#isNew(actor, stream, sequence, subject, body)) this.#record(event);
    return endingId;
  }

  #isNew(
    actor: string, stream: StreamName, sequence: number, subject: string, body: Uint8Array,
  ): boolean {
    const source = this.sources.get(actor) ?? { digests: { endings: [], events: [] } };
    this.sources.set(actor, source);
    const digests = source.digests[stream];
    const digest = hash('sha1', Buffer.concat([Buffer.from(`${subject}\n`), body]), 'base64url')
      .slice(0, DIGEST_LENGTH);
    const known = digests[sequence - 1];
    if (known === undefined) {
      digests[sequence - 1] = digest;
      return true;
    }
    this.repeats++;
    if (known !== digest) this.#complain(`${actor}:${stream}:${sequence} came again with other bytes`);
    return false;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the stream's documents.
  #record({ type, data }: any): void {
    switch (String(type).replace(/^leasehold\.(.+)\.v1$/, '$1')) {
      case 'lease.ended':
        this.#end(data, 'lease', data.lease);
        return;
      case 'entry.ended':
        this.#end(data, 'entry', data.etag);
        return;
      case 'lease.granted':
        this.grants.add(data.lease);
        return;
      case 'entry.created':
        this.writes.push({ etag: data.etag, lease: data.lease, previous: undefined });
        return;
      case 'entry.updated':
        this.writes.push({
          etag: data.etag,
          lease: data.lease,
          previous: data.previousLease === undefined ? data.previousEtag : undefined,
        });
        return;
      case 'source.closed':
        this.closed.set(String(data.source).split('/').at(-1)!, data.lastSequences);
        return;
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: the stream's documents.
  #end({ endingId, reason, at }: any, noun: Ending['noun'], what: string): void {
    const known = this.endings.get(endingId);
    if (known === undefined) {
      this.endings.set(endingId, { noun, what, reason, atMs: Date.parse(at) });
      return;
    }
    this.retold++;
    if (known.what !== what || known.reason !== reason) {
      const before = `${known.what} (${known.reason})`;
      this.#complain(`Ending ${endingId} of ${before} is told of ${what} (${reason})`);
    }
  }

  /** The highest number of a source, by stream; 0 for none. */
  lastOf(actor: string): Numbers {
    const { digests } = this.sources.get(actor) ?? { digests: { endings: [], events: [] } };
    return { endings: digests.endings.length, events: digests.events.length };
  }

  /** Numbers below the highest that never came, of each source: `actor:stream:number`. */
  missing(stream: StreamName): string[] {
    const gaps: string[] = [];
    for (const [actor, { digests }] of this.sources) {
      const numbers = digests[stream];
      for (let index = 0; index < numbers.length; index++) {
        if (numbers[index] === undefined) gaps.push(`${actor}:${stream}:${index + 1}`);
      }
    }
    return gaps;
  }

  #complain(sentence: string): void {
    if (this.wrong.length < COMPLAINTS_MAX) this.wrong.push(sentence);
  }
}
