/** A disk that forgets, under a sidecar that still knows: found, told, repaired, and nothing is lost. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openRaw } from './raw-connection.ts';
import { ask, askJson, jsonOf } from './requests.ts';
import { cleanUp, launch, readyUrls, scratchDirectory, start, until } from './support.ts';

afterEach(cleanUp);

/** The smallest segments there may be; a check as soon as the one before it is over. */
const configuration = `
limits: { bodyBytes: 64Ki, valueBytes: 16Ki }
journal:
  segmentBytes: 1Mi
  selfCheck: { intervalMs: 200, readPerSecondBytes: 2Mi }
`;
const VALUE = 'v'.repeat(16_000);

/** More than one segment's worth. */
const KEYS = Array.from({ length: 80 }, (_, number) => `key-${number}`);

function putAll(url: string, keys: readonly string[], query = '') {
  return Promise.all(keys.map((key) => ask(url, 'PUT', `/v1/entries/default/${key}${query}`, { body: VALUE })));
}

/** Some bit in the middle of the oldest segment. */
function damageOldestSegment(dataDirectory: string): string {
  const name = readdirSync(dataDirectory).filter((each) => each.startsWith('journal-')).sort()[0]!;
  const path = join(dataDirectory, name);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 0x10;
  writeFileSync(path, bytes);
  return path;
}

test('a bit that flips in a closed segment is found, told and repaired under a running sidecar', async () => {
  const dataDirectory = scratchDirectory();
  const first = await start({ dataDirectory, configuration });
  await askJson(first.url, 'POST', '/v1/leases', { holder: 'h', id: 'held', ttlMs: 600_000 });
  await putAll(first.url, KEYS, '?lease=held');
  const watcher = await openRaw(first.url);
  watcher.send('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const selfCheck = async () => jsonOf(await ask(first.url, 'GET', '/v1/status')).journal.selfCheck;
  await until('a check has found nothing', async () => (await selfCheck()).outcomes.same > 0);

  const damaged = damageOldestSegment(dataDirectory);
  // Everybody who looks at it during the repair is told why.
  const reasons = new Set<string>();
  const repaired = await until('it is found and repaired', async () => {
    const ready = await ask(first.url, 'GET', '/readyz');
    for (const reason of jsonOf(ready).reasons) reasons.add(`${ready.status} ${reason}`);
    const now = await selfCheck();
    return now.repairs > 0 && now.state !== 'repairing' ? now : undefined;
  });
  expect(repaired).toMatchObject({ repairs: 1, differences: { damaged: 1, missing: 0, surplus: 0, altered: 0 } });
  expect([...reasons]).toEqual(['503 repairing']);
  expect((await ask(first.url, 'GET', '/readyz')).status).toBe(200);
  const metrics = String((await ask(first.url, 'GET', '/metrics')).body);
  expect(metrics).toMatch(/^leasehold_repairs_total\{kind="damaged"\} 1$/m);
  expect(metrics).toMatch(/^leasehold_self_checks_total\{outcome="damaged"\} 1$/m);
  expect(first.err()).toContain(`"file":${JSON.stringify(damaged)}`);
  expect(first.err()).toContain('memory and journal agree again');
  const told = await until('the repair is an event', () =>
    /^data: (.*reconcile\.repaired\.v1.*)$/m.exec(watcher.received())?.[1]);
  // Nobody knows what was in what cannot be read: everything is written again.
  expect(JSON.parse(told).data).toMatchObject({ namespace: 'default', against: 'journal', pushed: KEYS.length + 1, pulled: 0, ended: 0 });

  await first.kill();
  const second = await start({ dataDirectory, configuration });
  const got = await Promise.all(KEYS.map((key) => ask(second.url, 'GET', `/v1/entries/default/${key}`)));
  expect(got.filter(({ status, body }) => status === 200 && String(body) === VALUE)).toHaveLength(KEYS.length);
  await second.stop();
});

test('without the check a restart is refused: the same bit, found too late', async () => {
  const dataDirectory = scratchDirectory();
  const off = configuration.replace('intervalMs: 200', 'intervalMs: 0');
  const first = await start({ dataDirectory, configuration: off });
  await putAll(first.url, KEYS);
  damageOldestSegment(dataDirectory);
  await first.kill();
  const second = launch({ dataDirectory, configuration: off });
  expect(await readyUrls(second)).toBeUndefined();
  expect((await second.ended).code).toBe(70);
});
