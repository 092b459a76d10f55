/** The lease holder of the examples, under trouble; and a careless one, to see that it shows. */
import { afterEach, describe, expect, test } from 'vitest';
import { holdLease, type LeaseHolder, type LeaseHolderParts } from '../../examples/lease-holder/lease-holder.ts';
import { createHarness, type Harness, type HarnessOptions } from '../simulation/harness/harness.ts';

const TTL_MS = 10_000;
const PIECE_MS = 400;
const HOUR_MS = 3_600_000;

let harness: Harness;

afterEach(() => harness.close());

/** A worker that has begun; gives when each piece of its work began. */
async function working(hold: (parts: LeaseHolderParts) => unknown, options?: HarnessOptions): Promise<number[]> {
  harness = await createHarness(options);
  const { clock } = harness;
  const { url, fetch } = harness.sidecar('s1');
  const pieces: number[] = [];
  hold({
    fetch, clock, url, id: 'import', holder: 'worker-1', ttlMs: TTL_MS, pieceMs: PIECE_MS, restMs: 500,
    work: () => {
      pieces.push(clock.now());
      return clock.sleep(PIECE_MS);
    },
  });
  await harness.pass(TTL_MS);
  expect(pieces.length).toBeGreaterThan(5);
  return pieces;
}

/** The pieces that were not over before the lease was, or began before it was granted. */
function withoutLease(pieces: readonly number[]): readonly number[] {
  const ends = endings();
  const leases = granted().map((from, index) => ({ from, to: ends[index] ?? Infinity }));
  return pieces.filter((at) => !leases.some(({ from, to }) => from <= at && at + PIECE_MS <= to));
}

interface LeaseTelling {
  readonly at: string;
  readonly deadline: string;
  readonly reason?: string;
}

function told(type: string): readonly LeaseTelling[] {
  return harness.events().filter((event) => event.type === type).map(({ data }) => data as LeaseTelling);
}

function granted(): readonly number[] {
  return told('leasehold.lease.granted.v1').map(({ at }) => Date.parse(at));
}

/** When the lease ended, each time. */
function endings(): readonly number[] {
  return told('leasehold.lease.ended.v1').map(({ deadline }) => Date.parse(deadline));
}

describe('a lease holder', () => {
  test('keeps its lease for an hour', async () => {
    const pieces = await working(holdLease);
    await harness.pass(HOUR_MS);
    expect(endings()).toEqual([]);
    expect(pieces.length).toBeGreaterThan(HOUR_MS / 960);
    expect(withoutLease(pieces)).toEqual([]);
  });

  test('goes on working when its sidecar is killed and comes back in time', async () => {
    const pieces = await working(holdLease);
    harness.kill('s1', TTL_MS / 3);
    await harness.pass(60_000);
    expect(endings()).toEqual([]);
    expect(withoutLease(pieces)).toEqual([]);
    expect(pieces.length).toBeGreaterThan(60);
  });

  test.each([300, 400, 500, 600, 700])('stops in time when its sidecar stays away, and begins anew afterwards (rest of %i ms)', async (restMs) => {
    const pieces = await working((parts) => holdLease({ ...parts, restMs }));
    harness.kill('s1', 3 * TTL_MS);
    await harness.pass(2.5 * TTL_MS);
    const before = pieces.length;
    expect(harness.clock.now() - pieces.at(-1)!).toBeGreaterThan(TTL_MS);
    await harness.pass(2 * TTL_MS);
    expect(pieces.length).toBeGreaterThan(before);
    expect(endings()).toHaveLength(1);
    expect(withoutLease(pieces)).toEqual([]);
  });

  test('stops in time when its sidecar is cut off from the ledger for long', async () => {
    const pieces = await working(holdLease);
    harness.partition('s1', 'ledger');
    await harness.pass(3 * 60_000);
    // What a sidecar promises without the ledger is bounded: `autonomyMs`, a minute.
    expect(harness.clock.now() - pieces.at(-1)!).toBeGreaterThan(60_000);
    harness.heal();
    await harness.pass(60_000);
    expect(endings().length).toBeGreaterThan(0);
    expect(withoutLease(pieces)).toEqual([]);
    expect(harness.clock.now() - pieces.at(-1)!).toBeLessThan(1_000);
  });

  test.each([1, 2, 3, 4, 5])('after a pause of two TTLs asks before it works (seed %i)', async (seed) => {
    const pieces = await working(holdLease, { seed });
    harness.pauseClient(2 * TTL_MS);
    await harness.pass(3 * TTL_MS);
    expect(endings()).toHaveLength(1);
    expect(pieces.at(-1)).toBeGreaterThan(endings()[0]! + TTL_MS / 2);
    expect(withoutLease(pieces)).toEqual([]);
  });
});

describe('a lease holder that hears late', () => {
  test('counts from when it asked', async () => {
    let isAsking = false;
    const pieces = await working((parts) => {
      const fetch: LeaseHolderParts['fetch'] = (...request) => {
        isAsking = true;
        return parts.fetch(...request);
      };
      return holdLease({ ...parts, fetch });
    });
    isAsking = false;
    await harness.until(() => isAsking);
    // The request is on its way, and the answer waits until the pause is over.
    await harness.pass(0.01);
    harness.pauseClient(2 * TTL_MS);
    await harness.pass(3 * TTL_MS);
    expect(endings()).toHaveLength(1);
    expect(withoutLease(pieces)).toEqual([]);
  });
});

describe('a lease holder that stops', () => {
  test('begins no more work and gives the lease back', async () => {
    let holder: LeaseHolder | undefined;
    const pieces = await working((parts) => {
      holder = holdLease(parts);
    });
    await harness.until(() => harness.clock.now() === pieces.at(-1));
    const before = pieces.length;
    await harness.until(holder!.stop());
    await harness.pass(TTL_MS);
    expect(pieces).toHaveLength(before);
    const [ended] = told('leasehold.lease.ended.v1');
    expect(ended?.reason).toBe('released');
    // Not while a piece was under way.
    expect(Date.parse(ended!.at)).toBeGreaterThanOrEqual(pieces.at(-1)! + PIECE_MS);
  });
});

/** As many are written: it holds the lease until it hears otherwise. */
function holdCarelessly({ fetch, clock, url, id, holder, ttlMs, work, restMs }: LeaseHolderParts): void {
  let holds = false;
  const keep = async (): Promise<void> => {
    for (;;) {
      const path = holds ? `/v1/leases/${id}/renew` : '/v1/leases';
      const body = JSON.stringify(holds ? {} : { id, holder, ttlMs });
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url + path, { method: 'POST', headers, body }).catch(() => undefined);
      if (response !== undefined) holds = response.ok;
      await clock.sleep(ttlMs / 3);
    }
  };
  const go = async (): Promise<void> => {
    for (;;) {
      if (holds) await work();
      await clock.sleep(restMs);
    }
  };
  void keep();
  void go();
}

describe('a careless lease holder', () => {
  test('passes while nothing goes wrong', async () => {
    const pieces = await working(holdCarelessly);
    await harness.pass(60_000);
    expect(withoutLease(pieces)).toEqual([]);
  });

  test('is seen to work without the lease while its sidecar is away', async () => {
    const pieces = await working(holdCarelessly);
    harness.kill('s1', 3 * TTL_MS);
    await harness.pass(4 * TTL_MS);
    expect(withoutLease(pieces).length).toBeGreaterThan(10);
  });

  test('is seen to work without the lease after a pause', async () => {
    const pieces = await working(holdCarelessly);
    harness.pauseClient(2 * TTL_MS);
    await harness.pass(3 * TTL_MS);
    expect(withoutLease(pieces).length).toBeGreaterThan(0);
  });
});
