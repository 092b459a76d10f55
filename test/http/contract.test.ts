/**
 * The documented contract against the real edge, both ways: every status and problem code of every
 * route is provoked once, and nothing is answered that is not documented. Documents and headers of
 * every reply are held against their schemas on the way.
 */
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Command } from '../../src/core/command.ts';
import { ERRORS, type ErrorCode, reject } from '../../src/errors.ts';
import type { Route } from '../../src/http/route.ts';
import { problemsOf } from '../../src/http/route-problems.ts';
import { routesFor } from '../../src/http/routes.ts';
import { problemDocument } from '../../src/http/schemas.ts';
import { type Answer, edge, type Edge, type EdgeChanges, OPTIONS } from './edge.ts';
import { exchangeRaw, parseAnswers, RawClient } from './raw.ts';
import { type Sample, SAMPLES } from './samples.ts';
import { stuckScrapers } from './stuck-scrapers.ts';

const routes = routesFor(OPTIONS);
const routeOf = (operation: string): Route => routes.find((route) => route.operation === operation)!;

/** By operation: `201`, `409 lease-held`. */
const seen = new Map<string, Set<string>>();
const edges: Edge[] = [];
let slow: { edge: Edge; url: string };
let main: { edge: Edge; url: string };

function note(route: Route, status: number, code: string | undefined): void {
  const statuses = seen.get(route.operation) ?? new Set();
  seen.set(route.operation, statuses);
  statuses.add(code === undefined ? `${status}` : `${status} ${code}`);
}

/** While nothing is full and nobody has a quota, no reply has any of these. */
function hasNoLoad({ headers }: Answer): boolean {
  return ['leasehold-pressure', 'ratelimit', 'ratelimit-policy'].every((name) => headers[name] === undefined);
}

/** Holds a reply against the route's documentation and remembers that it was seen. */
function record(operation: string, answer: Answer): Answer {
  const route = routeOf(operation);
  const reply = route.replies[answer.status];
  if (reply === undefined) {
    // The answer to a HEAD has no body to tell the code.
    note(route, answer.status, answer.json?.code);
    if (route.method !== 'HEAD') {
      problemDocument.parse(answer.json);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(ERRORS[answer.json.code as ErrorCode].status).toBe(answer.status);
    }
    const saysWhen = answer.status === 429 || answer.status === 503;
    expect(answer.headers['retry-after'] !== undefined).toBe(saysWhen);
  } else {
    note(route, answer.status, undefined);
    if (route.method !== 'HEAD') reply.document?.parse(answer.json);
    const documented = (reply.headers ?? []).map((name) => name.toLowerCase());
    const ours = Object.keys(answer.headers).filter(
      (name) => /^(leasehold-|etag$|location$)/.test(name) && name !== 'leasehold-pressure',
    );
    // A write's context says nothing new where concurrent values are not kept.
    const due = documented.filter((name) => name !== 'leasehold-context' || ours.includes(name));
    expect(ours.sort()).toEqual(due.sort());
  }
  return answer;
}

/** What is there before each request: lease `known`, ended lease `ended`, some entries. */
async function prepare(where: Edge): Promise<void> {
  const grants = [
    { holder: 'h', id: 'known' }, { holder: 'h', id: 'ended' }, { holder: 'h', id: 'second' },
    { holder: 'a', id: 'a', namespace: 'owned' }, { holder: 'b', id: 'b', namespace: 'owned' },
    { holder: 'h', id: 'tiny', namespace: 'tiny' },
  ];
  for (const document of grants) await where.ask('POST', '/v1/leases', { document });
  await where.ask('DELETE', '/v1/leases/ended');
  await where.ask('PUT', '/v1/entries/default/known', { body: 'value' });
  await where.ask('PUT', '/v1/entries/default/known2', { body: 'text' });
  await where.ask('PUT', '/v1/entries/siblings/two', { body: '1' });
  await where.ask('PUT', '/v1/entries/siblings/two', { body: '2' });
  await where.ask('PUT', '/v1/entries/owned/mine?lease=a', { body: '1' });
  await where.ask('PUT', '/v1/entries/default/most', { body: String(Number.MAX_SAFE_INTEGER) });
}

async function prepared(changes: EdgeChanges = {}): Promise<Edge> {
  const where = edge(changes);
  edges.push(where);
  await prepare(where);
  return where;
}

/** Sends the sample of a route, changed as said, to an edge of its own. */
async function send(
  operation: string,
  change: Partial<Sample> = {},
  arrange: (where: Edge) => unknown = () => {},
): Promise<Answer> {
  const where = await prepared();
  await arrange(where);
  return record(operation, await askSample(where, operation, change));
}

function askSample(where: Edge, operation: string, change: Partial<Sample>): Promise<Answer> {
  const { url, ...rest } = { ...SAMPLES[operation]!, ...change };
  if (rest.body !== undefined && change.document === undefined) return where.ask(routeOf(operation).method, url, rest);
  const { body: _body, ...withoutBody } = rest;
  return where.ask(routeOf(operation).method, url, change.body === undefined ? withoutBody : rest);
}

async function expectCode(code: ErrorCode, answer: Promise<Answer>): Promise<void> {
  const { status, json } = await answer;
  expect(status).toBe(ERRORS[code].status);
  if (json !== undefined) expect(json.code).toBe(code);
}

/** A well-formed request as text, but for what `head` leaves out. */
function rawRequest(route: Route, url: string, head: string): string {
  return `${route.method} ${url} HTTP/1.1\r\n${head}\r\n`;
}

/** A test of what concerns this route. */
function testIf(concerns: boolean, name: string, run: () => unknown): void {
  if (concerns) test(name, async () => void (await run()));
}

beforeAll(async () => {
  const listen = async (where: Edge) => {
    const [url] = await where.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
    return { edge: where, url: url! };
  };
  main = await listen(await prepared());
  slow = await listen(await prepared({ options: { headersTimeoutMs: 40, requestTimeoutMs: 40 } }));
});

afterAll(async () => {
  for (const where of edges) await where.stop();
});

describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('%s', (_name, route) => {
  const { operation } = route;
  const sample = SAMPLES[operation]!;
  const withQuery = (query: string) => `${sample.url}${sample.url.includes('?') ? '&' : '?'}${query}`;
  const problems = problemsOf(route);
  const raw = async (request: string, url = main.url) => {
    const answer = await exchangeRaw(url, request);
    const json = answer.body === '' ? undefined : JSON.parse(answer.body);
    return record(operation, {
      status: answer.status, headers: answer.headers, text: answer.body, json,
      bytes: Buffer.from(answer.body),
    });
  };

  testIf(operation !== 'watch', 'answers its sample as documented', async () => {
    const answer = await send(operation);
    expect(answer.status).toBeLessThan(300);
    expect(hasNoLoad(answer)).toBe(true);
  });
  testIf(operation !== 'watch', 'tells of pressure on its sample and on a refusal', async () => {
    const press = ({ pressure }: Edge) => pressure.fill('ledger', 0.6);
    const field = 'level=elevated; source=ledger; fill=0.6';
    const { status, headers } = await send(operation, {}, press);
    expect([status < 300, headers['leasehold-pressure']]).toEqual([true, field]);
    const refused = await send(operation, { url: withQuery('zzz=1') }, press);
    expect([refused.status, refused.headers['leasehold-pressure']]).toEqual([400, field]);
  });
  testIf(problems.includes('quota-exceeded'), 'refuses a caller beyond its quota', async () => {
    const where = edge({ admission: { quotas: { caller: { requestsPerS: 1, burst: 1, callers: 4 } } } });
    edges.push(where);
    await askSample(where, operation, {});
    const refused = askSample(where, operation, {}).then((each) => record(operation, each));
    await expectCode('quota-exceeded', refused);
    const { headers } = await refused;
    expect([headers['ratelimit-policy'], headers['ratelimit']]).toEqual(['"caller";q=1;w=1', '"caller";r=0;t=1']);
  });
  test('refuses a query it does not know', () =>
    expectCode('unknown-field', send(operation, { url: withQuery('zzz=1') })));
  testIf(problems.includes('host-refused'), 'refuses a foreign Host', () =>
    expectCode('host-refused', send(operation, { headers: { host: 'evil.example' } })));
  testIf(problems.includes('forbidden'), 'refuses a page of another origin', () =>
    expectCode('forbidden', send(operation, { headers: { origin: 'http://evil.example' } })));
  testIf(problems.includes('unauthenticated'), 'refuses to answer without a token where there are some', async () => {
    const where = edge({ tokens: { tokens: [] } });
    edges.push(where);
    const answer = askSample(where, operation, {}).then((each) => record(operation, each));
    await expectCode('unauthenticated', answer);
    expect((await answer).headers['www-authenticate']).toBe('Bearer realm="leasehold"');
  });
  test('refuses a target that is too long', () =>
    expectCode('uri-too-long', send(operation, { url: withQuery(`x=${'a'.repeat(9000)}`) })));
  test('refuses to answer without a Host', () =>
    expectCode('invalid-request', raw(rawRequest(route, sample.url, ''))));
  test('refuses headers that are too large', () => {
    const head = `Host: localhost\r\nX: ${'a'.repeat(20_000)}\r\n`;
    return expectCode('headers-too-large', raw(rawRequest(route, sample.url, head)));
  });
  test('refuses a request that does not arrive', () =>
    expectCode('request-timeout', raw(`${route.method} ${sample.url} HTTP/1.1\r\nHost: `, slow.url)));
  test('answers a fault of its own with 500', async () => {
    const answer = send(operation, {}, (where) => {
      const { handler } = where.http;
      (where.http as { handler: typeof handler }).handler = (request, response) => {
        const writeHead = response.writeHead.bind(response);
        response.writeHead = () => {
          response.writeHead = writeHead;
          throw new Error('provoked');
        };
        handler(request, response);
      };
    });
    await expectCode('internal', answer);
  });
  testIf(problems.includes('not-acceptable'), 'refuses to answer in a type it does not have', () =>
    expectCode('not-acceptable', send(operation, { headers: { accept: 'image/png' } })));
  testIf(route.class !== 'health', 'refuses more than its class takes', async () => {
    const none = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
    const where = edge({ options: { requestsInFlight: none } });
    edges.push(where);
    const answer = askSample(where, operation, {}).then((each) => record(operation, each));
    await expectCode('under-pressure', answer);
  });
  testIf(problems.includes('recovering') && operation !== 'ready', 'waits for recovery', async () => {
    const where = edge();
    edges.push(where);
    where.operations.state = 'recovering';
    const answer = askSample(where, operation, {}).then((each) => record(operation, each));
    await expectCode('recovering', answer);
  });
  testIf(route.path.includes('{namespace}'), 'knows no namespace of such a name', () =>
    expectCode('namespace-not-found', send(operation, {
      url: sample.url.replace(/entries\/[a-z]+/, 'entries/Nope!'),
    })));
  testIf(route.path.includes('{key}'), 'refuses a key that is none', () =>
    expectCode('invalid-key', send(operation, {
      url: sample.url.replace(/(entries\/[a-z]+)\/[a-z]+/, '$1/%00'),
    })));
  testIf(route.body !== undefined && route.body !== 'value', 'refuses bodies it cannot take', async () => {
    const headers = { 'content-type': 'application/json' };
    await expectCode('malformed-body', send(operation, { body: '{', headers, document: undefined }));
    await expectCode('body-too-large', send(operation, {
      body: ' '.repeat(OPTIONS.bodyBytes + 1), headers, document: undefined,
    }));
    await expectCode('unsupported-media-type', send(operation, {
      headers: { 'content-type': 'text/plain' },
    }));
    await expectCode('unknown-field', send(operation, {
      document: { ...(sample.document as object), zzz: 1 },
    }));
    await expectCode('invalid-request', send(operation, { document: [] }));
  });
  testIf(problems.includes('idempotency-key-reused'), 'knows a key again', async () => {
    const where = await prepared();
    where.journal.prompt = false;
    const headers = { 'idempotency-key': '"k"', ...(sample.body === undefined ? {} : { 'content-type': 'text/x' }) };
    const first = askSample(where, operation, { headers });
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    const again = askSample(where, operation, { headers });
    await expectCode('idempotency-in-progress', again.then((each) => record(operation, each)));
    where.journal.write();
    const { status } = record(operation, await first);
    const other = { ...headers, 'content-type': 'application/json;charset=utf-8' };
    const reused = askSample(where, operation, { headers: other });
    await expectCode('idempotency-key-reused', reused.then((each) => record(operation, each)));
    const replayed = record(operation, await askSample(where, operation, { headers }));
    expect(replayed.status).toBe(status);
  });
});

describe('refusals of single routes', () => {
  const cases: readonly (readonly [string, ErrorCode, Partial<Sample>, ((where: Edge) => unknown)?])[] = [
    ['grantLease', 'ttl-out-of-range', { document: { holder: 'h', ttlMs: 1 } }],
    ['grantLease', 'namespace-not-found', { document: { holder: 'h', namespace: 'absent' } }],
    ['grantLease', 'lease-held', { document: { holder: 'other', id: 'known' } }],
    ['grantLease', 'namespace-mismatch', { document: { holder: 'h', id: 'known', namespace: 'other' } }],
    ['grantLease', 'capacity', { document: { holder: 'h', namespace: 'tiny' } }],
    ['grantLease', 'journal-full', {}, fillDisk],
    ['grantLease', 'draining', {}, (where) => where.engine.beginDraining()],
    ['listLeases', 'invalid-cursor', { url: '/v1/leases?cursor=nonsense' }],
    ['getLease', 'lease-not-found', { url: '/v1/leases/unknown' }],
    ['renewLease', 'ttl-out-of-range', { document: { ttlMs: 1 } }],
    ['renewLease', 'lease-not-found', { url: '/v1/leases/unknown/renew' }],
    ['renewLease', 'lease-ended', { url: '/v1/leases/ended/renew' }],
    ['transferLease', 'lease-not-found', { url: '/v1/leases/unknown/transfer' }],
    ['transferLease', 'lease-ended', { url: '/v1/leases/ended/transfer' }],
    ['transferLease', 'journal-full', {}, fillDisk],
    ['releaseLease', 'lease-not-found', { url: '/v1/leases/unknown' }],
    ['putEntry', 'ttl-out-of-range', { url: '/v1/entries/default/k?ttlMs=1' }],
    ['putEntry', 'lease-not-found', { url: '/v1/entries/default/k?lease=unknown' }],
    ['putEntry', 'lease-ended', { url: '/v1/entries/default/k?lease=ended' }],
    ['putEntry', 'namespace-mismatch', { url: '/v1/entries/other/k?lease=known' }],
    ['putEntry', 'entry-held', { url: '/v1/entries/owned/mine?lease=b' }],
    ['putEntry', 'wrong-class', { url: '/v1/entries/counters/k' }],
    ['putEntry', 'too-many-siblings', { url: '/v1/entries/siblings/two' }],
    ['putEntry', 'version-mismatch', { url: '/v1/entries/default/k', headers: { 'if-match': '"x"' } }],
    ['putEntry', 'capacity', { url: '/v1/entries/tiny/k', body: 'x'.repeat(2048) }],
    ['putEntry', 'journal-full', {}, fillDisk],
    ['putEntry', 'value-too-large', { body: 'x'.repeat(OPTIONS.valueBytes + 1) }],
    ['putEntry', 'unsupported-media-type', { headers: { 'content-encoding': 'gzip' } }],
    ['getEntry', 'entry-not-found', { url: '/v1/entries/default/absent' }],
    ['getEntry', 'version-mismatch', { headers: { 'if-match': '"x"' } }],
    ['headEntry', 'entry-not-found', { url: '/v1/entries/default/absent' }],
    ['headEntry', 'version-mismatch', { headers: { 'if-match': '"x"' } }],
    ['deleteEntry', 'version-mismatch', { headers: { 'if-match': '"x"' } }],
    ['listEntries', 'invalid-cursor', { url: '/v1/entries/default?cursor=nonsense' }],
    ['listEntries', 'invalid-key', { url: '/v1/entries/default?prefix=a%00' }],
    ['incrementEntry', 'ttl-out-of-range', { document: { by: 1, ttlMs: 1 } }],
    ['incrementEntry', 'lease-not-found', { document: { by: 1, lease: 'unknown' } }],
    ['incrementEntry', 'lease-ended', { document: { by: 1, lease: 'ended' } }],
    ['incrementEntry', 'namespace-mismatch', { document: { by: 1, lease: 'known' } }],
    ['incrementEntry', 'entry-held', {
      url: '/v1/entries/owned/mine/increment', document: { by: 1, lease: 'b' },
    }],
    ['incrementEntry', 'not-an-integer', { url: '/v1/entries/default/known/increment' }],
    ['incrementEntry', 'counter-overflow', { url: '/v1/entries/default/most/increment' }],
    ['incrementEntry', 'capacity', { url: '/v1/entries/tiny/k/increment' }, (where) =>
      where.ask('PUT', '/v1/entries/tiny/full?lease=tiny', { body: 'x' })],
    ['incrementEntry', 'journal-full', {}, fillDisk],
    ['batch', 'batch-refused', {
      document: { atomic: true, operations: [{ op: 'renew', id: 'unknown' }] },
    }],
    ['batch', 'invalid-key', {
      document: { operations: [{ op: 'get', namespace: 'default', key: '../x' }] },
    }],
    ['batch', 'value-too-large', {
      document: {
        operations: [{
          op: 'put', namespace: 'default', key: 'k', value: 'A'.repeat(2 * OPTIONS.valueBytes),
        }],
      },
    }],
    ['batch', 'journal-full', {}, fillDisk],
    ['watch', 'invalid-cursor', { url: '/v1/events?since=nonsense' }],
    ['live', 'under-pressure', {}, (where) => {
      where.operations.isAlive = false;
    }],
    ['ready', 'recovering', {}, (where) => {
      where.operations.state = 'recovering';
    }],
    ['ready', 'draining', {}, (where) => {
      where.operations.state = 'draining';
    }],
    ['ready', 'under-pressure', {}, (where) => {
      where.operations.state = 'failed';
    }],
    ['reconcile', 'ledger-unavailable', {}, (where) => {
      where.operations.roundRefused = reject('ledger-unavailable', 'Cannot make a round: provoked');
    }],
    ['grantLease', 'isolated', {}, answering('grant', 'isolated')],
    ['renewLease', 'isolated', {}, answering('renew', 'isolated')],
    ['putEntry', 'isolated', {}, answering('put', 'isolated')],
    ['putEntry', 'ledger-unavailable', {}, answering('put', 'ledger-unavailable')],
    ['putEntry', 'outcome-unknown', {}, answering('put', 'outcome-unknown')],
    ['getEntry', 'ledger-unavailable', {}, answering('get', 'ledger-unavailable')],
    ['headEntry', 'ledger-unavailable', {}, answering('get', 'ledger-unavailable')],
    ['deleteEntry', 'entry-held', {}, answering('delete', 'entry-held')],
    ['deleteEntry', 'ledger-unavailable', {}, answering('delete', 'ledger-unavailable')],
    ['deleteEntry', 'outcome-unknown', {}, answering('delete', 'outcome-unknown')],
    ['incrementEntry', 'isolated', {}, answering('increment', 'isolated')],
    ['incrementEntry', 'ledger-unavailable', {}, answering('increment', 'ledger-unavailable')],
    ['incrementEntry', 'outcome-unknown', {}, answering('increment', 'outcome-unknown')],
    ['batch', 'entry-held', {}, answering('batch', 'entry-held')],
    ['batch', 'ledger-unavailable', {}, answering('batch', 'ledger-unavailable')],
    ['batch', 'outcome-unknown', {}, answering('batch', 'outcome-unknown')],
  ];

  for (const [operation, code, change, arrange] of cases) {
    test(`${operation}: ${code}`, () => expectCode(code, send(operation, change, arrange)));
  }

  test('watch: draining', async () => {
    const where = await prepared();
    await where.http.drain(0);
    await expectCode('draining', askSample(where, 'watch', {}).then((each) => record('watch', each)));
  });

  test('metrics: under-pressure', async () => {
    const where = await prepared();
    const [url] = await where.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
    const stuck = await stuckScrapers(where, url!);
    await expectCode('under-pressure', askSample(where, 'metrics', {}).then((each) => record('metrics', each)));
    for (const client of stuck) client.close();
  });

  test('putEntry: a body whose chunks are nonsense is malformed', async () => {
    const client = new RawClient(main.url);
    client.send('PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
    const { status, headers, body } = (await client.answers(1))[0]!;
    client.close();
    const answer = { status, headers, text: body, json: JSON.parse(body), bytes: Buffer.from(body) };
    await expectCode('malformed-body', Promise.resolve(record('putEntry', answer)));
  });
});

describe('replies of single routes', () => {
  const cases: readonly (readonly [string, number, Partial<Sample>])[] = [
    ['grantLease', 200, { document: { holder: 'h', id: 'known' } }],
    ['putEntry', 204, { url: '/v1/entries/default/known' }],
    ['getEntry', 300, { url: '/v1/entries/siblings/two' }],
    ['getEntry', 304, { headers: { 'if-none-match': '*' } }],
    ['headEntry', 300, { url: '/v1/entries/siblings/two' }],
    ['headEntry', 304, { headers: { 'if-none-match': '*' } }],
  ];
  test.each(cases)('%s: %i', async (operation, status, change) => {
    expect((await send(operation, change)).status).toBe(status);
  });

  test('watch: 200', async () => {
    const client = new RawClient(main.url);
    client.send(`GET ${SAMPLES['watch']!.url} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await client.until(() => client.received.includes('\r\n\r\n'));
    const { status, headers } = parseAnswers(client.received)[0]!;
    client.close();
    record('watch', { status, headers, text: '', json: undefined, bytes: Buffer.alloc(0) });
    expect(headers['content-type']).toBe('text/event-stream');
  });
});

/** The slab for holders' names must be full to the last byte while its lease is still there. */
const NEEDS_FAULT: Readonly<Record<string, readonly string[]>> = { transferLease: ['503 capacity'] };

/** Refused by something behind the edge that is not in this world: the rounds with a ledger. */
function answering(op: Command['op'], code: ErrorCode): (where: Edge) => void {
  return ({ interposed }) => interposed.answer(op, reject(code, 'Cannot do it: provoked'));
}

function fillDisk(where: Edge): void {
  where.journal.state = 'full';
}

describe('the contract as a whole', () => {
  test.each(routes.map((route) => [route.operation, route] as const))(
    '%s gives everything it documents and nothing else',
    (operation, route) => {
      const problems = problemsOf(route).map((code) =>
        route.method === 'HEAD' ? `${ERRORS[code].status}` : `${ERRORS[code].status} ${code}`,
      );
      const documented = new Set([...Object.keys(route.replies), ...problems]);
      for (const fault of NEEDS_FAULT[operation] ?? []) documented.delete(fault);
      const given = new Set(
        [...(seen.get(operation) ?? [])].map((each) => (route.method === 'HEAD' ? each.slice(0, 3) : each)),
      );
      expect([...given].sort()).toEqual([...documented].sort());
    },
  );

  test('the OpenAPI document is a valid one, and lists every route', async () => {
    const { json } = await main.edge.ask('GET', '/openapi.json');
    const { valid, errors } = await new Validator().validate(structuredClone(json));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    const listed = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(listed.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
  });

  test('every reply tells of pressure, and every 429 and 503 of when to come back', async () => {
    const { json } = await main.edge.ask('GET', '/openapi.json');
    const paths = Object.values(json.paths as Record<string, Record<string, object>>);
    const operations = paths.flatMap((methods) => Object.values(methods)) as {
      readonly responses: Readonly<Record<string, { readonly headers: object }>>;
    }[];
    const retry = ['Retry-After', 'RateLimit-Policy', 'RateLimit'];
    for (const { responses } of operations) {
      for (const [status, { headers }] of Object.entries(responses)) {
        const names = Object.keys(headers);
        expect(names).toContain('Leasehold-Pressure');
        const saysWhen = status === '429' || status === '503';
        expect(names.filter((name) => retry.includes(name))).toEqual(saysWhen ? retry : []);
      }
    }
  });

  test('every reference of the OpenAPI document leads somewhere', async () => {
    const { text, json } = await main.edge.ask('GET', '/openapi.json');
    const references = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([\w-]+)"/g)];
    expect(references.length).toBeGreaterThan(10);
    for (const [, kind, name] of references) expect(json.components[kind!]).toHaveProperty(name!);
    expect(text).not.toContain('$defs');
  });
});
