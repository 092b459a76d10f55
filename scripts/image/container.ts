/**
 * One container of the image, run as the chart runs it: an unprivileged user, a root file system
 * that cannot be written to, no capabilities, no way to new ones, a memory limit without swap. It
 * is on the network of its host, as in a pod it is on that of its neighbours.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, readyUrls, type Sidecar } from '../../test/process/support.ts';
import type { Engine } from './engine.ts';

export interface ContainerSettings {
  readonly image: string;
  readonly memoryMb: number;
  /** Holds its data, and stays when the container goes. */
  readonly volume?: string;
  /** The YAML file; without one it runs on its defaults. */
  readonly configuration?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** A program and its arguments instead of the image's own. */
  readonly entrypoint?: readonly string[];
}

export interface Container extends Sidecar {
  /** From the command that runs it to its ready line. */
  readonly readyMs: number;
  /** Whether the kernel killed it for want of memory. */
  readonly wasKilledForMemory: () => Promise<boolean>;
  /** Runs a command inside; resolves with its exit code. */
  readonly exec: (...words: readonly string[]) => Promise<number>;
  /** Kills it, if it still runs, and removes it. */
  readonly remove: () => Promise<void>;
}

const DATA_DIR = '/var/lib/leasehold';
const CONFIG_FILE = '/etc/leasehold/leasehold.yaml';

let started = 0;

/** Starts one and waits for its ready line. @throws Error with its log when none comes */
export async function startContainer(engine: Engine, settings: ContainerSettings): Promise<Container> {
  const name = `leasehold-${process.pid}-${++started}`;
  const folder = mkdtempSync(join(tmpdir(), 'leasehold-image-'));
  const [entrypoint, ...words] = settings.entrypoint ?? [];
  const override = entrypoint === undefined ? [] : [`--entrypoint=${entrypoint}`];
  const beganAt = performance.now();
  const { runOptions } = engine.settings;
  const child = engine.begin(
    'run', '--name', name, ...runOptions, ...confinement(settings), ...mounts(settings, folder), ...override,
    settings.image, ...words,
  );
  let out = '';
  let err = '';
  let end: Ended | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      end = { code, signal };
      resolve(end);
    });
  });
  const inspect = async (format: string): Promise<string> =>
    (await engine.ask('inspect', '--type=container', `--format=${format}`, name)).trim();
  const remove = async (): Promise<void> => {
    // With the volume that the engine made for it, if it was given none.
    await engine.ask('rm', '--force', '--volumes', name);
    await ended;
    rmSync(folder, { recursive: true });
  };
  const program = { pid: 0, child, out: () => out, err: () => err, ended, end: () => end };
  const urls = await readyUrls(program);
  const readyMs = performance.now() - beganAt;
  if (urls === undefined) {
    await remove();
    throw new Error(`The container ended with ${end?.code}:\n${err}`);
  }
  const signal = (which: string) => async (): Promise<Ended> => {
    await engine.ask('kill', `--signal=${which}`, name);
    return ended;
  };
  return {
    ...program, urls, readyMs, remove,
    url: urls[0]!,
    pid: Number(await inspect('{{.State.Pid}}')),
    stop: signal('TERM'),
    kill: signal('KILL'),
    wasKilledForMemory: async () => (await inspect('{{.State.OOMKilled}}')) === 'true',
    exec: (...command) =>
      engine.ask('exec', name, ...command).then(() => 0, ({ code }) => (typeof code === 'number' ? code : 1)),
  };
}

function confinement({ memoryMb }: ContainerSettings): string[] {
  return [
    '--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--network=host',
    `--memory=${memoryMb}m`, `--memory-swap=${memoryMb}m`,
  ];
}

function mounts({ volume, configuration, environment = {} }: ContainerSettings, folder: string): string[] {
  const variables: Record<string, string> = { LEASEHOLD_LISTEN: '127.0.0.1:0', ...environment };
  const words: string[] = [];
  if (volume !== undefined) words.push(`--volume=${volume}:${DATA_DIR}`);
  if (configuration !== undefined) {
    const file = join(folder, 'leasehold.yaml');
    writeFileSync(file, configuration);
    chmodSync(folder, 0o755);
    words.push(`--volume=${file}:${CONFIG_FILE}:ro`);
    variables['LEASEHOLD_CONFIG'] = CONFIG_FILE;
  }
  for (const [name, value] of Object.entries(variables)) words.push(`--env=${name}=${value}`);
  return words;
}
