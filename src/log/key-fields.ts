/** The only way for a key into the log: as it is, or as its hash where the namespace is sensitive. */
import { keyHash } from '../key-hash.ts';

interface Contract {
  readonly name: string;
  readonly sensitive: boolean;
}

export interface KeyFields {
  readonly namespace: string;
  readonly key?: string;
  readonly keyHash?: string;
}

export function keyFields({ name, sensitive }: Contract, key: string): KeyFields {
  return sensitive ? { namespace: name, keyHash: keyHash(name, key) } : { namespace: name, key };
}
