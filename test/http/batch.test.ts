import { afterEach, describe, expect, test } from 'vitest';
import { edge, type Edge } from './edge.ts';

let opened: Edge[] = [];
const open = () => {
  const one = edge();
  opened.push(one);
  return one;
};
afterEach(async () => {
  for (const one of opened) await one.stop();
  opened = [];
});

const base64 = (text: string) => Buffer.from(text).toString('base64');
const put = (key: string, value: string, more: object = {}) => ({
  op: 'put', namespace: 'default', key, value: base64(value), ...more,
});
const get = (key: string) => ({ op: 'get', namespace: 'default', key });

describe('a batch', () => {
  test('performs in order, later operations seeing earlier ones', async () => {
    const { ask } = open();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'a' } });
    const operations = [
      put('k', 'one', { lease: 'a', contentType: 'text/plain' }),
      get('k'),
      put('k', 'two'),
      { op: 'increment', namespace: 'default', key: 'n', by: 3, ttlMs: 1000 },
      { op: 'renew', id: 'a' },
      { op: 'delete', namespace: 'default', key: 'k' },
      get('k'),
    ];
    const { status, json } = await ask('POST', '/v1/batch', { document: { operations } });
    expect([status, json.applied]).toEqual([200, 6]);
    expect(json.results).toMatchObject([
      { status: 201, lease: 'a', etag: expect.stringMatching(/^".+"$/) },
      { status: 200, value: base64('one'), contentType: 'text/plain', lease: 'a' },
      { status: 204 },
      { status: 200, value: 3 },
      { status: 200, lease: { id: 'a', renewals: 1 } },
      { status: 204 },
      { status: 404, problem: { code: 'entry-not-found' } },
    ]);
    expect(json.results[1].etag).toBe(json.results[0].etag);
  });

  test('that is atomic takes effect whole or not at all', async () => {
    const { ask } = open();
    const operations = [put('k', 'x'), get('absent')];
    const { status, json } = await ask('POST', '/v1/batch', { document: { atomic: true, operations } });
    expect([status, json.code]).toEqual([409, 'batch-refused']);
    expect(json.results).toMatchObject([{ status: 201 }, { status: 404, problem: { status: 404 } }]);
    expect((await ask('GET', '/v1/entries/default/k')).status).toBe(404);
  });

  test('shows concurrent values like a read does', async () => {
    const { ask } = open();
    const there = { namespace: 'siblings', key: 'k' };
    const operations = [
      { op: 'put', ...there, value: base64('1') }, { op: 'put', ...there, value: base64('2') },
      { op: 'get', ...there },
    ];
    const { json } = await ask('POST', '/v1/batch', { document: { operations } });
    expect(json.results[2]).toMatchObject({ status: 300, context: expect.any(String) });
    expect(json.results[2].siblings).toHaveLength(2);
  });

  test('takes conditions with quotes, and single tags without', async () => {
    const { ask } = open();
    const etag = (await ask('PUT', '/v1/entries/default/k', { body: '1' })).headers['etag']!;
    const tried = async (condition: object) => {
      const operations = [{ ...get('k'), op: 'delete', ...condition }, put('k', '1')];
      return (await ask('POST', '/v1/batch', { document: { operations } })).json.results[0].status;
    };
    expect(await tried({ ifMatch: '"other"' })).toBe(412);
    expect(await tried({ ifNoneMatch: '*' })).toBe(412);
    expect(await tried({ ifMatch: `"x", ${etag}` })).toBe(412);
    const now = async () => (await ask('GET', '/v1/entries/default/k')).headers['etag']!;
    expect(await tried({ ifMatch: `"x", ${await now()}` })).toBe(204);
    expect(await tried({ ifMatch: (await now()).replaceAll('"', '') })).toBe(204);
  });

  test.each([
    ['an operation nobody knows', [{ op: 'rename' }], 'invalid-request'],
    ['no operations', undefined, 'invalid-request'],
    ['a field nobody knows', [{ ...get('k'), ttl: 1 }], 'unknown-field'],
    ['a value that is no base64', [put('k', 'x'), { ...put('k', ''), value: 'é*' }], 'invalid-request'],
    ['half a value', [{ ...put('k', ''), value: 'aGk=aGk=' }], 'invalid-request'],
    ['a content type that is none', [put('k', 'x', { contentType: 'a\nb' })], 'invalid-request'],
    ['lease and ttlMs', [put('k', 'x', { lease: 'a', ttlMs: 1000 })], 'invalid-request'],
    ['a malformed condition', [put('k', 'x', { ifMatch: '"a' })], 'invalid-request'],
    ['an empty key', [get('')], 'invalid-key'],
    ['a dot segment', [get('a/../b')], 'invalid-key'],
    ['half a character', [get('\ud800')], 'invalid-key'],
    ['too many of them', Array.from({ length: 51 }, () => get('k')), 'invalid-request'],
  ])('with %s is refused, and nothing of it is done', async (_what, operations, code) => {
    const { ask, core } = open();
    const all = operations === undefined ? undefined : [put('first', 'x'), ...operations];
    const { status, json } = await ask('POST', '/v1/batch', { document: { operations: all } });
    expect([status, json.code]).toEqual([400, code]);
    expect(core.usage().entries).toBe(0);
  });

  test('reads 4 MiB of values, and refuses what comes after', async () => {
    const one = edge({ options: { inFlightBodyBytes: 1 << 24, batchOperations: 100 } });
    opened.push(one);
    await one.ask('PUT', '/v1/entries/default/k', { body: 'x'.repeat(1 << 16) });
    const operations = [...new Array(70).fill(get('k')), put('l', 'm')];
    const { status, json } = await one.ask('POST', '/v1/batch', { document: { operations } });
    const statuses = json.results.map((each: { status: number }) => each.status);
    expect([status, statuses]).toEqual([200, [...new Array(65).fill(200), ...new Array(5).fill(413), 201]]);
    expect(json.results[65].problem).toMatchObject({ code: 'value-too-large', limit: 1 << 22 });
  });

  test('reads 4 MiB of values and no more when it is asked again, larger as they may be', async () => {
    const one = edge({ options: { inFlightBodyBytes: 1 << 24, batchOperations: 100 } });
    opened.push(one);
    const { ask } = one;
    const write = (body: string) => ask('PUT', '/v1/entries/default/k', { body });
    await write('small');
    const operations = new Array(80).fill({ op: 'get', namespace: 'default', key: 'k' });
    const batch = () =>
      ask('POST', '/v1/batch', { headers: { 'Idempotency-Key': '"k"' }, document: { operations } });
    expect((await batch()).json.applied).toBe(80);
    await write('x'.repeat(1 << 16));
    const { results } = (await batch()).json;
    expect(results[64].status).toBe(200);
    expect(results[65].problem).toMatchObject({ code: 'value-too-large', limit: 1 << 22 });
  });

  test('says which operation it could not take', async () => {
    const { ask } = open();
    const document = { operations: [get('k'), get('..')] };
    expect((await ask('POST', '/v1/batch', { document })).json.detail).toContain('operations[1]');
    const unknown = { operations: [get('k'), { ...get('k'), zzz: 1 }] };
    expect((await ask('POST', '/v1/batch', { document: unknown })).json.fields).toEqual(['operations[1].zzz']);
  });

  test('with a TTL out of bounds is understood, and that operation refused', async () => {
    const { ask } = open();
    const document = { operations: [put('a', 'x', { ttlMs: -1 }), put('b', 'x', { ttlMs: 1000 })] };
    const { status, json } = await ask('POST', '/v1/batch', { document });
    expect([status, json.applied]).toEqual([200, 1]);
    expect(json.results[0]).toMatchObject({ status: 400, problem: { code: 'ttl-out-of-range' } });
  });
});
