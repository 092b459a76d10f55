import { afterEach, describe, expect, test } from 'vitest';
import { reject } from '../../src/errors.ts';
import { edge, type Edge, OPTIONS } from './edge.ts';

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

const K = '/v1/entries/default/k';

describe('entries over HTTP', () => {
  test('a value comes back byte for byte, with its type and its version', async () => {
    const { ask } = open();
    const body = Buffer.from([0, 1, 2, 253, 254, 255]);
    const put = await ask('PUT', `${K}?ttlMs=5000`, { body, headers: { 'content-type': 'image/png' } });
    expect([put.status, put.text]).toEqual([201, '']);
    const got = await ask('GET', K);
    expect([...got.bytes]).toEqual([...body]);
    expect(got.headers).toMatchObject({
      'content-type': 'image/png', etag: put.headers['etag'], 'leasehold-source': 'local',
      'leasehold-remaining-ms': '5000', 'leasehold-lease': put.headers['leasehold-lease'],
    });
    expect(got.headers['etag']).toMatch(/^"[^"]+"$/);
    const head = await ask('HEAD', K);
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '6']);
    expect(head.headers['etag']).toBe(got.headers['etag']);
  });

  test('an empty value is a value, and bytes without a type are opaque', async () => {
    const { ask } = open();
    expect((await ask('PUT', K)).status).toBe(201);
    const got = await ask('GET', K);
    expect([got.status, got.text, got.headers['content-type']]).toEqual([200, '', 'application/octet-stream']);
  });

  test('conditions hold or are refused with the version that is current', async () => {
    const { ask } = open();
    const first = await ask('PUT', K, { body: '1', headers: { 'if-none-match': '*' } });
    expect(first.status).toBe(201);
    const etag = first.headers['etag']!;
    const refused = await ask('PUT', K, { body: '2', headers: { 'if-none-match': '*' } });
    expect([refused.status, refused.json.code, refused.json.current]).toEqual([412, 'version-mismatch', etag]);
    for (const header of [`W/${etag}`, '"other"']) {
      expect((await ask('PUT', K, { body: '2', headers: { 'if-match': header } })).status).toBe(412);
    }
    expect((await ask('PUT', K, { body: '2', headers: { 'if-match': `"x", ${etag}` } })).status).toBe(204);
    expect((await ask('DELETE', K, { headers: { 'if-match': etag } })).status).toBe(412);
    expect((await ask('GET', K)).text).toBe('2');
    expect((await ask('DELETE', K, { headers: { 'if-match': '*' } })).status).toBe(204);
    expect((await ask('DELETE', K)).status).toBe(204);
    expect((await ask('DELETE', K, { headers: { 'if-match': '*' } })).status).toBe(412);
  });

  test.each([{ 'if-match': 'bare' }, { 'if-none-match': '"' }])('%j is refused', async (headers) => {
    const { ask, core } = open();
    expect((await ask('PUT', K, { body: '1', headers })).json.code).toBe('invalid-request');
    expect((await ask('GET', K, { headers })).json.code).toBe('invalid-request');
    expect(core.usage().entries).toBe(0);
  });

  test('a reader that has the current version is told so without the value', async () => {
    const { ask } = open();
    const { headers } = await ask('PUT', K, { body: 'value' });
    const answer = await ask('GET', K, { headers: { 'if-none-match': `"x", W/${headers['etag']}` } });
    expect([answer.status, answer.text, answer.headers['etag']]).toEqual([304, '', headers['etag']]);
    expect((await ask('GET', K, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
  });

  test('a miss says that nobody knows better', async () => {
    const { ask, feed } = open();
    const { status, headers, json } = await ask('GET', `${K}?consistency=ledger`);
    expect([status, json.code, json.authoritative]).toEqual([404, 'entry-not-found', true]);
    expect(headers).toMatchObject({ 'leasehold-source': 'local', 'leasehold-cursor': feed.cursor });
  });

  test('whoever knows that somebody could know better has it said, with the source', async () => {
    const { ask, interposed } = open();
    const detail = 'Cannot find entry "k" in "default"';
    const away = reject('entry-not-found', detail, { source: 'local', authoritative: false });
    interposed.answer('get', away);
    const unsure = await ask('GET', K);
    expect([unsure.status, unsure.json.authoritative]).toEqual([404, false]);
    expect(unsure.headers['leasehold-source']).toBe('local');
    interposed.answer('get', reject('entry-not-found', detail, { source: 'ledger' }));
    const sure = await ask('GET', K);
    expect([sure.json.authoritative, sure.headers['leasehold-source']]).toEqual([true, 'ledger']);
    expect(sure.json).not.toHaveProperty('source');
    expect((await ask('HEAD', K)).headers['leasehold-source']).toBe('ledger');
    const matched = await ask('GET', K, { headers: { 'if-match': '*' } });
    expect([matched.status, matched.headers['leasehold-source']]).toEqual([412, 'ledger']);
  });

  test.each(['local', 'mirror', 'ledger'] as const)('an answer from %s says so', async (source) => {
    const { ask, interposed } = open();
    const reply = {
      etag: 'e', contentType: 'text/plain', lease: 'l', remainingMs: 5, context: 'c',
      value: Buffer.from('v'), source,
    };
    interposed.answer('get', reply);
    const sources = async (headers: Record<string, string>) => {
      const answers = [await ask('GET', K, { headers }), await ask('HEAD', K, { headers })];
      return answers.map((answer) => [answer.status, answer.headers['leasehold-source']]);
    };
    expect(await sources({})).toEqual([[200, source], [200, source]]);
    expect(await sources({ 'if-none-match': '"e"' })).toEqual([[304, source], [304, source]]);
    expect(await sources({ 'if-match': '"f"' })).toEqual([[412, source], [412, source]]);
    const sibling = { ...reply, actor: 'a' };
    interposed.answer('get', { ...reply, siblings: [sibling, sibling] });
    expect(await sources({})).toEqual([[300, source], [300, source]]);
  });

  test('the ledger’s own word is asked for by name, and by that name only', async () => {
    const { ask, interposed } = open();
    await ask('GET', `${K}?consistency=ledger`);
    await ask('HEAD', `${K}?consistency=ledger`);
    await ask('GET', K);
    const asked = interposed.seen.map((command) => command.op === 'get' && command.consistency);
    expect(asked).toEqual(['ledger', 'ledger', undefined]);
    for (const other of ['local', '', 'LEDGER']) {
      const answer = await ask('GET', `${K}?consistency=${other}`);
      expect([answer.status, answer.json.code], other).toEqual([400, 'invalid-request']);
    }
    expect(interposed.seen).toHaveLength(3);
  });

  test('concurrent values are all shown, and settled by a write with their context', async () => {
    const { ask } = open();
    const url = '/v1/entries/siblings/k';
    await ask('PUT', url, { body: 'one', headers: { 'content-type': 'text/plain' } });
    await ask('PUT', url, { body: 'two' });
    const both = await ask('GET', url, { headers: { accept: 'text/plain' } });
    expect(both.status).toBe(300);
    expect(both.json.context).toBe(both.headers['leasehold-context']);
    const values = both.json.siblings.map(({ value }: { value: string }) => Buffer.from(value, 'base64').toString());
    expect(values.sort()).toEqual(['one', 'two']);
    const settled = await ask('PUT', url, {
      body: 'three', headers: { 'leasehold-context': both.json.context },
    });
    expect(settled.status).toBe(204);
    expect((await ask('GET', url)).text).toBe('three');
    const wrong = await ask('PUT', url, { body: 'x', headers: { 'leasehold-context': 'nonsense' } });
    expect(wrong.json.code).toBe('invalid-request');
  });

  test('pages are in byte order, with values when asked for', async () => {
    const { ask } = open();
    const keys = ['b', 'a/2', 'a/1', 'ä', 'a/10'];
    for (const key of keys) await ask('PUT', `/v1/entries/default/${encodeURIComponent(key)}`, { body: key });
    const all: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const { json } = await ask('GET', `/v1/entries/default?limit=2${cursor}`);
      expect(json.entries[0]).not.toHaveProperty('value');
      all.push(...json.entries.map(({ key }: { key: string }) => key));
      if (json.cursor === undefined) break;
      cursor = `&cursor=${json.cursor}`;
    }
    expect(all).toEqual(['a/1', 'a/10', 'a/2', 'b', 'ä']);
    const { json } = await ask('GET', '/v1/entries/default?prefix=a/1&values=true');
    expect(json.entries.map(({ value }: { value: string }) => Buffer.from(value, 'base64').toString()))
      .toEqual(['a/1', 'a/10']);
    const { headers } = await ask('GET', '/v1/entries/default/b');
    const page = await ask('GET', '/v1/entries/default?prefix=b');
    expect(page.json.entries[0].etag).toBe(headers['etag']);
    expect((await ask('HEAD', '/v1/entries/default')).status).toBe(200);
  });

  test('an integer is added to', async () => {
    const { ask } = open();
    const url = '/v1/entries/default/n/increment';
    const { status, json, headers } = await ask('POST', url, { document: { by: 5, ttlMs: 1000 } });
    expect([status, json.value, headers['leasehold-remaining-ms']]).toEqual([200, 5, '1000']);
    expect((await ask('POST', url, { document: { by: -7 } })).json.value).toBe(-2);
    const got = await ask('GET', '/v1/entries/default/n');
    expect(got.text).toBe('-2');
    const last = await ask('POST', url, { document: { by: 0 } });
    expect(last.json.etag).toBe((await ask('GET', '/v1/entries/default/n')).headers['etag']);
  });

  test.each([
    [{}], [{ by: '1' }], [{ by: 1.5 }], [{ by: 2 ** 53 }], [{ by: 1, ttlMs: 1000, lease: 'a' }],
  ])('an increment %j is refused', async (document) => {
    const { ask, core } = open();
    const { json } = await ask('POST', '/v1/entries/default/n/increment', { document });
    expect(json.code).toBe('invalid-request');
    expect(core.usage().entries).toBe(0);
  });

  test('a key may end in the name of the route that increments', async () => {
    const { ask } = open();
    expect((await ask('PUT', '/v1/entries/default/a/increment', { body: 'x' })).status).toBe(201);
    expect((await ask('GET', '/v1/entries/default/a/increment')).text).toBe('x');
    const { status, headers } = await ask('POST', '/v1/entries/default/increment', { document: { by: 1 } });
    expect([status, headers['allow']]).toEqual([405, 'PUT, GET, HEAD, DELETE']);
  });

  test.each([
    ['ttlMs=-5', 'ttl-out-of-range'], ['ttlMs=0', 'ttl-out-of-range'], ['ttlMs=1.5', 'ttl-out-of-range'],
    ['ttlMs=1e99', 'ttl-out-of-range'], ['ttlMs=99999999999999999999', 'ttl-out-of-range'],
    ['ttlMs=x', 'invalid-request'], ['ttlMs=', 'invalid-request'], ['ttlMs=0x10', 'invalid-request'],
    ['lease=', 'invalid-request'], [`lease=${'a'.repeat(129)}`, 'invalid-request'],
    ['lease=a&ttlMs=1000', 'invalid-request'], ['ttl=1000', 'unknown-field'],
    ['ttlMs=1000&ttlMs=1000', 'invalid-request'], ['lease=%ff', 'invalid-request'],
  ])('a PUT with ?%s is refused and writes nothing', async (query, code) => {
    const { ask, core } = open();
    const { status, json } = await ask('PUT', `${K}?${query}`, { body: 'x' });
    expect([status, json.code]).toEqual([400, code]);
    expect(core.usage().entries).toBe(0);
  });

  test('a value may be as large as the limit, and not one byte more', async () => {
    const { ask } = open();
    const put = (bytes: number) => ask('PUT', K, { body: Buffer.alloc(bytes) });
    expect((await put(OPTIONS.valueBytes)).status).toBe(201);
    const refused = await put(OPTIONS.valueBytes + 1);
    expect([refused.status, refused.json.code, refused.json.limit]).toEqual([413, 'value-too-large', 65_536]);
    expect((await ask('GET', K)).bytes.length).toBe(OPTIONS.valueBytes);
  });

  test.each([
    [{ 'content-type': 'nonsense' }, 400, 'invalid-request'],
    [{ 'content-range': 'bytes 0-1/2' }, 400, 'invalid-request'],
    [{ 'content-encoding': 'gzip' }, 415, 'unsupported-media-type'],
  ])('a PUT with %j is refused', async (headers, status, code) => {
    const { ask } = open();
    const answer = await ask('PUT', K, { body: 'x', headers: headers as Record<string, string> });
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  test('namespaces are separate, and only those there are', async () => {
    const { ask } = open();
    await ask('PUT', K, { body: 'x' });
    expect((await ask('GET', '/v1/entries/other/k')).json.code).toBe('entry-not-found');
    expect((await ask('GET', '/v1/entries/absent/k')).json.code).toBe('namespace-not-found');
    expect((await ask('GET', '/v1/entries/de%66ault/k')).text).toBe('x');
  });
});

describe('paths and methods', () => {
  test.each([
    ['GET', '/'], ['GET', '/v1'], ['GET', '/v2/status'], ['GET', '/v1/status/'], ['GET', '/V1/status'],
    ['GET', '/v1/leases/a/b'], ['GET', '/v1/leases/%zz'], ['OPTIONS', '/nowhere'],
  ])('%s %s leads nowhere', async (method, url) => {
    const { ask } = open();
    expect((await ask(method, url)).json.code).toBe('route-not-found');
  });

  test.each([
    ['PUT', '/v1/leases', 'GET, HEAD, POST'],
    ['POST', '/v1/leases/a', 'GET, HEAD, DELETE'],
    ['GET', '/v1/batch', 'POST'],
    ['HEAD', '/v1/events', 'GET'],
    ['PATCH', '/v1/entries/default', 'GET, HEAD'],
    ['OPTIONS', '/v1/entries/default/a/increment', 'PUT, GET, HEAD, DELETE, POST'],
  ])('%s %s is told what may be done there', async (method, url, allow) => {
    const { ask } = open();
    const { status, headers } = await ask(method, url);
    expect([status, headers['allow']]).toEqual([405, allow]);
  });
});
