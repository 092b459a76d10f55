/**
 * A disk that is full, for real: a small tmpfs of the test's own. Where none can be mounted (that
 * takes root), this file says so and leaves it to the tests that fill a disk through the port of
 * the file system: test/journal/full-disk.test.ts, test/http/contract.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ask, askJson, jsonOf } from './requests.ts';
import { beforeLeaving, cleanUp, scratchDirectory, start, until } from './support.ts';

afterEach(cleanUp);

const DISK_BYTES = 12 * 1024 * 1024;
/** The smallest there may be, so that a small disk is soon full. */
const configuration = `
limits: { bodyBytes: 1Mi, valueBytes: 64Ki }
journal: { segmentBytes: 1Mi, reserveBytes: 1Mi, snapshotAfterBytes: 64Mi }
`;
const VALUE = 'v'.repeat(20_000);

/** undefined, with the reason on stderr, where it cannot be had. */
function smallDisk(): string | undefined {
  const directory = join(scratchDirectory(), 'disk');
  mkdirSync(directory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', directory], { stdio: 'pipe' });
  } catch (error) {
    const why = String((error as Error).message).trim().replaceAll('\n', ' ');
    process.stderr.write(`No tmpfs can be mounted here, so no real disk is filled: ${why}\n`);
    return undefined;
  }
  beforeLeaving(() => execFileSync('umount', [directory]));
  return directory;
}

/** Takes all the room there is. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  const piece = Buffer.alloc(64 * 1024, 1);
  let length = piece.length;
  while (length > 0) {
    try {
      writeSync(fd, piece, 0, length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      length = Math.floor(length / 2);
    }
  }
  closeSync(fd);
}

test('a full disk refuses new state, keeps what there is going, and is taken up again when there is room', async () => {
  const disk = smallDisk();
  if (disk === undefined) return;
  const dataDirectory = join(disk, 'data');
  const ballast = join(disk, 'ballast');
  const first = await start({ dataDirectory, configuration });
  const at = (url: string) => ({
    put: (key: string, body = VALUE) => ask(url, 'PUT', `/v1/entries/default/${key}`, { body }),
    read: (key: string) => ask(url, 'GET', `/v1/entries/default/${key}`),
    renew: (id: string) => askJson(url, 'POST', `/v1/leases/${id}/renew`, { ttlMs: 600_000 }),
    ready: async () => jsonOf(await ask(url, 'GET', '/readyz')),
  });
  const before = at(first.url);
  for (const id of ['renewed', 'released']) {
    await askJson(first.url, 'POST', '/v1/leases', { holder: 'h', id, ttlMs: 60_000 });
  }
  await ask(first.url, 'PUT', '/v1/entries/default/under?lease=released', { body: 'x' });
  const kept = ['kept', 'deleted'];
  for (const key of kept) expect((await before.put(key)).status).toBe(201);

  fill(ballast);
  // The write that finds no room is still taken, in the room of the reserve.
  const refused = await until('a write is refused', async () => {
    const answer = await before.put(`more-${kept.length}`);
    if (answer.status !== 201) return answer;
    kept.push(`more-${kept.length}`);
    return undefined;
  });
  expect([refused.status, jsonOf(refused)]).toMatchObject([503, { code: 'journal-full', retryable: true }]);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(await before.ready()).toEqual({ ready: true, state: 'degraded', reasons: ['journal-full'] });
  expect((await before.read('kept')).body.toString()).toBe(VALUE);
  expect((await before.renew('renewed')).status).toBe(200);
  expect((await ask(first.url, 'DELETE', '/v1/leases/released')).status).toBe(204);
  expect((await ask(first.url, 'DELETE', '/v1/entries/default/deleted')).status).toBe(204);
  const grant = await askJson(first.url, 'POST', '/v1/leases', { holder: 'h' });
  expect([grant.status, jsonOf(grant).code]).toEqual([503, 'journal-full']);
  expect((await first.kill()).signal).toBe('SIGKILL');

  // Still full when it starts again: what was done on the full disk was kept.
  const second = await start({ dataDirectory, configuration });
  const after = at(second.url);
  expect(await after.ready()).toMatchObject({ state: 'degraded' });
  const { remainingMs } = jsonOf(await ask(second.url, 'GET', '/v1/leases/renewed'));
  expect(remainingMs).toBeGreaterThan(60_000);
  expect(jsonOf(await askJson(second.url, 'POST', '/v1/leases/released/renew', {})).code).toBe('lease-ended');
  for (const key of kept) {
    expect([key, (await after.read(key)).status]).toEqual([key, key === 'deleted' ? 404 : 200]);
  }
  expect((await after.read('under')).status).toBe(404);
  expect((await after.put('late')).status).toBe(503);
  expect((await after.renew('renewed')).status).toBe(200);

  rmSync(ballast);
  await until('writes are taken again', async () => (await after.put('again')).status === 201);
  expect(await after.ready()).toEqual({ ready: true, state: 'ready', reasons: [] });
  expect(await second.stop()).toEqual({ code: 0, signal: null });
  const third = await start({ dataDirectory, configuration });
  expect((await at(third.url).read('again')).body.toString()).toBe(VALUE);
});
