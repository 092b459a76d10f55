/** What is kept rendered in the repository: the chart's examples, and the worked service. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CHART, template, withDependencies } from './charts.ts';
import type { Helm } from './require-helm.ts';

export const WORKER = 'examples/kubernetes/worker';

export interface Rendering {
  /** From the root of the repository. */
  readonly path: string;
  render(helm: Helm): Promise<string>;
}

/** @throws Error with what helm says, when it refuses */
async function whole(helm: Helm, chart: string, files: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await template(helm, chart, files);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export function renderings(): readonly Rendering[] {
  const examples = readdirSync(join(CHART, 'examples')).map((example) => ({
    path: `helm/leasehold/examples/${example}/rendered.yaml`,
    render: (helm: Helm) => whole(helm, CHART, [join(CHART, 'examples', example, 'values.yaml')]),
  }));
  const worker = {
    path: `${WORKER}/rendered.yaml`,
    render: async (helm: Helm) => whole(helm, await withDependencies(helm, WORKER), []),
  };
  return [...examples, worker];
}
