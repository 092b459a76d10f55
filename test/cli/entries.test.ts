import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { type FakeSidecar, fakeSidecar, json, leasehold, type Seen } from './support.ts';

let sidecar: FakeSidecar;
afterEach(() => sidecar.close());

async function run(
  argv: readonly string[],
  answer: (seen: Seen, response: ServerResponse) => void,
  around: Parameters<typeof leasehold>[1] = {},
) {
  sidecar = await fakeSidecar(answer);
  const result = await leasehold([...argv, '--url', sidecar.url], around);
  return { ...result, seen: sidecar.seen[0]! };
}

const HEADERS = {
  'content-type': 'image/png',
  etag: '"ab.1"',
  'leasehold-lease': 'lease-1',
  'leasehold-remaining-ms': '1234',
  'leasehold-context': 'ctx',
};
const bytes = Buffer.from([0, 255, 10, 13, 128]);

describe('get', () => {
  const answer = (_: Seen, response: ServerResponse) => {
    response.writeHead(200, HEADERS);
    response.end(bytes);
  };

  test('writes the value byte for byte, and nothing else', async () => {
    const result = await run(['get', 'pictures', 'a'], answer);
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(result.bytes.equals(bytes)).toBe(true);
  });

  test('tells everything about it with --json', async () => {
    const result = await run(['get', 'pictures', 'a', '--json'], answer);
    expect(JSON.parse(result.out)).toEqual({
      namespace: 'pictures',
      key: 'a',
      etag: 'ab.1',
      contentType: 'image/png',
      lease: 'lease-1',
      remainingMs: 1234,
      context: 'ctx',
      value: bytes.toString('base64'),
    });
  });

  test('keeps the slashes of a key and encodes the rest', async () => {
    const { seen } = await run(['get', 'n', 'a/b c/ü?#%'], answer);
    expect(seen.url).toBe('/v1/entries/n/a/b%20c/%C3%BC%3F%23%25');
  });

  test('does not normalise a key away: that is the sidecar’s to refuse', async () => {
    const { seen } = await run(['get', 'n', 'a/../b'], answer);
    expect(seen.url).toBe('/v1/entries/n/a/../b');
  });

  test('of an entry with concurrent values refuses to choose', async () => {
    const siblings = [
      { etag: 'a.1', contentType: 'text/plain', actor: 'a', value: 'eA==' },
      { etag: 'b.1', contentType: 'text/plain', actor: 'b', value: 'eQ==' },
    ];
    const answer = (_: Seen, response: ServerResponse) =>
      json(response, 300, { siblings, context: 'c' });
    const plain = await run(['get', 'n', 'k'], answer);
    expect(plain).toMatchObject({ code: 1, out: '' });
    expect(plain.err).toMatch(/n\/k holds 2 concurrent values.*\n {2}a\.1 /);
    await sidecar.close();
    const asJson = await run(['get', 'n', 'k', '--json'], answer);
    expect(JSON.parse(asJson.out)).toEqual({ siblings, context: 'c' });
    expect(asJson.code).toBe(1);
  });
});

describe('put', () => {
  const created = (_: Seen, response: ServerResponse) => {
    response.writeHead(201, {
      etag: '"ab.2"',
      'leasehold-lease': 'L',
      'leasehold-remaining-ms': '9',
    });
    response.end();
  };
  const replaced = (_: Seen, response: ServerResponse) => {
    response.writeHead(204, { etag: '"ab.3"' });
    response.end();
  };

  test('sends an argument as text', async () => {
    const result = await run(['put', 'n', 'k', 'grüße'], created);
    expect(result).toMatchObject({ code: 0, out: 'created n/k, version ab.2\n' });
    expect(result.seen).toMatchObject({ method: 'PUT', url: '/v1/entries/n/k' });
    expect(result.seen.body.toString()).toBe('grüße');
    expect(result.seen.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  test('sends an empty argument as an empty value', async () => {
    const { seen } = await run(['put', 'n', 'k', ''], replaced);
    expect(seen.body.length).toBe(0);
    expect(seen.headers['content-length']).toBe('0');
  });

  test('sends a file, or stdin, as bytes', async () => {
    const fromFile = await run(['put', 'n', 'k', '--file', 'f'], replaced, {
      files: { f: 'of f' },
    });
    expect(fromFile.out).toBe('replaced n/k, version ab.3\n');
    expect(fromFile.seen.body.toString()).toBe('of f');
    expect(fromFile.seen.headers['content-type']).toBe('application/octet-stream');
    await sidecar.close();
    const fromInput = await run(['put', 'n', 'k'], replaced, { input: 'of stdin' });
    expect(fromInput.seen.body.toString()).toBe('of stdin');
  });

  test('a value that begins with a dash goes after --', async () => {
    sidecar = await fakeSidecar(created);
    const { code } = await leasehold(['put', '--url', sidecar.url, 'n', 'k', '--', '-x']);
    expect(code).toBe(0);
    expect(sidecar.seen[0]?.body.toString()).toBe('-x');
  });

  test('says under which lease, of which type and on which condition', async () => {
    const { seen } = await run(
      [
        'put',
        'n',
        'k',
        '{}',
        '--lease',
        'a b',
        '--content-type',
        'application/json',
        '--if-match',
        'ab.1',
      ],
      replaced,
    );
    expect(seen.url).toBe('/v1/entries/n/k?lease=a+b');
    expect(seen.headers).toMatchObject({
      'content-type': 'application/json',
      'if-match': '"ab.1"',
    });
    await sidecar.close();
    const fresh = await run(['put', 'n', 'k', 'v', '--ttl-ms', '500', '--if-absent'], created);
    expect(fresh.seen.url).toBe('/v1/entries/n/k?ttlMs=500');
    expect(fresh.seen.headers['if-none-match']).toBe('*');
  });

  test('tells the outcome with --json', async () => {
    const { out } = await run(['put', 'n', 'k', 'v', '--json'], created);
    expect(JSON.parse(out)).toEqual({
      namespace: 'n',
      key: 'k',
      created: true,
      etag: 'ab.2',
      lease: 'L',
      remainingMs: 9,
    });
  });
});

describe('delete', () => {
  test('deletes, on a condition if asked', async () => {
    const gone = (_: Seen, response: ServerResponse) => void response.writeHead(204).end();
    const { code, out, seen } = await run(['delete', 'n', 'k', '--if-match', '"x"'], gone);
    expect({ code, out }).toEqual({ code: 0, out: 'deleted n/k\n' });
    expect(seen).toMatchObject({ method: 'DELETE', url: '/v1/entries/n/k' });
    expect(seen.headers['if-match']).toBe('"x"');
  });
});
