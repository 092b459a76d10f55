/**
 * The whole shared replay against real sidecars on a real Redis, and against some of which one is
 * on a ledger of its own. Nothing asserted depends on how fast the machine is.
 */
import { afterAll, afterEach, expect, test } from 'vitest';
import { reportJson, reportText } from '../../bench/replay/report.ts';
import { type Fleet, startFleet } from '../../bench/replay/shared/fleet.ts';
import { runShared } from '../../bench/replay/shared/run.ts';
import { planOf } from '../../bench/replay/workload.ts';
import { stopServers } from '../servers/child.ts';

const DEFAULT_TTL_MS = 20_000;
const MEMORY_MB = 2_048;
const CONFIGURATION = `
namespaces:
  replay:
    owner: test
    conflict: lww
    ttl: { defaultMs: ${DEFAULT_TTL_MS}, minMs: 100, maxMs: ${DEFAULT_TTL_MS} }
    capacity: { leases: 20000, entries: 20000, bytes: 16Mi }
    mirror: all
`;

const fleets: Fleet[] = [];
afterEach(async () => {
  for (const fleet of fleets.splice(0)) await fleet.stop();
});
afterAll(stopServers);

async function start(size: number): Promise<Fleet> {
  const fleet = await startFleet({ size, configuration: CONFIGURATION, memoryLimitMb: MEMORY_MB });
  fleets.push(fleet);
  return fleet;
}

function run(against: Fleet, restMaxMs: number) {
  const plan = planOf(
    {
      name: 'mixed',
      keyBytes: 12,
      valueBytes: 20,
      meanFrequency: 30,
      ttls: [
        { ttlMs: 300, share: 0.5 },
        { ttlMs: DEFAULT_TTL_MS, share: 0.5 },
      ],
      operations: { get: 0.4, set: 0.3, add: 0.2, cas: 0.1 },
      zipfAlpha: 0.9,
    },
    { seconds: 1, expectedRate: 3_000, timeScale: 1, minTtlMs: 100 },
  );
  return runShared({
    plan, restMaxMs,
    fleet: against,
    namespace: 'replay',
    seconds: 60,
    requests: 1_500,
    rate: undefined,
    connections: 2,
    pipeline: 4,
    seed: 5,
    defaultTtlMs: DEFAULT_TTL_MS,
    calmSeconds: 0.5,
    endingGraceMs: 20_000,
    onProgress: () => {},
    onViolation: () => {},
  });
}

test('three sidecars that share every key pass, and hold the same in the end', async () => {
  const result = await run(await start(3), 60_000);
  expect(result.kept).toEqual([]);
  expect(result.violations).toBe(0);
  const { convergence } = result;
  expect(convergence).toMatchObject({ sidecars: 3, unjudged: 0 });
  expect(convergence!.held).toBeGreaterThan(20);
  expect(result.endings.byReason['superseded']).toBeGreaterThan(0);
  // Writes of one sidecar did meet those of another.
  expect(result.endings.moved).toBeGreaterThan(0);
  expect(reportText(result)).toContain(`3 sidecars and the ledger hold ${convergence!.held} entries alike`);
  expect(reportJson(result)).toMatchObject({ violations: 0, convergence: { sidecars: 3 } });
});

test('a sidecar on another ledger is caught when all is at rest', async () => {
  const together = await start(2);
  const apart = await start(1);
  const result = await run({ ...together, sidecars: [...together.sidecars, ...apart.sidecars] }, 2_000);
  expect(result.kept.map(({ kind }) => kind)).toContain('differs at rest');
  expect(result.kept.map(({ detail }) => detail).join()).toMatch(/sidecar 2 does not show|sidecar 2 shows/);
});
