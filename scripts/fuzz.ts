/**
 * `npm run fuzz -- [--minutes M] [--seed N]`: every route of a real sidecar with whatever its
 * contract allows and much that it does not, by callers who must not hear of each other. Exits with
 * 1 when anything was wrong. `npm test` does the same, only shorter.
 */
import { parseArgs } from 'node:util';
import { fuzz } from '../test/fuzz/campaign.ts';
import { cleanUp } from '../test/process/support.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const MINUTE_MS = 60_000;
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (values.help || !(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('Usage: npm run fuzz -- [--minutes M] [--seed N]\n');
  process.exit(values.help ? 0 : 2);
}

const until = performance.now() + minutes * MINUTE_MS;
process.stdout.write(`Every route for ${minutes} min, seed ${seed}\n`);
const { requests, answers, complaints, watched } = await fuzz({ seed, goesOn: () => performance.now() < until });
await cleanUp();
for (const [place, count] of [...answers].sort()) process.stdout.write(`  ${place.padEnd(24)} ${count}\n`);
for (const complaint of complaints) process.stdout.write(`WRONG ${complaint}\n`);
process.stdout.write(`${requests} requests, ${watched} bytes of events, ${complaints.length} complaints\n`);
process.exitCode = complaints.length === 0 ? 0 : 1;
