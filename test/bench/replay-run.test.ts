/**
 * The whole replay over real sockets, against a small server that can be made to lie. The runs are
 * short; nothing asserted depends on how fast the machine is, for the model measures its intervals.
 */
import { afterEach, expect, test } from 'vitest';
import { reportJson, reportText } from '../../bench/replay/report.ts';
import { runReplay } from '../../bench/replay/run.ts';
import { type Cluster, planOf } from '../../bench/replay/workload.ts';
import { type Lie, startFakeSidecar } from './fake-sidecar.ts';

let close: (() => Promise<void>) | undefined;
afterEach(() => close?.());

interface Case {
  readonly lie?: Lie;
  readonly rate?: number;
  readonly operations?: Cluster['operations'];
  /** Half of the entries live so long, the other half until the end of the run. */
  readonly ttlMs?: number;
}

const EVERY_OPERATION = { get: 0.3, gets: 0.1, set: 0.2, add: 0.1, cas: 0.1, incr: 0.2 };
const LONG_MS = 30_000;

async function replay({ lie, rate, operations = EVERY_OPERATION, ttlMs = LONG_MS }: Case) {
  const fake = await startFakeSidecar(lie);
  close = fake.close;
  const plan = planOf(
    {
      name: 'mixed',
      keyBytes: 12,
      valueBytes: 5,
      meanFrequency: 20,
      ttls: [
        { ttlMs, share: 0.5 },
        { ttlMs: LONG_MS, share: 0.5 },
      ],
      operations,
      zipfAlpha: 0.9,
    },
    { seconds: 1, expectedRate: 2_000, timeScale: 1, minTtlMs: 1 },
  );
  return runReplay({
    plan,
    url: fake.url,
    namespace: 'replay',
    seconds: 60,
    requests: rate ?? 2_000,
    rate,
    connections: 2,
    pipeline: 4,
    seed: 5,
    defaultTtlMs: 10_000,
    // A truthful server's endings come when they come; a liar's are not waited for.
    endingGraceMs: lie === undefined ? 20_000 : 200,
    onProgress: () => {},
    onViolation: () => {},
  });
}

test('a truthful server passes with every operation exercised and every ending accounted for', async () => {
  const result = await replay({ ttlMs: 20 });
  expect(result.kept).toEqual([]);
  expect(result.violations).toBe(0);
  expect([...result.latency.keys()].sort()).toEqual(['add', 'cas', 'get', 'gets', 'incr', 'set']);
  expect(result.endings.byReason['expired']).toBeGreaterThan(0);
  expect(result.endings.byReason['superseded']).toBe(result.endings.moved);
  expect([result.lost, result.hits > 0, result.misses > 0]).toEqual([0, true, true]);
  expect(reportText(result).split('\n').at(-1)).toBe('violations: 0');
  expect(reportJson(result)).toMatchObject({ cluster: 'mixed', violations: 0, replies: result.replies });
});

test('at a fixed rate no more is sent than was asked for', async () => {
  const result = await replay({ rate: 200 });
  expect(result.violations).toBe(0);
  expect(result.replies).toBeGreaterThanOrEqual(200);
  // What is in flight when it stops was due by then, too, but is answered a little later.
  expect(result.replies - 8).toBeLessThanOrEqual((result.elapsedMs / 1000) * 200);
});

test.each<[Lie, string, Cluster['operations'], number]>([
  ['keeps the dead', 'late', { get: 0.8, set: 0.2 }, 20],
  ['forgets the living', 'early', { get: 0.8, set: 0.2 }, LONG_MS],
  ['loses counts', 'lost increment', { incr: 1 }, LONG_MS],
  ['ignores conditions', 'condition ignored', { set: 0.2, add: 0.4, cas: 0.4 }, LONG_MS],
  ['forgets endings', 'missing ending', { set: 1 }, LONG_MS],
])('a server that %s is caught', async (lie, kind, operations, ttlMs) => {
  const result = await replay({ lie, operations, ttlMs });
  expect(result.kept.map((each) => each.kind)).toContain(kind);
});
