/** Many partitions, each with twins of its own, taken through so many steps in all. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import type { RedisAddress } from '../../../src/ledger/redis/options.ts';
import { RedisLedger } from '../../../src/ledger/redis/redis-ledger.ts';
import { Instant, type RawCommand, Twins } from './twins.ts';

const KEY_PREFIX = 'twins:';
const POLICIES: readonly ConflictPolicy[] = ['lww', 'siblings', 'ownerWins', 'firstWins', 'counter'];
/** Steps of one partition before the next one is begun: long enough to grow old. */
const STEPS_EACH = 1_000;
const CROWDED_EVERY = 4;
/** Lets other work of this process have a turn. */
const BREATHE_EVERY = 5_000;

export interface Campaign {
  readonly address: RedisAddress;
  readonly raw: RawCommand;
  readonly steps: number;
  readonly seed: number;
  readonly onProgress?: (steps: number) => void;
}

/** How often each kind of answer came. @throws Error at the first difference */
export async function compareTwins(campaign: Campaign): Promise<Map<string, number>> {
  const { address, raw, steps, seed, onProgress } = campaign;
  const instant = new Instant();
  const ledger = new RedisLedger({
    address, keyPrefix: KEY_PREFIX, timeoutMs: 10_000, instant: () => instant,
  });
  const seen = new Map<string, number>();
  try {
    for (let done = 0, partition = 0; done < steps; partition += 1) {
      const twins = new Twins({
        ledger, instant, raw, keyPrefix: KEY_PREFIX, seed: seed + partition,
        at: { namespace: 'twins', partition }, policy: POLICIES[partition % POLICIES.length]!,
        isCrowded: partition % CROWDED_EVERY === CROWDED_EVERY - 1,
      });
      for (let step = 0; step < STEPS_EACH && done < steps; step += 1) {
        await twins.step();
        done += 1;
        if (done % BREATHE_EVERY === 0) {
          onProgress?.(done);
          await sleep(0);
        }
      }
      for (const [what, times] of twins.seen) seen.set(what, (seen.get(what) ?? 0) + times);
    }
  } finally {
    await ledger.close();
  }
  return seen;
}

/** Answers that a campaign of some length must have met, or it has compared nothing of them. */
export const EXPECTED_ANSWERS: readonly string[] = [
  'applied', 'duplicate', 'joined', 'closed', 'expired', 'held', 'clock-ahead', 'duplicate-dot',
  'push ok', 'push stale', 'pull ok', 'pull gap', 'pull diverged',
  'beat current', 'beat behind', 'beat lost', 'beat vouched',
  'sweep ended', 'sweep removed', 'sweep forgot', 'diff', 'trimmed', 'rolled back', 'lost',
];
