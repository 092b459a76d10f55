/**
 * `npm run docs`: writes the pages that are made from the source. Tests compare each with what is
 * checked in, so a page cannot fall behind.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderings } from '../test/helm/renderings.ts';
import { hasHelm, requireHelm } from '../test/helm/require-helm.ts';
import { chartCosts, chartReadme, chartSchema } from './chart-files.ts';
import { configurationPage, defaultFile } from './configuration-page.ts';
import { asyncApiFile, eventReferencePage } from './event-pages.ts';
import { loggingPage } from './logging-page.ts';
import { metricsPage } from './metrics-page.ts';
import { runbookPage } from './runbook-page.ts';
import { simulationPage } from './simulation-page.ts';

const root = join(import.meta.dirname, '..');
const pages: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': configurationPage,
  'config/leasehold.yaml': defaultFile,
  'docs/asyncapi.json': asyncApiFile,
  'docs/event-reference.md': eventReferencePage,
  'docs/logging.md': loggingPage,
  'docs/metrics.md': metricsPage,
  'docs/runbook.md': runbookPage,
  'docs/simulation.md': simulationPage,
  'helm/leasehold/README.md': chartReadme,
  'helm/leasehold/values.schema.json': chartSchema,
  'helm/leasehold/templates/_costs.tpl': chartCosts,
};

for (const [path, content] of Object.entries(pages)) {
  await writeFile(join(root, path), content());
  process.stdout.write(`written ${path}\n`);
}

if (await hasHelm()) {
  const [, helm] = await requireHelm();
  for (const { path, render } of renderings()) {
    await writeFile(join(root, path), await render(helm));
    process.stdout.write(`written ${path}\n`);
  }
} else {
  process.stdout.write('what the chart makes was not rendered: `npm test -- test/helm` brings helm\n');
}
