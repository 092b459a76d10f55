/**
 * A key of a sensitive namespace, as it is told: events and log lines have the same hash, so they
 * can be joined by whoever may know the key.
 */
import { hash } from 'node:crypto';

/** SHA-256 of `<namespace>/<key>`, hexadecimal. */
export function keyHash(namespace: string, key: string): string {
  return hash('sha256', `${namespace}/${key}`, 'hex');
}
