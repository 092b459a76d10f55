/** Secrets that stand in files of their own, as orchestrators mount them. */
import { closeSync, openSync, readSync } from 'node:fs';

/** Longer than any password; a file above it is another one by mistake. */
const SECRET_BYTES_MAX = 4096;

/** The first line of the file. Throws when it cannot be read, is empty or too long to be a secret. */
export function readSecret(path: string): string {
  const bytes = Buffer.alloc(SECRET_BYTES_MAX + 1);
  const file = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(file, bytes);
  } finally {
    closeSync(file);
  }
  if (length > SECRET_BYTES_MAX) throw new Error(`it is longer than ${SECRET_BYTES_MAX} bytes`);
  const [line = ''] = bytes.toString('utf8', 0, length).split(/\r?\n/);
  if (line === '') throw new Error('it is empty');
  return line;
}
