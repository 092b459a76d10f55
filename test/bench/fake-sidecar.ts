/**
 * The least that the replay can be run against: entries in a map, deadlines by the monotonic
 * clock, endings by SSE. `lie` makes it break one promise on purpose.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Lie = 'keeps the dead' | 'forgets the living' | 'forgets endings' | 'loses counts' | 'ignores conditions';

interface Held {
  readonly value: Buffer;
  readonly etag: string;
  readonly deadline: number;
  readonly timer: NodeJS.Timeout;
}

const DEFAULT_TTL_MS = 10_000;
const INCREMENT = '/increment';

export async function startFakeSidecar(lie?: Lie) {
  const held = new Map<string, Held>();
  const watchers = new Set<ServerResponse>();
  let sequence = 0;

  const announce = (key: string, gone: Held, reason: string): void => {
    clearTimeout(gone.timer);
    sequence += 1;
    if (lie === 'forgets endings' && sequence % 10 === 0) return;
    const latenessMs = Math.max(0, performance.now() - gone.deadline);
    const data = { key, etag: gone.etag, reason, endingId: `e${sequence}`, latenessMs };
    for (const watcher of watchers) {
      watcher.write(`id: x.${sequence}\nevent: leasehold.entry.ended.v1\ndata: ${JSON.stringify({ data })}\n\n`);
    }
  };
  const live = (key: string): Held | undefined => {
    const found = held.get(key);
    if (found === undefined || found.deadline > performance.now() || lie === 'keeps the dead') return found;
    held.delete(key);
    announce(key, found, 'expired');
    return undefined;
  };
  const store = (key: string, value: Buffer, deadline: number): Held => {
    const before = held.get(key);
    // A write that keeps the deadline keeps the lease; with a new one the run before it is over.
    if (before !== undefined && before.deadline !== deadline) announce(key, before, 'superseded');
    else clearTimeout(before?.timer);
    sequence += 1;
    const timer = setTimeout(() => live(key), Math.max(1, Math.ceil(deadline - performance.now()) + 1)).unref();
    const entry = { value, etag: `v${sequence}`, deadline, timer };
    held.set(key, entry);
    return entry;
  };

  const put = (request: IncomingMessage, key: string, ttl: string | null, body: Buffer) => {
    const before = live(key);
    const refused =
      (request.headers['if-none-match'] === '*' && before !== undefined) ||
      (request.headers['if-match'] !== undefined && request.headers['if-match'] !== `"${before?.etag}"`);
    if (refused && lie !== 'ignores conditions') return { status: 412 };
    const kept = before?.deadline ?? performance.now() + DEFAULT_TTL_MS;
    const entry = store(key, body, ttl === null ? kept : performance.now() + Number(ttl));
    return { status: before === undefined ? 201 : 204, etag: entry.etag };
  };
  const increment = (key: string, body: Buffer) => {
    const { by, ttlMs } = JSON.parse(body.toString()) as { by: number; ttlMs?: number };
    const before = live(key);
    const value = Number(before?.value.toString() ?? 0) + (lie === 'loses counts' ? 0 : by);
    const kept = before?.deadline ?? performance.now() + DEFAULT_TTL_MS;
    const deadline = ttlMs === undefined ? kept : performance.now() + ttlMs;
    const entry = store(key, Buffer.from(String(value)), deadline);
    return { status: 200, body: Buffer.from(JSON.stringify({ value, etag: entry.etag })) };
  };
  const get = (key: string) => {
    const entry = live(key);
    if (entry === undefined) return { status: 404, body: Buffer.from('{"code":"entry-not-found"}') };
    sequence += 1;
    if (lie === 'forgets the living' && sequence % 10 === 0) return { status: 404 };
    const remainingMs = Math.max(0, Math.floor(entry.deadline - performance.now()));
    return { status: 200, etag: entry.etag, body: entry.value, remainingMs };
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://fake');
    if (url.pathname === '/v1/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      watchers.add(response);
      return;
    }
    const key = url.pathname.split('/').slice(4).join('/').replace(INCREMENT, '');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const reply: { status: number; etag?: string; body?: Buffer; remainingMs?: number } =
        request.method === 'GET'
          ? get(key)
          : request.method === 'POST'
            ? increment(key, body)
            : put(request, key, url.searchParams.get('ttlMs'), body);
      if (reply.etag !== undefined) response.setHeader('etag', `"${reply.etag}"`);
      if (reply.remainingMs !== undefined) response.setHeader('leasehold-remaining-ms', reply.remainingMs);
      response.writeHead(reply.status).end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const entry of held.values()) clearTimeout(entry.timer);
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
