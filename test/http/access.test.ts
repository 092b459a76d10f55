/**
 * Who may do what: every route with every kind of token that does not allow it. A route that is
 * added is in these tables by itself; what cannot be derived from it, its row in `OTHERS` says.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Route } from '../../src/http/route.ts';
import { routesFor } from '../../src/http/routes.ts';
import { HEARTBEAT_MS } from '../../src/http/watchers.ts';
import { type Answer, edge, type Edge, OPTIONS, START_MS, tokensOf } from './edge.ts';
import { RawClient } from './raw.ts';
import { type Sample, SAMPLES } from './samples.ts';

const NAMESPACES = ['default', 'counters', 'siblings'];
const VERBS = ['read', 'write', 'watch', 'operate', 'metrics'];
const textOf = (name: string): string => `the-secret-of-${name}-${'x'.repeat(20)}`;
const token = (subject: string, more: object = {}) => ({
  subject, token: textOf(subject), namespaces: NAMESPACES, verbs: ['*'], ...more,
});
const TOKENS = {
  tokens: [
    token('owner'),
    token('other'),
    token('foreign', { namespaces: ['other'] }),
    token('expired', { expiresAt: new Date(START_MS).toISOString() }),
    ...VERBS.map((verb) => token(`not-${verb}`, { verbs: VERBS.filter((each) => each !== verb) })),
    token('everywhere', { namespaces: ['*'] }),
  ],
};
const as = (name: string): Record<string, string> => ({ authorization: `Bearer ${textOf(name)}` });

/**
 * What another subject, and one of another namespace, are answered, where it is not 403 for both:
 * routes that name neither a namespace nor a lease, and those that judge one by one.
 */
const OTHERS: Readonly<Record<string, { readonly other?: number; readonly foreign?: number }>> = {
  putEntry: { other: 201 }, getEntry: { other: 200 }, headEntry: { other: 200 },
  deleteEntry: { other: 204 }, listEntries: { other: 200 }, incrementEntry: { other: 200 },
  grantLease: { other: 201 }, listLeases: { other: 200 }, watch: { other: 200 },
  renewLeases: { other: 200, foreign: 200 }, batch: { other: 200, foreign: 200 },
  status: { other: 200, foreign: 200 }, reconcile: { other: 200, foreign: 200 },
  metrics: { other: 200, foreign: 200 },
};

const routes = routesFor(OPTIONS);
const guarded = routes.filter(({ verb }) => verb !== 'none');
let where: Edge;

beforeEach(async () => {
  where = edge({ tokens: TOKENS });
  const headers = as('owner');
  for (const document of [{ holder: 'h', id: 'known' }, { holder: 'h', id: 'second' }]) {
    await where.ask('POST', '/v1/leases', { document, headers });
  }
  await where.ask('PUT', '/v1/entries/default/known', { body: 'value', headers });
});
afterEach(async () => {
  vi.useRealTimers();
  await where.stop();
});

/** The sample of a route, by the name of a token. */
function send({ method, operation }: Route, headers: Record<string, string>): Promise<Answer> {
  const { url, ...sample } = SAMPLES[operation] as Sample;
  return where.ask(method, url, { ...sample, headers: { ...sample.headers, ...headers } });
}

describe.each(guarded.map((route) => [`${route.method} ${route.path}`, route] as const))('%s', (_name, route) => {
  const isStream = Object.values(route.replies).some(({ content }) => content === 'events');
  const expectRefused = async (headers: Record<string, string>, status: number, code: string): Promise<Answer> => {
    const before = where.feed.cursor;
    const answer = await send(route, headers);
    expect(answer.status).toBe(status);
    if (route.method !== 'HEAD') expect(answer.json.code).toBe(code);
    expect(where.feed.cursor).toBe(before);
    return answer;
  };

  test('asks for a token', async () => {
    const { headers } = await expectRefused({}, 401, 'unauthenticated');
    expect(headers['www-authenticate']).toBe('Bearer realm="leasehold"');
  });
  test.each([
    ['is not known', { authorization: `Bearer ${textOf('nobody')}` }],
    ['is of another kind', { authorization: `Basic ${textOf('owner')}` }],
    ['has expired', as('expired')],
  ])('refuses one that %s', async (_kind, headers) => {
    const answer = await expectRefused(headers, 401, 'unauthenticated');
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
  });
  test('refuses one without its verb, and does it for one with it', async () => {
    await expectRefused(as(`not-${route.verb}`), 403, 'forbidden');
    if (!isStream) expect((await send(route, as('owner'))).status).toBeLessThan(300);
  });
  test('refuses one of another namespace', async () => {
    const status = OTHERS[route.operation]?.foreign ?? 403;
    if (status === 403) await expectRefused(as('foreign'), 403, 'forbidden');
    else expect((await send(route, as('foreign'))).status).toBe(status);
  });
  test('refuses another subject’s where it is about a lease', async () => {
    const status = OTHERS[route.operation]?.other ?? 403;
    if (status === 403) await expectRefused(as('other'), 403, 'forbidden');
    else if (!isStream) expect((await send(route, as('other'))).status).toBe(status);
  });
});

test('only the platform and readers of the contract need no token', () => {
  const open = routes.filter(({ verb }) => verb === 'none').map(({ operation }) => operation);
  expect(open.sort()).toEqual(['live', 'openApi', 'ready']);
});

describe('what is judged one by one', () => {
  test('a batch: foreign namespaces and leases are refused in their places', async () => {
    const value = 'aGk=';
    const operations = [
      { op: 'put', namespace: 'default', key: 'a', value, lease: 'known' },
      { op: 'put', namespace: 'other', key: 'a', value },
      { op: 'get', namespace: 'no-such', key: 'a' },
      { op: 'renew', id: 'known' },
      { op: 'put', namespace: 'default', key: 'a', value },
    ];
    const ask = (atomic: boolean) =>
      where.ask('POST', '/v1/batch', { document: { atomic, operations }, headers: as('other') });
    const { json } = await ask(false);
    expect(json.results.map((each: { status: number }) => each.status)).toEqual([403, 403, 403, 403, 201]);
    expect(json.results[1].problem.code).toBe('forbidden');
    expect(json.applied).toBe(1);
    const whole = await ask(true);
    expect([whole.status, whole.json.code, whole.json.results.length]).toEqual([409, 'batch-refused', 5]);
  });

  test('a batch: reading takes the verb that reading alone takes', async () => {
    const operations = [
      { op: 'put', namespace: 'default', key: 'a', value: 'aGk=' },
      { op: 'get', namespace: 'default', key: 'known' },
    ];
    const ask = (name: string) => where.ask('POST', '/v1/batch', { document: { operations }, headers: as(name) });
    const { json, text } = await ask('not-read');
    expect(json.results.map((each: { status: number }) => each.status)).toEqual([201, 403]);
    expect(text).not.toContain(Buffer.from('value').toString('base64'));
    expect((await ask('owner')).json.results[1]).toMatchObject({ status: 200 });
  });

  test('a bulk renewal: leases that are not the subject’s', async () => {
    await where.ask('POST', '/v1/leases', { document: { holder: 'h', id: 'mine' }, headers: as('other') });
    const document = { ids: ['known', 'mine', 'nobodys'] };
    const { json } = await where.ask('POST', '/v1/leases/renew', { document, headers: as('other') });
    expect(json.results.map((each: { status: number }) => each.status)).toEqual([403, 200, 404]);
    expect(JSON.stringify(json.results[0])).not.toContain('remainingMs');
  });

  test('a listing of leases: only one’s own, of one’s namespaces', async () => {
    const idsFor = async (name: string, query = '') => {
      const { json } = await where.ask('GET', `/v1/leases?implicit=true${query}`, { headers: as(name) });
      return json.leases.map(({ id }: { id: string }) => id.replace(/^i-.*/, 'implicit'));
    };
    expect(await idsFor('owner')).toEqual(['implicit', 'known', 'second']);
    expect(await idsFor('other')).toEqual(['implicit']);
    expect(await idsFor('foreign')).toEqual([]);
    expect(await idsFor('everywhere')).toEqual(['implicit']);
    expect(await idsFor('owner', '&limit=2')).toEqual(['implicit', 'known']);
  });
});

describe('a refusal tells nothing', () => {
  test('of whether a namespace exists', async () => {
    const answers = await Promise.all(
      ['default', 'no-such'].flatMap((namespace) => [
        where.ask('GET', `/v1/entries/${namespace}`, { headers: as('foreign') }),
        where.ask('PUT', `/v1/entries/${namespace}/known`, {
          body: 'x', headers: { ...as('foreign'), 'if-match': '"1.1"' },
        }),
        where.ask('POST', '/v1/leases', { document: { holder: 'h', namespace }, headers: as('foreign') }),
        where.ask('GET', `/v1/leases?namespace=${namespace}`, { headers: as('foreign') }),
      ]),
    );
    const shapes = answers.map(({ status, text }) => `${status} ${text.replaceAll(/default|no-such/g, 'N')}`);
    expect(shapes.slice(0, 4)).toEqual(shapes.slice(4));
    expect(answers.every(({ status }) => status === 403)).toBe(true);
  });

  test('of what became of a lease, nor whose it is', async () => {
    const answers: string[] = [];
    for (const name of ['other', 'foreign']) {
      answers.push((await where.ask('POST', '/v1/leases/known/renew', { headers: as(name) })).text);
    }
    await where.ask('DELETE', '/v1/leases/known', { headers: as('owner') });
    for (const name of ['other', 'foreign']) {
      answers.push((await where.ask('POST', '/v1/leases/known/renew', { headers: as(name) })).text);
    }
    expect(new Set(answers).size).toBe(1);
  });

  test('of a lease whose id is asked for', async () => {
    const document = { holder: 'h', id: 'known' };
    expect((await where.ask('POST', '/v1/leases', { document, headers: as('owner') })).status).toBe(200);
    const { json } = await where.ask('POST', '/v1/leases', { document, headers: as('other') });
    expect([json.code, json.remainingMs]).toEqual(['forbidden', undefined]);
  });
});

test('nobody can say whose a lease is but its token', async () => {
  const labels = { '@subject': 'other' };
  const { status, json } = await where.ask('POST', '/v1/leases', {
    document: { holder: 'h', labels }, headers: as('owner'),
  });
  expect([status, json.code]).toEqual([400, 'invalid-request']);
  const granted = await where.ask('POST', '/v1/leases', { document: { holder: 'h' }, headers: as('owner') });
  expect(granted.json.labels).toEqual({});
});

test('the same Idempotency-Key of another subject is another key', async () => {
  const request = (name: string) =>
    where.ask('POST', '/v1/leases', {
      document: { holder: 'h' }, headers: { ...as(name), 'idempotency-key': '"k"' },
    });
  const [mine, again, others] = [await request('owner'), await request('owner'), await request('other')];
  expect(again.json.id).toBe(mine.json.id);
  expect(others.status).toBe(201);
  expect(others.json.id).not.toBe(mine.json.id);
});

test('an answer given again is what the token allows now, not what it allowed then', async () => {
  const operations = [
    { op: 'put', namespace: 'default', key: 'a', value: 'aGk=', lease: 'known' },
    { op: 'get', namespace: 'default', key: 'a' },
  ];
  const ask = (path: string, document: object) =>
    where.ask('POST', path, { document, headers: { ...as('owner'), 'idempotency-key': '"k"' } });
  const both = async () => [await ask('/v1/batch', { operations }), await ask('/v1/leases/known/renew', {})] as const;
  const [batch, renewed] = await both();
  expect([batch.json.applied, renewed.status]).toEqual([2, 200]);
  where.tokens!.replace(tokensOf({ tokens: [token('owner', { namespaces: ['other'] })] }));
  const [batchAgain, renewedAgain] = await both();
  expect(batchAgain.json.results.map((each: { status: number }) => each.status)).toEqual([403, 403]);
  expect(batchAgain.text).not.toContain('aGk=');
  expect([renewedAgain.status, renewedAgain.json.code]).toEqual([403, 'forbidden']);
});

test('a namespace that is not the token’s is not on its status page', async () => {
  const seen: boolean[] = [];
  where.operations.status = (sees = () => true) => {
    seen.push(sees('default'), sees('other'));
    return {};
  };
  await where.ask('GET', '/v1/status', { headers: as('foreign') });
  await where.ask('GET', '/v1/status', { headers: as('everywhere') });
  expect(seen).toEqual([false, true, true, true]);
});

test('a quota counts the subject, wherever it asks from', async () => {
  await where.stop();
  where = edge({ tokens: TOKENS, admission: { quotas: { caller: { requestsPerS: 1, burst: 1, callers: 4 } } } });
  const statusOf = async (name: string) =>
    (await where.ask('PUT', '/v1/entries/default/k', { body: 'x', headers: as(name) })).status;
  expect([await statusOf('owner'), await statusOf('owner'), await statusOf('other')]).toEqual([201, 429, 204]);
});

describe('where a request is sent to, and where it comes from', () => {
  test('with a token any Host is taken, without one only those that are ours', async () => {
    const statusOf = async (url: string, headers: Record<string, string>) =>
      (await where.ask('GET', url, { headers: { host: '10.1.2.3:7117', ...headers } })).status;
    expect(await statusOf('/v1/leases', as('owner'))).toBe(200);
    expect(await statusOf('/v1/leases', {})).toBe(421);
    expect(await statusOf('/openapi.json', as('owner'))).toBe(200);
    expect(await statusOf('/openapi.json', {})).toBe(421);
    expect(await statusOf('/openapi.json', as('nobody'))).toBe(421);
    expect(await statusOf('/livez', {})).toBe(200);
    expect(await statusOf('/readyz', {})).toBe(200);
  });

  test.each(['nobody', 'expired'])('a token that is %s is refused as that, whatever the Host', async (name) => {
    const { status, json } = await where.ask('GET', '/v1/leases', { headers: { host: '10.1.2.3:7117', ...as(name) } });
    expect([status, json.code]).toEqual([401, 'unauthenticated']);
  });

  const page = (headers: Record<string, string>) => ({ headers: { host: 'localhost:7117', ...headers } });
  test.each([
    ['its own page', { origin: 'http://localhost:7117' }, 200],
    ['its own page behind something that speaks TLS', { origin: 'https://LOCALHOST:7117' }, 200],
    ['a page of a listed host', { origin: 'http://sidecar.internal:3000' }, 200],
    ['a person who types', { 'sec-fetch-site': 'none' }, 200],
    ['its own page, that says so', { 'sec-fetch-site': 'same-origin' }, 200],
    ['a page of the host beside it', { origin: 'http://localhost:3000' }, 403],
    ['a page elsewhere', { origin: 'https://evil.example' }, 403],
    ['a page that has no origin', { origin: 'null' }, 403],
    ['what looks like its own page', { origin: 'http://localhost:7117.evil.example' }, 403],
    ['an image on a page elsewhere', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a page of the same site', { 'sec-fetch-site': 'same-site' }, 403],
  ])('%s is answered as it should be', async (_who, headers, status) => {
    const answer = await where.ask('GET', '/openapi.json', page(headers));
    expect(answer.status).toBe(status);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect((await where.ask('GET', '/livez', page(headers))).status).toBe(200);
  });

  test('a preflight is answered like any method that is not there, without permission', async () => {
    const asked = { origin: 'http://localhost:7117', 'access-control-request-method': 'PUT' };
    const { status, headers } = await where.ask('OPTIONS', '/v1/entries/default/k', page(asked));
    expect(status).toBe(405);
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('a stream of events', () => {
  async function watch(name: string, query = ''): Promise<RawClient> {
    const [url] = await where.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
    const client = new RawClient(url!);
    client.send(
      `GET /v1/events${query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${textOf(name)}\r\n\r\n`,
    );
    await client.until(() => client.received.includes('id: '));
    return client;
  }
  const put = (namespace: string, key: string) =>
    where.ask('PUT', `/v1/entries/${namespace}/${key}`, { body: 'x', headers: as('everywhere') });

  test('tells of the namespaces that its token may use, and of no others', async () => {
    const client = await watch('foreign');
    await put('default', 'hidden-one');
    await put('other', 'shown');
    await client.until(() => client.received.includes('shown'));
    expect(client.received).not.toContain('hidden-one');
    client.close();
  });

  test('ends when its token holds no longer', async () => {
    const client = await watch('owner');
    await put('default', 'before');
    await client.until(() => client.received.includes('before'));
    where.tokens!.replace([]);
    const after = { namespace: 'default', key: 'after', value: Buffer.from('x'), contentType: 'text/plain' };
    where.engine.submit({ op: 'put', ...after }, () => {});
    await client.until(() => client.received.includes('\r\n0\r\n\r\n'));
    expect(client.received).not.toContain('after');
    client.close();
  });

  test('on which nothing happens ends with the next heartbeat', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const client = await watch('owner');
    where.tokens!.replace([]);
    vi.advanceTimersByTime(HEARTBEAT_MS);
    vi.useRealTimers();
    await client.until(() => client.received.includes('\r\n0\r\n\r\n'));
    expect(client.received).not.toContain(': alive');
    client.close();
  });
});
