/** The chart as a whole: both helms take it, make the same of it, and nothing an API server refuses. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { chartCosts, chartReadme, chartSchema, valueRows } from '../../scripts/chart-files.ts';
import { read } from '../house/repository.ts';
import { CHART, manifests, run, template, tidyUp, withDependencies } from './charts.ts';
import { renderings, WORKER } from './renderings.ts';
import { type Helm, requireHelm } from './require-helm.ts';
import { complaintsAbout } from './strict.ts';

const INSTALL_MAX_MS = 240_000;

let helms: readonly [Helm, Helm];
beforeAll(async () => {
  helms = await requireHelm();
}, INSTALL_MAX_MS);
afterAll(tidyUp);

/** Sets of values for the corners; the examples are rendered and judged below. */
const CORNERS = ['values.yaml', ...readdirSync(join(CHART, 'ci')).map((file) => `ci/${file}`)];
/** Each mode, as bare and as full as it gets. */
const MODES = ['values.yaml', ...['agent', 'agent-shared', 'sidecar-shared'].map((name) => `examples/${name}/values.yaml`)];

const judged = async (yaml: string) => {
  const all = manifests(yaml);
  expect(all.length).toBeGreaterThan(1);
  return (await Promise.all(all.map(complaintsAbout))).flat();
};

describe('the helms', () => {
  test('are one of each version', async () => {
    const versions = await Promise.all(helms.map((helm) => run(helm, ['version', '--template', '{{.Version}}'])));
    expect(versions.map(({ stdout }) => stdout.split('.')[0])).toEqual(['v3', 'v4']);
  });
});

describe('the chart', () => {
  test.each(MODES)('passes helm lint --strict: %s', async (values) => {
    const runs = await Promise.all(
      helms.map((helm) => run(helm, ['lint', '--strict', CHART, '--values', join(CHART, values)])),
    );
    for (const { code, stdout, stderr } of runs) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
      expect(stdout).not.toMatch(/WARNING|ERROR/);
    }
  });

  test.each(CORNERS)('makes the same with both helms, and nothing an API server refuses: %s', async (values) => {
    const runs = await Promise.all(helms.map((helm) => template(helm, CHART, [join(CHART, values)])));
    expect(runs.map(({ stderr }) => stderr)).toEqual(['', '']);
    expect(runs[0]!.stdout).toBe(runs[1]!.stdout);
    expect(await judged(runs[0]!.stdout)).toEqual([]);
  });

  test('packs without what is for readers and tests only', async () => {
    const folder = await withDependencies(helms[1], WORKER);
    for (const helm of helms) {
      const { code, stderr } = await run(helm, ['package', CHART, '--destination', folder]);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const packed = gunzipSync(readFileSync(join(folder, 'leasehold-0.1.0.tgz'))).toString('latin1');
      expect(packed).toContain('leasehold/UPGRADING.md');
      expect(packed).toContain('leasehold/values.schema.json');
      expect(packed).not.toMatch(/leasehold\/(ci|examples)\//);
    }
  });

  test('tells what to do next', async () => {
    // The other helm wants a cluster even to say what it would say.
    const notes = async (...values: string[]) => {
      const { stdout } = await run(helms[1], ['install', 'demo', CHART, '--dry-run=client', '--namespace', 'apps', ...values]);
      return stdout.slice(stdout.indexOf('NOTES:'));
    };
    const sidecar = await notes();
    for (const name of ['sidecar', 'volumes', 'podLabels', 'podAnnotations', 'terminationGracePeriodSeconds', 'clientEnv']) {
      expect(sidecar).toContain(`include "leasehold.${name}" .Subcharts.leasehold`);
    }
    expect(sidecar).toContain('helm test demo -n apps');
    expect(sidecar).toContain('There is no ledger');
    const agent = await notes('--set', 'mode=agent,agent.allowWithoutTokens=true,agent.dataDir=');
    expect(agent).toContain('hostPath: { path: /run/leasehold, type: Directory }');
    expect(agent).toContain('There are no tokens');
    expect(agent).toContain('Set agent.dataDir to keep it');
  });
});

describe('the strict judge', () => {
  test('finds an unknown field, a missing one, a wrong word and an unknown kind', async () => {
    const { stdout } = await template(helms[1], CHART, [join(CHART, 'examples/agent-shared/values.yaml')]);
    const all = manifests(stdout);
    const daemonSet = all.find(({ kind }) => kind === 'DaemonSet');
    const [container] = daemonSet.spec.template.spec.containers;
    container.startupProbe.periodSecond = 1;
    container.imagePullPolicy = 'Sometimes';
    daemonSet.spec.selector = undefined;
    const monitor = all.find(({ kind }) => kind === 'PodMonitor');
    monitor.spec.podMetricsEndpoints[0].prot = 'leasehold';
    const said = (await Promise.all([daemonSet, monitor, { ...monitor, kind: 'Monitor' }].map(complaintsAbout))).flat();
    expect(said).toEqual([
      expect.stringContaining('startupProbe.periodSecond is no field of V1Probe'),
      expect.stringMatching(/must have required property selector.*imagePullPolicy must be equal to one of/),
      expect.stringContaining('podMetricsEndpoints.prot is no field of PodMonitor'),
      expect.stringContaining('is no kind that is known here'),
    ]);
  });
});

describe('what is kept rendered', () => {
  const kept = renderings();

  test.each(kept)('is what both helms make; npm run docs mends it: $path', async ({ path, render }) => {
    for (const made of await Promise.all(helms.map(render))) expect(made).toBe(read(path));
  });

  test.each(kept)('is nothing an API server refuses: $path', async ({ path }) => {
    expect(await judged(read(path))).toEqual([]);
  });
});

describe('what the chart has from elsewhere', () => {
  test.each([
    ['helm/leasehold/values.schema.json', chartSchema],
    ['helm/leasehold/templates/_costs.tpl', chartCosts],
    ['helm/leasehold/README.md', chartReadme],
  ])('%s is up to date; npm run docs mends it', (path, made) => {
    expect(read(path)).toBe(made());
  });

  test('is the version of the sidecar', () => {
    expect(parse(read('helm/leasehold/Chart.yaml')).appVersion).toBe(JSON.parse(read('package.json')).version);
  });

  test('are entrypoint, user, data directory and health command of the image', () => {
    const dockerfile = read('Dockerfile');
    const entrypoint = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)![1]!);
    const paths = read('helm/leasehold/templates/_names.tpl');
    expect(paths).toContain(`command: [${entrypoint.join(', ')}]`);
    expect(paths).toContain(`data: ${/LEASEHOLD_DATA_DIR=(\S+)/.exec(dockerfile)![1]}`);
    const { security } = parse(read('helm/leasehold/values.yaml'));
    expect(/^USER (.*)$/m.exec(dockerfile)![1]).toBe(`${security.runAsUser}:${security.runAsGroup}`);
    expect(dockerfile).toContain(JSON.stringify([...entrypoint, 'health', '--ready']).replaceAll(',', ', '));
  });
});

describe('values.yaml', () => {
  const rows = valueRows();

  test('says of every value, or of the group it is in, what it is', () => {
    const told = new Set(rows.filter(({ meaning }) => meaning !== '').map(({ path }) => path));
    const untold = rows.filter(({ path }) => {
      const parts = path.split('.');
      return !parts.some((_, index) => told.has(parts.slice(0, index + 1).join('.')));
    });
    expect(rows.length).toBeGreaterThan(90);
    expect(untold).toEqual([]);
  });

  test('and the schema know the same values, and the schema no group that takes others', () => {
    const schema = JSON.parse(read('helm/leasehold/values.schema.json'));
    const known: string[] = [];
    const open: string[] = [];
    const walk = (given: Record<string, unknown>, path: readonly string[]): void => {
      const reference = given['$ref'] as string | undefined;
      const one = reference === undefined ? given : schema.definitions[reference.split('/').at(-1)!];
      const at = path.join('.');
      if (one.type !== 'object') {
        known.push(at);
      } else if (one.properties === undefined) {
        // A mapping of the user's own, as labels are.
        known.push(at);
        if (typeof one.additionalProperties !== 'object') open.push(at);
      } else {
        if (one.additionalProperties !== false) open.push(at);
        for (const [key, inside] of Object.entries(one.properties)) {
          walk(inside as Record<string, unknown>, [...path, key]);
        }
      }
    };
    const { config: _, ...own } = schema.properties;
    walk({ ...schema, properties: own }, []);
    // Helm hands it to every dependency.
    expect(open).toEqual(['global']);
    const listed = rows.map(({ path }) => path).filter((path) => !path.startsWith('config'));
    const leaves = listed.filter((path) => !listed.some((other) => other.startsWith(`${path}.`)));
    expect(known.filter((path) => path !== 'global').sort()).toEqual(leaves.sort());
  });
});
