/**
 * Sidecars that are replaced one after another by new ones with an empty data directory, as pods of
 * a Deployment are: leases of a namespace with `onDrain: handover` go on, at whoever is asked for
 * them, with everything under them; each ends once, when its holder releases it.
 */
import { afterEach, expect, test } from 'vitest';
import { startNats } from '../servers/nats.ts';
import { startRedis } from '../servers/redis.ts';
import { stopServers } from '../servers/child.ts';
import { Archive } from './bus/archive.ts';
import { Reader } from './bus/reader.ts';
import { ask, askJson, jsonOf } from './requests.ts';
import { Fleet } from './rolling/fleet.ts';
import { cleanUp } from './support.ts';

const SIDECARS = 2;
const LEASES = 5;
const CONFIGURATION = `
namespaces:
  claims:
    onDrain: handover
    ttl: { defaultMs: 120000, maxMs: 120000 }
    capacity: { leases: 1000, entries: 1000, bytes: 1Mi }
logLevel: warn
`;
/** Against a hang. */
const PATIENCE_MS = 180_000;

afterEach(async () => {
  await cleanUp();
  await stopServers();
});

test('leases go on at the sidecars that take the place of those that left, with disk and all, and end once', async () => {
  const [redis, nats] = await Promise.all([startRedis(), startNats()]);
  const fleet = await Fleet.start({
    size: SIDECARS, configuration: CONFIGURATION, redis, busUrl: `nats://${nats.address}`,
  });
  const archive = new Archive();
  const reader = new Reader(nats, archive);
  const held = fleet.sidecars.flatMap(({ url }, index) =>
    Array.from({ length: LEASES }, (_, number) => ({ url, id: `lease-${index}-${number}`, holder: `holder-${index}` })));
  for (const { url, id, holder } of held) {
    expect((await askJson(url, 'POST', '/v1/leases', { id, holder, namespace: 'claims' })).status).toBe(201);
    const put = await ask(url, 'PUT', `/v1/entries/claims/of-${id}?lease=${id}`, { body: `value of ${id}` });
    expect(put.status).toBe(201);
  }
  for (let index = 0; index < SIDECARS; index++) {
    await fleet.restart(index, 'new', () => {});
    const { url: place } = fleet.sidecars[index]!;
    for (const { url, id, holder } of held.filter((each) => each.url === place)) {
      const renewed = await askJson(url, 'POST', `/v1/leases/${id}/renew`, {});
      expect([renewed.status, jsonOf(renewed).code]).toEqual([404, 'lease-not-found']);
      const again = await askJson(url, 'POST', '/v1/leases', { id, holder, namespace: 'claims' });
      expect([again.status, jsonOf(again)]).toMatchObject([200, { adopted: true, entries: 1 }]);
      expect((await ask(url, 'GET', `/v1/entries/claims/of-${id}`)).body.toString()).toBe(`value of ${id}`);
    }
  }
  for (const { url, id } of held) expect((await ask(url, 'DELETE', `/v1/leases/${id}`)).status).toBe(204);
  await fleet.close();
  reader.follow();
  await reader.stop();
  await reader.readWhole();
  const ended = [...archive.endings.values()].filter(({ noun }) => noun === 'lease');
  expect(ended.map(({ what, reason }) => `${what} ${reason}`).sort())
    .toEqual(held.map(({ id }) => `${id} released`).sort());
  expect([fleet.wrong, archive.wrong]).toEqual([[], []]);
}, PATIENCE_MS);
