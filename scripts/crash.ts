/**
 * `npm run crash -- [--kills N] [--seed N]`: a sidecar killed at N random instants while clients
 * work, and then at every named failpoint, with everything compared after each restart. Exits with
 * 1 when anything was wrong. `npm test` does the same, only shorter.
 */
import { parseArgs } from 'node:util';
import { Campaign } from '../test/process/crash/campaign.ts';
import { DEATHS } from '../test/process/crash/deaths.ts';
import { cleanUp } from '../test/process/support.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, seed: { type: 'string' } },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!Number.isSafeInteger(kills) || kills < 0 || !Number.isSafeInteger(seed)) {
  process.stderr.write('Usage: npm run crash -- [--kills N] [--seed N]\n');
  process.exit(2);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs one campaign; resolves with how much was wrong. */
async function campaignOf(
  title: string,
  deaths: readonly string[],
  die: (campaign: Campaign, death: string, wrong: string[]) => Promise<string>,
): Promise<number> {
  const campaign = new Campaign(seed);
  const wrong: string[] = [];
  say(`${title} (seed ${seed})`);
  for (const [index, death] of deaths.entries()) {
    const how = await die(campaign, death, wrong);
    wrong.push(...campaign.wrong);
    const { requests, endings, snapshots } = campaign.figures;
    say(
      `${String(index + 1).padStart(4)}/${deaths.length}  ${how}: ${requests} requests, ` +
        `${endings} endings, ${snapshots} snapshots so far; ${wrong.length} violations`,
    );
    if (wrong.length > 0) break;
  }
  if (wrong.length === 0) {
    await campaign.start();
    const { code } = await campaign.finish();
    wrong.push(...campaign.wrong);
    if (code !== 0) wrong.push(`At the end it stopped with ${code}`);
  }
  for (const each of wrong) say(`  ${each}`);
  const { requests, events, endings, gaps } = campaign.figures;
  say(
    `      ${requests} requests, ${events} events, ${endings} endings, each told once; ` +
      `${gaps} resyncs; ${wrong.length} violations`,
  );
  return wrong.length;
}

try {
  const random = Array.from({ length: kills }, (_, index) => String(index));
  const violations =
    (await campaignOf('killed at random', random, async (campaign) => {
      const workMs = Math.round(20 + 800 * campaign.random.next());
      await campaign.start();
      await campaign.killAfter(workMs);
      return `after ${workMs} ms`;
    })) +
    (await campaignOf('killed at failpoints', DEATHS, async (campaign, death, wrong) => {
      await campaign.start(death);
      const { signal } = await campaign.untilItEnds();
      if (signal !== 'SIGKILL') wrong.push(`It was not killed at ${death}`);
      return `at ${death}`;
    }));
  say(violations === 0 ? 'everything agreed' : `${violations} violations`);
  process.exitCode = violations === 0 ? 0 : 1;
} finally {
  await cleanUp();
}
