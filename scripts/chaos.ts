/**
 * `npm run chaos -- [--seed N] [--changes N] [--sidecars N] [--rounds N] [--cut-off-ms N]
 * [--ledger single|cluster|both]`: several sidecars on a real Redis, clients at each of them, and
 * faults of everything; then all is healed and compared. Exits with 1 when anything was wrong.
 * `npm test` does the same, only shorter.
 */
import { parseArgs } from 'node:util';
import { ClusterCampaign } from '../test/process/cluster/campaign.ts';
import { cleanUp } from '../test/process/support.ts';
import { stopServers } from '../test/servers/child.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    changes: { type: 'string', default: '100000' },
    sidecars: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    /** As long as an outage takes, thirty times the autonomy of the namespaces. */
    'cut-off-ms': { type: 'string', default: '60000' },
    ledger: { type: 'string', default: 'both' },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const changes = Number(values.changes);
const sidecars = Number(values.sidecars);
const rounds = Number(values.rounds);
const cutOffMs = Number(values['cut-off-ms']);
const ledgers = (['single', 'cluster'] as const).filter(
  (kind) => values.ledger === 'both' || values.ledger === kind,
);
const sound =
  [seed, changes, sidecars, rounds, cutOffMs].every((number) => Number.isSafeInteger(number) && number >= 0) &&
  sidecars > 0 &&
  ledgers.length > 0;
if (!sound) {
  process.stderr.write(
    'Usage: npm run chaos -- [--seed N] [--changes N] [--sidecars N] [--rounds N] ' +
      '[--cut-off-ms N] [--ledger single|cluster|both]\n',
  );
  process.exit(2);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const COMPLAINTS_SHOWN = 40;

let violations = 0;
try {
  for (const ledger of ledgers) {
    say(`${sidecars} sidecars, ledger ${ledger} (seed ${seed})`);
    const campaign = new ClusterCampaign({
      seed, sidecars, rounds, ledger,
      changes: Math.ceil(changes / ledgers.length),
      cutOffMs,
      say: (line) => say(`      ${line}`),
    });
    await campaign.run();
    const { wrong, figures, evidence } = campaign;
    for (const each of wrong.slice(0, COMPLAINTS_SHOWN)) say(`  ${each}`);
    for (const each of evidence) say(`        ${each}`);
    const refusals = Object.entries(figures!.refusals).map(([code, count]) => `${count} ${code}`);
    say(
      `      ${figures!.changes} changes, ${figures!.acknowledged} acknowledged, refused: ` +
        `${refusals.join(', ')}; ${figures!.keysAtRest} keys, in agreement ${figures!.toRestMs} ms ` +
        `after the end; ${wrong.length} violations`,
    );
    violations += wrong.length;
  }
  say(violations === 0 ? 'everything agreed' : `${violations} violations`);
  process.exitCode = violations === 0 ? 0 : 1;
} finally {
  await cleanUp();
  await stopServers();
}
