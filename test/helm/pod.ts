/**
 * What a kubelet gives a container, for a sidecar that runs as a process of this machine: files where
 * its volumes are mounted, variables from where they come, and the paths in them led to a directory of
 * the test's own. Control groups, users and capabilities are not here.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Manifest } from './charts.ts';

/** By name, then by key. */
export type Secrets = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Provided {
  readonly environment: Readonly<Record<string, string>>;
  /** A path in the container → where it is here. */
  at(path: string): string;
}

const FIELDS: Readonly<Record<string, string>> = {
  'metadata.name': 'demo-pod',
  'metadata.namespace': 'apps',
  'spec.nodeName': 'node-1',
};

/** Throws where Kubernetes would leave the container waiting: a secret, a key, a volume that is not there. */
export function provide(
  container: Manifest,
  pod: Manifest,
  objects: readonly Manifest[],
  secrets: Secrets,
  root: string,
): Provided {
  const mounts: readonly string[] = container.volumeMounts.map((mount: Manifest) => mount.mountPath);
  const at = (text: string) =>
    mounts.reduce((path, mount) => path.replaceAll(mount, join(root, mount)), text);

  for (const { name, mountPath } of container.volumeMounts) {
    mkdirSync(join(root, mountPath), { recursive: true });
    const volume = pod.volumes.find((one: Manifest) => one.name === name);
    if (volume === undefined) throw new Error(`No volume ${name}`);
    for (const { configMap, secret } of volume.projected?.sources ?? []) {
      const data = configMap === undefined ? secrets[secret.name] : configMapOf(objects, configMap.name);
      for (const { key, path } of (configMap ?? secret).items) {
        if (data?.[key] === undefined) throw new Error(`No ${key} in ${(configMap ?? secret).name}`);
        const file = join(root, mountPath, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, configMap === undefined ? data[key] : at(data[key]));
      }
    }
  }

  const environment: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env) {
    const raw: string = value ?? fetched(valueFrom, container, secrets);
    const whole = raw.replaceAll(/\$\((\w+)\)/g, (_, other: string) => environment[other]!);
    environment[name] = at(whole);
  }
  return { environment, at };
}

function configMapOf(objects: readonly Manifest[], name: string): Record<string, string> {
  const found = objects.find((one) => one.kind === 'ConfigMap' && one.metadata.name === name);
  if (found === undefined) throw new Error(`No ConfigMap ${name}`);
  return found.data;
}

function fetched({ fieldRef, resourceFieldRef, secretKeyRef }: Manifest, container: Manifest, secrets: Secrets): string {
  if (fieldRef !== undefined) return FIELDS[fieldRef.fieldPath]!;
  if (resourceFieldRef !== undefined) {
    const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(container.resources.limits.memory)!;
    return String(Number(number) * (unit === 'Gi' ? 1024 : 1));
  }
  const value = secrets[secretKeyRef.name]?.[secretKeyRef.key];
  if (value === undefined) throw new Error(`No ${secretKeyRef.key} in ${secretKeyRef.name}`);
  return value;
}
