/**
 * What this consumer is for: a view of which keys of a namespace are live, kept from events, and a
 * line for each ending. Put your own in its place.
 *
 * The ending of a value and the write before it stand in different streams, so they come in any
 * order. The time at their source tells which came first, and an ending is remembered for a while,
 * so that a late write does not bring its key back.
 */
import type { LeaseholdEvent } from './event.ts';

const ENDED_MAX = 10_000;

/** A value of a key: when it was written, or listed, and which it is. */
export interface Version {
  /** RFC 3339 with milliseconds, which sorts as text. */
  readonly at: string;
  readonly etag: string;
}

export class Presence {
  readonly namespace: string;
  readonly #live = new Map<string, Version>();
  readonly #ended = new Map<string, Version>();
  readonly #say: (line: string) => void;
  #listedAt = '';

  constructor(namespace: string, say: (line: string) => void) {
    this.namespace = namespace;
    this.#say = say;
  }

  get keys(): readonly string[] {
    return [...this.#live.keys()];
  }

  apply({ type, data }: LeaseholdEvent): void {
    const { namespace, key, at, etag, reason } = data;
    if (namespace !== this.namespace || typeof key !== 'string') return;
    const version = { at: String(at), etag: String(etag) };
    if (type === 'leasehold.entry.ended.v1') this.#end(key, version, String(reason));
    else if (type !== 'leasehold.entry.conflict.v1') this.#write(key, version);
  }

  #write(key: string, version: Version): void {
    // The listing has seen it, whatever became of it since.
    if (version.at < this.#listedAt) return;
    const ended = this.#ended.get(key);
    if (ended !== undefined && !isAfter(version, ended)) return;
    if (!this.#live.has(key)) this.#say(`here  ${key}`);
    this.#live.set(key, version);
  }

  #end(key: string, version: Version, reason: string): void {
    this.#ended.delete(key);
    this.#ended.set(key, version);
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(this.#ended.keys().next().value!);
    this.#say(`ended ${key} (${reason})`);
    // Superseded, or written again since: then something else is there now.
    const live = this.#live.get(key);
    if (live !== undefined && !isAfter(live, version)) this.#live.delete(key);
  }

  /** Takes a whole listing: what really is there, whatever events said. */
  replace(listed: ReadonlyMap<string, Version>, listedAt: string): void {
    this.#listedAt = listedAt;
    for (const key of this.keys) {
      if (listed.has(key)) continue;
      this.#live.delete(key);
      this.#say(`gone  ${key}, as the listing shows`);
    }
    for (const [key, version] of listed) {
      if (!this.#live.has(key)) this.#say(`here  ${key}, as the listing shows`);
      this.#live.set(key, version);
    }
  }
}

/** At the same instant one value ends and the next begins; then their etags tell them apart. */
function isAfter(version: Version, ended: Version): boolean {
  return version.at > ended.at || (version.at === ended.at && version.etag !== ended.etag);
}
