/**
 * `npm run rolling -- [--sidecars N] [--minutes M] [--rate R] [--seed N]`: several sidecars on a
 * real Redis and a real NATS server under replayed traffic, restarted one after another for M
 * minutes; then everything is compared. Exits with 1 when anything was wrong, a request that failed
 * after all retries among it. `npm test` does the same, only shorter.
 */
import { parseArgs } from 'node:util';
import { RollingCampaign } from '../test/process/rolling/campaign.ts';
import { cleanUp } from '../test/process/support.ts';
import { stopServers } from '../test/servers/child.ts';

const { values } = parseArgs({
  options: {
    sidecars: { type: 'string', default: '6' },
    minutes: { type: 'string', default: '5' },
    rate: { type: 'string', default: '1200' },
    seed: { type: 'string' },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const sidecars = Number(values.sidecars);
const minutes = Number(values.minutes);
const rate = Number(values.rate);
if (![seed, sidecars].every(Number.isSafeInteger) || !(sidecars > 0) || !(minutes > 0) || !(rate > 0)) {
  process.stderr.write('Usage: npm run rolling -- [--sidecars N] [--minutes M] [--rate R] [--seed N]\n');
  process.exit(2);
}

const COMPLAINTS_SHOWN = 40;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([what, count]) => `${count} ${what}`).join(', ') || 'none';
}

try {
  say(`${sidecars} sidecars, ${rate} requests/s, ${minutes} min (seed ${seed})`);
  const campaign = new RollingCampaign({
    seed, sidecars, rate,
    seconds: minutes * 60,
    say: (line) => say(`  ${line}`),
  });
  const figures = await campaign.run();
  const { wrong } = campaign;
  for (const each of wrong.slice(0, COMPLAINTS_SHOWN)) say(each);
  const { restarts, retries, replies, endings, events, repeats, resyncs, unjudged, held, skipped } = figures;
  const longest = (of: (restart: (typeof restarts)[number]) => number): string =>
    Math.max(...restarts.map(of)).toFixed(0);
  say(
    `${restarts.length} restarts: gone within ${longest(({ leavingMs }) => leavingMs)} ms, ` +
      `ready within ${longest(({ startingMs }) => startingMs)} ms`,
  );
  say(
    `${replies} requests answered, ${skipped} not sent; hidden by retries: ${listed(retries.hidden)}; ` +
      `failed after them: ${listed(retries.failed)}; the longest took ${figures.slowestMs.toFixed(0)} ms`,
  );
  say(
    `${endings} endings among ${events} events, ${repeats} told twice; ${resyncs} resyncs, ` +
      `${unjudged} keys unjudged; ${held} entries held alike in the end`,
  );
  say(`violations: ${wrong.length}`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await cleanUp();
  await stopServers();
}
