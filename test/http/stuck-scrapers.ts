/** As many scrapers as there may be that take a page of metrics and do not read it. */
import type { Edge } from './edge.ts';
import { RawClient } from './raw.ts';

export const SCRAPE = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';
const SCRAPERS = 8;
/** More than sockets take by themselves. */
const PAGE_BYTES = 16 << 20;

/** Resolves when all of them have been answered; the page is a small one from then on. */
export async function stuckScrapers(where: Edge, url: string): Promise<readonly RawClient[]> {
  where.operations.metrics = () => 'x'.repeat(PAGE_BYTES);
  const clients = Array.from({ length: SCRAPERS }, () => new RawClient(url));
  for (const client of clients) {
    client.socket.pause();
    client.send(SCRAPE);
  }
  const answered = () => [...where.http.counts.answers()].find(({ route }) => route === 'GET /metrics')?.count ?? 0;
  while (answered() < SCRAPERS) await new Promise((resolve) => setImmediate(resolve));
  where.operations.metrics = () => 'x';
  return clients;
}
