/**
 * `npm run soak -- [--scenario NAME] [--minutes M] [--seed N] [--neighbours N] [--leases N]
 * [--room N]`: a sidecar under full load on a real NATS server that is away, killed, emptied, full
 * and so on for M minutes, one scenario or each in turn; then everything is compared. Exits with 1
 * when anything was wrong. `npm test` does the same, only shorter.
 */
import { parseArgs } from 'node:util';
import type { BusCampaign, Figures } from '../test/process/bus/campaign.ts';
import { play, type Scenario, SCENARIOS } from '../test/process/bus/scenarios.ts';
import { cleanUp } from '../test/process/support.ts';
import { stopServers } from '../test/servers/child.ts';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'all' },
    /** As long as an outage should take. */
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    neighbours: { type: 'string', default: '12' },
    /** That expire in one moment, in the scenario that is about that. */
    leases: { type: 'string', default: '100000' },
    /** Endings, and as many other events, that may wait for the bus. */
    room: { type: 'string', default: '50000' },
    help: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const neighbours = Number(values.neighbours);
const leases = Number(values.leases);
const room = Number(values.room);
const { scenario: wanted } = values;
const names = Object.keys(SCENARIOS).filter((name) => wanted === 'all' || wanted === name);
const whole = [seed, neighbours, leases, room].every((n) => Number.isSafeInteger(n) && n >= 0);
if (values.help || !whole || !(minutes > 0) || names.length === 0) {
  process.stderr.write(
    'Usage: npm run soak -- [--scenario NAME] [--minutes M] [--seed N] [--neighbours N]\n' +
      '                       [--leases N] [--room N]\n' +
      `Scenarios: ${Object.keys(SCENARIOS).join(', ')}\n`,
  );
  process.exit(values.help ? 0 : 2);
}

const COMPLAINTS_SHOWN = 40;
const MINUTE_MS = 60_000;
const PROGRESS_MS = 10_000;
const MEBIBYTE = 1024 ** 2;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Plays one and says what came of it; resolves with how much was wrong. */
async function soak(name: string, scenario: Scenario): Promise<number> {
  say(`${name}: ${scenario.what} (seed ${seed}, ${minutes} min)`);
  const began = performance.now();
  const settings = { seed, neighbours, room, say: (line: string) => say(`      ${line}`) };
  let progress: NodeJS.Timeout | undefined;
  const tellProgress = (campaign: BusCampaign): void => {
    progress = setInterval(() => {
      const s = Math.round((performance.now() - began) / 1000);
      say(`      ${s} s: ${progressOf(campaign)}`);
    }, PROGRESS_MS);
  };
  try {
    const scale = { spanMs: minutes * MINUTE_MS, leases };
    const { wrong, figures } = await play(scenario, settings, scale, tellProgress);
    for (const each of wrong.slice(0, COMPLAINTS_SHOWN)) say(`  ${each}`);
    say(`      ${summaryOf(figures)}; ${wrong.length} violations`);
    return wrong.length;
  } finally {
    clearInterval(progress);
    await cleanUp();
    await stopServers();
  }
}

function progressOf({ traffic, archive, gauge }: BusCampaign): string {
  return (
    `${sum(traffic.taken)} taken, ${traffic.refusals} refused, ` +
    `${archive.endings.size} endings read, outbox at most ${percent(gauge.fullest)}, ` +
    `${traffic.wrong.length + archive.wrong.length} violations so far`
  );
}

function summaryOf(figures: Figures): string {
  const { taken, refused, longestWaitMs, endings, events, repeats, retold } = figures;
  const { runs, p99Ms, toRestMs } = figures;
  const refusals = Object.entries(refused).map(([code, count]) => `${count} ${code}`);
  return (
    `${sum(taken)} requests taken, refused: ${refusals.join(', ') || 'none'}, ` +
    `told to wait for ${longestWaitMs / 1000} s at most; ` +
    `${endings} endings among ${events} events, ${repeats} events twice in a stream, ` +
    `${retold} endings under two numbers; ${runs} runs; ` +
    `at most ${mebibytes(figures.peakBytes)} resident of ${mebibytes(figures.boundBytes)}; ` +
    `renewals and releases p99 ${p99Ms.toFixed(1)} ms; at rest after ${Math.round(toRestMs)} ms`
  );
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MEBIBYTE)} MiB`;
}

let violations = 0;
for (const name of names) violations += await soak(name, SCENARIOS[name as keyof typeof SCENARIOS]);
say(violations === 0 ? 'everything agreed' : `${violations} violations`);
process.exitCode = violations === 0 ? 0 : 1;
