import { createServer } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { importsOf } from '../house/import-graph.ts';
import { read } from '../house/repository.ts';
import { type FakeSidecar, fakeSidecar, json, leasehold, problem } from './support.ts';

let directory: string;
let sidecar: FakeSidecar | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'leasehold-health-'));
});
afterEach(async () => {
  await sidecar?.close();
  sidecar = undefined;
  rmSync(directory, { recursive: true });
});

const READY = { ready: true, state: 'ready', reasons: [] };
const well = (socket?: string) => fakeSidecar((_, response) => json(response, 200, READY), socket);
const asked = () => sidecar?.seen.map(({ method, url }) => `${method} ${url}`);

describe('leasehold health', () => {
  test('asks whether the loop turns', async () => {
    sidecar = await fakeSidecar((_, response) => json(response, 200, { alive: true }));
    const { code, out } = await leasehold(['health', '--url', sidecar.url]);
    expect({ code, out, asked: asked() }).toEqual({ code: 0, out: 'alive\n', asked: ['GET /livez'] });
  });

  test('with --ready asks whether it can serve', async () => {
    sidecar = await well();
    const { code, out } = await leasehold(['health', '--ready', '--url', sidecar.url]);
    expect({ code, out, asked: asked() }).toEqual({ code: 0, out: 'ready\n', asked: ['GET /readyz'] });
  });

  test('is well with a sidecar that is degraded, and says why it is', async () => {
    const degraded = { ready: true, state: 'degraded', reasons: ['the ledger is away', 'so is the bus'] };
    sidecar = await fakeSidecar((_, response) => json(response, 200, degraded));
    const { code, out } = await leasehold(['health', '--ready', '--url', sidecar.url]);
    expect({ code, out }).toEqual({ code: 0, out: 'degraded: the ledger is away; so is the bus\n' });
  });

  test('exits with 1 when the sidecar cannot serve, and says why not', async () => {
    sidecar = await fakeSidecar((_, response) =>
      problem(response, 503, 'recovering', { detail: 'Cannot serve: replaying\u001b[2J' }),
    );
    const { code, out, err } = await leasehold(['health', '--ready', '--url', sidecar.url]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe(`${sidecar.url} answers 503 to /readyz: Cannot serve: replaying\\u001b[2J`);
  });

  test('exits with 1 when nobody is there', async () => {
    const { code, err } = await leasehold(['health', '--url', `unix:${directory}/nobody.sock`]);
    expect(code).toBe(1);
    expect(err).toMatch(/nobody\.sock does not answer: .*ENOENT/);
  });

  test('exits with 1 when the connection ends in the middle of the answer', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"al'));
    await new Promise<void>((resolve) => server.listen(join(directory, 'cut.sock'), resolve));
    const { code, err } = await leasehold(['health', '--url', `unix:${directory}/cut.sock`]);
    server.close();
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('does not answer') });
  });

  test('exits with 1 when the answer has no end', async () => {
    sidecar = await fakeSidecar((_, response) => response.end('x'.repeat(70_000)));
    const { code, err } = await leasehold(['health', '--url', sidecar.url]);
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('has no end') });
  });

  test('exits with 1 when the sidecar is silent', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked = Promise.withResolvers<void>();
    sidecar = await fakeSidecar(() => asked.resolve());
    const answer = leasehold(['health', '--url', sidecar.url]);
    await asked.promise;
    vi.advanceTimersByTime(4_000);
    vi.useRealTimers();
    const { code, err } = await answer;
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('no answer within 4 s') });
  });
});

test('leasehold health loads no package to ask with', () => {
  const files = new Set(['src/cli/health-command.ts', 'src/cli/command-io.ts']);
  for (const file of files) {
    for (const { to, value } of importsOf(file, read(file))) if (value) files.add(to);
  }
  const packages = [...files].flatMap((file) =>
    [...read(file).matchAll(/^import (?!type\b).* from '(?!node:|\.)(.+)';$/gm)].map((match) => match[1]),
  );
  expect(files.size).toBeGreaterThan(4);
  expect(packages).toEqual([]);
});

describe('where leasehold health asks', () => {
  const socket = () => join(directory, 'sidecar.sock');
  const port = () => new URL(sidecar!.url).port;

  const ask = (environment: Record<string, string>) => leasehold(['health', '--ready'], { environment });

  test.each<[string, () => Record<string, string>]>([
    ['LEASEHOLD_URL', () => ({ LEASEHOLD_URL: sidecar!.url, LEASEHOLD_LISTEN: 'unix:/nowhere' })],
    ['LEASEHOLD_LISTEN', () => ({ LEASEHOLD_LISTEN: `127.0.0.1:${port()}, unix:/nowhere` })],
    ['LEASEHOLD_LISTEN past port 0', () => ({ LEASEHOLD_LISTEN: `127.0.0.1:0,localhost:${port()}` })],
    ['a list in the file of LEASEHOLD_CONFIG', () => ({ LEASEHOLD_CONFIG: file(`listen: [127.0.0.1:${port()}]`) })],
    ['a text in that file', () => ({ LEASEHOLD_CONFIG: file(`listen: 127.0.0.1:${port()}`) })],
    ['LEASEHOLD_LISTEN before that file', () => ({
      LEASEHOLD_LISTEN: `127.0.0.1:${port()}`, LEASEHOLD_CONFIG: file('listen: unix:/nowhere'),
    })],
  ])('is said by %s', async (_, environment) => {
    sidecar = await well();
    expect(await ask(environment())).toMatchObject({ code: 0, out: 'ready\n' });
  });

  test('may be a socket', async () => {
    sidecar = await well(socket());
    expect(await ask({ LEASEHOLD_LISTEN: `unix:${socket()}` })).toMatchObject({ code: 0 });
  });

  test.each([
    ['an address that is none', () => ({ LEASEHOLD_LISTEN: 'here' }), /"here" is not an address/],
    ['only port 0', () => ({ LEASEHOLD_LISTEN: '127.0.0.1:0' }), /names no port that could be asked/],
    ['a file that is not there', () => ({ LEASEHOLD_CONFIG: '/nowhere.yaml' }), /Cannot read \/nowhere/],
    ['a file that is no YAML', () => ({ LEASEHOLD_CONFIG: file('listen: [') }), /Cannot read/],
  ])('is not guessed: %s', async (_, environment, expected) => {
    const { code, err } = await ask(environment());
    expect(code).toBe(1);
    expect(err).toMatch(expected);
  });

  function file(text: string): string {
    const path = join(directory, 'leasehold.yaml');
    writeFileSync(path, text);
    return path;
  }
});
