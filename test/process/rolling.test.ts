/**
 * A rolling restart of six real sidecars on one Redis and one NATS server, under replayed traffic
 * of clients that do what `docs/clients.md` asks of them; `npm run rolling` does it for longer.
 */
import { afterEach, expect, test } from 'vitest';
import { stopServers } from '../servers/child.ts';
import { RollingCampaign } from './rolling/campaign.ts';
import { cleanUp } from './support.ts';

/** Decides what is asked; when it meets a restart, nobody can. */
const SEED = 1;
const SIDECARS = 6;
const RATE = 600;
/** Against a hang. */
const PATIENCE_MS = 180_000;

afterEach(async () => {
  await cleanUp();
  await stopServers();
});

test(
  'restarted one after another, six sidecars lose nothing, tell each ending once and leave no request without its answer',
  async () => {
    const said: string[] = [];
    const campaign = new RollingCampaign({
      sidecars: SIDECARS, rate: RATE, seconds: 0, seed: SEED,
      say: (line) => void said.push(line),
    });
    const { restarts, replies, lost, skipped, refused, endings, held, unjudged } = await campaign.run();
    expect(campaign.wrong, said.join('\n')).toEqual([]);
    expect({ restarts: restarts.length, lost, skipped, refused, unjudged })
      .toEqual({ restarts: SIDECARS, lost: 0, skipped: 0, refused: {}, unjudged: 0 });
    expect(Math.min(replies, endings, held)).toBeGreaterThan(5);
  },
  PATIENCE_MS,
);
