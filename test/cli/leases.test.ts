import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { type FakeSidecar, fakeSidecar, json, leasehold, type Seen } from './support.ts';

let sidecar: FakeSidecar;
afterEach(() => sidecar.close());

async function run(
  argv: readonly string[],
  answer: (seen: Seen, response: ServerResponse) => void,
) {
  sidecar = await fakeSidecar(answer);
  const result = await leasehold(['lease', ...argv, '--url', sidecar.url]);
  return { ...result, seen: sidecar.seen[0]! };
}

const LEASE = {
  id: 'upload-42',
  namespace: 'uploads',
  holder: 'web-1',
  state: 'live',
  ttlMs: 30_000,
  remainingMs: 29_999,
  safeForMs: 28_000,
  grantedAt: '2026-01-01T00:00:00.000Z',
  renewals: 0,
  entries: 2,
  labels: {},
};

describe('lease grant', () => {
  const answer = (_: Seen, response: ServerResponse) => json(response, 201, LEASE);

  test('asks for what was given, and leaves the rest to the namespace', async () => {
    const { code, out, seen } = await run(['grant', '--holder', 'web-1'], answer);
    expect(code).toBe(0);
    expect(out).toBe('lease upload-42 of web-1 in uploads, 29.9 s left, safe for 28.0 s\n');
    expect(seen).toMatchObject({ method: 'POST', url: '/v1/leases' });
    expect(JSON.parse(seen.body.toString())).toEqual({ holder: 'web-1' });
  });

  test('passes every option on', async () => {
    const argv =
      'grant --holder web-1 --namespace uploads --id upload-42 --ttl-ms 500 --max-lifetime-ms 900 ' +
      '--label user=ann --label note=a=b';
    const { seen } = await run(argv.split(' '), answer);
    expect(JSON.parse(seen.body.toString())).toEqual({
      holder: 'web-1',
      namespace: 'uploads',
      id: 'upload-42',
      ttlMs: 500,
      maxLifetimeMs: 900,
      labels: { user: 'ann', note: 'a=b' },
    });
  });

  test('prints the whole lease with --json', async () => {
    const { out } = await run(['grant', '--holder', 'web-1', '--json'], answer);
    expect(JSON.parse(out)).toEqual(LEASE);
  });

  test('an answer that is no lease exits with 69', async () => {
    const { code, err } = await run(['grant', '--holder', 'web-1'], (_, response) =>
      json(response, 201, { ...LEASE, remainingMs: 'soon' }),
    );
    expect(code).toBe(69);
    expect(err).toMatch(/at "remainingMs"/);
  });
});

describe('lease renew', () => {
  test('renews one, and says when it was capped', async () => {
    const { out, seen } = await run(['renew', 'a/b', '--ttl-ms', '500'], (_, response) =>
      json(response, 200, { ...LEASE, capped: true }),
    );
    expect(seen.url).toBe('/v1/leases/a%2Fb/renew');
    expect(JSON.parse(seen.body.toString())).toEqual({ ttlMs: 500 });
    expect(out).toMatch(/^renewed lease upload-42 .*capped/);
  });

  test('renews several in one request; one that fails makes it exit with 1', async () => {
    const problem = { title: 'The lease has ended', status: 410, code: 'lease-ended' };
    const results = [
      { id: 'a', status: 200, lease: LEASE },
      { id: 'b', status: 410, problem },
    ];
    const { code, out, err, seen } = await run(['renew', 'a', 'b'], (_, response) =>
      json(response, 200, { results }),
    );
    expect(seen.url).toBe('/v1/leases/renew');
    expect(JSON.parse(seen.body.toString())).toEqual({ ids: ['a', 'b'] });
    expect(out).toBe('a  renewed\nb  The lease has ended (lease-ended)\n');
    expect(err).toBe('1 of 2 leases were not renewed');
    expect(code).toBe(1);
  });
});

describe('lease release', () => {
  test('releases', async () => {
    const { code, out, seen } = await run(['release', 'upload-42'], (_, response) =>
      response.writeHead(204).end(),
    );
    expect({ code, out }).toEqual({ code: 0, out: 'released lease upload-42\n' });
    expect(seen).toMatchObject({ method: 'DELETE', url: '/v1/leases/upload-42' });
  });
});

describe('lease list', () => {
  const leases = [LEASE, { ...LEASE, id: 'z', state: 'ended', reason: 'expired', entries: 0 }];

  test('is a table, and says when there are more', async () => {
    const { out, err, seen } = await run(['list'], (_, response) =>
      json(response, 200, { leases, cursor: 'next' }),
    );
    expect(seen.url).toBe('/v1/leases?limit=100');
    expect(out).toBe(
      'ID         HOLDER  NAMESPACE  LEFT     ENTRIES  RENEWALS\n' +
        'upload-42  web-1   uploads    29.9 s   2        0\n' +
        'z          web-1   uploads    expired  0        0\n',
    );
    expect(err).toBe('there are more: --cursor next');
  });

  test('passes filters on and prints the page as it is with --json', async () => {
    const argv =
      'list --namespace n --holder h --state ended --implicit --limit 5 --cursor c --json'.split(
        ' ',
      );
    const { out, err, seen } = await run(argv, (_, response) => json(response, 200, { leases }));
    expect(seen.url).toBe(
      '/v1/leases?namespace=n&holder=h&state=ended&implicit=true&limit=5&cursor=c',
    );
    expect(JSON.parse(out)).toEqual({ leases });
    expect(err).toBe('');
  });
});
