/**
 * Consumers that do not keep up: one that is told everything and reads nothing, and one that asks
 * seldom.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AckPolicy, type NatsConnection } from 'nats';
import { STREAM_NAMES } from '../../../src/events/nats/streams.ts';
import type { NatsServer } from '../../servers/nats.ts';

const EXPIRES_MS = 1_000;
const PAUSE_MS = 100;

export async function slowConsumers(server: NatsServer): Promise<{ close(): Promise<void> }> {
  const socket = await deafSubscriber(server);
  const connection = await server.admin();
  let isOver = false;
  const asking = askSeldom(connection, () => isOver);
  return {
    async close() {
      isOver = true;
      await asking;
      await connection.close();
      socket.destroy();
    },
  };
}

/** A subscriber of everything whose socket nobody empties. */
function deafSubscriber({ host, port }: NatsServer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(port, host);
    socket.once('error', reject);
    socket.once('data', () => {
      socket.pause();
      socket.write('CONNECT {"verbose":false}\r\nSUB leasehold.> 1\r\n', () => resolve(socket));
    });
  });
}

/** Takes one event at a time from a durable consumer, and acknowledges it late. */
async function askSeldom(connection: NatsConnection, isOver: () => boolean): Promise<void> {
  const manager = await connection.jetstreamManager();
  const name = 'slow';
  const config = { durable_name: name, ack_policy: AckPolicy.Explicit };
  await manager.consumers.add(STREAM_NAMES.endings, config);
  const consumer = await connection.jetstream().consumers.get(STREAM_NAMES.endings, name);
  while (!isOver()) {
    const message = await consumer.next({ expires: EXPIRES_MS });
    await sleep(PAUSE_MS);
    message?.ack();
  }
}
