/**
 * `node examples/consumer/main.ts`: follows a namespace by the events on NATS and prints who is
 * there. A reference for consumers: see README.md beside it.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect, type ConnectionOptions, credsAuthenticator } from 'nats';
import { EventConsumer } from './consumer.ts';
import { Presence } from './presence.ts';

const FLUSH_MAX_MS = 1_000;

const { values: options } = parseArgs({
  options: {
    bus: { type: 'string', default: process.env['LEASEHOLD_BUS_URL'] ?? 'nats://127.0.0.1:4222' },
    creds: { type: 'string' },
    sidecar: {
      type: 'string',
      multiple: true,
      default: [process.env['LEASEHOLD_URL'] ?? 'http://127.0.0.1:7117'],
    },
    namespace: { type: 'string', default: 'default' },
    durable: { type: 'string', default: 'presence' },
    state: { type: 'string' },
    'ack-wait-ms': { type: 'string', default: '30000' },
  },
});

/** `nats://user:password@host:port,host:port`, as the sidecar takes it; the client does not. */
function connectionOptions(url: string): ConnectionOptions {
  const match = /^(nats|tls):\/\/(?:([^:@]*):([^@]*)@)?([^/]+)$/.exec(url);
  if (match === null) throw new Error('--bus is written nats://user:password@host:port,host:port');
  const [, scheme, user, pass, servers = ''] = match;
  return {
    servers: servers.split(','),
    ...(user === undefined ? {} : { user: decodeURIComponent(user) }),
    ...(pass === undefined ? {} : { pass: decodeURIComponent(pass) }),
    ...(scheme === 'tls' ? { tls: {} } : {}),
    ...(options.creds === undefined
      ? {}
      : { authenticator: credsAuthenticator(readFileSync(options.creds)) }),
  };
}

const say = (line: string): void => console.log(line);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const nats = await connect({
  ...connectionOptions(options.bus),
  name: `consumer ${options.durable}`,
  // For ever: a consumer has nothing better to do, and the server keeps its place.
  maxReconnectAttempts: -1,
});
void nats.closed().then((error) => {
  // Not let in any more, for example. Whoever runs it may start it again.
  if (error instanceof Error) {
    process.exitCode = 1;
    say(`error ${error.message}`);
  }
  stop.abort();
});

const settings = {
  durable: options.durable,
  sidecars: options.sidecar,
  ackWaitMs: Number(options['ack-wait-ms']),
  stateFile: options.state,
};
await new EventConsumer(nats, settings, new Presence(options.namespace, say), say).run(stop.signal);
// The last acknowledgements, if there is somebody to take them.
await Promise.race([nats.flush(), sleep(FLUSH_MAX_MS, undefined, { ref: false })]).catch(() => {});
await nats.close();
