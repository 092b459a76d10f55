/**
 * `node scripts/chart.ts --write`: renders the examples of the chart, and the worked service, as they
 * are kept beside their values, so that a change of the chart is seen in what it makes. Without
 * `--write` it says what differs, and the exit code is 1.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../test/house/repository.ts';
import { renderings } from '../test/helm/renderings.ts';
import { requireHelm } from '../test/helm/require-helm.ts';

const write = process.argv.includes('--write');
const [, helm4] = await requireHelm();
for (const { path, render } of renderings()) {
  const made = await render(helm4);
  const kept = await readFile(join(ROOT, path), 'utf8').catch(() => '');
  if (made === kept) continue;
  if (write) await writeFile(join(ROOT, path), made);
  else process.exitCode = 1;
  process.stdout.write(`${write ? 'written' : 'differs'} ${path}\n`);
}
