/**
 * The sidecar as the chart has it run: with the variables, the file, the mounted secrets and the
 * memory limit of a rendered pod, asked by the rendered probes.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, type Ended, type Program, readyUrls, run, scratchDirectory, until } from '../process/support.ts';
import { freePort, stopServers } from '../servers/child.ts';
import { otlpReceiver } from '../servers/otlp-receiver.ts';
import { startNats } from '../servers/nats.ts';
import { startRedis } from '../servers/redis.ts';
import { type Manifest, manifests, ofKind, rendered, template, tidyUp, type Values, valuesFile, withDependencies } from './charts.ts';
import { provide, type Secrets } from './pod.ts';
import { WORKER } from './renderings.ts';
import { type Helm, requireHelm } from './require-helm.ts';

const INSTALL_MAX_MS = 240_000;
const ENTRYPOINT = ['node', '/app/src/main.js'];

let helm: Helm;
beforeAll(async () => {
  [, helm] = await requireHelm();
}, INSTALL_MAX_MS);
afterEach(cleanUp);
afterAll(stopServers);
afterAll(tidyUp);

interface Running {
  readonly sidecar: Program;
  readonly root: string;
  /** Runs a command of the image in the container, as an exec probe is run. */
  exec(command: readonly string[], more?: Readonly<Record<string, string>>): Promise<Ended>;
}

/** Starts the sidecar of a pod in a directory, which may be one that an earlier run has left. */
function startIn(root: string, container: Manifest, pod: Manifest, objects: readonly Manifest[], secrets: Secrets): Running {
  const { environment, at } = provide(container, pod, objects, secrets, root);
  const exec = (command: readonly string[], more = {}) => {
    expect(command.slice(0, 2)).toEqual(ENTRYPOINT);
    return run(command.slice(2).map(at), { ...environment, ...more }).ended;
  };
  return { sidecar: run([], environment), root, exec };
}

async function sidecarOf(values: Values) {
  const objects = await rendered(helm, values);
  const pod = ofKind(objects, 'Pod').spec;
  return { objects, pod, container: pod.initContainers[0], service: pod.containers[0] };
}

describe('a sidecar beside a service', () => {
  test('answers its probes, and its service; stops when told; goes on where it was', async () => {
    const values = { listen: { port: await freePort(), socket: true } };
    const { objects, pod, container, service } = await sidecarOf(values);
    const root = scratchDirectory();
    const first = startIn(root, container, pod, objects, {});
    const { startupProbe, readinessProbe, livenessProbe } = container;
    await readyUrls(first.sidecar);
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
      expect(await first.exec(probe.exec.command)).toMatchObject({ code: 0 });
    }
    // What `helm test` runs beside it, at the socket; which any user may connect to.
    expect(await first.exec(service.command)).toMatchObject({ code: 0 });
    expect(statSync(join(root, 'run/leasehold/leasehold.sock')).mode & 0o777).toBe(0o666);
    const [http] = (await readyUrls(first.sidecar))!;
    const put = await fetch(`${http}/v1/entries/default/ann?ttlMs=600000`, { method: 'PUT', body: 'in room 7' });
    expect(put.status).toBe(201);

    first.sidecar.child.kill('SIGTERM');
    expect(await first.sidecar.ended).toEqual({ code: 0, signal: null });
    expect(await first.exec(livenessProbe.exec.command)).toMatchObject({ code: 1 });

    const second = startIn(root, container, pod, objects, {});
    await readyUrls(second.sidecar);
    expect(await (await fetch(`${http}/v1/entries/default/ann`)).text()).toBe('in room 7');
  });

  test('reaches Redis and NATS with the secrets it is given, and lets in who has a token', async () => {
    const redis = await startRedis({ tls: true, password: 'of-redis' });
    const nats = await startNats({ tls: 'server', users: [{ user: 'leasehold', password: 'of-nats' }] });
    const token = 'a-token-for-the-tests-of-the-chart-0001';
    const pem = (file: string) => readFileSync(file, 'utf8');
    const secrets: Secrets = {
      redis: { password: 'of-redis', 'ca.crt': pem(redis.certificates!.caFile) },
      'redis-client': { 'tls.crt': pem(redis.certificates!.clientCertFile), 'tls.key': pem(redis.certificates!.clientKeyFile) },
      nats: { password: 'of-nats', 'ca.crt': pem(nats.certificates!.caFile) },
      'leasehold-tokens': {
        'tokens.yaml': JSON.stringify({
          tokens: [{
            subject: 'chart',
            sha256: createHash('sha256').update(token).digest('hex'),
            namespaces: ['*'],
            verbs: ['*'],
          }],
        }),
      },
    };
    const port = await freePort();
    const { objects, pod, container } = await sidecarOf({
      listen: { address: '0.0.0.0', port },
      redis: {
        url: `rediss://${redis.host}:${redis.port}`,
        passwordSecret: { name: 'redis' },
        tls: { caSecret: { name: 'redis' }, certSecret: { name: 'redis-client' } },
      },
      nats: {
        url: `tls://leasehold@${nats.address}`,
        passwordSecret: { name: 'nats' },
        tls: { caSecret: { name: 'nats' } },
      },
      tokens: { existingSecret: { name: 'leasehold-tokens' } },
    });
    const { sidecar } = startIn(scratchDirectory(), container, pod, objects, secrets);
    expect(await readyUrls(sidecar)).toBeDefined();
    // As the kubelet asks: by the address of the pod, without a token.
    for (const { httpGet } of [container.startupProbe, container.livenessProbe]) {
      expect(httpGet.port).toBe(container.ports[0].name);
      expect(container.ports[0].containerPort).toBe(port);
      const { status } = await fetch(`http://127.0.0.1:${port}${httpGet.path}`, { headers: { Host: `10.1.2.3:${port}` } });
      expect(status).toBe(200);
    }
    const asked = async (path: string, authorization: Record<string, string> = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: authorization });
      return { status: response.status, body: (await response.json()) as Manifest };
    };
    expect(await asked('/v1/status')).toMatchObject({ status: 401 });
    const { status, body } = await asked('/v1/status', { Authorization: `Bearer ${token}` });
    expect(status).toBe(200);
    expect(body.replica).toBe('demo-pod');
    // Neither is away: password, authority and certificate were found and taken.
    await until('ledger and bus are there', async () => (await asked('/readyz')).body.state === 'ready');
  });
});

describe('a sidecar that is watched', () => {
  test('shows metrics to the monitor, and tells the collector which pod it is', async () => {
    const collector = await otlpReceiver();
    try {
      const token = 'a-token-for-prometheus-and-no-more-0001';
      const secrets: Secrets = {
        'leasehold-tokens': {
          'tokens.yaml': JSON.stringify({
            tokens: [{ subject: 'prometheus', token, namespaces: ['*'], verbs: ['metrics'] }],
          }),
        },
        metrics: { token },
      };
      const { objects, pod, container } = await sidecarOf({
        listen: { address: '0.0.0.0', port: await freePort() },
        tokens: { existingSecret: { name: 'leasehold-tokens' } },
        podMonitor: { enabled: true, tokenSecret: { name: 'metrics' } },
        telemetry: {
          otlp: { endpoint: collector.url, protocol: 'http/json' },
          traces: { sampler: 'always_on', samplerArg: '' },
          resourceAttributes: { 'deployment.environment.name': 'tests' },
        },
        extraEnv: [{ name: 'OTEL_BSP_SCHEDULE_DELAY', value: '50' }],
      });
      const { sidecar } = startIn(scratchDirectory(), container, pod, objects, secrets);
      expect(await readyUrls(sidecar)).toBeDefined();

      const [{ port, path, authorization }] = ofKind(objects, 'PodMonitor').spec.podMetricsEndpoints;
      const { containerPort } = container.ports.find((one: Manifest) => one.name === port);
      const { name, key } = authorization.credentials;
      const scraped = await fetch(`http://127.0.0.1:${containerPort}${path}`, {
        headers: { Authorization: `${authorization.type} ${secrets[name]![key]}` },
      });
      expect(scraped.status).toBe(200);
      expect(await scraped.text()).toContain('leasehold_leases_live');

      const [first] = await until('spans are told', () => {
        const told = collector.exports('traces');
        return told.length > 0 && told;
      });
      const attributes = first.resourceSpans[0].resource.attributes.map(({ key, value }: Manifest) => [key, value.stringValue]);
      expect(Object.fromEntries(attributes)).toMatchObject({
        'k8s.pod.name': 'demo-pod',
        'k8s.namespace.name': 'apps',
        'k8s.node.name': 'node-1',
        'deployment.environment.name': 'tests',
      });
    } finally {
      await collector.close();
    }
  });
});

describe('the worked service', () => {
  test('has pods whose sidecars start with what the chart gives them', async () => {
    const chart = await withDependencies(helm, WORKER);
    const redis = await startRedis();
    const nats = await startNats();
    const file = await valuesFile({
      leasehold: {
        redis: { url: redis.url },
        nats: { url: `nats://${nats.address}` },
        listen: { port: await freePort() },
      },
    });
    const { stdout, stderr } = await template(helm, chart, [file]);
    expect(stderr).toBe('');
    const objects = manifests(stdout);
    const worker = ofKind(objects, 'StatefulSet').spec;
    // The volume of its claim is what the StatefulSet adds to the pod.
    const pod = {
      ...worker.template.spec,
      volumes: [...worker.template.spec.volumes, { name: worker.volumeClaimTemplates[0].metadata.name }],
    };
    const { sidecar, exec } = startIn(scratchDirectory(), pod.initContainers[0], pod, objects, {});
    expect(await readyUrls(sidecar)).toBeDefined();
    const { env } = pod.containers[0];
    const client = Object.fromEntries(env.map((one: Manifest) => [one.name, one.value]));
    expect(await exec([...ENTRYPOINT, 'status'], client)).toMatchObject({ code: 0 });
  });
});

describe('an agent', () => {
  test('finds its directories given to its user, once and for all', async () => {
    const isRoot = process.getuid!() === 0;
    const [uid, gid] = isRoot ? [65_532, 65_532] : [process.getuid!(), process.getgid!()];
    const objects = await rendered(helm, {
      mode: 'agent',
      agent: { allowWithoutTokens: true },
      security: { runAsUser: uid, runAsGroup: gid },
    });
    const pod = ofKind(objects, 'DaemonSet').spec.template.spec;
    const [prepare] = pod.initContainers;
    const root = scratchDirectory();
    for (const { mountPath } of prepare.volumeMounts) mkdirSync(join(root, mountPath), { recursive: true, mode: 0o755 });
    for (const _ of ['at first', 'again']) {
      const [, ...args] = prepare.command.map((part: string) => (part.startsWith('/') ? join(root, part) : part));
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      for (const { mountPath } of prepare.volumeMounts) {
        const { uid: owner, mode } = statSync(join(root, mountPath));
        // Without root's rights the directories are one's own already, and left as they are.
        const privately = isRoot && mountPath === '/var/lib/leasehold';
        expect({ owner, mode: mode & 0o777 }).toEqual({ owner: uid, mode: privately ? 0o700 : 0o755 });
      }
    }
  });

  test('is reached by its socket, on the node', async () => {
    const objects = await rendered(helm, { mode: 'agent', agent: { allowWithoutTokens: true } });
    const pod = ofKind(objects, 'DaemonSet').spec.template.spec;
    const { sidecar, exec } = startIn(scratchDirectory(), pod.containers[0], pod, objects, {});
    expect(await readyUrls(sidecar)).toEqual([expect.stringMatching(/^unix:.*\/run\/leasehold\/leasehold\.sock$/)]);
    expect(await exec(pod.containers[0].startupProbe.exec.command)).toMatchObject({ code: 0 });
    expect(await exec(ofKind(objects, 'Pod').spec.containers[0].command)).toMatchObject({ code: 0 });
  });
});
