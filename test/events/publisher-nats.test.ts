/** The publisher against a real server that is killed, emptied, full, or not itself any more. */
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createPublisher, type Publisher } from '../../src/events/publisher.ts';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { stopServers } from '../servers/child.ts';
import { type NatsServer, startNats } from '../servers/nats.ts';
import { eventually } from './bus-conformance.ts';
import { encode, FakeOutbox } from './fake-outbox.ts';
import { busOn, closeBuses, managerOf, storedIn } from './nats-world.ts';

const publishers: Publisher[] = [];

afterEach(async () => {
  for (const publisher of publishers.splice(0)) publisher.close();
  await closeBuses();
});
afterAll(stopServers);

async function worldOf() {
  const server = await startNats();
  const outbox = { endings: new FakeOutbox('endings'), events: new FakeOutbox('events') };
  const publisher = createPublisher({
    bus: busOn([server]),
    outbox, encode,
    scheduler: schedulerOn(systemMachine, performance),
    soon: (work) => void setImmediate(work),
    settings: { window: 256, checkMs: 500, retryCapMs: 500 },
    log: { info: () => {}, warn: () => {} },
  });
  publishers.push(publisher);
  const { endings } = outbox;
  const settled = (count = endings.visible) =>
    until('the bus has acknowledged', () => endings.first >= count);
  return { server, outbox, endings, publisher, settled };
}

function until(what: string, holds: () => boolean): Promise<true> {
  return eventually(what, () => (holds() ? true : undefined));
}

/** The ids in the stream, in the order of their first copy. */
async function idsOnce(server: NatsServer, stream: 'endings' | 'events' = 'endings') {
  const found = await storedIn(server, stream);
  return [...new Set(found.map(({ headers }) => headers['Nats-Msg-Id']))];
}

describe('events on a server', () => {
  test('that is killed while they are published are all there, in order', async () => {
    const { server, endings, settled } = await worldOf();
    const producing = setInterval(() => endings.append(20), 1);
    await settled(300);
    await server.kill();
    await until('more is waiting', () => endings.visible > endings.first + 300);
    clearInterval(producing);
    await server.restart();
    await settled();
    expect(await idsOnce(server)).toEqual(endings.ids());
  });

  test('that comes back empty are published again', async () => {
    const { server, outbox, endings, publisher, settled } = await worldOf();
    outbox.events.append(50);
    endings.append(400);
    await settled();
    await server.restart({ empty: true });
    endings.append(100);
    await settled();
    await until('it is told again', () => publisher.status().streams.endings.republished >= 400);
    expect(await idsOnce(server)).toEqual(endings.ids());
    expect(endings.lastSeen?.sequence).toBe(500);
  });

  test('whose stream is deleted under them are published to a new one', async () => {
    const { server, endings, publisher, settled } = await worldOf();
    endings.append(400);
    await settled();
    await (await managerOf(server)).streams.delete(STREAM_NAMES.endings);
    endings.append(100);
    await settled();
    expect(await idsOnce(server)).toEqual(endings.ids());
    expect(publisher.status().streams.endings.failures['no-stream']).toBeGreaterThan(0);
    expect(publisher.reasons()).toEqual([]);
  });

  test('whose stream is full wait until there is room', async () => {
    const { server, endings, publisher, settled } = await worldOf();
    endings.append(10);
    await settled();
    const manager = await managerOf(server);
    const { config } = await manager.streams.info(STREAM_NAMES.endings);
    await manager.streams.update(config.name, { ...config, max_msgs: 60 });
    endings.append(200);
    await until('it is full', () => publisher.reasons().includes('stream-full'));
    expect(endings.first).toBe(60);
    await manager.streams.update(config.name, config);
    await settled();
    expect(await idsOnce(server)).toEqual(endings.ids());
    expect(publisher.reasons()).toEqual([]);
  });

  test('that does not answer for a while are not lost, nor told twice', async () => {
    const { server, endings, publisher, settled } = await worldOf();
    endings.append(300);
    await settled(100);
    server.pause();
    // It takes a moment to stop, and may answer in it.
    const producing = setInterval(() => endings.append(1), 1);
    await until('it gives up', () => publisher.status().streams.endings.failures.timeout > 0);
    clearInterval(producing);
    server.resume();
    await settled();
    const found = await storedIn(server, 'endings');
    expect(found.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(endings.ids());
  });
});
