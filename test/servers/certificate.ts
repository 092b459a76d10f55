/**
 * Certificates for a test server, made on the spot: an authority, a server certificate for
 * `localhost` and 127.0.0.1, and a client certificate. Node signs but does not write certificates,
 * so the few pieces of DER (X.690) that a certificate of RFC 5280 needs are put together here.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Of a client, signed by the same authority. */
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

const DAY_MS = 86_400_000;

/** Writes everything into `directory`. */
export function writeCertificates(directory: string): CertificateFiles {
  const authority = keyPair();
  const ca = certificate('leasehold tests', authority.publicKey, authority.privateKey, [
    extension('2.5.29.19', true, der(0x30, der(0x01, Buffer.of(0xff)))),
  ]);
  const server = keyPair();
  const names = [der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1))];
  const serverCertificate = certificate('localhost', server.publicKey, authority.privateKey, [
    extension('2.5.29.17', false, der(0x30, ...names)),
  ]);
  const client = keyPair();
  const clientCertificate = certificate('client', client.publicKey, authority.privateKey, []);

  const write = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    caFile: write('ca.pem', ca),
    certFile: write('server.pem', serverCertificate),
    keyFile: write('server-key.pem', pem(server.privateKey)),
    clientCertFile: write('client.pem', clientCertificate),
    clientKeyFile: write('client-key.pem', pem(client.privateKey)),
  };
}

function keyPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A certificate of the authority, valid from yesterday to tomorrow, as PEM. */
function certificate(
  name: string,
  subjectKey: KeyObject,
  authorityKey: KeyObject,
  extensions: readonly Buffer[],
): string {
  const algorithm = der(0x30, objectId('1.2.840.10045.4.3.2'));
  const serial = randomBytes(8);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const validity = der(0x30, time(Date.now() - DAY_MS), time(Date.now() + DAY_MS));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    commonName('leasehold tests'),
    validity,
    commonName(name),
    subjectKey.export({ type: 'spki', format: 'der' }) as Buffer,
    ...(extensions.length === 0 ? [] : [der(0xa3, der(0x30, ...extensions))]),
  );
  const signature = sign('sha256', body, authorityKey);
  const whole = der(0x30, body, algorithm, der(0x03, Buffer.of(0), signature));
  const lines = whole.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [der(0x01, Buffer.of(0xff))] : [];
  return der(0x30, objectId(id), ...critical, der(0x04, value));
}

function commonName(name: string): Buffer {
  return der(0x30, der(0x31, der(0x30, objectId('2.5.4.3'), der(0x0c, Buffer.from(name)))));
}

/** UTCTime, which serves until 2049. */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x17, Buffer.from(digits.slice(2)));
}

function objectId(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes = [first! * 40 + second!];
  for (const arc of rest) {
    const sevens = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) sevens.unshift((left & 0x7f) | 0x80);
    bytes.push(...sevens);
  }
  return der(0x06, Buffer.from(bytes));
}

/** One element: tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const value = Buffer.concat(content);
  if (value.length < 0x80) return Buffer.concat([Buffer.of(tag, value.length), value]);
  const length = value.length < 0x100 ? [0x81, value.length] : [0x82, value.length >>> 8, value.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), value]);
}
