/** What clients of the replay were told, in the words in which the streams are judged. */
import type { Judge } from '../../../bench/replay/driver.ts';
import type { Account } from '../bus/account.ts';
import { read } from '../bus/patient.ts';
import { jsonOf } from '../requests.ts';

/** `judge`, with every write that was acknowledged noted in `account`. */
export function accounting(judge: Judge, account: Account): Judge {
  return {
    ...judge,
    endWrite: (rank, reply, receivedAt) => {
      const { status, etag } = reply;
      // Which of them were made under one lease, the events tell.
      if (status < 300 && etag !== undefined) account.runs.push({ key: String(rank), lease: '', etags: [`"${etag}"`] });
      judge.endWrite(rank, reply, receivedAt);
    },
  };
}

export interface Listed {
  readonly etags: ReadonlySet<string>;
  /** Wall clock, when the first of the listings was asked for. */
  readonly sinceMs: number;
}

/** Versions that any of the sidecars shows. */
export async function listedEtags(urls: readonly string[], namespace: string): Promise<Listed> {
  const sinceMs = Date.now();
  const etags = new Set<string>();
  for (const url of urls) {
    let cursor = '';
    do {
      const page = jsonOf(await read(url, `/v1/entries/${namespace}?limit=1000${cursor}`));
      for (const { etag } of page.entries) etags.add(etag);
      cursor = page.cursor === undefined ? '' : `&cursor=${encodeURIComponent(page.cursor)}`;
    } while (cursor !== '');
  }
  return { etags, sinceMs };
}
