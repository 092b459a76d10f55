import { afterEach, describe, expect, test } from 'vitest';
import { edge, type Edge, START_MS } from './edge.ts';

let opened: Edge[] = [];
const open = (...args: Parameters<typeof edge>) => {
  const one = edge(...args);
  opened.push(one);
  return one;
};
afterEach(async () => {
  for (const one of opened) await one.stop();
  opened = [];
});

describe('leases over HTTP', () => {
  test('a grant says where the lease is and what may be relied on', async () => {
    const { ask } = open();
    const document = { holder: 'web-1', ttlMs: 5000, labels: { user: 'ann' }, maxLifetimeMs: 60_000 };
    const { status, headers, json } = await ask('POST', '/v1/leases', { document });
    expect(status).toBe(201);
    expect(headers['location']).toBe(`/v1/leases/${json.id}`);
    // From before the grant: whoever follows from here sees it.
    expect(headers['leasehold-cursor']).toBe('00000000000000aa.0');
    expect(json).toEqual({
      id: expect.stringContaining('00000000000000aa'),
      namespace: 'default', holder: 'web-1', state: 'live', ttlMs: 5000, remainingMs: 5000,
      safeForMs: 5000, grantedAt: new Date(START_MS).toISOString(),
      renewedAt: new Date(START_MS).toISOString(),
      expiresAt: new Date(START_MS + 5000).toISOString(), renewals: 0, entries: 0,
      labels: { user: 'ann' },
    });
  });

  test('the same id and holder again is answered 200 and not renewed', async () => {
    const { ask, advance } = open();
    const document = { holder: 'h', id: 'mine', ttlMs: 5000 };
    await ask('POST', '/v1/leases', { document });
    advance(1000);
    const { status, headers, json } = await ask('POST', '/v1/leases', { document });
    expect([status, headers['location'], json.remainingMs]).toEqual([200, undefined, 4000]);
  });

  test('a renewal past the longest lifetime says that it was capped', async () => {
    const { ask, advance } = open();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a', ttlMs: 1000, maxLifetimeMs: 1500 } });
    const first = await ask('POST', '/v1/leases/a/renew');
    expect('capped' in first.json).toBe(false);
    advance(900);
    const { json } = await ask('POST', '/v1/leases/a/renew', { document: {} });
    expect([json.capped, json.remainingMs]).toEqual([true, 600]);
  });

  test('an ended lease tells why and when it ended', async () => {
    const { ask, advance } = open();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a', ttlMs: 1000 } });
    advance(1000);
    const { status, json } = await ask('POST', '/v1/leases/a/renew');
    expect([status, json.code, json.reason]).toEqual([410, 'lease-ended', 'expired']);
    expect(json.endedAt).toBe(new Date(START_MS + 1000).toISOString());
    const looked = await ask('GET', '/v1/leases/a');
    expect(looked.json).toMatchObject({ state: 'ended', reason: 'expired', endedAt: json.endedAt });
  });

  test('a release is answered 204 as long as it is remembered', async () => {
    const { ask } = open();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a' } });
    for (let time = 0; time < 2; time++) {
      expect((await ask('DELETE', '/v1/leases/a')).status).toBe(204);
    }
  });

  test('one call renews many and tells of each', async () => {
    const { ask } = open();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a' } });
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'b' } });
    await ask('DELETE', '/v1/leases/b');
    const { json } = await ask('POST', '/v1/leases/renew', { document: { ids: ['a', 'b', 'c'] } });
    expect(json.results).toMatchObject([
      { id: 'a', status: 200, lease: { id: 'a', renewals: 1 } },
      { id: 'b', status: 410, problem: { code: 'lease-ended', reason: 'released' } },
      { id: 'c', status: 404, problem: { code: 'lease-not-found' } },
    ]);
  });

  test('a transfer names the successor', async () => {
    const { ask } = open();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a' } });
    const { json } = await ask('POST', '/v1/leases/a/transfer', { document: { holder: 'next' } });
    expect(json.holder).toBe('next');
  });

  test('pages go on where the last one ended, each lease once', async () => {
    const { ask } = open();
    for (const id of ['c', 'a', 'e', 'b', 'd']) {
      await ask('POST', '/v1/leases', { document: { holder: id < 'd' ? 'x' : 'y', id } });
    }
    const ids: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const { json } = await ask('GET', `/v1/leases?limit=2${cursor}`);
      ids.push(...json.leases.map(({ id }: { id: string }) => id));
      if (json.cursor === undefined) break;
      cursor = `&cursor=${json.cursor}`;
    }
    expect(ids).toEqual(['a', 'b', 'c', 'd', 'e']);
    const { json } = await ask('GET', '/v1/leases?holder=x&limit=2');
    const strayed = await ask('GET', `/v1/leases?holder=y&limit=2&cursor=${json.cursor}`);
    expect(strayed.json.code).toBe('invalid-cursor');
  });

  test.each([
    [{}, 'invalid-request'],
    [{ holder: '' }, 'invalid-request'],
    [{ holder: 'h'.repeat(257) }, 'invalid-request'],
    [{ holder: '\ud800' }, 'invalid-request'],
    [{ holder: 1 }, 'invalid-request'],
    [{ holder: 'h', id: 'renew' }, 'invalid-request'],
    [{ holder: 'h', id: 'a b' }, 'invalid-request'],
    [{ holder: 'h', namespace: 'Bad!' }, 'invalid-request'],
    [{ holder: 'h', labels: { 'a b': 'c' } }, 'invalid-request'],
    [{ holder: 'h', labels: { a: 1 } }, 'invalid-request'],
    [{ holder: 'h', ttlMs: '5' }, 'invalid-request'],
    [{ holder: 'h', ttlMs: null }, 'invalid-request'],
    [{ holder: 'h', ttlMs: -5 }, 'ttl-out-of-range'],
    [{ holder: 'h', ttlMs: 0 }, 'ttl-out-of-range'],
    [{ holder: 'h', ttlMs: 1500.5 }, 'ttl-out-of-range'],
    [{ holder: 'h', ttlMs: 1e300 }, 'ttl-out-of-range'],
    [{ holder: 'h', ttlMs: 3_600_001 }, 'ttl-out-of-range'],
    [{ holder: 'h', maxLifetimeMs: 1.5 }, 'invalid-request'],
    [{ holder: 'h', maxLifetimeMs: 1e12 }, 'ttl-out-of-range'],
    [{ holder: 'h', holdr: 'x' }, 'unknown-field'],
    [{ holder: 'h', labels: { constructor: 'x' }, __proto_: 1 }, 'unknown-field'],
    [[], 'invalid-request'],
    ['text', 'invalid-request'],
    [null, 'invalid-request'],
  ])('%j is refused and grants nothing', async (document, code) => {
    const { ask, core } = open();
    const { status, json } = await ask('POST', '/v1/leases', { body: JSON.stringify(document), headers: JSON_TYPE });
    expect([status, json.code]).toEqual([400, code]);
    expect(core.usage().leases).toBe(0);
  });

  test('a TTL beyond what a number can say is out of range too', async () => {
    const { ask } = open();
    const body = '{"holder":"h","ttlMs":1e999}';
    expect((await ask('POST', '/v1/leases', { body, headers: JSON_TYPE })).json.code).toBe('ttl-out-of-range');
  });

  test('refusals name the field and what is allowed', async () => {
    const { ask } = open();
    const wrong = await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a b', labels: { a: 1 } } });
    expect(wrong.json.errors.map(({ path }: { path: string }) => path)).toEqual(['id', 'labels.a']);
    expect(wrong.json.detail).toContain('1 to 128 characters');
    const bounds = await ask('POST', '/v1/leases', { document: { holder: 'h', ttlMs: 1 } });
    expect(bounds.json).toMatchObject({ minMs: 100, maxMs: 3_600_000 });
    const unknown = await ask('POST', '/v1/leases', { document: { holder: 'h', holdr: 1 } });
    expect(unknown.json.fields).toEqual(['holdr']);
  });

  test.each([
    ['/v1/leases?limit=0'], ['/v1/leases?limit=101'], ['/v1/leases?limit=1.5'], ['/v1/leases?limit=x'],
    ['/v1/leases?state=dead'], ['/v1/leases?implicit=yes'], ['/v1/leases?limit=1&limit=2'],
  ])('%s is refused', async (url) => {
    const { ask } = open();
    expect((await ask('GET', url)).json.code).toBe('invalid-request');
  });

  test('a bulk renewal takes so many ids and no more', async () => {
    const { ask } = open();
    const ids = (count: number) => ({ document: { ids: Array.from({ length: count }, (_, at) => `l${at}`) } });
    expect((await ask('POST', '/v1/leases/renew', ids(200))).status).toBe(200);
    expect((await ask('POST', '/v1/leases/renew', ids(201))).json.code).toBe('invalid-request');
  });

  test('a replayed grant is the same lease with what remains now', async () => {
    const { ask, advance } = open();
    const request = { document: { holder: 'h', ttlMs: 5000 }, headers: { 'idempotency-key': '"k"' } };
    const first = await ask('POST', '/v1/leases', request);
    advance(2000);
    const again = await ask('POST', '/v1/leases', request);
    expect([again.status, again.headers['location']]).toEqual([201, first.headers['location']]);
    expect(again.json).toEqual({ ...first.json, remainingMs: 3000, safeForMs: 3000 });
    const other = await ask('POST', '/v1/leases', { ...request, document: { holder: 'x', ttlMs: 5000 } });
    expect([other.status, other.json.code]).toEqual([422, 'idempotency-key-reused']);
  });

  test.each(['', '"', 'a b'])('the idempotency key %j is refused', async (key) => {
    const { ask, core } = open();
    const answer = await ask('POST', '/v1/leases', {
      document: { holder: 'h' }, headers: { 'idempotency-key': key },
    });
    expect(answer.json.code).toBe('invalid-request');
    expect(core.usage().leases).toBe(0);
  });
});

const JSON_TYPE = { 'content-type': 'application/json' };
