/** What reaches the edge as bytes: pipelines, halves, slowness, noise, and many at once. */
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SWEEP_MS } from '../../src/http/connections.ts';
import { edge, type Edge, type EdgeChanges } from './edge.ts';
import { exchangeRaw, parseAnswers, RawClient } from './raw.ts';

let opened: Edge[] = [];
let clients: RawClient[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const client of clients) client.close();
  for (const one of opened) await one.stop();
  opened = [];
  clients = [];
});

async function listening(changes: EdgeChanges = {}) {
  const one = edge(changes);
  opened.push(one);
  const [url] = await one.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
  return { ...one, url: url! };
}

function client(url: string): RawClient {
  const one = new RawClient(url);
  clients.push(one);
  return one;
}

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const put = (path: string, body: string, more = '') =>
  `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
const codeOf = (body: string): string => JSON.parse(body).code;

/** Turns of the event loop until something has happened; no time passes that a test could measure. */
async function eventually(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** After what nobody can reach has been collected; some of it is given back only a little later. */
function heldBufferBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}

describe('one connection', () => {
  test('answers pipelined requests in order', async () => {
    const { url } = await listening();
    const one = client(url);
    const k = '/v1/entries/default/k';
    one.send(put(k, 'one') + get(k) + put(k, 'two') + get(k) + get('/nowhere') + get('/livez'));
    const answers = await one.answers(6);
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 204, 200, 404, 200]);
    expect([answers[1]!.body, answers[3]!.body]).toEqual(['one', 'two']);
  });

  test('shows each request what those before it have done, however they are packed', async () => {
    const { url } = await listening();
    const one = client(url);
    const increment = (by: number) => {
      const body = JSON.stringify({ by });
      return `POST /v1/entries/default/n/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const read = get('/v1/entries/default/n');
    one.send((increment(1) + read + read).repeat(20) + put('/v1/entries/default/n', '').repeat(500) + read);
    const answers = await one.answers(561);
    const shown = answers.slice(0, 60).map(({ body }) => body);
    for (let round = 0; round < 20; round++) {
      const sum = String(round + 1);
      expect(JSON.parse(shown[3 * round]!).value).toBe(round + 1);
      expect(shown.slice(3 * round + 1, 3 * round + 3)).toEqual([sum, sum]);
    }
    expect(answers.at(-1)!.body).toBe('');
  });

  test('keeps the order when an earlier answer waits for the journal', async () => {
    const { url, journal } = await listening({ promptJournal: false });
    const one = client(url);
    one.send(put('/v1/entries/default/k', 'x') + get('/livez'));
    await eventually(() => journal.groups.length > 0);
    expect(one.received).toBe('');
    journal.write();
    expect((await one.answers(2)).map(({ status }) => status)).toEqual([201, 200]);
  });

  test('takes a body byte by byte and in chunks', async () => {
    const { url } = await listening();
    const one = client(url);
    for (const byte of put('/v1/entries/default/a', 'slow value')) one.send(byte);
    await one.answers(1);
    one.send('PUT /v1/entries/default/b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    one.send('3\r\nabc\r\n');
    one.send('3\r\ndef\r\n0\r\n\r\n');
    await one.answers(2);
    one.send(get('/v1/entries/default/a') + get('/v1/entries/default/b'));
    const bodies = (await one.answers(4)).slice(2).map(({ body }) => body);
    expect(bodies).toEqual(['slow value', 'abcdef']);
  });

  test('answers a client that has closed its side already', async () => {
    const { url, journal } = await listening({ promptJournal: false });
    const one = client(url);
    one.socket.end(put('/v1/entries/default/k', 'x'));
    await eventually(() => journal.groups.length > 0);
    journal.write();
    expect((await one.answers(1))[0]!.status).toBe(201);
  });

  test('refuses a body whose client closed its side in the middle, and forgets it', async () => {
    const { url, http, core } = await listening();
    const one = client(url);
    one.socket.end('PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf');
    const [answer] = await one.answers(1);
    expect([answer!.status, codeOf(answer!.body)]).toEqual([400, 'malformed-body']);
    one.close();
    await eventually(() => http.connections === 0);
    expect(core.usage().entries).toBe(0);
  });

  test('gives back what a vanished client held', async () => {
    const requestsInFlight = { renew: 1, read: 1, put: 1, grant: 1, list: 1 };
    const { url, http, ask } = await listening({ options: { inFlightBodyBytes: 1000, requestsInFlight } });
    const one = client(url);
    one.send('PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n');
    one.send('Expect: 100-continue\r\n\r\n');
    await one.until(() => one.received.includes('100 Continue'));
    one.send('half');
    expect((await ask('PUT', '/v1/entries/default/k', { body: 'x' })).status).toBe(503);
    one.close();
    await eventually(() => http.connections === 0);
    expect((await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(900) })).status).toBe(201);
  });

  test('throws a refused body away and goes on', async () => {
    const { url } = await listening();
    const one = client(url);
    one.send(put('/v1/entries/default/k', 'x'.repeat(70_000)) + get('/livez'));
    const [refused, next] = await one.answers(2);
    expect([refused!.status, codeOf(refused!.body), next!.status]).toEqual([413, 'value-too-large', 200]);
  });

  test('takes a body in crumbs, and counts the room it is gathered in', async () => {
    const crumbs = (bytes: number): string =>
      'PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n' +
      `${Array.from({ length: bytes }, (_, at) => `1\r\n${at % 10}\r\n`).join('')}0\r\n\r\n`;
    const { url } = await listening({ options: { inFlightBodyBytes: 20_000 } });
    expect((await exchangeRaw(url, crumbs(8_000))).status).toBe(201);
    const { body } = await exchangeRaw(url, get('/v1/entries/default/k'));
    expect(body).toBe('0123456789'.repeat(800));
    expect(codeOf((await exchangeRaw(url, crumbs(9_000))).body)).toBe('under-pressure');
    expect((await exchangeRaw(url, crumbs(8_000))).status).toBe(204);
  });

  test('refuses a body without an announced length when it grows too large', async () => {
    const { url } = await listening();
    const one = client(url);
    one.send('PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    one.send(`11170\r\n${'x'.repeat(70_000)}\r\n0\r\n\r\n${get('/livez')}`);
    const [refused, next] = await one.answers(2);
    expect([codeOf(refused!.body), next!.status]).toEqual(['value-too-large', 200]);
  });

  test('asks for a body only when it will take it', async () => {
    const { url } = await listening();
    const head = (length: number) =>
      `PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
    const wanted = client(url);
    wanted.send(head(2));
    await wanted.until(() => wanted.received.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
    wanted.send('ok');
    await wanted.until(() => wanted.received.includes('HTTP/1.1 201 '));
    const unwanted = client(url);
    unwanted.send(head(70_000));
    const [refused] = await unwanted.answers(1);
    expect([refused!.status, refused!.headers['connection']]).toEqual([413, 'close']);
    await unwanted.end();
  });

  test('overlooks an expectation it does not know', async () => {
    const { url } = await listening();
    expect((await exchangeRaw(url, get('/livez', 'Expect: tea\r\n'))).status).toBe(200);
  });

  test('takes a target with its host in it, and judges that host', async () => {
    const { url } = await listening();
    expect((await exchangeRaw(url, get('http://localhost:1/openapi.json'))).status).toBe(200);
    const foreign = await exchangeRaw(url, get('http://evil.example/openapi.json'));
    expect([foreign.status, codeOf(foreign.body)]).toEqual([421, 'host-refused']);
  });

  test('answers HTTP/1.0 without a Host', async () => {
    const { url } = await listening();
    expect((await exchangeRaw(url, 'GET /livez HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});

describe('keys on the wire', () => {
  test.each([
    ['a/../b'], ['..'], ['a/%2e%2e/b'], ['%2E'], ['a%00'], ['%zz'], ['%ff'], [''], [`${'%41'.repeat(513)}`],
  ])('/%s is no key', async (key) => {
    const { url, core } = await listening();
    const answer = await exchangeRaw(url, put(`/v1/entries/default/${key}`, 'x'));
    expect([answer.status, codeOf(answer.body)]).toEqual([400, 'invalid-key']);
    expect(core.usage().entries).toBe(0);
  });

  test('are the same however they are spelt', async () => {
    const { url } = await listening();
    const one = client(url);
    one.send(put('/v1/entries/default/a%2Fb%20c', 'x') + get('/v1/entries/default/%61/b%20%63'));
    expect((await one.answers(2))[1]!.body).toBe('x');
  });

  test('are percent-encoded where they are not ASCII', async () => {
    const { url, core } = await listening();
    const raw = await exchangeRaw(url, Buffer.from(put('/v1/entries/default/schlüssel', 'x')));
    expect([raw.status, codeOf(raw.body)]).toEqual([400, 'invalid-request']);
    expect(core.usage().entries).toBe(0);
  });
});

describe('noise', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'invalid-request'],
    ['TLS', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]), 400, 'invalid-request'],
    ['a method nobody knows', 'BREW /livez HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'invalid-request'],
    ['two lengths', put('/v1/entries/default/k', 'abc', 'Content-Length: 4\r\n'), 400, 'invalid-request'],
    ['a length and chunks', put('/v1/entries/default/k', 'abc', 'Transfer-Encoding: chunked\r\n'), 400, 'invalid-request'],
    ['a negative length', 'PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n', 400, 'invalid-request'],
    ['a header without a colon', get('/livez', 'nonsense\r\n'), 400, 'invalid-request'],
    ['a header on two lines', get('/livez', 'A: b\r\n c\r\n'), 400, 'invalid-request'],
    ['headers without end', get('/livez', `X: ${'a'.repeat(17_000)}\r\n`), 431, 'headers-too-large'],
    ['many headers', get('/livez', 'X: a\r\n'.repeat(3_000)), 431, 'headers-too-large'],
  ])('%s is answered with a problem, and the connection closed', async (_what, bytes, status, code) => {
    const { url, core } = await listening();
    const one = client(url);
    one.send(bytes);
    const [answer] = await one.answers(1);
    expect([answer!.status, codeOf(answer!.body)]).toEqual([status, code]);
    expect(answer!.headers).toMatchObject({
      connection: 'close', 'content-type': 'application/problem+json',
    });
    await one.end();
    expect(core.usage().entries).toBe(0);
  });

  test('behind requests that still wait does not overtake their answers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { url, journal } = await listening({ promptJournal: false });
    const one = client(url);
    one.send(`${put('/v1/entries/default/k', 'x')}nonsense\r\n\r\n`);
    await eventually(() => journal.groups.length > 0);
    journal.write();
    expect((await one.answers(1))[0]!.status).toBe(201);
    vi.advanceTimersByTime(3 * SWEEP_MS);
    await one.end();
    expect(parseAnswers(one.received)).toHaveLength(1);
  });
});

describe('slowness', () => {
  test('in the head of a request ends with 408', async () => {
    const { url } = await listening({ options: { headersTimeoutMs: 40 } });
    const one = client(url);
    one.send('GET /livez HTTP/1.1\r\nHost: local');
    const [answer] = await one.answers(1);
    expect([answer!.status, codeOf(answer!.body)]).toEqual([408, 'request-timeout']);
    await one.end();
  });

  test('in a body ends with 408, and nothing is written', async () => {
    const { url, core, ask } = await listening({
      options: { headersTimeoutMs: 40, requestTimeoutMs: 80, inFlightBodyBytes: 100 },
    });
    const one = client(url);
    one.send('PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nslow');
    const [answer] = await one.answers(1);
    expect([answer!.status, codeOf(answer!.body)]).toEqual([408, 'request-timeout']);
    await one.end();
    expect(core.usage().entries).toBe(0);
    expect((await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(100) })).status).toBe(201);
  });

  test('between requests is idleness, and ends after the keep-alive time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { url, http } = await listening({ options: { keepAliveMs: 5 * SWEEP_MS } });
    const one = client(url);
    one.send(get('/livez'));
    await one.answers(1);
    // The first sweep sees that bytes have moved, the following ones that none do.
    for (let sweeps = 0; sweeps < 6; sweeps++) vi.advanceTimersByTime(SWEEP_MS);
    expect(http.connections).toBe(1);
    vi.advanceTimersByTime(SWEEP_MS);
    await one.end();
    await eventually(() => http.connections === 0);
  });

  test('of a client that reads no answer ends its connection', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { url, http, ask } = await listening({ options: { requestTimeoutMs: 3 * SWEEP_MS, inFlightBodyBytes: 1 << 26 } });
    await ask('PUT', '/v1/entries/default/k', { body: Buffer.alloc(60_000) });
    const one = client(url);
    await eventually(() => http.connections === 1);
    one.socket.pause();
    one.send(get('/v1/entries/default/k').repeat(300));
    // Until the kernel takes no more and bytes stay with us.
    for (let sweeps = 0; http.connections > 0; sweeps++) {
      expect(sweeps).toBeLessThan(10_000);
      vi.advanceTimersByTime(SWEEP_MS);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  });
});

describe('many', () => {
  test('connections beyond the limit are closed at once, and room is used again', async () => {
    const { url, http } = await listening({ options: { connections: 2 } });
    const [first, second] = [client(url), client(url)];
    await eventually(() => http.connections === 2);
    const third = client(url);
    await third.end();
    expect(third.received).toBe('');
    second.send(get('/livez'));
    await second.answers(1);
    first.close();
    await eventually(() => http.connections === 1);
    expect((await exchangeRaw(url, get('/livez'))).status).toBe(200);
  });

  test('bodies beyond what may be held at once are refused', async () => {
    const { ask } = await listening({ options: { inFlightBodyBytes: 10 } });
    const answer = await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(11) });
    expect([answer.status, answer.json.code, answer.json.retryAfterMs]).toEqual([503, 'under-pressure', 150]);
    expect(answer.headers['retry-after']).toBe('1');
    for (const status of [201, 204, 204]) {
      const taken = await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(10) });
      expect(taken.status).toBe(status);
    }
  });

  test('bodies of renewals have room of their own', async () => {
    const { ask } = await listening({ options: { inFlightBodyBytes: 10, bodyBytes: 64 } });
    const value = await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(11) });
    expect(value.status).toBe(503);
    // More often than there is room at once: it is given back.
    for (let time = 0; time < 8; time++) {
      const renewed = await ask('POST', '/v1/leases/none/renew', {
        body: '{"ttlMs":40000}', headers: { 'Content-Type': 'application/json' },
      });
      expect(renewed.status).toBe(404);
    }
  });

  test('large answers beyond what may be held at once are refused', async () => {
    const { ask } = await listening({ options: { inFlightBodyBytes: 20_000 } });
    for (const key of ['a', 'b']) await ask('PUT', `/v1/entries/default/${key}`, { body: 'x'.repeat(15_000) });
    expect((await ask('GET', '/v1/entries/default/a')).status).toBe(200);
    const page = await ask('GET', '/v1/entries/default?values=true');
    expect([page.status, page.json.code]).toEqual([503, 'under-pressure']);
  });

  test('answers to changes that are too large for what may be held are not sent, and their room is not used up', async () => {
    const { url, http, ask } = await listening({ options: { inFlightBodyBytes: 45_000 } });
    await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(15_000) });
    const batch = (gets: number): string => {
      const operations = new Array(gets).fill({ op: 'get', namespace: 'default', key: 'k' });
      const body = JSON.stringify({ operations });
      return `POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const large = client(url);
    large.send(batch(3));
    await large.end();
    expect(large.received).toBe('');
    await eventually(() => http.connections === 0);
    for (let time = 0; time < 4; time++) expect((await exchangeRaw(url, batch(2))).status).toBe(200);
  });

  test('room for answers is not used up by clients that cut their connections before', async () => {
    const { url, http, ask, core, interposed, journal } = await listening({
      options: { inFlightBodyBytes: 100_000 },
    });
    await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(15_000) });
    const operations = [
      { op: 'put', namespace: 'default', key: 'other', value: '' },
      ...new Array(3).fill({ op: 'get', namespace: 'default', key: 'k' }),
    ];
    const body = JSON.stringify({ operations });
    const batch =
      'POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
    for (let time = 1; time <= 4; time++) {
      journal.prompt = false;
      const hasty = client(url);
      // The second answer is to wait behind the first.
      hasty.send(batch + put('/v1/entries/default/small', ''));
      await eventually(() => interposed.seen.length === 1 + 2 * time);
      hasty.socket.resetAndDestroy();
      await eventually(() => http.connections === 0);
      journal.prompt = true;
      journal.write();
    }
    expect(core.usage().entries).toBe(3);
    expect((await ask('POST', '/v1/batch', { document: { operations } })).status).toBe(200);
    // Nearly all there is: what each of the four took would be missing.
    const page = await ask('GET', '/v1/entries/default?values=true');
    expect(page.status).toBe(200);
  });

  test('answers that wait behind unread ones are held like large ones; who asks on and does not read is cut off', async () => {
    const { url, http, ask } = await listening({ options: { inFlightBodyBytes: 400_000 } });
    await ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(15_000) });
    const greedy = client(url);
    greedy.socket.pause();
    greedy.send(get('/v1/entries/default/k').repeat(200));
    await eventually(() => http.connections === 1);
    await eventually(() => http.connections === 0);
    const patient = client(url);
    for (let time = 1; time <= 10; time++) {
      patient.send(get('/v1/entries/default/k').repeat(10));
      const answers = await patient.answers(10 * time);
      expect(answers.every(({ status }) => status === 200)).toBe(true);
    }
  });

  test('bodies are not kept with answers that wait in line', async () => {
    const bodies = 40;
    const bodyBytes = 50_000;
    const { url, interposed, journal } = await listening();
    const one = client(url);
    // Its answer goes on, so what comes after it waits.
    one.send(get('/v1/events', 'Accept: text/event-stream\r\n'));
    await one.until(() => one.received.includes('event-stream'));
    const before = heldBufferBytes();
    const chunked = 'PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n';
    const value = 'x'.repeat(bodyBytes);
    for (let sent = 0; sent < bodies; sent += 2) {
      one.send(put('/v1/entries/default/k', value));
      one.send(`${chunked}${bodyBytes.toString(16)}\r\n${value}\r\n0\r\n\r\n`);
      await eventually(() => interposed.seen.length === sent + 2);
    }
    interposed.seen.length = 0;
    journal.groups.length = 0;
    await eventually(() => heldBufferBytes() - before < (bodies * bodyBytes) / 4);
  });

  test('requests of one class leave room for those of another', async () => {
    const requestsInFlight = { renew: 1, read: 1, put: 1, grant: 1, list: 1 };
    const { ask, journal } = await listening({ promptJournal: false, options: { requestsInFlight } });
    const first = ask('PUT', '/v1/entries/default/k', { body: 'x' });
    await eventually(() => journal.groups.length > 0);
    const refused = await ask('PUT', '/v1/entries/default/k', { body: 'x' });
    expect(refused.json.code).toBe('under-pressure');
    const renewed = ask('POST', '/v1/leases/none/renew');
    journal.write();
    expect((await renewed).status).toBe(404);
    expect((await first).status).toBe(201);
    const again = ask('PUT', '/v1/entries/default/k', { body: 'x' });
    await eventually(() => journal.groups.length > 1);
    journal.write();
    expect((await again).status).toBe(204);
  });
});

describe('draining', () => {
  test('lets what is under way finish, and takes nothing new', async () => {
    const { url, http, journal } = await listening({ promptJournal: false });
    const [idle, busy] = [client(url), client(url)];
    idle.send(get('/livez'));
    await idle.answers(1);
    busy.send(put('/v1/entries/default/k', 'x'));
    await eventually(() => journal.groups.length > 0);
    const drained = http.drain(60_000);
    await idle.end();
    const late = client(url);
    await late.end();
    expect(late.received).toBe('');
    journal.write();
    const [answer] = await busy.answers(1);
    expect([answer!.status, answer!.headers['connection']]).toEqual([201, 'close']);
    await drained;
  });

  test('answers all that was pipelined, and says so with the last answer', async () => {
    const { url, http, journal } = await listening({ promptJournal: false });
    const busy = client(url);
    busy.send(['a', 'b', 'c'].map((key) => put(`/v1/entries/default/${key}`, 'x')).join('') + get('/livez'));
    await eventually(() => journal.groups.length > 0);
    const drained = http.drain(60_000);
    journal.write();
    const answers = await busy.answers(4);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 200]);
    await busy.end();
    await drained;
  });

  test('takes what is asked on an open connection in its first moment, in one go, and nothing behind it', async () => {
    const { url, http } = await listening();
    const busy = client(url);
    busy.send(get('/livez'));
    await busy.answers(1);
    const drained = http.drain(60_000);
    busy.send(put('/v1/entries/default/k', 'x') + get('/v1/entries/default/k') + get('/livez'));
    const answers = await busy.answers(4);
    expect(answers.map(({ status, headers }) => [status, headers['connection']]).slice(1))
      .toEqual([[201, 'keep-alive'], [200, 'keep-alive'], [200, 'close']]);
    busy.send(get('/livez'));
    await busy.end();
    await drained;
    expect(await busy.answers(4)).toHaveLength(4);
  });

  test('does not wait for a connection on which nothing was ever asked', async () => {
    const { url, http } = await listening();
    const silent = client(url);
    await eventually(() => http.connections === 1);
    await http.drain(60_000);
    await silent.end();
    expect(silent.received).toBe('');
  });

  test('takes no more from one who never stops asking than may wait on a connection', async () => {
    const { url, http } = await listening();
    const restless = client(url);
    restless.send(get('/livez'));
    await restless.answers(1);
    const drained = http.drain(60_000);
    restless.send(get('/livez').repeat(1_000));
    await drained;
    const answers = await restless.answers(65);
    expect([answers.length, answers.at(-1)!.headers['connection']]).toEqual([65, 'close']);
  });

  test('cuts off what does not finish within the grace', async () => {
    const { url, http, journal } = await listening({ promptJournal: false });
    const busy = client(url);
    busy.send(put('/v1/entries/default/k', 'x'));
    await eventually(() => journal.groups.length > 0);
    await http.drain(1);
    await busy.end();
    expect(busy.received).toBe('');
  });
});

describe('Unix sockets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-http-'));
  const path = join(directory, 'socket');
  afterEach(() => rmSync(path, { force: true }));

  test('answer for any Host, and leave no file behind', async () => {
    const one = edge();
    const [url] = await one.http.listen([{ kind: 'unix', path }]);
    expect(url).toBe(`unix:${path}`);
    const answer = await exchangeRaw(url!, 'GET /livez HTTP/1.1\r\nHost: anything.example\r\n\r\n');
    expect(answer.status).toBe(200);
    await one.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('are not taken from a process that listens', async () => {
    const other = createServer().listen(path);
    await new Promise((resolve) => other.once('listening', resolve));
    const one = edge();
    opened.push(one);
    await expect(one.http.listen([{ kind: 'unix', path }])).rejects.toThrow('EADDRINUSE');
    other.close();
  });

  test('are not made of somebody’s file', async () => {
    const one = edge();
    opened.push(one);
    writeFileSync(path, 'a file, and no socket');
    await expect(one.http.listen([{ kind: 'unix', path }])).rejects.toThrow('EADDRINUSE');
    expect(existsSync(path)).toBe(true);
  });

  test('replace the file of a process that was killed', async () => {
    const owner = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)})`]);
    await eventually(() => existsSync(path));
    owner.kill('SIGKILL');
    await new Promise((resolve) => owner.once('exit', resolve));
    expect(existsSync(path)).toBe(true);
    const one = edge();
    opened.push(one);
    const [url] = await one.http.listen([{ kind: 'unix', path }]);
    expect((await exchangeRaw(url!, get('/livez'))).status).toBe(200);
  });

  test('are listened on all together or not at all', async () => {
    const one = edge();
    opened.push(one);
    const tcp = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    await expect(one.http.listen([tcp, { kind: 'unix', path: join(directory, 'no', 'such') }])).rejects.toThrow();
    const [url] = await one.http.listen([tcp]);
    expect((await exchangeRaw(url!, get('/livez'))).status).toBe(200);
  });
});

describe('ten thousand connections', () => {
  test('are all answered, and all closed when the sidecar drains', async () => {
    const count = 10_000;
    const { url, http } = await listening({ options: { connections: count } });
    const crowd = fork(new URL('./crowd.ts', import.meta.url), { execArgv: [] });
    const said = () => new Promise((resolve) => crowd.once('message', resolve));
    crowd.send({ port: Number(new URL(url).port), count });
    expect(await said()).toBe('connected');
    await eventually(() => http.connections === count);
    const oneTooMany = client(url);
    await oneTooMany.end();
    expect(oneTooMany.received).toBe('');
    crowd.send('ask');
    expect(await said()).toBe('answered');
    await http.drain(60_000);
    await eventually(() => http.connections === 0);
    crowd.disconnect();
  });
});
