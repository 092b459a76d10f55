/**
 * The gate behind `npm test`: type check, lint, every test, in that order, all of them even when an
 * earlier one fails, so one run shows everything. It ends with one line alone, `N passed, N failed`;
 * a type check or lint that fails counts as one failed. Arguments go to vitest:
 * `npm test -- test/config`. Before all that it sees to the servers that npm cannot bring, and to
 * helm.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireHelm } from '../test/helm/require-helm.ts';
import { requireNats } from '../test/servers/require-nats.ts';
import { requireRedis } from '../test/servers/require-redis.ts';
import { addUp, countVitest, summaryLine, type Tally } from './tally.ts';

const root = join(import.meta.dirname, '..');
const binaries = join(root, 'node_modules', '.bin');

/** Runs one of the project's own tools with its output shown; the exit code, 1 for a signal. */
function run(tool: string, args: readonly string[]): Promise<number> {
  const child = spawn(join(binaries, tool), args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

async function check(title: string, tool: string, args: readonly string[]): Promise<Tally> {
  process.stdout.write(`\n${title}\n`);
  const code = await run(tool, args);
  return { passed: 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

/**
 * They take every core for minutes, which would make tests with real processes wait in places where
 * nobody waits long. So they come last, alone.
 */
const CAMPAIGNS = [
  'test/process/rolling.test.ts', 'test/simulation/seeds.test.ts', 'test/simulation/planted.test.ts',
];

async function tests(title: string, filters: readonly string[]): Promise<Tally> {
  process.stdout.write(`\n${title} (vitest)\n`);
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-test-'));
  try {
    const report = join(directory, 'report.json');
    const code = await run('vitest', [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...filters,
    ]);
    const text = await readFile(report, 'utf8').catch(() => undefined);
    return countVitest(text, code);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const asked = process.argv.slice(2);
/** Only what is about the chart needs helm. */
const wantsHelm = asked.length === 0 || asked.some((filter) => filter.includes('helm'));

try {
  await requireRedis();
  await requireNats();
  if (wantsHelm) await requireHelm();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}

const tally = addUp([
  await check('types (tsc)', 'tsc', ['--noEmit', '-p', '.']),
  await check('lint (biome)', 'biome', ['check', '--error-on-warnings', '.']),
  ...(asked.length > 0
    ? [await tests('tests', asked)]
    : [
        await tests('tests', CAMPAIGNS.flatMap((file) => ['--exclude', file])),
        await tests('campaigns', ['--maxWorkers=1', ...CAMPAIGNS]),
      ]),
]);
process.stdout.write(`\n${summaryLine(tally)}\n`);
process.exitCode = tally.failed === 0 ? 0 : 1;
