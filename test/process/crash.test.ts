/**
 * The process, killed for real. What each client was told, what is there after the restart, and
 * what a watcher was told across all runs must agree; `npm run crash` does the same for longer.
 */
import { afterEach, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/journal/failpoint.ts';
import { Campaign } from './crash/campaign.ts';
import { DEATHS } from './crash/deaths.ts';
import { cleanUp } from './support.ts';

/** Decides what is asked and for how long; when exactly the kill comes, nobody can. */
const SEED = 1;
const KILLS = 12;
const KILLS_MAX = 100;
/** Against a hang: each restart takes about a second where others work too. */
const PATIENCE_MS = 180_000;

afterEach(cleanUp);

test(
  'killed at random, it holds what was acknowledged, nothing that ended, and each grant ends once',
  async () => {
    const campaign = new Campaign(SEED);
    // On a busy machine the first dozen may not write enough for a snapshot.
    let kills = 0;
    while (kills < KILLS || (campaign.figures.snapshots === 0 && kills < KILLS_MAX)) {
      kills++;
      await campaign.start();
      await campaign.killAfter(20 + 400 * campaign.random.next());
      expect(campaign.wrong).toEqual([]);
    }
    await campaign.start();
    expect(await campaign.finish()).toEqual({ code: 0, signal: null });
    expect(campaign.wrong).toEqual([]);
    const { endings, snapshots, ...figures } = campaign.figures;
    expect(figures).toMatchObject({ restarts: kills, gaps: 0 });
    expect(endings).toBeGreaterThan(100);
    expect(snapshots).toBeGreaterThan(0);
  },
  PATIENCE_MS,
);

test(
  'killed at every named failpoint, it does so too',
  async () => {
    const campaign = new Campaign(SEED);
    const reached = new Set<string>();
    for (const death of DEATHS) {
      await campaign.start(death);
      const { signal } = await campaign.untilItEnds();
      expect([death, signal, campaign.wrong]).toEqual([death, 'SIGKILL', []]);
      reached.add(death.split(':')[0]!);
    }
    expect([...reached].sort()).toEqual([...FAILPOINTS].sort());
    await campaign.start();
    expect(await campaign.finish()).toEqual({ code: 0, signal: null });
    expect(campaign.wrong).toEqual([]);
  },
  PATIENCE_MS,
);
