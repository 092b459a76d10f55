/** What each durability keeps when the process is killed. */
import { afterEach, expect, test } from 'vitest';
import { ask, askJson, jsonOf } from './requests.ts';
import { cleanUp, scratchDirectory, start } from './support.ts';

afterEach(cleanUp);

const NAMESPACES = ['forgetful', 'kept', 'synced'] as const;
const configuration = `
namespaces:
  forgetful: { durability: memory }
  kept: { durability: journal }
  synced: { durability: fsync }
`;

test('SIGKILL costs a memory namespace everything and the others nothing', async () => {
  const dataDirectory = scratchDirectory();
  const first = await start({ dataDirectory, configuration });
  const versions: Record<string, unknown> = {};
  for (const namespace of NAMESPACES) {
    const lease = { holder: 'h', id: `lease-${namespace}`, namespace, ttlMs: 60_000 };
    expect((await askJson(first.url, 'POST', '/v1/leases', lease)).status).toBe(201);
    for (const query of ['', `?lease=lease-${namespace}`]) {
      const path = `/v1/entries/${namespace}/key${query === '' ? '' : '-held'}`;
      const put = await ask(first.url, 'PUT', path + query, { body: namespace });
      expect(put.status).toBe(201);
      versions[path] = put.headers.etag;
    }
    expect((await askJson(first.url, 'POST', `/v1/leases/lease-${namespace}/renew`, {})).status).toBe(200);
  }
  await first.kill();

  const second = await start({ dataDirectory, configuration });
  for (const [path, etag] of Object.entries(versions)) {
    const got = await ask(second.url, 'GET', path);
    if (path.includes('forgetful')) expect(got.status).toBe(404);
    else expect([got.status, got.headers.etag]).toEqual([200, etag]);
  }
  const { leases } = jsonOf(await ask(second.url, 'GET', '/v1/leases'));
  expect(leases.map(({ id, renewals }: { id: string; renewals: number }) => [id, renewals])).toEqual([
    ['lease-kept', 1], ['lease-synced', 1],
  ]);
  const { namespaces } = jsonOf(await ask(second.url, 'GET', '/v1/status'));
  const risks = namespaces.map(({ durability, atRisk }: Record<string, string>) => `${durability}: ${atRisk}`);
  expect(risks).toContain('memory: everything, when the process ends');
});

test('a lease renewed again and again keeps its last deadline, and one that ended stays ended', async () => {
  const dataDirectory = scratchDirectory();
  const first = await start({ dataDirectory });
  const grant = (id: string) => askJson(first.url, 'POST', '/v1/leases', { holder: 'h', id, ttlMs: 1000 });
  await grant('renewed');
  await grant('released');
  await ask(first.url, 'PUT', '/v1/entries/default/gone?lease=released', { body: 'x' });
  for (let ttlMs = 100_000; ttlMs <= 120_000; ttlMs += 1000) {
    await askJson(first.url, 'POST', '/v1/leases/renewed/renew', { ttlMs });
  }
  expect((await ask(first.url, 'DELETE', '/v1/leases/released')).status).toBe(204);
  const { expiresAt } = jsonOf(await ask(first.url, 'GET', '/v1/leases/renewed'));
  await first.kill();

  const second = await start({ dataDirectory });
  const renewed = jsonOf(await ask(second.url, 'GET', '/v1/leases/renewed'));
  expect([renewed.state, renewed.renewals]).toEqual(['live', 21]);
  // Wall-clock times are whole milliseconds, taken at different moments.
  expect(Math.abs(Date.parse(renewed.expiresAt) - Date.parse(expiresAt))).toBeLessThanOrEqual(5);
  const released = await askJson(second.url, 'POST', '/v1/leases/released/renew', {});
  expect([released.status, jsonOf(released)]).toMatchObject([410, { code: 'lease-ended', reason: 'released' }]);
  expect((await ask(second.url, 'GET', '/v1/entries/default/gone')).status).toBe(404);
});
