/** The command line as people type it: real processes against a real sidecar. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from './requests.ts';
import { cleanUp, type Program, run, scratchDirectory, type Sidecar, start, until } from './support.ts';

let sidecar: Sidecar;
let socket: string;

beforeAll(async () => {
  socket = join(scratchDirectory(), 'socket');
  const environment = { LEASEHOLD_LISTEN: `127.0.0.1:0,unix:${socket}` };
  sidecar = await start({ dataDirectory: scratchDirectory(), environment });
});
afterAll(cleanUp);

/** Types a command against the sidecar; resolves when it has ended. */
async function leasehold(...args: string[]) {
  const program = run(args, { LEASEHOLD_URL: sidecar.url });
  const { code } = await program.ended;
  return { code, out: program.out(), err: program.err() };
}

async function document(...args: string[]) {
  const { code, out, err } = await leasehold(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

describe('leasehold', () => {
  test('status shows the sidecar, over TCP and over its socket', async () => {
    const [text, json, bySocket] = await Promise.all([
      leasehold('status'),
      document('status'),
      leasehold('status', '--url', `unix:${socket}`),
    ]);
    expect(json).toMatchObject({ replica: 'tested', ready: true, ledger: { kind: 'embedded' } });
    for (const { code, out } of [text, bySocket]) {
      expect(code).toBe(0);
      expect(out).toContain(`actor: ${json.actor}`);
    }
  });

  test('health tells by its exit code whether it can serve, over TCP and over its socket', async () => {
    const [alive, ready, bySocket] = await Promise.all([
      leasehold('health'),
      leasehold('health', '--ready'),
      leasehold('health', '--ready', '--url', `unix:${socket}`),
    ]);
    expect([alive.code, alive.out]).toEqual([0, 'alive\n']);
    for (const { code, out } of [ready, bySocket]) expect([code, out]).toEqual([0, 'ready\n']);
  });

  test('lease grants, renews, lists and releases', async () => {
    const granted = await document(
      'lease', 'grant', '--holder', 'ann', '--id', 'cli-1', '--ttl-ms', '60000', '--label', 'a=b',
    );
    expect(granted).toMatchObject({ id: 'cli-1', holder: 'ann', ttlMs: 60_000, labels: { a: 'b' } });
    const rival = await leasehold('lease', 'grant', '--holder', 'bob', '--id', 'cli-1');
    expect([rival.code, rival.out]).toEqual([1, '']);
    expect(rival.err).toMatch(/another holder/i);
    const renewed = await leasehold('lease', 'renew', 'cli-1', '--ttl-ms', '120000');
    expect([renewed.code, renewed.out]).toEqual([
      0, expect.stringMatching(/^renewed lease cli-1 of ann in default, .* left, safe for .*\n$/),
    ]);
    const listed = await leasehold('lease', 'list', '--holder', 'ann');
    expect(listed.out).toMatch(/^ID +HOLDER .*\ncli-1 +ann +default /);
    const released = await leasehold('lease', 'release', 'cli-1');
    expect([released.code, released.out]).toEqual([0, 'released lease cli-1\n']);
    const [again, empty] = await Promise.all([
      leasehold('lease', 'renew', 'cli-1', '--json'),
      document('lease', 'list', '--holder', 'ann'),
    ]);
    expect([again.code, JSON.parse(again.out)]).toMatchObject([1, { code: 'lease-ended', reason: 'released' }]);
    expect(empty).toEqual({ leases: [] });
  });

  test('put, get and delete carry a value there and back, byte for byte', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128, 0]);
    const file = join(scratchDirectory(), 'value');
    writeFileSync(file, bytes);
    const put = await leasehold('put', 'default', 'dir/file', '--file', file, '--content-type', 'image/x');
    expect([put.code, put.err]).toEqual([0, '']);
    const stored = await ask(sidecar.url, 'GET', '/v1/entries/default/dir/file');
    expect(stored.headers['content-type']).toBe('image/x');
    expect(stored.body.equals(bytes)).toBe(true);

    const typed = await leasehold('put', 'default', 'word', 'hello');
    expect(typed.code).toBe(0);
    expect((await leasehold('get', 'default', 'word')).out).toMatch(/^hello\n?$/);
    const deleted = await leasehold('delete', 'default', 'word');
    expect(deleted.code).toBe(0);
    const gone = await leasehold('get', 'default', 'word');
    expect([gone.code, gone.out]).toEqual([1, '']);
    expect(gone.err).toContain('word');
  });

  test('put reads what is piped into it', async () => {
    const program = run(['put', 'default', 'piped'], { LEASEHOLD_URL: sidecar.url }, 'from a pipe');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect((await ask(sidecar.url, 'GET', '/v1/entries/default/piped')).body.toString()).toBe('from a pipe');
  });

  test('watch prints an event as it happens, and stops when it is interrupted', async () => {
    const watchers: Program[] = [['watch', '--prefix', 'seen/'], ['watch', '--prefix', 'seen/', '--json']].map(
      (args) => run(args, { LEASEHOLD_URL: sidecar.url }),
    );
    await until('both watch', async () => {
      const { feed } = JSON.parse((await ask(sidecar.url, 'GET', '/v1/status')).body.toString());
      return feed.watchers === watchers.length;
    });
    await ask(sidecar.url, 'PUT', '/v1/entries/default/unseen', { body: 'x' });
    await ask(sidecar.url, 'PUT', '/v1/entries/default/seen/a', { body: 'x' });
    for (const { child, out, err, ended } of watchers) {
      await until('it has printed a line', () => out().endsWith('\n'));
      child.kill('SIGINT');
      expect([await ended, err()]).toEqual([{ code: 0, signal: null }, '']);
    }
    const [text, json] = watchers.map(({ out }) => out());
    expect(text).toMatch(/^[\d:.]+ entry\.created +default\/seen\/a .*etag=\S+\n$/);
    expect(JSON.parse(json!)).toMatchObject({ specversion: '1.0', subject: 'default/seen/a' });
  });

  test('config judges and prints the configuration without starting', async () => {
    const configuration = join(scratchDirectory(), 'leasehold.yaml');
    writeFileSync(configuration, 'namespaces: { jobs: { owner: ops } }\n');
    const good = run(['config', '--print', '--json'], {
      LEASEHOLD_CONFIG: configuration, LEASEHOLD_DRAIN_MS: '1234', LEASEHOLD_MEMORY_LIMIT_MB: '2048',
    });
    expect(await good.ended).toEqual({ code: 0, signal: null });
    expect(JSON.parse(good.out())).toMatchObject({ drainMs: 1234, namespaces: { jobs: { owner: 'ops' } } });
    const bad = run(['config'], { LEASEHOLD_CONFIG: configuration, LEASEHOLD_DRAIN_MS: 'x' });
    expect(await bad.ended).toEqual({ code: 78, signal: null });
    expect(bad.err()).toMatch(/LEASEHOLD_DRAIN_MS: must be an integer/);
  });
});

test.each<[number, string, string[], RegExp]>([
  [0, 'asked for help', ['--help'], /Usage: leasehold/],
  [0, 'asked for help on a command', ['lease', 'grant', '--help'], /--holder <name>/],
  [0, 'asked for its version', ['--version'], /^\d+\.\d+\.\d+\n$/],
  [1, 'refused by the sidecar', ['lease', 'renew', 'nobody'], /nobody/],
  [2, 'used wrongly: no such command', ['frobnicate'], /unknown command/],
  [2, 'used wrongly: an argument is missing', ['get', 'default'], /missing required argument/],
  [2, 'used wrongly: not a number', ['lease', 'grant', '--holder', 'h', '--ttl-ms', 'x'], /whole number/],
  [2, 'used wrongly: not a URL', ['status', '--url', 'ftp://x'], /is not a URL/],
  [69, 'left without a sidecar', ['status', '--url', 'unix:/nonexistent/socket'], /Cannot reach the sidecar/],
])('leasehold exits with %i when %s', async (exitCode, _when, args, said) => {
  const { code, out, err } = await leasehold(...args);
  expect(out + err).toMatch(said);
  expect(code).toBe(exitCode);
});
