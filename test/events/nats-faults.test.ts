/** How the bus on NATS fails and comes back: servers killed, emptied, silent, full, of another mind. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { DiscardPolicy, StorageType } from 'nats';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { PublishOutcome } from '../../src/events/bus.ts';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import { STREAM_SUBJECTS } from '../../src/events/subject.ts';
import { freePort, stopServers } from '../servers/child.ts';
import { startNats } from '../servers/nats.ts';
import { TcpProxy } from '../servers/tcp-proxy.ts';
import { ACK_MS, eventually, kindOf, LIMITS, message, publish, reached } from './bus-conformance.ts';
import { busOn, closeBuses, managerOf, storedIn } from './nats-world.ts';

const HOST = '127.0.0.1';

interface Status {
  readonly server?: string;
  readonly lastError?: string;
  readonly reconnects: number;
  readonly outstanding: number;
}

function statusOf(bus: { status(): object }): Status {
  return bus.status() as Status;
}

afterEach(closeBuses);
afterAll(stopServers);

describe('a server that goes away', () => {
  test('need not be there at the start', async () => {
    const port = await freePort();
    const bus = busOn([{ address: `${HOST}:${port}` }]);
    expect(bus.state).toBe('connecting');
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('away');
    await reached(bus, 'away');
    expect(statusOf(bus).lastError).toContain('ECONNREFUSED');
    const server = await startNats({ port });
    await reached(bus, 'connected');
    expect((await bus.prepare())!.endings.messages).toBe(0);
    expect(statusOf(bus)).toMatchObject({ server: server.address, reconnects: 0 });
  });

  test('killed amid publishing, leaves each message with one outcome, and none twice', async () => {
    const server = await startNats();
    const bus = busOn([server]);
    await reached(bus, 'connected');
    await bus.prepare();
    const outcomes = new Map<string, PublishOutcome>();
    let next = 0;
    const fill = (): void => {
      if (bus.state !== 'connected') return;
      while (statusOf(bus).outstanding < 200) {
        next += 1;
        const id = `n${next}`;
        bus.publish(message('endings', id), (outcome) => {
          expect(outcomes.has(id)).toBe(false);
          outcomes.set(id, outcome);
          setImmediate(fill);
        });
      }
    };
    fill();
    await eventually('much is stored', () => (outcomes.size > 1_000 ? true : undefined));
    await server.kill();
    await reached(bus, 'away');
    await eventually('all have an outcome', () => (outcomes.size === next ? true : undefined));
    expect(new Set([...outcomes.values()].map(kindOf))).toEqual(new Set(['ok', 'timeout']));
    await server.restart();
    await reached(bus, 'connected');
    const unsure = [...outcomes].filter(([, { ok }]) => !ok).map(([id]) => id);
    for (const id of unsure) expect(kindOf(await publish(bus, message('endings', id)))).toBe('ok');
    const { state } = await (await managerOf(server)).streams.info(STREAM_NAMES.endings);
    expect([state.messages, state.last_seq]).toEqual([next, next]);
    expect(statusOf(bus).reconnects).toBe(1);
  });

  test('with an emptied store, is without streams until they are prepared again', async () => {
    const server = await startNats();
    const bus = busOn([server]);
    await reached(bus, 'connected');
    const before = (await bus.prepare())!;
    await publish(bus, message('endings', 'a'));
    await server.restart({ empty: true });
    await reached(bus, 'away');
    await reached(bus, 'connected');
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('no-stream');
    const after = (await bus.prepare())!;
    expect(after.endings.created > before.endings.created).toBe(true);
    expect(after.endings.lastSequence).toBe(0);
  });

  test('is replaced by another one', async () => {
    const servers = [await startNats(), await startNats()];
    const dead = { address: `${HOST}:${await freePort()}` };
    const bus = busOn([dead, ...servers]);
    await reached(bus, 'connected');
    const first = servers.find(({ address }) => address === statusOf(bus).server)!;
    const second = servers.find((server) => server !== first)!;
    await first.kill();
    await eventually('it is on the other one', () =>
      statusOf(bus).server === second.address ? true : undefined,
    );
    await bus.prepare();
    expect(kindOf(await publish(bus, message('events', 'a')))).toBe('ok');
    await second.kill();
    await first.restart();
    await eventually('it is back on the first one', () =>
      statusOf(bus).server === first.address ? true : undefined,
    );
  });
});

describe('a connection on which nothing comes', () => {
  test('is left, and another one is made when there is one to be had', async () => {
    const server = await startNats();
    const proxy = await TcpProxy.start(server);
    const bus = busOn([{ address: `${HOST}:${proxy.port}` }]);
    await reached(bus, 'connected');
    await bus.prepare();
    proxy.spoil({ isSilent: true });
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('timeout');
    await reached(bus, 'away');
    await eventually('the socket is gone', () =>
      statusOf(bus).lastError?.includes(`no answer within ${ACK_MS} ms`) ? true : undefined,
    );
    proxy.heal();
    await reached(bus, 'connected');
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('ok');
    await proxy.close();
  });

  test('comes from a server that stands still, and goes on where it stood', async () => {
    const server = await startNats();
    const bus = busOn([server], { connectMs: 100 });
    await reached(bus, 'connected');
    await bus.prepare();
    server.pause();
    let last = 0;
    await eventually('it has stopped', async () => {
      last += 1;
      const outcome = await publish(bus, message('endings', `n${last}`));
      return kindOf(outcome) === 'timeout' ? true : undefined;
    });
    await reached(bus, 'away');
    server.resume();
    await reached(bus, 'connected');
    expect(await publish(bus, message('endings', `n${last}`))).toEqual({
      ok: true, sequence: last, duplicate: true,
    });
  });

  test('stays when only acknowledgements are missing', async () => {
    const server = await startNats();
    const bus = busOn([server]);
    await reached(bus, 'connected');
    // Somebody listens, so it is not that nobody does; but no stream answers.
    (await server.admin()).subscribe('leasehold.>');
    await (await server.admin()).flush();
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('timeout');
    await new Promise((resolve) => setTimeout(resolve, 2 * ACK_MS));
    expect([bus.state, statusOf(bus).reconnects]).toEqual(['connected', 0]);
  });

  test('costs one socket at a time, however often it is tried', async () => {
    const sockets = new Set<Socket>();
    let accepted = 0;
    let most = 0;
    const mute = createServer((socket) => {
      accepted += 1;
      sockets.add(socket);
      most = Math.max(most, sockets.size);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    });
    mute.listen(0, HOST);
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const bus = busOn([{ address: `${HOST}:${port}` }], { connectMs: 20 });
    await eventually('it was tried often', () => (accepted > 4 ? true : undefined));
    expect(most).toBeLessThanOrEqual(2);
    await bus.close(0);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
});

describe('streams that are not as they should be', () => {
  test('are told about in words, and left alone', async () => {
    const server = await startNats();
    const manager = await managerOf(server);
    const [taken, ...others] = STREAM_SUBJECTS.events;
    await manager.streams.add({
      name: STREAM_NAMES.endings,
      subjects: ['leasehold.v1.*.ended.>', 'elsewhere.>'],
      discard: DiscardPolicy.Old,
      storage: StorageType.Memory,
      max_msgs: 10,
    });
    await manager.streams.add({ name: STREAM_NAMES.events, subjects: [taken!] });
    const bus = busOn([server]);
    await reached(bus, 'connected');
    const { endings, events } = (await bus.prepare())!;
    expect(endings.differences).toEqual([
      'it also takes the subjects elsewhere.>',
      'discard is old and should be new: full, it loses endings',
      'storage is memory and should be file',
      `max_age is unlimited and should be ${LIMITS.maxAgeMs} ms`,
      `max_bytes is -1 and should be ${LIMITS.maxBytes}`,
      'deny_delete is false and should be true',
      'allow_direct is false and should be true',
      'max_msgs is 10 and should not be set',
    ]);
    expect(events.differences).toContain(`it does not take the subjects ${others.join(', ')}`);
    const { config } = await manager.streams.info(STREAM_NAMES.endings);
    expect([config.discard, config.max_msgs]).toEqual([DiscardPolicy.Old, 10]);
  });

  test('say when the server takes smaller messages than may be sent', async () => {
    const server = await startNats();
    const bus = busOn([server], { payloadBytes: 2 << 20 });
    await reached(bus, 'connected');
    const { endings, events } = (await bus.prepare())!;
    const small = ['the server takes messages of 1048576 bytes and should take 2097152'];
    expect([endings.differences, events.differences]).toEqual([small, small]);
  });

  test('take no place of one under another name', async () => {
    const server = await startNats();
    const manager = await managerOf(server);
    await manager.streams.add({ name: 'OTHERS', subjects: ['leasehold.v1.>'] });
    const bus = busOn([server]);
    await reached(bus, 'connected');
    expect(await publish(bus, message('endings', 'a'))).toEqual({
      ok: false,
      fault: {
        kind: 'refused', detail: 'It went to the stream OTHERS instead of LEASEHOLD_ENDINGS',
      },
    });
    await expect(bus.prepare()).rejects.toThrow(
      /^Cannot prepare the stream LEASEHOLD_ENDINGS: subjects overlap/,
    );
  });

  test('cannot be larger than the server', async () => {
    const bus = busOn([await startNats({ maxFileStoreBytes: 1_000_000 })]);
    await reached(bus, 'connected');
    await expect(bus.prepare()).rejects.toThrow(
      /^Cannot prepare the stream LEASEHOLD_ENDINGS: insufficient storage/,
    );
  });

  test('cannot be where JetStream is off', async () => {
    const bus = busOn([await startNats({ jetstream: false })]);
    await reached(bus, 'connected');
    await expect(bus.prepare()).rejects.toThrow(/JetStream is off there, or has no leader just now$/);
    expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('no-stream');
  });

  test('cannot have more copies than there are servers', async () => {
    const bus = busOn([await startNats()], { replicas: 3 });
    await reached(bus, 'connected');
    await expect(bus.prepare()).rejects.toThrow(/^Cannot prepare the stream .*replicas/);
  });

  test('are made once by several who prepare at the same time', async () => {
    const server = await startNats();
    const buses = [busOn([server]), busOn([server]), busOn([server])];
    await Promise.all(buses.map((bus) => reached(bus, 'connected')));
    const prepared = await Promise.all(buses.map((bus) => bus.prepare()));
    expect(new Set(prepared.map((each) => each!.endings.created)).size).toBe(1);
    expect(prepared.flatMap((each) => each!.endings.differences)).toEqual([]);
  });
});

describe('a message that cannot be sent', () => {
  test('is refused alone', async () => {
    const server = await startNats({ settings: { max_payload: 2_000 } });
    const bus = busOn([server]);
    await reached(bus, 'connected');
    await bus.prepare();
    const large = message('endings', 'large', 'x'.repeat(3_000));
    const forged = { ...message('endings', 'forged'), headers: [['a', 'b\r\nc: d']] as const };
    const outcomes = await Promise.all(
      [large, forged, message('endings', 'good')].map((each) => publish(bus, each)),
    );
    expect(outcomes.map(kindOf)).toEqual(['refused', 'refused', 'ok']);
    expect(await storedIn(server, 'endings')).toHaveLength(1);
    expect(statusOf(bus).outstanding).toBe(0);
  });
});
