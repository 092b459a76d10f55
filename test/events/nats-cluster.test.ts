/** Streams with a copy on each of three servers, of which one is killed. */
import type { StreamInfo } from 'nats';
import { afterAll, afterEach, expect, test } from 'vitest';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import { freePort, stopServers } from '../servers/child.ts';
import { type NatsServer, startNats } from '../servers/nats.ts';
import { eventually, kindOf, message, publish, reached } from './bus-conformance.ts';
import { busOn, closeBuses, managerOf } from './nats-world.ts';

const HOST = '127.0.0.1';
const COPIES = 3;

afterEach(closeBuses);
afterAll(stopServers);

async function startCluster(): Promise<NatsServer[]> {
  const ports: number[] = [];
  while (ports.length < COPIES) ports.push(await freePort());
  const routes = ports.map((port) => `nats-route://${HOST}:${port}`);
  return Promise.all(
    ports.map((port, index) =>
      startNats({
        settings: {
          server_name: `node-${index}`,
          cluster: { name: 'leasehold-test', listen: `${HOST}:${port}`, routes },
        },
      }),
    ),
  );
}

/** Without a leader of their own, servers answer nothing. */
function infoFrom(server: NatsServer): Promise<StreamInfo> {
  return eventually('the servers agree', async () => {
    const manager = await managerOf(server).catch(() => undefined);
    return manager?.streams.info(STREAM_NAMES.endings).catch(() => undefined);
  });
}

test('what was acknowledged outlives the server that leads the stream', async () => {
  const servers = await startCluster();
  const bus = busOn(servers, { replicas: COPIES, ackMs: 1_000 });
  await reached(bus, 'connected');
  // Until the three have found one another there is nobody to ask.
  await eventually('the streams are prepared', () => bus.prepare().catch(() => undefined));
  const taken = async (id: string): Promise<true> =>
    eventually(`${id} is taken`, async () =>
      kindOf(await publish(bus, message('endings', id))) === 'ok' ? true : undefined,
    );
  const ids = Array.from({ length: 20 }, (_, index) => `n${index}`);
  for (const id of ids) await taken(id);
  const [first] = servers;
  const info = await infoFrom(first!);
  const leader = servers.findIndex((_, index) => info.cluster?.leader === `node-${index}`);
  expect(leader).toBeGreaterThanOrEqual(0);
  await servers[leader]!.kill();
  // The last ones again: they are known.
  for (const id of [...ids.slice(-5), 'after']) await taken(id);
  const other = servers[(leader + 1) % COPIES]!;
  const { state } = await infoFrom(other);
  expect([state.messages, state.last_seq]).toEqual([ids.length + 1, ids.length + 1]);
});
