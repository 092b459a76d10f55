import { expect, test } from 'vitest';
import { createHarness } from 'leasehold/simulation';
import { holdLease } from '../../examples/lease-holder/lease-holder.ts';

test('no work without the lease, whatever pauses', async () => {
  const harness = await createHarness({ seed: 1 });
  const { clock } = harness;
  const { fetch, url } = harness.sidecar('s1');
  const began: number[] = [];
  holdLease({
    fetch, clock, url, id: 'import', holder: 'worker-1', ttlMs: 10_000, pieceMs: 0, restMs: 500,
    work: () => void began.push(clock.now()),
  });

  await harness.pass(60_000); // a minute, at once
  harness.pauseClient(20_000); // as a long collection, or SIGSTOP: two TTLs
  await harness.pass(20_000);
  const ended = harness.events().find(({ type }) => type === 'leasehold.lease.ended.v1');
  expect(ended).toMatchObject({ subject: 'import', data: { reason: 'expired' } });

  harness.kill('s1', 30_000); // and its supervisor takes half a minute
  await harness.until(() => harness.sidecar('s1').isReady);
  await harness.pass(10_000);
  const granted = harness.events().filter(({ type }) => type === 'leasehold.lease.granted.v1');
  expect(granted.length).toBeGreaterThan(1);
  const endedAtMs = Date.parse(String(ended?.['time']));
  const grantedAtMs = Date.parse(String(granted[1]?.['time']));
  expect(began.filter((at) => at > endedAtMs && at < grantedAtMs)).toEqual([]);
  harness.close();
});
