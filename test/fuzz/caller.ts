/**
 * One of the callers: a token, the namespaces it may use, and a word that stands in everything it
 * writes. Nobody else may ever see that word. Names that everybody guesses are in one pool: ids of
 * leases, keys; so callers meet.
 */
import type { Chance } from '../simulation/kernel/chance.ts';

export interface Caller {
  readonly name: string;
  readonly token: string;
  readonly namespaces: readonly string[];
  /** In its values, labels, holders and some of its keys; in nobody else's requests. */
  readonly marker: string;
}

/** What all callers know: they guess the same names, and hear of leases by their ids. */
export class Gossip {
  readonly #ids: string[] = [];
  readonly #etags: string[] = [];
  readonly #cursors: string[] = [];

  /** Takes from an answer what others may try. */
  hear(text: string): void {
    for (const [, id] of text.matchAll(/"(?:id|lease)":"([0-9a-z][^"]{0,127})"|leasehold-lease: (\S+)/gi)) {
      keep(this.#ids, id);
    }
    for (const [, etag] of text.matchAll(/etag"?: ?"?\\?("[^"\\]+)/gi)) keep(this.#etags, `${etag}"`);
    for (const [, cursor] of text.matchAll(/leasehold-cursor: (\S+)|"cursor":"([^"]+)"/gi)) keep(this.#cursors, cursor);
  }

  id(chance: Chance): string {
    return chance.happens(0.5) ? `lease-${chance.integer(8)}` : pickOr(chance, this.#ids, 'lease-0');
  }

  etag(chance: Chance): string {
    return chance.happens(0.2) ? '*' : pickOr(chance, this.#etags, '"1.1"');
  }

  cursor(chance: Chance): string {
    return pickOr(chance, this.#cursors, 'none');
  }

  key(chance: Chance, { marker }: Caller): string {
    return chance.weighted([[`key-${chance.integer(8)}`, 4], [`n/${marker}/${chance.integer(8)}`, 2]]);
  }
}

const KEPT = 64;

function keep(list: string[], heard: string | undefined): void {
  if (heard === undefined) return;
  list.push(heard);
  if (list.length > KEPT) list.shift();
}

function pickOr(chance: Chance, list: readonly string[], otherwise: string): string {
  return list.length === 0 ? otherwise : chance.pick(list);
}
