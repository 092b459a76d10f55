/**
 * A full sidecar among clients that are broken: that read nothing, send nothing to its end, or send
 * it in crumbs. What they make it hold has a bound too, and who holds a lease notices nothing. Where
 * a control group can be made, the kernel watches over that.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { Intruders } from './flood/intruder.ts';
import { memoryGroup } from './memory-group.ts';
import { ask, askJson, Connection, jsonOf } from './requests.ts';
import { beforeLeaving, cleanUp, scratchDirectory, start, until } from './support.ts';

const MEBIBYTE = 1024 ** 2;
const LIMIT_MB = 384;
/** Against a hang. */
const PATIENCE_MS = 180_000;
const CONFIGURATION = `
namespaces:
  default: { ttl: { defaultMs: 600000, maxMs: 3600000 }, capacity: { leases: 3000, entries: 3000, bytes: 8Mi } }
  kept: { capacity: { leases: 100, entries: 100, bytes: 1Mi } }
limits:
  connections: 400
  watchers: 32
  valueBytes: 256Ki
  bodyBytes: 1Mi
  inFlightBodyBytes: 16Mi
  idempotency: { entries: 10000, bytes: 4Mi }
  endedMemory: { entries: 10000 }
  feed: { facts: 20000, bytes: 8Mi }
journal: { segmentBytes: 4Mi, snapshotAfterBytes: 4Mi, reserveBytes: 1Mi }
logLevel: warn
`;

afterEach(cleanUp);

/** The most that was ever resident, by the kernel's count; undefined where it does not tell. */
function peakBytesOf(pid: number): number | undefined {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
  } catch {
    return undefined;
  }
}

test('among clients that are broken a full sidecar refuses, stays within its bound, and lets who holds something go on', async () => {
  const group = memoryGroup(LIMIT_MB);
  if (group !== undefined) beforeLeaving(() => group.remove());
  const begin = () => start({
    dataDirectory: scratchDirectory(),
    configuration: CONFIGURATION,
    environment: { LEASEHOLD_MEMORY_LIMIT_MB: String(LIMIT_MB) },
  });
  const sidecar = await (group === undefined ? begin() : group.within(begin));
  const { url, pid } = sidecar;
  const holder = new Connection(url);
  await askJson(url, 'POST', '/v1/leases', { id: 'held', holder: 'h', namespace: 'kept' });
  await ask(url, 'PUT', '/v1/entries/kept/mine?lease=held', { body: 'mine' });

  let isOver = false;
  let reads = 0;
  const holding = (async () => {
    while (!isOver) {
      const renewed = await holder.ask({ method: 'POST', path: '/v1/leases/held/renew' });
      expect(renewed.status, renewed.body.toString()).toBe(200);
      // A loop that is short may refuse a read for a moment, never what is renewed.
      const { status, body } = await holder.ask({ method: 'GET', path: '/v1/entries/kept/mine' });
      expect(status === 200 ? body.toString() : status).toBeOneOf(['mine', 503]);
      if (status === 200) reads++;
      await sleep(20);
    }
  })();
  const intruders = new Intruders(url);
  intruders.ask();
  await until('there is no room left', () => {
    const { refused } = intruders;
    return ['put capacity', 'grant capacity', 'put value-too-large'].every((why) => (refused[why] ?? 0) > 0);
  });
  await intruders.misbehave();
  await intruders.stop();
  isOver = true;
  await holding;
  const { memory } = jsonOf(await holder.ask({ method: 'GET', path: '/v1/status' }));
  const peakBytes = peakBytesOf(pid);
  expect(intruders.wrong).toEqual([]);
  expect([sidecar.end(), group?.kills() ?? 0]).toEqual([undefined, 0]);
  expect(memory.worstCaseBytes).toBeLessThanOrEqual(LIMIT_MB * MEBIBYTE);
  expect(peakBytes ?? 0).toBeLessThanOrEqual(memory.worstCaseBytes);
  expect(reads).toBeGreaterThan(10);

  intruders.leave();
  for (const key of intruders.keys) await holder.ask({ method: 'DELETE', path: `/v1/entries/default/${key}` });
  await until('writes are taken again', async () => {
    const put = await holder.ask({ method: 'PUT', path: '/v1/entries/default/again', body: 'x'.repeat(100_000) });
    return put.status < 300;
  });
  holder.close();
  expect(await sidecar.stop()).toEqual({ code: 0, signal: null });
}, PATIENCE_MS);
