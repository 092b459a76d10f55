/**
 * Several real sidecars on a real Redis, through losses of the ledger, failovers, crashes and bad
 * links. What anybody was told, what every sidecar shows in the end and what is in the ledger must
 * agree; `npm run chaos` does the same for longer.
 */
import { afterAll, afterEach, expect, test } from 'vitest';
import { stopServers } from '../servers/child.ts';
import { ClusterCampaign } from './cluster/campaign.ts';
import { cleanUp } from './support.ts';

/** Decides what is asked and which faults come; how they meet, nobody can. */
const SEED = 1;
const CHANGES = 3_000;
/** Against a hang. */
const PATIENCE_MS = 180_000;

afterEach(cleanUp);
afterAll(stopServers);

test.each(['single', 'cluster'] as const)(
  'on a ledger that is lost and back again (%s), nothing acknowledged is lost and nothing ended comes back',
  async (ledger) => {
    const said: string[] = [];
    const campaign = new ClusterCampaign({
      seed: SEED,
      changes: CHANGES,
      sidecars: 3,
      ledger,
      rounds: 1,
      cutOffMs: 4_000,
      say: (line) => void said.push(line),
    });
    await campaign.run();
    expect(campaign.wrong, said.join('; ')).toEqual([]);
    const { changes, acknowledged, keysAtRest } = campaign.figures!;
    expect(changes).toBeGreaterThan(CHANGES / 2);
    expect(acknowledged).toBeGreaterThan(CHANGES / 2);
    expect(keysAtRest).toBeGreaterThan(100);
  },
  PATIENCE_MS,
);
