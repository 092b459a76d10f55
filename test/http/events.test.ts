/** Server-sent events over real sockets: what a watcher sees, misses, and costs. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { createParser } from 'eventsource-parser';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { HEARTBEAT_MS } from '../../src/http/watchers.ts';
import { ACTOR, edge, type Edge, type EdgeChanges } from './edge.ts';

interface Seen {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: data of every shape
  readonly data: any;
}

let opened: Edge[] = [];
let streams: IncomingMessage[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const stream of streams) stream.destroy();
  for (const one of opened) await one.stop();
  opened = [];
  streams = [];
});

async function listening(changes: EdgeChanges = {}) {
  const one = edge(changes);
  opened.push(one);
  const [url] = await one.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
  return { ...one, url: url! };
}

async function eventually(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Follows the events; what has come so far is in `seen`. */
async function watch(url: string, query = '', headers: Record<string, string> = {}) {
  const stream = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/v1/events${query}`, { headers, agent: false }, resolve).on('error', reject);
  });
  streams.push(stream);
  const watcher = { stream, seen: [] as Seen[], text: '', ended: false };
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      watcher.seen.push({ id: id ?? '', event: event ?? '', data: JSON.parse(data) });
    },
  });
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    watcher.text += text;
    parser.feed(text);
  });
  stream.on('close', () => {
    watcher.ended = true;
  });
  stream.on('error', () => {});
  if (stream.statusCode === 200) await eventually(() => watcher.text.includes('\n\n'));
  return watcher;
}

const kinds = (seen: readonly Seen[]) => seen.map(({ event }) => event.replace(/^leasehold\.(.*)\.v1$/, '$1'));

/** A life: a lease, an entry under it, an entry of its own, and their ends. */
async function live({ ask }: Edge): Promise<void> {
  await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a' } });
  await ask('PUT', '/v1/entries/default/x/1?lease=a', { body: '1' });
  await ask('PUT', '/v1/entries/default/x/1', { body: '2' });
  await ask('PUT', '/v1/entries/other/y', { body: '1' });
  await ask('DELETE', '/v1/entries/other/y');
  await ask('DELETE', '/v1/leases/a');
}
const LIFE = [
  'lease.granted', 'entry.created', 'entry.updated', 'entry.created', 'entry.ended', 'lease.ended',
  'entry.ended',
];

describe('a watcher', () => {
  test('sees everything that happens from now on, in order', async () => {
    const one = await listening();
    await one.ask('PUT', '/v1/entries/default/before', { body: 'x' });
    const watcher = await watch(one.url);
    expect(watcher.stream.headers).toMatchObject({
      'content-type': 'text/event-stream', 'cache-control': 'no-store',
    });
    await live(one);
    await eventually(() => watcher.seen.length >= LIFE.length);
    expect(kinds(watcher.seen)).toEqual(LIFE);
    expect(watcher.seen.map(({ id }) => id)).toEqual(LIFE.map((_, at) => `${ACTOR}.${at + 2}`));
    expect(watcher.seen[0]!.data).toMatchObject({
      id: `${ACTOR}:feed:2`, type: 'leasehold.lease.granted.v1', subject: 'a',
    });
  });

  test.each([
    ['?namespace=other', ['entry.created', 'entry.ended']],
    ['?namespace=default&prefix=x/', ['entry.created', 'entry.updated', 'entry.ended']],
    ['?lease=a', ['lease.granted', 'entry.created', 'entry.updated', 'lease.ended', 'entry.ended']],
    ['?types=lease.ended,leasehold.entry.updated.v1', ['entry.updated', 'lease.ended']],
    ['?types=entry.ended&lease=a', ['entry.ended']],
  ])('with %s sees only that', async (query, expected) => {
    const one = await listening();
    const watcher = await watch(one.url, query);
    await live(one);
    await one.ask('POST', '/v1/leases', { document: { holder: 'h', id: 'after' } });
    const rest = await watch(one.url, `?since=${ACTOR}.0`);
    await eventually(() => rest.seen.length > LIFE.length && watcher.seen.length >= expected.length);
    expect(kinds(watcher.seen)).toEqual(expected);
  });

  test('that lists, then watches from the cursor of the page, misses nothing', async () => {
    const one = await listening();
    await one.ask('PUT', '/v1/entries/default/listed', { body: 'x' });
    const page = await one.ask('GET', '/v1/entries/default');
    await one.ask('PUT', '/v1/entries/default/later', { body: 'x' });
    const watcher = await watch(one.url, `?since=${page.headers['leasehold-cursor']}`);
    await eventually(() => watcher.seen.length > 0);
    expect(watcher.seen[0]!.data.data.key).toBe('later');
  });

  test('goes on where it was, by the header rather than by the query it repeats', async () => {
    const one = await listening();
    await live(one);
    const watcher = await watch(one.url, `?since=${ACTOR}.0`, { 'last-event-id': `${ACTOR}.5` });
    await eventually(() => watcher.seen.length >= 2);
    expect(watcher.seen.map(({ id }) => id)).toEqual([`${ACTOR}.6`, `${ACTOR}.7`]);
  });

  test.each(['ffffffffffffffff.3', 'nonsense'])('from the unknown cursor %s is told to start over', async (cursor) => {
    const one = await listening();
    await live(one);
    const watcher = await watch(one.url, '', { 'last-event-id': cursor });
    await eventually(() => watcher.seen.length > 0);
    const to = `${ACTOR}.7`;
    expect(watcher.seen).toEqual([
      { id: to, event: 'resync', data: { from: cursor, to, reason: 'unknown-cursor' } },
    ]);
    await one.ask('PUT', '/v1/entries/default/next', { body: 'x' });
    await eventually(() => watcher.seen.length > 1);
    expect(watcher.seen[1]!.id).toBe(`${ACTOR}.8`);
  });

  test('knows its place before anything happens', async () => {
    const one = await listening();
    await live(one);
    const watcher = await watch(one.url);
    expect(watcher.text).toBe(`id: ${ACTOR}.7\n\n`);
    expect(watcher.seen).toEqual([]);
  });

  test('hears a comment every 15 seconds, with the place it has read to', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const one = await listening();
    const watcher = await watch(one.url, '?namespace=other');
    await one.ask('PUT', '/v1/entries/default/unseen', { body: 'x' });
    const everything = await watch(one.url, `?since=${ACTOR}.0`);
    await eventually(() => everything.seen.length > 0);
    vi.advanceTimersByTime(HEARTBEAT_MS);
    await eventually(() => watcher.text.includes('alive'));
    expect(watcher.text).toBe(`id: ${ACTOR}.0\n\n: alive\nid: ${ACTOR}.1\n\n`);
    expect(HEARTBEAT_MS).toBe(15_000);
  });

  test('that has closed its side is told nothing more, though what it was told is still on its way', async () => {
    const one = await listening();
    let socket: Socket | undefined;
    const note = (message: unknown) => {
      socket = (message as { readonly socket: Socket }).socket;
    };
    subscribe('http.server.request.start', note);
    const watcher = await watch(one.url);
    unsubscribe('http.server.request.start', note);
    // More than the kernel takes: what ends the stream has to wait behind it.
    watcher.stream.pause();
    watcher.stream.socket.pause();
    socket!.write(Buffer.alloc(32 * 1024 * 1024));
    watcher.stream.socket.end();
    await once(socket!, 'end');
    expect(socket!.writableLength).toBeGreaterThan(0);
    await one.ask('PUT', '/v1/entries/default/after', { body: 'x' });
    await new Promise<void>((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(one.http.watchers).toBe(0);
  });

  test('that does not read costs nobody anything, and is told what it missed', async () => {
    const one = await listening({ feedFacts: 256 });
    const slow = await watch(one.url);
    slow.stream.pause();
    slow.stream.socket.pause();
    const quick = await watch(one.url);
    // Some 20 MiB of events: far more than the kernel and the stream take.
    const rounds = 400;
    for (let round = 0; round < rounds; round++) {
      const operations = Array.from({ length: 25 }, (_, at) => ({
        op: 'put', namespace: 'default', key: `${round}/${at}/${'k'.repeat(480)}`, value: '', ttlMs: 100,
      }));
      const { json } = await one.ask('POST', '/v1/batch', { document: { operations } });
      expect(json.applied).toBe(25);
      one.advance(101);
      // What is due ends with the next command at the latest.
      one.core.tick(one.engine.now(), 1000);
      const due = (round + 1) * 25 + round * 25;
      await eventually(() => quick.seen.length >= due);
    }
    expect(kinds(quick.seen)).not.toContain('resync');
    slow.stream.socket.resume();
    slow.stream.resume();
    await eventually(() => slow.seen.some(({ event }) => event === 'resync'));
    const resync = slow.seen.find(({ event }) => event === 'resync')!;
    expect(resync.data).toMatchObject({ reason: 'fell-behind' });
    expect(resync.id).toBe(resync.data.to);
    // What it missed was held nowhere.
    expect(slow.text.length).toBeLessThan(quick.text.length / 2);
  });

  test('that is told to start over again and again is let go', async () => {
    const one = await listening({ feedFacts: 4 });
    const watcher = await watch(one.url);
    // Eight facts in one turn are more than the feed holds.
    const operations = Array.from({ length: 8 }, (_, at) => ({
      op: 'put', namespace: 'default', key: `k${at}`, value: '',
    }));
    for (let time = 0; time < 4; time++) {
      await one.ask('POST', '/v1/batch', { document: { operations } });
      const told = time + 1;
      await eventually(() => kinds(watcher.seen).filter((kind) => kind === 'resync').length >= told);
    }
    await eventually(() => watcher.ended);
    expect(one.http.watchers).toBe(0);
  });

  test('may be told so thrice a minute', async () => {
    const one = await listening({ feedFacts: 4 });
    const watcher = await watch(one.url);
    const operations = Array.from({ length: 8 }, (_, at) => ({
      op: 'put', namespace: 'default', key: `k${at}`, value: '',
    }));
    for (let time = 0; time < 8; time++) {
      await one.ask('POST', '/v1/batch', { document: { operations } });
      const told = time + 1;
      await eventually(() => kinds(watcher.seen).filter((kind) => kind === 'resync').length >= told);
      one.advance(20_001);
    }
    expect(watcher.ended).toBe(false);
  });

  test('gets no place beyond the limit, and leaves its own when it goes', async () => {
    const one = await listening({ options: { watchers: 1 } });
    const first = await watch(one.url);
    const second = await watch(one.url);
    await eventually(() => second.ended);
    expect([second.stream.statusCode, JSON.parse(second.text).code]).toEqual([503, 'under-pressure']);
    first.stream.destroy();
    await eventually(() => one.http.watchers === 0);
    expect((await watch(one.url)).stream.statusCode).toBe(200);
  });

  test('is let go when the sidecar drains', async () => {
    const one = await listening();
    const watcher = await watch(one.url);
    await one.http.drain(60_000);
    await eventually(() => watcher.ended);
    expect(one.feed.readers).toBe(0);
  });

  test.each([
    ['?types=lease.renamed', 'invalid-request'], ['?types=', 'invalid-request'],
    ['?since=nonsense', 'invalid-cursor'], ['?namespace=Bad!', 'invalid-request'], ['?typs=a', 'unknown-field'],
  ])('with %s is refused', async (query, code) => {
    const one = await listening();
    const refused = await watch(one.url, query);
    await eventually(() => refused.ended);
    expect(JSON.parse(refused.text).code).toBe(code);
    expect(one.http.watchers).toBe(0);
  });

  test('learns no key of a sensitive namespace', async () => {
    const one = await listening();
    const watcher = await watch(one.url);
    await one.ask('PUT', '/v1/entries/secret/password-of-ann', { body: 'hunter2' });
    await one.ask('DELETE', '/v1/entries/secret/password-of-ann');
    await eventually(() => watcher.seen.length >= 2);
    expect(watcher.text).not.toContain('password-of-ann');
    expect(watcher.seen[0]!.data.data.keyHash).toBe(watcher.seen[1]!.data.data.keyHash);
  });
});
