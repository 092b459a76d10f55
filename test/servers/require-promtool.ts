/**
 * `promtool`, which judges metrics and alerts as Prometheus does. Debian has it in the package of the
 * server; that is not installed for one program of it, but fetched and kept beside the modules.
 */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, onPath, thisMachine } from './require-server.ts';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/promtool');
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
  machine: Machine = thisMachine(), cache = CACHE,
): Promise<string> {
  const found = machine.find('promtool') ?? onPath('promtool', cache);
  if (found !== undefined) return found;
  const [apt, shell] = [machine.find('apt-get'), machine.find('sh')];
  if (apt !== undefined && shell !== undefined && machine.find('dpkg-deb') !== undefined) {
    machine.say('set-up: promtool is not on the PATH; fetching it from Debian\'s package prometheus');
    // The lists of a fresh machine are empty; only root may fill them.
    if (machine.isRoot) await machine.run(apt, ['-q', 'update']);
    await mkdir(cache, { recursive: true });
    const directory = mkdtempSync(join(cache, 'fetching-'));
    try {
      if ((await machine.run(shell, ['-c', FETCH, 'fetch', directory])) === 0) {
        // At once, for whoever else looks.
        renameSync(join(directory, 'usr/bin/promtool'), join(cache, 'promtool'));
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    const fetched = onPath('promtool', cache);
    if (fetched !== undefined) return fetched;
  }
  throw new Error(
    'The tests need promtool (2.40 or newer) on the PATH; install it, for instance with ' +
      '`sudo apt-get install prometheus` or `brew install prometheus`.',
  );
}
