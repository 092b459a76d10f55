/** The pods that the chart makes, and those that include its sidecar. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { read } from '../house/repository.ts';
import { CHART, including, type Manifest, manifests, ofKind, rendered, template, tidyUp, type Values, valuesFile } from './charts.ts';
import { WORKER } from './renderings.ts';
import { type Helm, requireHelm } from './require-helm.ts';
import { complaintsAbout } from './strict.ts';

const INSTALL_MAX_MS = 240_000;

let helms: readonly [Helm, Helm];
beforeAll(async () => {
  helms = await requireHelm();
}, INSTALL_MAX_MS);
afterAll(tidyUp);

/** What is kept rendered; that it is what the helms make is another test's. */
const kept = [
  ...readdirSync(join(CHART, 'examples')).map((name) => `helm/leasehold/examples/${name}/rendered.yaml`),
  `${WORKER}/rendered.yaml`,
].map((path) => [path, manifests(read(path))] as const);

const podOf = ({ kind, metadata, spec }: Manifest) =>
  kind === 'Pod' ? { metadata, spec } : { metadata: spec?.template?.metadata, spec: spec?.template?.spec };
const podsOf = (all: readonly Manifest[]) =>
  all.map((one) => ({ ...podOf(one), of: one })).filter(({ spec }) => spec?.containers !== undefined);
const containersOf = (spec: Manifest): Manifest[] => [...(spec.initContainers ?? []), ...spec.containers];
const ownContainersOf = (spec: Manifest) =>
  containersOf(spec).filter(({ image }) => image.startsWith('leasehold:'));

describe.each(kept)('the pods of %s', (_, all) => {
  const pods = podsOf(all);

  test('have every container of the image as unprivileged as it can be', () => {
    const containers = pods.flatMap(({ spec }) => ownContainersOf(spec));
    expect(containers.length).toBeGreaterThan(0);
    for (const { name, securityContext, resources } of containers) {
      const { runAsUser, runAsGroup, runAsNonRoot, capabilities, ...rest } = securityContext;
      expect(rest).toEqual({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(capabilities.drop).toEqual(['ALL']);
      expect(resources.limits.memory).toMatch(/^\d+Mi$/);
      // One alone is root, for a moment and for one thing.
      if (name === 'prepare-host') expect(capabilities.add).toEqual(['CHOWN']);
      else expect({ runAsUser, runAsGroup, runAsNonRoot, add: capabilities.add }).toEqual({ runAsUser: 65532, runAsGroup: 65532, runAsNonRoot: true });
    }
  });

  test('mount nothing that is not there, and have nothing that nobody mounts', () => {
    for (const { spec, of } of pods) {
      const claims = (of.spec.volumeClaimTemplates ?? []).map((claim: Manifest) => claim.metadata.name);
      const volumes = (spec.volumes ?? []).map((volume: Manifest) => volume.name);
      const mounted = containersOf(spec).flatMap(({ volumeMounts = [] }) => volumeMounts.map((mount: Manifest) => mount.name));
      expect([...new Set(mounted)].sort()).toEqual([...volumes, ...claims].sort());
    }
  });

  test('have probes that reach what they ask', () => {
    for (const container of pods.flatMap(({ spec }) => ownContainersOf(spec))) {
      if (container.name !== 'leasehold') continue;
      const listen = container.env.find(({ name }: Manifest) => name === 'LEASEHOLD_LISTEN').value;
      for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
        if (probe.httpGet !== undefined) {
          expect(listen).toContain(`0.0.0.0:${container.ports.find((port: Manifest) => port.name === probe.httpGet.port).containerPort}`);
        } else {
          // The kubelet is outside of the pod: it reaches neither loopback nor a socket in it.
          expect(listen).not.toContain('0.0.0.0');
          expect(probe.exec.command.slice(0, 3)).toEqual(['node', '/app/src/main.js', 'health']);
        }
      }
    }
  });

  test('are found by the policy and the monitor', () => {
    for (const { spec } of all.filter(({ kind }) => ['NetworkPolicy', 'PodMonitor', 'DaemonSet'].includes(kind))) {
      const selector = (spec.podSelector ?? spec.selector).matchLabels;
      const found = pods.filter(({ metadata }) => Object.entries(selector).every(([key, value]) => metadata.labels[key] === value));
      expect(found.map((pod) => pod.spec).filter((pod) => containersOf(pod).some(({ name }) => name === 'leasehold'))).toHaveLength(found.length);
      expect(found.length).toBeGreaterThan(0);
    }
  });
});

describe('a pod that includes the sidecar', () => {
  const all = kept.find(([path]) => path.startsWith(WORKER))![1];
  const spec = (kind: string) => ofKind(all, kind).spec.template.spec;

  test.each(['Deployment', 'StatefulSet', 'Job'])('has it started before its containers and stopped after them: %s', (kind) => {
    const [sidecar] = spec(kind).initContainers;
    expect(sidecar.name).toBe('leasehold');
    expect(sidecar.restartPolicy).toBe('Always');
    // The next container waits for this probe, and not for the others.
    expect(sidecar.startupProbe.exec.command).toContain('--ready');
    // Hooks of all containers run at once when a pod goes; here one would only take from the grace.
    expect(sidecar.lifecycle).toBeUndefined();
    expect(spec(kind).containers.map(({ name }: Manifest) => name)).not.toContain('leasehold');
    expect(spec(kind).containers[0].env).toEqual([{ name: 'LEASEHOLD_URL', value: 'http://127.0.0.1:7117' }]);
  });

  test('has time for the service to stop and the sidecar to drain', () => {
    expect(spec('Deployment').terminationGracePeriodSeconds).toBe(20 + 25 + 5);
    expect(spec('Job').terminationGracePeriodSeconds).toBe(5 + 25 + 5);
  });

  test('keeps the journal where it says: with the pod, or on its claim', () => {
    const volume = (kind: string) => spec(kind).initContainers[0].volumeMounts.find(({ mountPath }: Manifest) => mountPath === '/var/lib/leasehold').name;
    expect(volume('Deployment')).toBe('leasehold-data');
    expect(spec('Deployment').volumes).toContainEqual({ name: 'leasehold-data', emptyDir: { sizeLimit: '2Gi' } });
    expect(volume('StatefulSet')).toBe('state');
    expect(spec('StatefulSet').securityContext.fsGroup).toBe(65532);
  });

  test('can be copied from docs/kubernetes.md', async () => {
    const block = /```yaml\n# templates\/deployment\.yaml\n([\s\S]*?)```/.exec(read('docs/kubernetes.md'))![1]!;
    const chart = await including(block);
    const file = await valuesFile({ leasehold: { listen: { socket: true } } });
    for (const helm of helms) {
      const { stdout, stderr } = await template(helm, chart, [file]);
      expect(stderr).toBe('');
      const deployment = ofKind(manifests(stdout), 'Deployment');
      expect(await complaintsAbout(deployment)).toEqual([]);
      const { initContainers, containers } = deployment.spec.template.spec;
      expect(initContainers[0].restartPolicy).toBe('Always');
      expect(containers[0].volumeMounts).toHaveLength(1);
    }
  });

  test('is another pod when the configuration is another', async () => {
    const chart = await including('kind: Included\n{{ include "leasehold.podAnnotations" .Subcharts.leasehold }}');
    const annotations = async (config: Values) => ofKind(await rendered(helms[1], { leasehold: { config } }, chart), 'Included');
    const [one, same, other] = await Promise.all([{}, {}, { limits: { watchers: 8 } }].map(annotations));
    expect(one).toEqual(same);
    expect(one['leasehold/config-checksum']).toMatch(/^[0-9a-f]{64}$/);
    expect(other).not.toEqual(one);
  });

  test.each([
    [{}, 'http://127.0.0.1:7117', '127.0.0.1:7117'],
    [{ address: '127.0.0.2', port: 8117 }, 'http://127.0.0.2:8117', '127.0.0.2:8117'],
    [{ address: '::1' }, 'http://[::1]:7117', '[::1]:7117'],
    [{ address: '0.0.0.0' }, 'http://127.0.0.1:7117', '0.0.0.0:7117'],
    [{ address: '::' }, 'http://[::1]:7117', '[::]:7117'],
    [
      { socket: true },
      'unix:/run/leasehold/leasehold.sock',
      '127.0.0.1:7117,unix:/run/leasehold/leasehold.sock',
    ],
  ])('finds it where it listens: %j', async (listen, url, addresses) => {
    const chart = await including(
      'kind: Included\n' +
        'env:\n{{ include "leasehold.clientEnv" .Subcharts.leasehold }}\n' +
        'volumeMounts:\n{{ include "leasehold.clientVolumeMounts" .Subcharts.leasehold }}\n' +
        'initContainers:\n{{ include "leasehold.sidecar" .Subcharts.leasehold }}\n',
    );
    const values = { leasehold: { listen, tokens: { existingSecret: { name: 'tokens' } } } };
    const { env, volumeMounts, initContainers } = ofKind(await rendered(helms[1], values, chart), 'Included');
    expect(env).toEqual([{ name: 'LEASEHOLD_URL', value: url }]);
    expect(initContainers[0].env).toContainEqual({ name: 'LEASEHOLD_LISTEN', value: addresses });
    const socket = [{ name: 'leasehold-run', mountPath: '/run/leasehold', readOnly: true }];
    expect(volumeMounts).toEqual('socket' in listen ? socket : null);
  });

  test.each([
    ['.', 'leasehold: give the templates this chart, .Subcharts.leasehold'],
    ['.Subcharts.switchedOff', 'where a condition has switched it off, include nothing'],
    ['(dict "chart" .Values)', 'leasehold: give the templates this chart'],
    ['(dict "chart" .Subcharts.leasehold "listen" (dict "port" 1))', 'leasehold: listen is not for one workload to say'],
    ['(dict "chart" .Subcharts.leasehold "data" (dict "volum" "state"))', 'leasehold: there is no value data.volum; its group has sizeLimit, volume'],
    ['(dict "chart" .Subcharts.leasehold "data" "state")', 'leasehold: data is a dict'],
    ['(dict "chart" .Subcharts.leasehold "resources" (dict "limits" (dict "memory" "64Mi")))', 'resources.limits.memory: 64Mi is too little'],
  ])('is told what it does wrong: include with %s', async (given, sentence) => {
    const chart = await including(`initContainers:\n{{ include "leasehold.sidecar" ${given} }}\n`);
    for (const helm of helms) {
      const { code, stderr } = await template(helm, chart, []);
      expect(code).toBe(1);
      expect(stderr).toContain(sentence);
    }
  });

  test('has objects of its own by each alias, with names that a cluster takes', async () => {
    const aliases = ['jobsState', 'web_state', 'state2'];
    const chart = await including('kind: Included\n{{ include "leasehold.podLabels" .Subcharts.jobsState }}', ...aliases);
    for (const helm of helms) {
      const all = await rendered(helm, {}, chart);
      const names = all.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
      expect(names.sort()).toEqual(['demo-jobs-state', 'demo-state2', 'demo-web-state']);
      expect(ofKind(all, 'Included')['leasehold/instance']).toBe('demo-jobs-state');
    }
  });

  test.each([
    [`1.0.0-${'a'.repeat(100)}`, `1.0.0-${'a'.repeat(57)}`],
    ['_edge-', 'edge'],
  ])('is labelled with its version as a label may be: %s', async (tag, label) => {
    const { metadata } = ofKind(await rendered(helms[1], { image: { tag } }), 'ConfigMap');
    expect(metadata.labels['app.kubernetes.io/version']).toBe(label);
  });

  test('has no agent for a sidecar', async () => {
    const chart = await including('initContainers:\n{{ include "leasehold.sidecar" .Subcharts.leasehold }}\n');
    const values = await valuesFile({ leasehold: { mode: 'agent', agent: { allowWithoutTokens: true } } });
    for (const helm of helms) {
      const { code, stderr } = await template(helm, chart, [values]);
      expect(code).toBe(1);
      expect(stderr).toContain('leasehold.sidecar: mode is agent');
    }
  });
});

describe('an agent', () => {
  const all = kept.find(([path]) => path.includes('/agent-shared/'))![1];
  const { spec } = ofKind(all, 'DaemonSet');

  test('goes before the next one comes: socket and journal of a node are one agent’s', () => {
    expect(spec.updateStrategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 2 } });
    expect(spec.template.spec.terminationGracePeriodSeconds).toBe(15 + 5);
  });

  test('has socket and journal on the host', () => {
    const hostPath = (name: string) => spec.template.spec.volumes.find((volume: Manifest) => volume.name === name).hostPath;
    expect(hostPath('leasehold-run')).toEqual({ path: '/run/leasehold', type: 'DirectoryOrCreate' });
    expect(hostPath('leasehold-data')).toEqual({ path: '/var/lib/leasehold', type: 'DirectoryOrCreate' });
  });

  test('is not what the pod of helm test is taken for', () => {
    const { labels } = ofKind(all, 'Pod').metadata;
    expect(Object.entries(spec.selector.matchLabels).every(([key, value]) => labels[key] === value)).toBe(false);
  });
});

describe('the policy', () => {
  const policy = async (values: Values) =>
    ofKind(await rendered(helms[1], { networkPolicy: { enabled: true }, ...values }), 'NetworkPolicy').spec;
  const ports = (rules: readonly Manifest[]) =>
    rules.map((rule) => rule.ports.map(({ protocol, port }: Manifest) => `${protocol} ${port}`).join(', '));

  test('lets out to what is configured and to nothing else', async () => {
    const dns = 'UDP 53, TCP 53';
    expect(ports((await policy({})).egress)).toEqual([dns]);
    const all = await policy({
      redis: { url: 'redis://redis' },
      nats: { existingSecret: { name: 'nats' } },
      telemetry: { otlp: { endpoint: 'http://collector:4318' } },
    });
    expect(ports(all.egress)).toEqual([dns, 'TCP 6379', 'TCP 4222', 'TCP 4317, TCP 4318']);
  });

  test('lets out to the ports that the URLs name, whatever they are', async () => {
    const all = await policy({
      redis: { url: 'redis+sentinel://leasehold@sentinel-0,sentinel-1:26380/main/2' },
      nats: { url: 'tls://[fd00::4]:4223,nats' },
      telemetry: { otlp: { endpoint: 'https://collector.example/v1:1' } },
    });
    expect(ports(all.egress).slice(1)).toEqual([
      'TCP 6379, TCP 26379, TCP 26380',
      'TCP 4222, TCP 4223',
      'TCP 4317, TCP 4318, TCP 443',
    ]);
  });

  test('lets in nobody, or who scrapes', async () => {
    expect((await policy({})).ingress).toEqual([]);
    const from = [{ podSelector: { matchLabels: { app: 'prometheus' } } }];
    const metrics = { networkPolicy: { enabled: true, metrics: { from } } };
    // On loopback there is nothing to scrape.
    expect((await policy(metrics)).ingress).toEqual([]);
    const exposed = { ...metrics, listen: { address: '0.0.0.0' }, tokens: { existingSecret: { name: 'tokens' } } };
    expect((await policy(exposed)).ingress).toEqual([{ from, ports: [{ protocol: 'TCP', port: 7117 }] }]);
  });

  test('says nothing of a direction it is not for', async () => {
    const { egress, policyTypes } = await policy({ networkPolicy: { enabled: true, policyTypes: ['Ingress'] } });
    expect({ egress, policyTypes }).toEqual({ egress: undefined, policyTypes: ['Ingress'] });
  });
});
