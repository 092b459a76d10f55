/** Who the bus says it is, and what it may do then: passwords, tokens, keys, certificates. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { stopServers } from '../servers/child.ts';
import { type NatsServer, type NatsUser, startNats } from '../servers/nats.ts';
import { eventually, kindOf, message, publish, reached } from './bus-conformance.ts';
import { decentralised } from './nats-jwt.ts';
import { busOn, closeBuses, storedIn } from './nats-world.ts';

const APP: NatsUser = { user: 'app', password: 'secret' };

afterEach(closeBuses);
afterAll(stopServers);

function fileIn(server: NatsServer, name: string, text: string | Uint8Array): string {
  const file = join(server.dir, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function lastErrorOf(bus: { status(): object }): string {
  return (bus.status() as { lastError?: string }).lastError ?? '';
}

/** Resolves when the last error is such. */
function complaint(bus: { status(): object }, pattern: RegExp): Promise<true> {
  return eventually(`a complaint like ${pattern}`, () =>
    pattern.test(lastErrorOf(bus)) ? true : undefined,
  );
}

async function works(bus: ReturnType<typeof busOn>): Promise<void> {
  await reached(bus, 'connected');
  await bus.prepare();
  expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('ok');
}

describe('credentials', () => {
  test('revoked while it runs, are tried again until they are good', async () => {
    const server = await startNats({ users: [APP] });
    const bus = busOn([server], { user: 'app', password: 'secret' });
    await works(bus);
    await server.reload({ users: [] });
    await reached(bus, 'away');
    await complaint(bus, /Authorization Violation/);
    // More often than the client itself would go on.
    const attempts = () => server.log().split('authentication error').length;
    const before = attempts();
    await eventually('it has tried three times', () => (attempts() >= before + 3 ? true : undefined));
    expect(kindOf(await publish(bus, message('endings', 'b')))).toBe('away');
    await server.reload({ users: [APP] });
    await reached(bus, 'connected');
    expect(kindOf(await publish(bus, message('endings', 'b')))).toBe('ok');
    expect(await storedIn(server, 'endings')).toHaveLength(2);
    const told = bus.said.filter((line) => line.includes('Authorization Violation'));
    expect(told.length).toBeLessThanOrEqual(2);
    expect(bus.said.join()).not.toContain('secret');
  });

  test('in a password file are read again at each connect', async () => {
    const server = await startNats({ users: [APP] });
    const passwordFile = fileIn(server, 'password', 'secret\n');
    const bus = busOn([server], { user: 'app', password: 'wrong', passwordFile });
    await works(bus);
    await server.reload({ users: [{ user: 'app', password: 'rotated' }] });
    await complaint(bus, /Authorization Violation/);
    fileIn(server, 'password', 'rotated\n');
    await reached(bus, 'connected');
  });

  test('may be a token', async () => {
    const server = await startNats({ token: 'tok' });
    const tokenFile = fileIn(server, 'token', 'tok\n');
    await works(busOn([server], { tokenFile }));
    const bus = busOn([server], { tokenFile: join(server.dir, 'none') });
    await complaint(bus, /Cannot read the token file .*none: ENOENT/);
    expect(bus.state).not.toBe('connected');
  });

  test('may be a key, of which the server has the public half', async () => {
    const key = nkeys.createUser();
    const server = await startNats({ users: [{ nkey: key.getPublicKey() }] });
    const nkeyFile = fileIn(server, 'seed.nk', 'not a seed\n');
    const bus = busOn([server], { nkeyFile });
    await complaint(bus, /Cannot use the nkey file .*: it holds no seed/);
    fileIn(server, 'seed.nk', key.getSeed());
    await works(bus);
  });

  test('may be a JWT that an account has signed', async () => {
    const { settings, credentials } = decentralised();
    const server = await startNats({ jetstream: false, settings });
    const credentialsFile = fileIn(server, 'app.creds', 'nothing');
    const bus = busOn([server], { credentialsFile, mode: 'core' });
    await complaint(bus, /Cannot use the credentials file .*: it holds no JWT and seed/);
    fileIn(server, 'app.creds', credentials);
    await works(bus);
  });
});

describe('permissions', () => {
  const ALLOWED = ['leasehold.v1.entry.created.>', '$JS.API.STREAM.INFO.*'];
  const INBOX = { subscribe: ['_INBOX.>'] };
  const as = (permissions: NonNullable<NatsUser['permissions']>): NatsUser => ({
    ...APP, permissions,
  });
  const identity = { user: 'app', password: 'secret' };

  async function preparedServer(user: NatsUser): Promise<NatsServer> {
    const server = await startNats({ users: [APP] });
    const maker = busOn([server], identity);
    await reached(maker, 'connected');
    await maker.prepare();
    await maker.close(0);
    await server.reload({ users: [user] });
    return server;
  }

  test.each(['jetstream', 'core'] as const)('to publish are missed per subject (%s)', async (mode) => {
    const server = await preparedServer(as({ publish: ALLOWED, ...INBOX }));
    const bus = busOn([server], { ...identity, mode });
    await reached(bus, 'connected');
    const outcomes = await Promise.all(
      ['a', 'b'].flatMap((id) =>
        [publish(bus, message('endings', id)), publish(bus, message('events', id))],
      ),
    );
    expect(outcomes.map(kindOf)).toEqual(['denied', 'ok', 'denied', 'ok']);
    expect(outcomes[0]).toMatchObject({
      fault: { detail: expect.stringContaining(message('endings', 'a').subject) },
    });
    expect(bus.state).toBe('connected');
  });

  test('to hear acknowledgements are needed to be connected at all', async () => {
    const server = await preparedServer(as({ subscribe: ['nothing'] }));
    const bus = busOn([server], identity);
    const states: string[] = [];
    bus.onState = (state) => void states.push(state);
    await complaint(bus, /the credentials do not allow to subscribe to _INBOX\./);
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('away');
    await server.reload({ users: [as(INBOX)] });
    await works(bus);
    await server.reload({ users: [as({ subscribe: ['nothing'] })] });
    await reached(bus, 'away');
    await complaint(bus, /the credentials do not allow to subscribe to _INBOX\./);
    await server.reload({ users: [as(INBOX)] });
    await works(bus);
    expect(states).toEqual(['away', 'connected', 'away', 'connected']);
  });

  test('to look at streams are missed in a sentence', async () => {
    const server = await preparedServer(as({ publish: ['leasehold.>'], ...INBOX }));
    const bus = busOn([server], identity);
    await reached(bus, 'connected');
    await expect(bus.prepare()).rejects.toThrow(
      /^Cannot prepare the stream LEASEHOLD_ENDINGS: .*\$JS\.API\.STREAM\.INFO\.LEASEHOLD_ENDINGS/,
    );
  });

  test('suffice without those to make streams, when the streams are there', async () => {
    const server = await preparedServer(as({ publish: ['leasehold.>', ...ALLOWED], ...INBOX }));
    await works(busOn([server], identity));
  });
});

describe('TLS', () => {
  test('trusts the authority it is told to, and nobody else', async () => {
    const server = await startNats({ tls: 'server' });
    const { caFile } = server.certificates!;
    await works(busOn([server], { tls: { caFile } }));
    const bus = busOn([server], { tls: true });
    await complaint(bus, /certificate|self.signed/i);
    expect(bus.state).not.toBe('connected');
  });

  test('compares the name in the certificate', async () => {
    const server = await startNats({ tls: 'server' });
    const { caFile } = server.certificates!;
    await works(busOn([{ address: `localhost:${server.port}` }], { tls: { caFile } }));
    const bus = busOn([server], { tls: { caFile, serverName: 'elsewhere.example' } });
    await complaint(bus, /elsewhere\.example/);
  });

  test('shows its own certificate, read again at each connect', async () => {
    const server = await startNats({ tls: 'mutual' });
    const { caFile, clientCertFile, clientKeyFile } = server.certificates!;
    const certFile = join(server.dir, 'rotated.pem');
    const bus = busOn([server], { tls: { caFile, certFile, keyFile: clientKeyFile } });
    await complaint(bus, /rotated\.pem/);
    copyFileSync(clientCertFile, certFile);
    await works(bus);
    const nobody = busOn([server], { tls: { caFile } });
    await complaint(nobody, /./);
    await reached(nobody, 'away');
  });

  test('is never left out, and never put in, by what the server says', async () => {
    const secure = await startNats({ tls: 'server' });
    const plain = await startNats();
    const { caFile } = secure.certificates!;
    const [careless, careful] = [busOn([secure]), busOn([plain], { tls: { caFile } })];
    await complaint(careless, /the server demands TLS/);
    await complaint(careful, /tls/i);
    expect([careless.state, careful.state]).not.toContain('connected');
  });
});
