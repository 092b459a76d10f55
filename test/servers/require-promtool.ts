/**
 * `promtool`, which judges metrics and alerts as Prometheus does. Debian has it in the package of the
 * server; that is not installed for one program of it, but fetched and kept beside the modules.
 */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Machine, onPath, thisMachine } from './require-server.ts';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/promtool');
const ATTEMPTS = 3;
const PAUSE_MS = 5_000;
/** Fetches the package and takes the program out of it, in the directory that is its argument. */
const FETCH =
  'cd "$1" && apt-get -q download prometheus >&2 && ' +
  'dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool';

/**
 * The path of `promtool`, fetched first if need be.
 *
 * @throws Error with one line that says what to install
 */
export async function requirePromtool(
  machine: Machine = thisMachine(), cache = CACHE, pauseMs = PAUSE_MS,
): Promise<string> {
  const there = (): string | undefined => machine.find('promtool') ?? onPath('promtool', cache);
  const found = there();
  if (found !== undefined) return found;
  const [apt, shell] = [machine.find('apt-get'), machine.find('sh')];
  if (apt !== undefined && shell !== undefined && machine.find('dpkg-deb') !== undefined) {
    machine.say('set-up: promtool is not on the PATH; fetching it from Debian\'s package prometheus');
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      // Another test may be at work with apt, even fetching the same.
      if (attempt > 1) await sleep(pauseMs);
      // The lists of a fresh machine are empty; only root may fill them.
      if (machine.isRoot) await machine.run(apt, ['-q', 'update']);
      await fetchInto(cache, shell, machine);
      const fetched = there();
      if (fetched !== undefined) return fetched;
    }
  }
  throw new Error(
    'The tests need promtool (2.40 or newer) on the PATH; install it, for instance with ' +
      '`sudo apt-get install prometheus` or `brew install prometheus`.',
  );
}

async function fetchInto(cache: string, shell: string, machine: Machine): Promise<void> {
  await mkdir(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, 'fetching-'));
  try {
    if ((await machine.run(shell, ['-c', FETCH, 'fetch', directory])) !== 0) return;
    // At once, for whoever else looks.
    renameSync(join(directory, 'usr/bin/promtool'), join(cache, 'promtool'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
