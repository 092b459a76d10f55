/** Who the sidecar says it is: read from its files anew at each attempt to connect. */
import { readFile } from 'node:fs/promises';
import {
  type Authenticator, credsAuthenticator, nkeyAuthenticator, nkeys, tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import type { NatsIdentity } from './options.ts';

/**
 * What the client answers the server's challenge with; undefined: nothing is asked of it.
 *
 * @throws Error when a file cannot be read, or is not what it should be
 */
export async function authenticatorFor(identity: NatsIdentity): Promise<Authenticator | undefined> {
  const { user, password, passwordFile, tokenFile, credentialsFile, nkeyFile } = identity;
  if (credentialsFile !== undefined) return credentials(credentialsFile);
  if (nkeyFile !== undefined) return seed(nkeyFile);
  if (tokenFile !== undefined) return tokenAuthenticator(await firstLine(tokenFile, 'token'));
  if (user === undefined) return undefined;
  const secret = passwordFile === undefined ? password : await firstLine(passwordFile, 'password');
  return usernamePasswordAuthenticator(user, secret);
}

async function credentials(file: string): Promise<Authenticator> {
  const authenticator = credsAuthenticator(await bytesOf(file, 'credentials'));
  // Tried here: what fails while the client answers the server closes it in the middle of that.
  try {
    authenticator('challenge');
  } catch {
    throw new Error(`Cannot use the credentials file ${file}: it holds no JWT and seed`);
  }
  return authenticator;
}

async function seed(file: string): Promise<Authenticator> {
  const text = new TextEncoder().encode(await firstLine(file, 'nkey'));
  try {
    nkeys.fromSeed(text);
  } catch {
    throw new Error(`Cannot use the nkey file ${file}: it holds no seed`);
  }
  return nkeyAuthenticator(text);
}

async function firstLine(file: string, what: string): Promise<string> {
  const text = new TextDecoder().decode(await bytesOf(file, what));
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw new Error(`Cannot use the ${what} file ${file}: it is empty`);
  return line;
}

async function bytesOf(file: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`Cannot read the ${what} file ${file}: ${code}`, { cause });
  }
}
