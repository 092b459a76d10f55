/**
 * Judges a manifest as strictly as an API server with field validation: unknown fields by the models
 * of the Kubernetes client, types, required fields and enumerations by the schemas of
 * kubernetes-models. Neither does both. What an admission plugin or a cluster would say is not here.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Manifest } from './charts.ts';
import { TOOL_MODULES } from './require-helm.ts';

interface Attribute {
  readonly baseName: string;
  readonly type: string;
}
interface Model {
  getAttributeTypeMap(): readonly Attribute[];
}

function tool(path: string): Promise<Record<string, unknown>> {
  return import(pathToFileURL(join(TOOL_MODULES, path)).href);
}

const models = new Map<string, Model | undefined>();

/** The model of a type of the client; undefined for numbers, texts and what has no fields of its own. */
async function modelOf(type: string): Promise<Model | undefined> {
  if (!/^(V\d|Core|Discovery)/.test(type)) return undefined;
  if (!models.has(type)) {
    const module = await tool(`@kubernetes/client-node/dist/gen/models/${type}.js`);
    models.set(type, module[type] as Model);
  }
  return models.get(type);
}

async function unknownFields(value: Manifest, type: string, at: string): Promise<string[]> {
  const inside = /^Array<(.*)>$/.exec(type)?.[1];
  if (inside !== undefined) {
    if (!Array.isArray(value)) return [`${at} is no list`];
    const found = await Promise.all(value.map((one, index) => unknownFields(one, inside, `${at}[${index}]`)));
    return found.flat();
  }
  const values = /^{ \[key: string\]: (.*); }$/.exec(type)?.[1];
  if (values !== undefined) {
    const found = await Promise.all(
      Object.entries(value).map(([key, one]) => unknownFields(one, values, `${at}.${key}`)),
    );
    return found.flat();
  }
  const model = await modelOf(type);
  if (model === undefined || typeof value !== 'object' || value === null) return [];
  const attributes = new Map(model.getAttributeTypeMap().map((one) => [one.baseName, one.type]));
  const found = await Promise.all(
    Object.entries(value).map(async ([key, one]) => {
      const known = attributes.get(key);
      if (known === undefined) return [`${at}.${key} is no field of ${type}`];
      return one === null ? [] : unknownFields(one, known, `${at}.${key}`);
    }),
  );
  return found.flat();
}

/** A custom resource has no model in the client: the fields of it that the chart uses. */
const POD_MONITOR = new Set([
  'selector', 'selector.matchLabels', 'podMetricsEndpoints', 'podMetricsEndpoints.port',
  'podMetricsEndpoints.path', 'podMetricsEndpoints.interval', 'podMetricsEndpoints.scrapeTimeout',
  'podMetricsEndpoints.authorization', 'podMetricsEndpoints.authorization.type',
  'podMetricsEndpoints.authorization.credentials',
  'podMetricsEndpoints.authorization.credentials.name',
  'podMetricsEndpoints.authorization.credentials.key',
]);

function unknownToPodMonitor(value: Manifest, path: readonly string[]): string[] {
  if (path.at(-1) === 'matchLabels' || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one) => unknownToPodMonitor(one, path));
  return Object.entries(value).flatMap(([key, one]) => {
    const here = [...path, key];
    if (!POD_MONITOR.has(here.join('.'))) return [`spec.${here.join('.')} is no field of PodMonitor`];
    return unknownToPodMonitor(one, here);
  });
}

/** Where the schemas of a kind are; the name of the client's model for the same. */
const KINDS: Readonly<Record<string, readonly [module: string, model: string | undefined]>> = {
  'v1 ConfigMap': ['kubernetes-models/v1/ConfigMap.js', 'V1ConfigMap'],
  'v1 Pod': ['kubernetes-models/v1/Pod.js', 'V1Pod'],
  'v1 Service': ['kubernetes-models/v1/Service.js', 'V1Service'],
  'apps/v1 DaemonSet': ['kubernetes-models/apps/v1/DaemonSet.js', 'V1DaemonSet'],
  'apps/v1 Deployment': ['kubernetes-models/apps/v1/Deployment.js', 'V1Deployment'],
  'apps/v1 StatefulSet': ['kubernetes-models/apps/v1/StatefulSet.js', 'V1StatefulSet'],
  'batch/v1 Job': ['kubernetes-models/batch/v1/Job.js', 'V1Job'],
  'networking.k8s.io/v1 NetworkPolicy': [
    'kubernetes-models/networking.k8s.io/v1/NetworkPolicy.js', 'V1NetworkPolicy',
  ],
  'monitoring.coreos.com/v1 PodMonitor': [
    '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor.js', undefined,
  ],
};

/** Everything that is wrong with a manifest. */
export async function complaintsAbout(manifest: Manifest): Promise<string[]> {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const [path, model] = KINDS[kind] ?? [undefined, undefined];
  if (path === undefined) return [`${kind} is no kind that is known here`];
  const name = `${manifest.kind} ${manifest.metadata?.name}`;
  const unknown =
    model === undefined
      ? unknownToPodMonitor(manifest.spec, [])
      : await unknownFields(manifest, model, manifest.kind);
  const { [manifest.kind]: Kind } = await tool(path) as Record<string, new (data: unknown) => { validate(): void }>;
  try {
    new Kind!(structuredClone(manifest)).validate();
    return unknown.map((complaint) => `${name}: ${complaint}`);
  } catch (error) {
    return [...unknown, (error as Error).message].map((complaint) => `${name}: ${complaint}`);
  }
}
