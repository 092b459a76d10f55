/**
 * The limit of memory that the chart sets, or insists on, against what the sidecar itself computes
 * from the file it is given.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { worstCase } from '../../src/config/derive.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SLOT_COSTS } from '../../src/core/costs.ts';
import { CHART, including, rendered, template, tidyUp, type Values, valuesFile } from './charts.ts';
import { type Helm, requireHelm } from './require-helm.ts';

const MEBIBYTE = 1024 ** 2;
const PROBES_MIB = 80;
const INSTALL_MAX_MS = 240_000;

let helms: readonly Helm[];
let folder: string;
let asking: string;
beforeAll(async () => {
  helms = await requireHelm();
  folder = await mkdtemp(join(tmpdir(), 'leasehold-memory-'));
  // One run of helm answers for all cases.
  asking = await including(
    'answers:\n' +
      '{{- range .Values.cases }}\n' +
      '  - {{ include "leasehold.worstCaseBytes" (mergeOverwrite (deepCopy $.Values.leasehold) .) | float64 | int64 }}\n' +
      '{{- end }}\n',
  );
}, INSTALL_MAX_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));
afterAll(tidyUp);

interface Case {
  readonly config: { readonly limits?: Values };
  readonly redis: { readonly url: string };
  readonly nats: { readonly url: string };
  readonly telemetry: { readonly otlp: { readonly endpoint: string } };
  readonly extraEnv: readonly { readonly name: string; readonly value: string }[];
}

/** What the chart's own values.yaml says of it. */
const CONNECTIONS = 1000;

async function toldBySidecar({ config, redis, nats, telemetry, extraEnv }: Case): Promise<number> {
  const file = join(folder, 'leasehold.yaml');
  const whole = { ...config, limits: { connections: CONNECTIONS, ...config.limits } };
  await writeFile(file, stringify(whole));
  const environment = {
    LEASEHOLD_CONFIG: file,
    LEASEHOLD_LEDGER_URL: redis.url,
    LEASEHOLD_BUS_URL: nats.url,
    LEASEHOLD_MEMORY_LIMIT_MB: '16000000',
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.otlp.endpoint,
    ...Object.fromEntries(extraEnv.map(({ name, value }) => [name, value])),
  };
  return worstCase(loadConfig({ environment, costs: SLOT_COSTS }), SLOT_COSTS).bytes;
}

async function toldByChart(helm: Helm, cases: readonly Case[]): Promise<readonly number[]> {
  const values = await valuesFile({ cases });
  const { code, stdout, stderr } = await template(helm, asking, [values]);
  if (code !== 0) throw new Error(stderr);
  const answers = /answers:\n((?: {2}- \d+\n?)+)/.exec(stdout)![1]!;
  return answers.trim().split('\n').map((line) => Number(line.replace(/^ *- /, '')));
}

const count = (min: number, max: number) => fc.integer({ min, max });
const size = (min: number, max: number) =>
  fc.oneof(
    count(min, max).map((mebibytes) => mebibytes * MEBIBYTE),
    count(min, max).map((mebibytes) => `${mebibytes}Mi`),
    count(min, max).map((mebibytes) => ` ${mebibytes * 1024} KiB`.trim()),
  );

const namespace = fc.record(
  {
    mirror: fc.constantFrom('none', 'all'),
    capacity: fc.record(
      { leases: count(1, 200_000), entries: count(1, 200_000), bytes: size(1, 512) },
      { requiredKeys: [] },
    ),
    events: fc.record({ values: fc.constantFrom('none', 'hash', 'full') }, { requiredKeys: [] }),
    reconstitute: fc.record({
      url: fc.constant('http://127.0.0.1:9000/rebuild'),
      concurrency: count(1, 64),
    }),
  },
  { requiredKeys: [] },
);

const limits = fc.record(
  {
    // At least what one namespace may hold.
    leases: count(200_000, 500_000),
    entries: count(200_000, 500_000),
    bytes: size(512, 1024),
    copies: count(1, 100_000),
    copyBytes: size(1, 64),
    tombstones: count(0, 100_000),
    valueBytes: fc.constantFrom('256Ki', 65_536),
    keyBytes: count(16, 1024),
    bodyBytes: size(1, 16),
    inFlightBodyBytes: size(16, 256),
    connections: count(1, 50_000),
    watchers: count(1, 1000),
    idempotency: fc.record({ bytes: size(1, 64) }),
    endedMemory: fc.record({ entries: count(1, 500_000) }),
    feed: fc.record({ facts: count(256, 500_000), bytes: size(1, 64) }, { requiredKeys: [] }),
    outbox: fc.record(
      {
        endings: count(1_000_000, 2_000_000),
        endingBytes: size(16, 512),
        events: count(256, 100_000),
        eventBytes: size(8, 64),
        keptBytes: size(1, 64),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);

const someCase: fc.Arbitrary<Case> = fc.record({
  config: fc.record(
    {
      namespaces: fc.dictionary(fc.constantFrom('default', 'sessions', 'jobs'), namespace),
      limits,
      ledger: fc.record({ requestsInFlight: count(1, 64), waiters: count(1, 50_000) }),
      bus: fc.record({ window: count(1, 4096) }),
      admission: fc.record({ heldRefusals: count(0, 50_000) }),
      callerQuota: fc.record({ requestsPerS: count(1, 1000), callers: count(1, 10_000) }),
    },
    { requiredKeys: [] },
  ),
  redis: fc.record({ url: fc.constantFrom('', 'redis://ledger') }),
  nats: fc.record({ url: fc.constantFrom('', 'nats://bus') }),
  telemetry: fc.record({
    otlp: fc.record({ endpoint: fc.constantFrom('', 'http://collector:4318') }),
  }),
  extraEnv: fc.uniqueArray(
    fc.oneof(
      fc.record({
        name: fc.constantFrom(
          'OTEL_BSP_MAX_QUEUE_SIZE', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 'OTEL_BLRP_MAX_QUEUE_SIZE',
          'OTEL_SPAN_LINK_COUNT_LIMIT',
        ),
        value: count(0, 8192).map(String),
      }),
      fc.constant({ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://elsewhere:4318' }),
    ),
    { maxLength: 3, selector: ({ name }) => name },
  ),
});

/** Undefined: the sidecar refuses it, for a reason that the drawing does not know. */
async function accepted(one: Case): Promise<number | undefined> {
  return toldBySidecar(one).catch(() => undefined);
}

describe('the worst case of memory', () => {
  test('is what the sidecar computes, whatever the configuration', async () => {
    const drawn = fc.sample(someCase, { numRuns: 80, seed: 6 });
    const told: (number | undefined)[] = [];
    for (const one of drawn) told.push(await accepted(one));
    const cases = drawn.filter((_, index) => told[index] !== undefined);
    expect(cases.length).toBeGreaterThan(40);
    const expected = told.filter((bytes) => bytes !== undefined);
    for (const helm of helms) {
      const answers = await toldByChart(helm, cases);
      const differing = answers.flatMap((bytes, index) =>
        // Sums of fractions come out in another order.
        Math.abs(bytes - expected[index]!) <= 2 ? [] : [{ ...cases[index], bytes, expected: expected[index] }],
      );
      expect(differing).toEqual([]);
    }
  });

  test('is the limit that the chart sets, with room for probes', async () => {
    const values = { redis: { url: 'redis://ledger' }, nats: { url: 'nats://bus' } };
    const neededMi = await neededMiOf(values);
    expect(await limitOf(values)).toBe(inSteps(neededMi));
    const larger = { ...values, config: { namespaces: { sessions: { capacity: { bytes: '1Gi' } } } } };
    expect(await neededMiOf(larger)).toBeGreaterThan(neededMi + 1024);
    expect(await limitOf(larger)).toBe(inSteps(await neededMiOf(larger)));
    const observed = { telemetry: { otlp: { endpoint: 'http://collector:4318' } } };
    expect(await limitOf(observed)).toBe(inSteps(await neededMiOf(observed)));
    expect(await neededMiOf(observed)).toBeGreaterThan((await neededMiOf({})) + 100);
  });

  test('is kept to when somebody sets another limit', async () => {
    const neededMi = await neededMiOf({});
    const limited = (memory: string) => ({ resources: { limits: { memory } } });
    expect(await limitOf(limited('2Gi'))).toBe('2Gi');
    expect(await limitOf(limited(`${neededMi}Mi`))).toBe(`${neededMi}Mi`);
    for (const helm of helms) {
      for (const memory of [`${neededMi - 1}Mi`, '512M', '0.25Gi']) {
        const { code, stderr } = await template(helm, CHART, [await valuesFile(limited(memory))]);
        expect({ memory, code }).toEqual({ memory, code: 1 });
        expect(stderr).toContain(
          `resources.limits.memory: ${memory} is too little; this configuration can need ${neededMi}Mi with probes`,
        );
      }
    }
  });

  test('is what the sidecar checks at start, against the limit that the kernel kills at', async () => {
    const { env } = await sidecarOf({});
    expect(env.find(({ name }: { name: string }) => name === 'LEASEHOLD_MEMORY_LIMIT_MB')).toEqual({
      name: 'LEASEHOLD_MEMORY_LIMIT_MB',
      valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } },
    });
  });
});

/** What the sidecar computes for the file the chart makes of these values, and probes beside it. */
async function neededMiOf(values: Values): Promise<number> {
  const {
    redis = { url: '' }, nats = { url: '' }, config = {}, telemetry = { otlp: { endpoint: '' } },
    extraEnv = [],
  } = values as Partial<Case>;
  const bytes = await toldBySidecar({ redis, nats, config, telemetry, extraEnv });
  return Math.ceil(bytes / MEBIBYTE) + PROBES_MIB;
}

/** So that not every small change of a bound is another limit. */
const inSteps = (neededMi: number) => `${Math.ceil(neededMi / 32) * 32}Mi`;

async function sidecarOf(values: Values) {
  const all = await rendered(helms[0]!, values);
  return all.find(({ kind }) => kind === 'Pod').spec.initContainers[0];
}

async function limitOf(values: Values): Promise<string> {
  return (await sidecarOf(values)).resources.limits.memory;
}
