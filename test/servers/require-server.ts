/**
 * What the tests need that npm cannot bring: real servers. Each is looked for on the PATH; where it
 * is missing and this process may install it (root, apt), it does; otherwise the error says what to
 * install. Nothing is skipped for want of it.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const INSTALL_MAX_MS = 300_000;
/** For another package manager that is at work. */
const WAITING = ['-o', 'DPkg::Lock::Timeout=120'];
/** Keeps the package from starting its own server: the tests start theirs. */
const QUIETLY = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };

/** A server by the name of its binary, which is also that of Debian's package. */
export interface NeededServer {
  readonly binary: string;
  /** The oldest release that will do: `7.0`. */
  readonly since: string;
  /** What Homebrew calls it. */
  readonly formula: string;
}

/** Where `name` is on the PATH; undefined when nowhere. */
export function onPath(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Where Debian puts servers, and what the PATH of an ordinary user leaves out. */
const SYSTEM = ['/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);

/** What the set-up asks of the machine; tests hand in another machine. */
export interface Machine {
  find(name: string): string | undefined;
  readonly isRoot: boolean;
  /** Resolves with the exit code. */
  run(command: string, args: readonly string[]): Promise<number>;
  say(line: string): void;
}

export function thisMachine(): Machine {
  return {
    find: (name) => onPath(name) ?? onPath(name, SYSTEM),
    isRoot: process.getuid?.() === 0,
    run(command, args) {
      const child = spawn(command, args, {
        env: { ...process.env, ...QUIETLY },
        // What apt says is progress, not result.
        stdio: ['ignore', process.stderr, process.stderr],
        timeout: INSTALL_MAX_MS,
      });
      return new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', (code) => resolve(code ?? 1));
      });
    },
    say: (line) => {
      process.stderr.write(`${line}\n`);
    },
  };
}

/**
 * The path of the binary, installed first if need be.
 *
 * @throws Error with one line that says what to install
 */
export async function requireServer(
  { binary, since, formula }: NeededServer, machine: Machine,
): Promise<string> {
  const found = machine.find(binary);
  if (found !== undefined) return found;
  const apt = machine.find('apt-get');
  if (machine.isRoot && apt !== undefined) {
    machine.say(`set-up: ${binary} is not on the PATH; installing it with apt-get`);
    // The lists of a fresh machine are empty, those of an old one out of date.
    await machine.run(apt, ['-q', 'update']);
    await machine.run(apt, ['-qy', ...WAITING, 'install', '--no-install-recommends', binary]);
    const installed = machine.find(binary);
    if (installed !== undefined) return installed;
  }
  throw new Error(
    `The tests need ${binary} (${since} or newer) on the PATH; install it, for instance with ` +
      `\`sudo apt-get install ${binary}\` or \`brew install ${formula}\`.`,
  );
}
