/** The permissions that the guide gives are enough for each, and no more than it says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'nats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BusMessage, PublishOutcome } from '../../src/events/bus.ts';
import { NatsBus } from '../../src/events/nats/nats-bus.ts';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { leasehold } from '../cli/support.ts';
import { read, ROOT } from '../house/repository.ts';
import { freePort, serverDirectory, startServer, stopServers } from '../servers/child.ts';
import { requireNats } from '../servers/require-nats.ts';
import { ended, messageOf } from './publishing.ts';

let port: number;
const urlOf = (user: string): string => `nats://${user}:${user}-secret@127.0.0.1:${port}`;
const USERS = /```nats\n([\s\S]*?)```/.exec(read('docs/events.md'))![1]!;
const as = (user: string) =>
  connect({ servers: `127.0.0.1:${port}`, user, pass: `${user}-secret`, reconnect: false });

beforeAll(async () => {
  port = await serverWith(USERS);
  expect(await publishAsSidecar(port, ended(1, 'ann'))).toEqual({ ok: true, sequence: 1, duplicate: false });
});
afterAll(() => stopServers());

/** The port of a server with these users. */
async function serverWith(users: string): Promise<number> {
  const directory = serverDirectory();
  const free = await freePort();
  const file = join(directory, 'nats.conf');
  const store = JSON.stringify(join(directory, 'store'));
  writeFileSync(file, `listen: 127.0.0.1:${free}\njetstream { store_dir: ${store} }\n${users}`);
  // It logs on the other stream than the one whose lines are waited for.
  const line = ['-c', 'exec "$0" "$@" 2>&1', await requireNats(), '-c', file];
  await startServer('/bin/sh', line, directory, 'Server is ready');
  return free;
}

/** Through the adapter that sidecars use: it creates the streams first. @throws BusError likewise */
async function publishAsSidecar(
  at: number,
  told: ReturnType<typeof ended>,
  user = 'sidecar',
): Promise<PublishOutcome> {
  const limits = { maxBytes: 1024 ** 2, maxAgeMs: 60_000, duplicateWindowMs: 60_000 };
  const warned = Promise.withResolvers<never>();
  warned.promise.catch(() => {});
  const log = { debug: () => {}, info: () => {}, warn: () => warned.reject(new Error('It was warned')) };
  const bus = new NatsBus(
    {
      servers: [`127.0.0.1:${at}`], tls: false, user, password: `${user}-secret`,
      name: 'sidecar', mode: 'jetstream', replicas: 1, payloadBytes: 1 << 20, endings: limits, events: limits,
      ackMs: 1_000, connectMs: 1_000,
    },
    schedulerOn(systemMachine, performance),
    log,
  );
  const connected = new Promise<void>((resolve) => {
    bus.onState = (state) => {
      if (state === 'connected') resolve();
    };
  });
  try {
    await Promise.race([connected, warned.promise]);
    await bus.prepare();
    const message: BusMessage = messageOf(told);
    return await new Promise<PublishOutcome>((done) => bus.publish(message, done));
  } finally {
    await bus.close(0);
  }
}

/** What the sidecar's own lines allow, but for what matches. */
function without(permission: RegExp): string {
  const [own = '', ...others] = USERS.split('# A durable consumer');
  const left = own.replace(permission, '"nothing"');
  expect(left).not.toBe(own);
  return [left, ...others].join('# A durable consumer');
}

const STREAM_CREATE = /"\$JS\.API\.STREAM\.CREATE\.LEASEHOLD_ENDINGS", "\$JS\.API\.STREAM\.CREATE\.LEASEHOLD_EVENTS"/;

test.each([
  ['publish events', /"leasehold\.v1\.>"/],
  ['look at a stream', /"\$JS\.API\.STREAM\.INFO\.LEASEHOLD_ENDINGS"/],
  ['create streams that are absent', STREAM_CREATE],
  ['hear answers', /"_INBOX\.>"/],
])('a sidecar that may not %s publishes nothing, and notices', async (_what, permission) => {
  const outcome = publishAsSidecar(await serverWith(without(permission)), ended(1, 'ann'));
  const noticed = await outcome.then(({ ok }) => (ok ? 'published' : 'refused'), () => 'thrown');
  expect(noticed).not.toBe('published');
});

test('a sidecar need not create the streams that are there', async () => {
  const operator = '{ user: operator, password: operator-secret }';
  const at = await serverWith(without(STREAM_CREATE).replace('users: [', `users: [\n    ${operator}`));
  await publishAsSidecar(at, ended(1, 'ann'), 'operator');
  expect(await publishAsSidecar(at, ended(2, 'ben'))).toMatchObject({ ok: true });
});

test('a reader watches', async () => {
  const { code, out, err } = await leasehold(
    ['watch', '--bus', urlOf('reader'), '--endings', '--since', 'start', '--max', '1'],
  );
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).toContain('sessions/ann');
});

test('the example consumes', async () => {
  const child = spawn(
    process.execPath,
    ['examples/consumer/main.ts', '--bus', urlOf('consumer'), '--namespace', 'sessions'],
    { cwd: ROOT, env: { PATH: process.env['PATH'], LEASEHOLD_URL: 'http://127.0.0.1:1' } },
  );
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('error cannot list')) continue;
    expect(line).toBe('ended ann (expired)');
    break;
  }
  child.kill('SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
});

test('a listener hears and says nothing', async () => {
  const listener = await as('listener');
  const heard = listener.subscribe('leasehold.v1.>', { max: 1 });
  await listener.flush();
  const sidecar = await as('sidecar');
  sidecar.publish('leasehold.v1.entry.created.x', 'heard');
  for await (const message of heard) expect(message.string()).toBe('heard');
  await Promise.all([listener.close(), sidecar.close()]);
});

test.each(['consumer', 'reader', 'listener'])('the %s publishes no events', async (user) => {
  const nats = await as(user);
  const errors = nats.status()[Symbol.asyncIterator]();
  nats.publish('leasehold.v1.entry.ended.expired.sessions', 'false');
  expect((await errors.next()).value).toMatchObject({ data: 'PERMISSIONS_VIOLATION' });
  await nats.close();
});

test.each(['sidecar', 'consumer', 'reader'])('the %s deletes no stream', async (user) => {
  const nats = await as(user);
  const deleted = nats.request('$JS.API.STREAM.DELETE.LEASEHOLD_ENDINGS');
  await expect(deleted).rejects.toMatchObject({ code: 'PERMISSIONS_VIOLATION' });
  await nats.close();
});
