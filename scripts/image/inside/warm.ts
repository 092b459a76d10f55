/**
 * `warm.ts MAIN`: starts the sidecar once while the image is built, asks it a few things and stops
 * it, so that what it compiled lies in the compile cache that the image carries. Fails when it
 * does not start, answer and stop cleanly.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PATIENCE_MS = 60_000;
const NOBODY = '127.0.0.1:9';
const main = process.argv[2]!;
const dataDir = mkdtempSync(join(tmpdir(), 'leasehold-warm-'));
const socket = join(dataDir, 'warm.sock');
const signal = AbortSignal.timeout(PATIENCE_MS);

const sidecar = spawn(process.execPath, [main], {
  env: {
    ...process.env,
    LEASEHOLD_LISTEN: `unix:${socket}`,
    LEASEHOLD_DATA_DIR: dataDir,
    LEASEHOLD_MEMORY_LIMIT_MB: '2048',
    // Nobody is there, and it need not be: what speaks to a ledger, a bus and a collector is loaded.
    LEASEHOLD_LEDGER_URL: `redis://${NOBODY}`,
    LEASEHOLD_BUS_URL: `nats://${NOBODY}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${NOBODY}`,
    LEASEHOLD_DRAIN_MS: '1000',
    LEASEHOLD_LOG_LEVEL: 'fatal',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
  signal,
});
const ended = once(sidecar, 'exit');
for await (const line of createInterface({ input: sidecar.stdout })) {
  if (line.startsWith('leasehold ready ')) break;
}

const url = ['--url', `unix:${socket}`];
await command('put', 'default', 'a', 'b', ...url);
await command('get', 'default', 'a', ...url);
await command('health', '--ready', ...url);
await command('status', ...url);
await command('health', '--ready');

sidecar.kill('SIGTERM');
const [code] = await ended;
if (code !== 0) throw new Error(`the sidecar ended with ${code}`);

/** Runs one command of the image's own; throws unless it succeeds. */
async function command(...words: readonly string[]): Promise<void> {
  const env = { ...process.env, LEASEHOLD_URL: `unix:${socket}` };
  const child = spawn(process.execPath, [main, ...words], { env, stdio: ['ignore', 'ignore', 'inherit'], signal });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`leasehold ${words.join(' ')} ended with ${status}`);
}
