/** Runs helm on a chart, and reads what it makes. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from '../house/repository.ts';
import type { Helm } from './require-helm.ts';

export const CHART = join(ROOT, 'helm/leasehold');

export type Values = Readonly<Record<string, unknown>>;
/** A rendered object; what it holds is looked at by name. */
// biome-ignore lint/suspicious/noExplicitAny: manifests have as many shapes as Kubernetes has kinds
export type Manifest = any;

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const OUTPUT_BYTES_MAX = 16 * 1024 ** 2;

let written = 0;
const folder = await mkdtemp(join(tmpdir(), 'leasehold-helm-'));
process.once('exit', tidyUp);

/** Removes every file written for helm: for `afterAll`, as the processes of tests are killed. */
export function tidyUp(): void {
  rmSync(folder, { recursive: true, force: true });
}

export function run({ path }: Helm, args: readonly string[], cwd = ROOT): Promise<Run> {
  return new Promise((resolve) => {
    // A home of its own: no repositories, plugins and defaults of whoever runs this.
    const env = { PATH: process.env['PATH'], HOME: join(folder, 'home') };
    execFile(path, args, { cwd, env, maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** Values in a file of their own: JSON is YAML. */
export async function valuesFile(values: Values): Promise<string> {
  written += 1;
  const file = join(folder, `values-${written}.yaml`);
  await writeFile(file, JSON.stringify(values));
  return file;
}

/** A copy of a chart of this repository with its dependencies beside it, as helm wants them. */
export async function withDependencies(helm: Helm, chart: string): Promise<string> {
  const copy = await mkdtemp(join(folder, 'chart-'));
  await cp(join(ROOT, 'helm'), join(copy, 'helm'), { recursive: true });
  await cp(join(ROOT, chart), join(copy, chart), { recursive: true });
  const { code, stderr } = await run(helm, ['dependency', 'update', '--skip-refresh', join(copy, chart)]);
  if (code !== 0) throw new Error(stderr);
  return join(copy, chart);
}

/** A chart that has this one in it, by its name or by others, and one template. */
export async function including(text: string, ...aliases: readonly string[]): Promise<string> {
  const chart = await mkdtemp(join(folder, 'including-'));
  await cp(CHART, join(chart, 'charts/leasehold'), { recursive: true });
  await mkdir(join(chart, 'templates'));
  const dependencies = aliases.map((alias) => ({ name: 'leasehold', alias, version: '^0.1.0', repository: '' }));
  const about = { apiVersion: 'v2', name: 'including', version: '1.0.0', dependencies };
  await writeFile(join(chart, 'Chart.yaml'), JSON.stringify(about));
  await writeFile(join(chart, 'templates/included.yaml'), text);
  return chart;
}

/** `helm template`, with the release called `demo` in the namespace `apps`. */
export function template(helm: Helm, chart: string, files: readonly string[], ...more: string[]): Promise<Run> {
  const values = files.flatMap((file) => ['--values', file]);
  return run(helm, ['template', 'demo', chart, '--namespace', 'apps', ...values, ...more]);
}

export function manifests(yaml: string): Manifest[] {
  return parseAllDocuments(yaml, { uniqueKeys: true }).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    const manifest: Manifest = document.toJS();
    return manifest === null ? [] : [manifest];
  });
}

/** What a chart makes of values, rendered by one helm. */
export async function rendered(helm: Helm, values: Values, chart = CHART): Promise<Manifest[]> {
  const { code, stdout, stderr } = await template(helm, chart, [await valuesFile(values)]);
  if (code !== 0) throw new Error(stderr);
  return manifests(stdout);
}

export function ofKind(all: readonly Manifest[], kind: string): Manifest {
  const found = all.filter((one) => one.kind === kind);
  if (found.length !== 1) throw new Error(`There are ${found.length} of kind ${kind}`);
  return found[0];
}
