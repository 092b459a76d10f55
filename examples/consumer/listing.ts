/** All keys of a namespace, from the sidecars themselves: the truth that events only tell of. */
import type { Version } from './presence.ts';

export interface Listing {
  readonly keys: ReadonlyMap<string, Version>;
  /** What was written before this instant, by the sidecars' clocks, is in it. */
  readonly at: string;
  /** Of each sidecar the run that answered, and where its own event stream was: `<actor>.<n>`. */
  readonly cursors: readonly string[];
}

const PAGE_ITEMS = 1_000;
const PATIENCE_MS = 10_000;

interface Page {
  readonly entries: readonly { readonly key: string; readonly etag: string }[];
  readonly cursor?: string;
}

/**
 * Asks every sidecar and takes what any of them has: each lists what it holds, which is everything
 * only where there is one sidecar, or the namespace is mirrored.
 *
 * @throws Error when one cannot be asked: a part of the truth would be taken for all of it
 */
export async function listKeys(sidecars: readonly string[], namespace: string): Promise<Listing> {
  const keys = new Map<string, Version>();
  const cursors: string[] = [];
  const instants: string[] = [];
  for (const sidecar of sidecars) {
    let after = '';
    do {
      const query = `limit=${PAGE_ITEMS}${after}`;
      const url = `${sidecar}/v1/entries/${encodeURIComponent(namespace)}?${query}`;
      const reply = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!reply.ok) throw new Error(`${url} answers ${reply.status}: ${await reply.text()}`);
      // In whole seconds, rounded down: on the safe side.
      const at = new Date(reply.headers.get('date') ?? 0).toISOString();
      if (after === '') {
        // Of the first page: what changes while the others are read may be missing in them.
        instants.push(at);
        cursors.push(reply.headers.get('leasehold-cursor') ?? 'unknown');
      }
      const { entries, cursor } = (await reply.json()) as Page;
      for (const { key, etag } of entries) keys.set(key, { at, etag });
      after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    } while (after !== '');
  }
  return { keys, cursors, at: instants.sort()[0] ?? '' };
}
