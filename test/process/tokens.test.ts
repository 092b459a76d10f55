/** A sidecar with tokens, as a process: where it listens, and tokens that come and go while it runs. */
import { mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cleanUp, launch, run, scratchDirectory, type SidecarSettings, start, until } from './support.ts';

afterEach(cleanUp);

const secret = (name: string): string => `the-secret-of-${name}-${'x'.repeat(20)}`;
const listing = (...names: readonly string[]): string =>
  JSON.stringify({
    tokens: names.map((name) => ({ subject: 'web', token: secret(name), namespaces: ['*'], verbs: ['*'] })),
  });

function settings(environment: Readonly<Record<string, string>>): SidecarSettings {
  return { dataDirectory: scratchDirectory(), environment };
}

async function statusOf(url: string, name: string): Promise<number> {
  const { status } = await fetch(`${url}/v1/leases`, { headers: { authorization: `Bearer ${secret(name)}` } });
  return status;
}

/** As a platform mounts a secret: the file is a link into a directory that is swapped as a whole. */
function mounted(content: string): { readonly path: string; readonly swap: (next: string) => void } {
  const directory = scratchDirectory();
  let version = 0;
  const swap = (next: string): void => {
    const name = `..version-${++version}`;
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'tokens.yaml'), next);
    symlinkSync(name, join(directory, '..next'));
    renameSync(join(directory, '..next'), join(directory, '..data'));
  };
  swap(content);
  symlinkSync('..data/tokens.yaml', join(directory, 'tokens.yaml'));
  return { path: join(directory, 'tokens.yaml'), swap };
}

test('tokens are rotated without a restart: by the swap of a mounted secret, and by SIGHUP', async () => {
  const { path, swap } = mounted(listing('old'));
  const sidecar = await start(settings({ LEASEHOLD_TOKENS_FILE: path }));
  const { url } = sidecar;
  const lease = JSON.stringify({ holder: 'h', id: 'kept' });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret('old')}` };
  expect((await fetch(`${url}/v1/leases`, { method: 'POST', body: lease, headers })).status).toBe(201);
  expect(await statusOf(url, 'new')).toBe(401);

  swap(listing('old', 'new'));
  await until('the new token is taken', async () => (await statusOf(url, 'new')) === 200);
  expect(await statusOf(url, 'old')).toBe(200);
  const renewed = { method: 'POST', headers: { authorization: `Bearer ${secret('new')}` } };
  expect((await fetch(`${url}/v1/leases/kept/renew`, renewed)).status).toBe(200);

  swap('nonsense: [');
  await until('the nonsense is refused', () => sidecar.err().includes('the tokens are refused'));
  expect(await statusOf(url, 'new')).toBe(200);

  swap(listing('new'));
  sidecar.child.kill('SIGHUP');
  await until('the old token is gone', async () => (await statusOf(url, 'old')) === 401);
  expect(await statusOf(url, 'new')).toBe(200);
  expect(await sidecar.stop()).toEqual({ code: 0, signal: null });
  expect(sidecar.err()).not.toContain('the-secret-of');
});

test('it listens where others can reach it with tokens only', async () => {
  const listen = { LEASEHOLD_LISTEN: '0.0.0.0:0' };
  const without = launch(settings(listen));
  expect(await without.ended).toEqual({ code: 78, signal: null });
  expect(without.err()).toContain('LEASEHOLD_LISTEN: "0.0.0.0:0" is not a loopback address: other machines could reach it');
  const sidecar = await start(settings({ ...listen, LEASEHOLD_TOKENS_FILE: mounted(listing('web')).path }));
  const port = new URL(sidecar.url).port;
  expect(await statusOf(`http://127.0.0.1:${port}`, 'web')).toBe(200);
  expect((await fetch(`http://127.0.0.1:${port}/v1/leases`)).status).toBe(401);
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
});

test('a bad file of tokens stops the start, with every complaint and none of its tokens', async () => {
  const bad = JSON.stringify({ tokens: [{ subject: 'web', token: secret('web'), namespaces: [], verbs: ['fly'] }] });
  const program = launch(settings({ LEASEHOLD_TOKENS_FILE: mounted(bad).path }));
  expect((await program.ended).code).toBe(78);
  expect(program.err()).toMatch(/tokens\[0\]\.namespaces must be a list[\s\S]*tokens\[0\]\.verbs must be a list/);
  expect(program.err()).not.toContain(secret('web'));
});

test('the command line shows its token, and a socket has the permissions that it should', async () => {
  const directory = scratchDirectory();
  const socket = join(directory, 'leasehold.sock');
  const file = join(directory, 'token');
  writeFileSync(file, `${secret('web')}\n`);
  await start({
    ...settings({ LEASEHOLD_LISTEN: `unix:${socket}`, LEASEHOLD_TOKENS_FILE: mounted(listing('web')).path }),
    configuration: 'http: { socketMode: "0660" }',
  });
  expect(statSync(socket).mode & 0o777).toBe(0o660);
  const withToken = run(['lease', 'list', '--url', `unix:${socket}`, '--token-file', file]);
  expect((await withToken.ended).code).toBe(0);
  const without = run(['lease', 'list', '--url', `unix:${socket}`]);
  expect((await without.ended).code).toBe(1);
  expect(without.err()).toContain('Cannot answer: the request has no token (unauthenticated); --token-file or');
  const status = await new Promise((resolve) => {
    request({ socketPath: socket, path: '/livez' }, (response) => resolve(response.statusCode)).end();
  });
  expect(status).toBe(200);
});
