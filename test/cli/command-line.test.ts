import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/config/complaint.ts';
import { type FakeSidecar, fakeSidecar, json, leasehold, problem } from './support.ts';

let sidecar: FakeSidecar | undefined;
afterEach(async () => {
  await sidecar?.close();
  sidecar = undefined;
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('serving', () => {
  test.each([[[]], [['serve']]])('%j serves and passes its exit code on', async (argv) => {
    expect(await leasehold(argv, { serve: async () => 75 })).toMatchObject({ code: 75 });
  });

  test('a bad configuration is told whole and exits with 78', async () => {
    const complaint = { path: 'drainMs', message: 'must be less', allowed: 'less' };
    const serve = async () => {
      throw new ConfigurationError([complaint, { ...complaint, path: 'name' }]);
    };
    const { code, err } = await leasehold(['serve'], { serve });
    expect(code).toBe(78);
    expect(err).toContain('drainMs: must be less');
    expect(err).toContain('name: must be less');
  });

  test('a fault of the program itself is not dressed up as an answer', async () => {
    const serve = async () => {
      throw new TypeError('a bug');
    };
    await expect(leasehold(['serve'], { serve })).rejects.toThrow('a bug');
  });
});

describe('help', () => {
  const commands = [
    [],
    ['serve'],
    ['config'],
    ['status'],
    ['token'],
    ['health'],
    ['lease'],
    ['lease', 'grant'],
    ['lease', 'renew'],
    ['lease', 'release'],
    ['lease', 'list'],
    ['get'],
    ['put'],
    ['delete'],
    ['watch'],
    ['simulate'],
  ];
  test.each(commands.map((command) => [command.join(' '), command] as const))(
    'of `leasehold %s` is printed with what it does',
    async (_, command) => {
      const { code, out, err } = await leasehold([...command, '--help']);
      expect(code).toBe(0);
      expect(err).toBe('');
      expect(out).toMatch(/^Usage: leasehold/);
      if (command.join(' ') !== 'lease') expect(out).toMatch(/Examples?:\n {2}/);
    },
  );

  test('the version is printed on its own', async () => {
    expect(await leasehold(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' });
  });
});

describe('wrong usage exits with 2 and says what is wrong', () => {
  test.each([
    [['frobnicate'], /unknown command/],
    [['lease'], /Usage: leasehold lease/],
    [['get', 'sessions'], /missing required argument 'key'/],
    [['get', 'a', 'b', 'c'], /too many arguments/],
    [['status', '--frob'], /unknown option/],
    [['lease', 'grant'], /--holder/],
    [['lease', 'grant', '--holder', 'a', '--ttl-ms', '1.5'], /whole number/],
    [['lease', 'grant', '--holder', 'a', '--label', 'x'], /name=value/],
    [['lease', 'renew', 'a', 'b', '--ttl-ms', '5'], /one lease/],
    [['put', 'a', 'b', 'c', '--lease', 'x', '--ttl-ms', '5'], /exclude each other/],
    [['put', 'a', 'b', 'c', '--file', 'x'], /given twice/],
    [['put', 'a', 'b'], /no value/],
    [['put', 'a', 'b', '--file', 'nowhere'], /Cannot read the value: ENOENT/],
    [['status', '--url', 'ftp://x'], /not a URL/],
    [['status', '--url', 'http://x/path'], /not a URL/],
    [['status', '--url', 'nonsense'], /not a URL/],
  ])('%j', async (argv, reason) => {
    const { code, out, err } = await leasehold(argv);
    expect(err).toMatch(reason);
    expect(out).toBe('');
    expect(code).toBe(2);
  });
});

describe('the sidecar', () => {
  test('is found by --url, else by LEASEHOLD_URL', async () => {
    sidecar = await fakeSidecar((_, response) => json(response, 200, { actor: 'a' }));
    const environment = { LEASEHOLD_URL: sidecar.url };
    expect((await leasehold(['status'], { environment })).code).toBe(0);
    const nowhere = { LEASEHOLD_URL: 'unix:/nowhere.sock' };
    expect((await leasehold(['status', '--url', sidecar.url], { environment: nowhere })).code).toBe(
      0,
    );
    expect(sidecar.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v1/status',
      'GET /v1/status',
    ]);
  });

  test('is found on a Unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'leasehold-cli-'));
    try {
      sidecar = await fakeSidecar(
        (_, response) => json(response, 200, { actor: 'by-socket' }),
        join(directory, 'sidecar.sock'),
      );
      const { code, out } = await leasehold(['status', '--url', sidecar.url]);
      expect({ code, out }).toEqual({ code: 0, out: 'actor: by-socket\n' });
      await sidecar.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('that is not there exits with 69', async () => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    const { code, err } = await leasehold(['status', '--url', url]);
    expect(code).toBe(69);
    expect(err).toMatch(/^Cannot reach the sidecar at http:.*ECONNREFUSED/);
    const socket = await leasehold(['get', 'a', 'b', '--url', 'unix:/nowhere/x.sock']);
    expect(socket).toMatchObject({ code: 69, err: expect.stringContaining('ENOENT') });
  });

  test('that breaks off in the middle of its answer exits with 69', async () => {
    sidecar = await fakeSidecar((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setImmediate(() => response.destroy());
    });
    expect((await leasehold(['get', 'a', 'b', '--url', sidecar.url])).code).toBe(69);
  });

  test.each([
    ['an error page', 500, '<h1>no</h1>', /is it a sidecar/],
    ['text instead of JSON', 200, 'hello', /not in JSON/],
  ])('that turns out to be something else (%s) exits with 69', async (_, status, body, reason) => {
    sidecar = await fakeSidecar((_, response) => {
      response.writeHead(status);
      response.end(body);
    });
    const { code, err } = await leasehold(['status', '--url', sidecar.url]);
    expect(code).toBe(69);
    expect(err).toMatch(reason);
  });

  test('that says no exits with 1 and its problem is one sentence', async () => {
    sidecar = await fakeSidecar((_, response) =>
      problem(response, 503, 'capacity', {
        title: 'A capacity is used up',
        detail: 'Cannot put: sessions holds \u001b[31m100 entries',
        retryAfterMs: 250,
      }),
    );
    const { code, out, err } = await leasehold(['put', 'sessions', 'k', 'v', '--url', sidecar.url]);
    expect({ code, out, err }).toEqual({
      code: 1,
      out: '',
      err:
        'A capacity is used up: Cannot put: sessions holds \\u001b[31m100 entries (capacity); ' +
        'try again in 250 ms',
    });
  });

  test('that says no is quoted whole with --json', async () => {
    sidecar = await fakeSidecar((_, response) =>
      problem(response, 404, 'entry-not-found', { a: 1 }),
    );
    const { code, out } = await leasehold(['get', 'a', 'b', '--json', '--url', sidecar.url]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ code: 'entry-not-found', status: 404, a: 1 });
  });
});

describe('status', () => {
  const status = { actor: 'ab12', entries: { live: 3 }, name: 'evil\u001b[2J' };

  test('is shown as a page, fit for a terminal', async () => {
    sidecar = await fakeSidecar((_, response) => json(response, 200, status));
    const { out } = await leasehold(['status', '--url', sidecar.url]);
    expect(out).toContain('actor: ab12\nentries:\n  live: 3\n');
    expect(out).not.toContain('\u001b');
  });

  test('is JSON with --json', async () => {
    sidecar = await fakeSidecar((_, response) => json(response, 200, status));
    const { out } = await leasehold(['status', '--json', '--url', sidecar.url]);
    expect(JSON.parse(out)).toEqual(status);
  });
});

describe('config', () => {
  test('says that it is good, and what it may need', async () => {
    const { code, out } = await leasehold(['config']);
    expect(code).toBe(0);
    expect(out).toMatch(/^The configuration is good/);
    expect(out).toMatch(/\d{3}\.\d MiB {2}together, of a limit of 1024\.0 MiB\n$/);
    const machine = JSON.parse((await leasehold(['config', '--json'])).out);
    expect(machine.memoryLimitBytes).toBe(1024 ** 3);
    expect(machine.lines).toContainEqual(
      expect.objectContaining({ what: 'feed', count: 33554432 }),
    );
  });

  test('prints the effective result, explained on demand', async () => {
    const environment = { LEASEHOLD_DRAIN_MS: '123' };
    const plain = await leasehold(['config', '--print'], { environment });
    expect(plain.out).toContain('drainMs: 123\n');
    expect(plain.out).not.toContain('#');
    const explained = await leasehold(['config', '--explain'], { environment });
    expect(explained.out).toContain('# Default: 25000 ms.');
    const asJson = await leasehold(['config', '--print', '--json'], { environment });
    expect(JSON.parse(asJson.out)).toMatchObject({ drainMs: 123, limits: { valueBytes: 1048576 } });
  });

  test('a refused one exits with 78, its complaints for machines with --json', async () => {
    const environment = { LEASEHOLD_DRAIN_MS: 'x', LEASEHOLD_FOO: '1' };
    const { code, out, err } = await leasehold(['config', '--json'], { environment });
    expect(code).toBe(78);
    expect(err).toMatch(/refused, 2 complaints/);
    expect(JSON.parse(out).complaints.map((one: { path: string }) => one.path)).toEqual([
      'LEASEHOLD_FOO',
      'LEASEHOLD_DRAIN_MS',
    ]);
  });
});
