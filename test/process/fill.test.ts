/**
 * A sidecar with little memory, filled with everything that takes some until it refuses, and then
 * further: it must go on refusing, keep what it holds, and never need more than it was given. Where
 * a control group can be made, the kernel watches over that too, as it would over a container.
 */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type Capacity, fillConfiguration, Filling } from './fill/filling.ts';
import { memoryGroup } from './memory-group.ts';
import { jsonOf, ask } from './requests.ts';
import { beforeLeaving, cleanUp, scratchDirectory, start } from './support.ts';

/** What the configuration below needs at worst, and a little. */
const MEMORY_MB = 352;
const MEBIBYTE = 1024 ** 2;
const CAPACITY: Capacity = { entries: 4_000, leases: 5_000, mebibytes: 12 };
const GO_ON_MS = 1_500;
/** Against a hang. */
const PATIENCE_MS = 180_000;

afterEach(cleanUp);

test(
  'filled beyond its memory limit a sidecar refuses with codes, holds what it has, and stays below it',
  async () => {
    const group = memoryGroup(MEMORY_MB);
    if (group !== undefined) beforeLeaving(() => group.remove());
    const begin = () =>
      start({
        dataDirectory: scratchDirectory(),
        configuration: fillConfiguration(CAPACITY),
        environment: { LEASEHOLD_MEMORY_LIMIT_MB: String(MEMORY_MB) },
      });
    const sidecar = await (group === undefined ? begin() : group.within(begin));
    const { memory } = jsonOf(await ask(sidecar.url, 'GET', '/v1/status'));
    expect(memory.worstCaseBytes).toBeLessThanOrEqual(MEMORY_MB * MEBIBYTE);

    const filled = await new Filling({ url: sidecar.url, goOnMs: GO_ON_MS }).play();

    expect(filled.wrong).toEqual([]);
    expect(filled.entries).toBeGreaterThan(0.9 * CAPACITY.entries);
    expect(filled.leases).toBeGreaterThan(0.9 * CAPACITY.leases);
    expect(sidecar.end()).toBeUndefined();
    expect(peakOf(sidecar.pid)).toBeLessThan(memory.worstCaseBytes);
    expect(group?.kills() ?? 0).toBe(0);
    expect(await sidecar.stop()).toEqual({ code: 0, signal: null });
  },
  PATIENCE_MS,
);

/** The most it ever had resident, by the kernel's count. */
function peakOf(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}
