/** Docker or podman, by their command line: what both understand is asked in the same words. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

export interface EngineSettings {
  /** `docker`, `podman`, or the path of one. */
  readonly command: string;
  /** Before the subcommand, as `--runtime=runc` of podman. */
  readonly options: readonly string[];
  readonly buildOptions: readonly string[];
  readonly runOptions: readonly string[];
}

export interface BuildSettings {
  readonly tag: string;
  readonly arguments: Readonly<Record<string, string>>;
  /** By id: a file that a step may read and no layer holds. */
  readonly secrets: Readonly<Record<string, string | undefined>>;
}

const OUTPUT_BYTES_MAX = 64 * 1024 ** 2;

export class Engine {
  readonly settings: EngineSettings;

  constructor(settings: EngineSettings) {
    this.settings = settings;
  }

  /** What a subcommand writes on stdout. @throws Error with what it wrote on stderr */
  async ask(...words: readonly string[]): Promise<string> {
    const { command, options } = this.settings;
    const { stdout } = await promisify(execFile)(command, [...options, ...words], { maxBuffer: OUTPUT_BYTES_MAX });
    return stdout;
  }

  /** Begins a subcommand whose output is read while it runs. */
  begin(...words: readonly string[]) {
    const { command, options } = this.settings;
    return spawn(command, [...options, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Builds the Dockerfile in `folder`, and shows how it goes. @throws Error */
  async build(folder: string, { tag, arguments: args, secrets }: BuildSettings): Promise<void> {
    const { command, options, buildOptions } = this.settings;
    const words = [...options, 'build', '--tag', tag, ...buildOptions];
    // Podman's own format knows no health check.
    if (command.endsWith('podman')) words.push('--format=docker');
    for (const [name, value] of Object.entries(args)) words.push('--build-arg', `${name}=${value}`);
    for (const [id, file] of Object.entries(secrets)) {
      if (file !== undefined) words.push('--secret', `id=${id},src=${file}`);
    }
    const child = spawn(command, [...words, folder], { stdio: ['ignore', 'inherit', 'inherit'] });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    if (code !== 0) throw new Error(`${command} build ended with ${code}`);
  }
}
