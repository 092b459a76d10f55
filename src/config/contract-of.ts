/** Which contract a namespace has: its own, or that of `default` where it was made on demand. */
import type { Config, NamespaceConfig } from './config.ts';

export function contractOf({ namespaces }: Pick<Config, 'namespaces'>): (name: string) => NamespaceConfig {
  const contracts = new Map(namespaces.map((namespace) => [namespace.name, namespace]));
  const template = contracts.get('default')!;
  return (name) => contracts.get(name) ?? template;
}
