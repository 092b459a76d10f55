/** What the chart refuses, in both helms, and how it says so: the value by its path. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHART, template, tidyUp, type Values, valuesFile } from './charts.ts';
import { type Helm, requireHelm } from './require-helm.ts';

const INSTALL_MAX_MS = 240_000;

let helms: readonly Helm[];
beforeAll(async () => {
  helms = await requireHelm();
}, INSTALL_MAX_MS);
afterAll(tidyUp);

/** `a.b` of 1 → `{a: {b: 1}}` */
function at(path: string, value: unknown): Values {
  const [key, ...rest] = path.split('.');
  return { [key!]: rest.length === 0 ? value : at(rest.join('.'), value) };
}

/** Values that the schema refuses; the one wrong thing by its path. */
const WRONG: readonly (readonly [path: string, value: unknown])[] = [
  ['mode', 'daemon'],
  ['enabled', 'yes'],
  ['nameOverride', 'Not A Name'],
  ['image.repository', 'Leasehold'],
  ['image.tag', 'two words'],
  ['image.digest', 'sha256:12'],
  ['image.pullPolicy', 'Sometimes'],
  ['image.pullSecrets', [{ name: 'registry' }]],
  ['logLevel', 'loud'],
  ['drainMs', '25s'],
  ['drainMs', -1],
  ['serviceStopSeconds', 1.5],
  ['listen.address', 'everywhere'],
  ['listen.port', 80],
  ['listen.socket', 'true'],
  ['redis.url', 'http://redis:6379'],
  ['redis.url', 'redis://user:secret@redis:6379'],
  ['redis.url', 'redis://redis:6379?db=1'],
  ['redis.existingSecret.name', 'Secret_Name'],
  ['redis.tls.caSecret.key', ''],
  ['nats.url', 'nats://:secret@nats'],
  ['nats.url', 'ws://nats'],
  ['tokens.existingSecret.key', 'a/b'],
  ['data.volume', 'state/0'],
  ['data.sizeLimit', 'large'],
  ['resources.limits.memory', '512MB'],
  ['resources.limits.memory', 512],
  ['resources.requests.cpu', 'half'],
  ['extraEnv', [{ name: 'LEASEHOLD_LISTEN', value: '0.0.0.0:7117' }]],
  ['extraEnv', [{ value: 'nameless' }]],
  ['extraEnv', { A: 'b' }],
  ['security.runAsUser', 'nobody'],
  ['probes.startup.periodSeconds', 0],
  ['probes.timeoutSeconds', 600],
  ['telemetry.otlp.endpoint', 'collector:4318'],
  ['telemetry.otlp.protocol', 'grpc-web'],
  ['telemetry.traces.sampler', 'sometimes'],
  ['telemetry.traces.samplerArg', '1.5'],
  ['telemetry.resourceAttributes', { team: 'a,b' }],
  ['podMonitor.interval', '30'],
  ['networkPolicy.policyTypes', []],
  ['networkPolicy.redis.ports', [0]],
  ['networkPolicy.redis.ports', []],
  ['networkPolicy.dns.to', [{}]],
  ['networkPolicy.metrics.from', [{ ipBlock: { cidr: 'everywhere' } }]],
  ['agent.socketDir', 'run/leasehold'],
  ['agent.socketDir', '/run, type: File'],
  ['agent.dataDir', '/var/lib/{{ .Values.mode }}'],
  ['agent.maxUnavailable', 0],
  ['agent.tolerations', [{ effect: 'Never' }]],
  ['agent.nodeSelector', { disk: true }],
  // The file of the sidecar, by the sidecar's own schema.
  ['config.namespaces.sessions.ttl.defaultMs', '30s'],
  ['config.namespaces.sessions.conflict', 'mine'],
  ['config.namespaces.sessions.capacity.bytes', '64MB'],
  ['config.limits.connections', 0],
  ['config.flags.sweep', 'maybe'],
  ['config.journal.segmentBytes', true],
];

/** Keys that the schema does not know, in every kind of group. */
const UNKNOWN: readonly string[] = [
  'replicas', 'image.name', 'listen.host', 'redis.host', 'redis.existingSecret.namespace', 'redis.tls.ca',
  'nats.credentials', 'tokens.file', 'data.claim', 'resources.limits.disk', 'probes.startup.delay',
  'telemetry.otlp.url', 'podMonitor.path', 'networkPolicy.redis.cidr', 'agent.replicas', 'security.privileged',
  'config.namespace', 'config.namespaces.sessions.ttlMs', 'config.limits.leases2',
  // Values of the chart, and paths that follow from them.
  'config.listen', 'config.name', 'config.dataDir', 'config.memoryLimitBytes', 'config.drainMs', 'config.logLevel',
  'config.tokensFile', 'config.ledger.url', 'config.ledger.passwordFile', 'config.ledger.tls.caFile', 'config.bus.url',
  'config.bus.credentialsFile', 'config.bus.tls.keyFile',
];

async function refusals(values: Values): Promise<readonly string[]> {
  const file = await valuesFile(values);
  const runs = await Promise.all(helms.map((helm) => template(helm, CHART, [file])));
  for (const { code, stdout } of runs) expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  return runs.map(({ stderr }) => stderr);
}

interface Wrong {
  readonly path: string;
  readonly value: unknown;
}

const within = (path: string, other: string) => `${path}.`.startsWith(`${other}.`);

function merged(one: unknown, other: unknown): unknown {
  const maps = [one, other].every((value) => typeof value === 'object' && !Array.isArray(value));
  if (!maps) return other;
  const both: Record<string, unknown> = { ...(one as Values) };
  for (const [key, value] of Object.entries(other as Values)) {
    both[key] = key in both ? merged(both[key], value) : value;
  }
  return both;
}

/** As many wrong values at once as do not touch each other: the helms tell all that is wrong. */
function batches(all: readonly Wrong[]): Wrong[][] {
  const made: Wrong[][] = [];
  for (const one of all) {
    const apart = (other: Wrong) => !within(one.path, other.path) && !within(other.path, one.path);
    const batch = made.find((others) => others.every(apart));
    if (batch === undefined) made.push([one]);
    else batch.push(one);
  }
  return made;
}

const told = new Map<string, Promise<readonly string[]>>();

/** What both helms say of the batch this is in. */
function saidOf(all: readonly Wrong[], one: Wrong): Promise<readonly string[]> {
  const batch = batches(all).find((wrongs) => wrongs.some(({ path, value }) => path === one.path && value === one.value))!;
  const values = batch.map(({ path, value }) => at(path, value)).reduce(merged, {}) as Values;
  const key = JSON.stringify(values);
  const saying = told.get(key) ?? refusals(values);
  told.set(key, saying);
  return saying;
}

const escaped = (path: string) => path.replaceAll('.', '\\.');

describe('the schema refuses', () => {
  const wrong = WRONG.map(([path, value]) => ({ path, value, shown: JSON.stringify(value) }));

  test.each(wrong)('$path: $shown', async (one) => {
    const [three, four] = await saidOf(wrong, one);
    expect(three).toMatch(new RegExp(`^- ${escaped(one.path)}[.:]`, 'm'));
    expect(four).toMatch(new RegExp(`at '/${one.path.replaceAll('.', '/')}[/']`, 'm'));
  });

  const unknown = UNKNOWN.map((path) => ({ path, value: 'anything' }));

  test.each(unknown)('$path, which it does not know', async (one) => {
    const [three, four] = await saidOf(unknown, one);
    const group = one.path.split('.').slice(0, -1);
    const key = one.path.split('.').at(-1)!;
    const place = group.length === 0 ? '\\(root\\)' : group.join('\\.');
    expect(three).toMatch(new RegExp(`^- ${place}: Additional property ${key} is not allowed`, 'm'));
    const pointer = group.map((part) => `/${part}`).join('');
    expect(four).toMatch(new RegExp(`at '${pointer}': additional properties .*'${key}'.* not allowed`));
  });

  // It takes the default away; templates would make nothing of it, or a pod without a journal's limit.
  test.each(['config', 'drainMs', 'redis', 'redis.tls.caSecret', 'resources.limits', 'data.sizeLimit', 'agent'])('%s: null', async (path) => {
    const [three, four] = await refusals(at(path, null));
    const group = path.split('.').slice(0, -1);
    const key = path.split('.').at(-1)!;
    expect(three).toContain(`- ${group.join('.') || '(root)'}: ${key} is required`);
    expect(four).toContain(`at '${group.map((part) => `/${part}`).join('')}': missing property '${key}'`);
  });

  test('a namespace whose name is none', async () => {
    const [three, four] = await refusals(at('config.namespaces', { 'Not One': {} }));
    expect(three).toContain('config.namespaces');
    expect(four).toContain("invalid propertyName 'Not One'");
  });
});

const TOKENS = { tokens: { existingSecret: { name: 'leasehold-tokens' } } };
const REACHABLE = { ...TOKENS, listen: { address: '0.0.0.0' } };

/** What the values say one by one and must not say together. */
const CONTRADICTIONS: readonly (readonly [sentence: string, values: Values])[] = [
  ['listen.address: 0.0.0.0 lets others than the pod in, which takes tokens', { listen: { address: '0.0.0.0' } }],
  ['listen.address: :: lets others than the pod in', { listen: { address: '::' } }],
  ['tokens.existingSecret.name: every pod that mounts the socket of an agent', { mode: 'agent' }],
  ['data.volume: the pods of an agent have the volumes of the chart', { ...TOKENS, mode: 'agent', data: { volume: 'state' } }],
  [
    'agent.prepareHost: directories cannot be given to a user that nobody names',
    { ...TOKENS, mode: 'agent', security: { runAsUser: 0 } },
  ],
  [
    'redis.url: there is redis.existingSecret.name too',
    { redis: { url: 'redis://redis', existingSecret: { name: 'redis' } } },
  ],
  [
    'nats.url: there is nats.existingSecret.name too',
    { nats: { url: 'nats://nats', existingSecret: { name: 'nats' } } },
  ],
  ['redis.passwordSecret.name: there is no server it is for', { redis: { passwordSecret: { name: 'redis' } } }],
  ['nats.nkeySecret.name: there is no server it is for', { nats: { nkeySecret: { name: 'nats' } } }],
  ['redis.tls.caSecret.name: there is no server it is for', { redis: { tls: { caSecret: { name: 'ca' } } } }],
  [
    'terminationGracePeriodSeconds: 30 is too short; the service may take serviceStopSeconds and the sidecar drainMs, 60 together',
    { terminationGracePeriodSeconds: 30 },
  ],
  [
    'terminationGracePeriodSeconds: 29 is too short',
    { ...TOKENS, mode: 'agent', terminationGracePeriodSeconds: 29 },
  ],
  [
    'podMonitor.enabled: Prometheus cannot reach 127.0.0.1',
    { ...TOKENS, podMonitor: { enabled: true, tokenSecret: { name: 'metrics' } } },
  ],
  ['podMonitor.tokenSecret.name: /metrics takes a token', { ...REACHABLE, podMonitor: { enabled: true } }],
  ['resources.requests.memory: 8Gi is more than the limit', { resources: { requests: { memory: '8Gi' } } }],
  ['resources.requests.cpu: 0.5 is more than the limit, 200m', { resources: { requests: { cpu: '0.5' }, limits: { cpu: '200m' } } }],
  ['resources.limits.memory: 128Mi is too little', { resources: { limits: { memory: '128Mi' } } }],
];

describe('the templates refuse', () => {
  test.each(CONTRADICTIONS)('%s', async (sentence, values) => {
    for (const said of await refusals(values)) expect(said).toContain(sentence);
  });
});
