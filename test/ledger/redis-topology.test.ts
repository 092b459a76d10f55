/** The ledger in Redis where there is more than one server: replicas, sentinels, a cluster. */
import { Command } from 'ioredis';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { JoinRequest, LedgerAck, PartitionName, PushReply } from '../../src/ledger/ledger.ts';
import { freePort, stopServers } from '../servers/child.ts';
import { startCluster } from '../servers/redis-cluster.ts';
import { startSentinel } from '../servers/redis-sentinel.ts';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { A, dotsOf, pushed } from './fixtures.ts';
import { clusterAddress, singleAddress } from './redis-addresses.ts';
import {
  answered, AT, closeLedgers, eventually, faultOf, lasting, PATIENT, type World, worldOn,
} from './redis-world.ts';

const HOST = '127.0.0.1';
const JOIN: JoinRequest = {
  actor: A, instance: 'one', name: 'web-1',
  partitions: 32, buckets: 256, versionMin: 1, versionMax: 2,
};
let seq = 0;

/** A new value of A, replacing what it wrote before. */
function pushNext(
  { ledger, ask }: World, ack: LedgerAck, at: PartitionName = AT,
): Promise<PushReply> {
  seq += 1;
  const records = [pushed([lasting(A, seq)], { id: `key-${seq}` })];
  const { caller } = ask();
  const common = { caller, terms: PATIENT, batch: seq, version: 2, rejoining: true };
  return ledger.push(at, { ...common, records }, ack);
}

describe('more than one Redis', () => {
  afterEach(closeLedgers);
  afterAll(stopServers);

  describe('a push that waits', () => {
    test('counts when a replica has it, and not before', async () => {
      const master = await startRedis();
      const world = worldOn(singleAddress(master), { timeoutMs: 300 });
      const alone = await faultOf(pushNext(world, 'replicated'));
      expect(alone).toMatchObject({ fault: 'timeout' });
      expect(alone!.message).toContain('no replica');
      const replica = await replicaOf(master);
      const reply = await answered(() => pushNext(world, 'replicated'));
      expect(reply.results).toEqual([{ code: 'applied' }]);
      const key = `lh:{${AT.namespace}:${AT.partition}}:m`;
      expect(Number(await replica.command('HGET', key, 'seq'))).toBe(reply.tail.seq);
    });

    test('holds up nothing but its like', async () => {
      const master = await startRedis();
      const world = worldOn(singleAddress(master), { timeoutMs: 600 });
      await world.ask().pull();
      const order: string[] = [];
      const waits = faultOf(pushNext(world, 'replicated')).then(() => order.push('waited'));
      await eventually('the wait', async () =>
        String(await master.command('CLIENT', 'LIST')).includes('cmd=wait') ? true : undefined);
      await pushNext(world, 'applied').then(() => order.push('applied'));
      await waits;
      expect(order).toEqual(['applied', 'waited']);
    });

    test('shares its wait with those that came meanwhile', async () => {
      const master = await startRedis();
      const replica = await replicaOf(master);
      const world = worldOn(singleAddress(master), { timeoutMs: 5_000 });
      await pushNext(world, 'replicated');
      replica.pause();
      const pushes = Array.from({ length: 20 }, () => pushNext(world, 'replicated'));
      await eventually('the wait', async () =>
        String(await master.command('CLIENT', 'LIST')).includes('cmd=wait') ? true : undefined);
      replica.resume();
      for (const push of pushes) expect((await push).status).toBe('ok');
      const info = String(await master.command('INFO', 'commandstats'));
      expect(Number(/^cmdstat_wait:calls=(\d+)/m.exec(info)![1])).toBeLessThanOrEqual(4);
    });

    test('counts when the disk has it, where Redis can tell', async () => {
      const server = await startRedis({ appendOnly: 'everysec' });
      const without = await startRedis();
      const info = String(await server.command('INFO', 'server'));
      const version = /^redis_version:(\d+)\.(\d+)/m.exec(info)!;
      const canTell = Number(version[1]) * 100 + Number(version[2]) >= 702;
      const outcomes = [];
      for (const { port, host } of [server, without]) {
        const world = worldOn(singleAddress({ port, host }), { timeoutMs: 5_000 });
        outcomes.push(await faultOf(pushNext(world, 'fsynced')));
      }
      if (canTell) {
        expect(outcomes[0]).toBeUndefined();
        expect(outcomes[1]!.message).toContain('append-only');
      } else {
        expect(outcomes.map((fault) => fault!.message)).toEqual(
          Array.from({ length: 2 }, () => expect.stringContaining('Redis 7.2')),
        );
      }
      expect(outcomes[1]!.fault).toBe('misconfigured');
    });

    // Where no Redis of this machine has WAITAOF, what it would say is said for it.
    test.each([
      [[1, 0], undefined],
      [[0, 0], 'timeout'],
    ])('takes the disk\'s word for it: %j', async (reply, expected) => {
      const server = await startRedis();
      const disk = await answering(server, 'waitaof', reply);
      const world = worldOn(singleAddress({ host: HOST, port: disk.port }));
      expect((await faultOf(pushNext(world, 'fsynced')))?.fault).toBe(expected);
      expect(disk.asked()).toEqual([['waitaof', '1', '0', '1000']]);
      disk.close();
    });

    test('fails when its connection breaks before it is told', async () => {
      const master = await startRedis();
      const world = worldOn(singleAddress(master), { timeoutMs: 5_000 });
      const fault = faultOf(pushNext(world, 'replicated'));
      await eventually('the wait', async () =>
        String(await master.command('CLIENT', 'LIST')).includes('cmd=wait') ? true : undefined);
      await master.kill();
      expect((await fault)?.fault).toBe('unavailable');
    });
  });

  test('sentinels: follows the master when another takes over', async () => {
    const sentinel = await startSentinel({ replicas: 1 });
    const world = worldOn({
      kind: 'sentinel', tls: false, name: sentinel.name,
      sentinels: sentinel.sentinelPorts.map((port) => ({ host: HOST, port })),
    });
    const before = await pushNext(world, 'replicated');
    expect(before.results).toEqual([{ code: 'applied' }]);
    const old = await sentinel.master();
    await old.kill();
    await sentinel.promoted(old);
    const after = await answered(() => pushNext(world, 'applied'));
    // Everything is there, and the history goes on under another epoch.
    expect(after.tail.seq).toBe(before.tail.seq + 1);
    expect(after.epoch).toBe(before.epoch + 1);
    await sentinel.close();
  });

  test('sentinels that nobody reaches are told at once', async () => {
    const port = await freePort();
    const world = worldOn(
      { kind: 'sentinel', tls: false, name: 'main', sentinels: [{ host: HOST, port }] },
      { timeoutMs: 10_000 },
    );
    const fault = await faultOf(world.ask().pull());
    expect(fault).toMatchObject({ fault: 'unavailable' });
    expect(fault!.message).toContain('sentinels');
  });

  describe('a cluster', () => {
    test('that nobody reaches is told at once', async () => {
      const ports = [await freePort(), await freePort()];
      const nodes = ports.map((port) => ({ host: HOST, port }));
      const world = worldOn(clusterAddress({ nodes }), { timeoutMs: 10_000 });
      expect(await faultOf(world.ask().pull())).toMatchObject({ fault: 'unavailable' });
      expect(await faultOf(world.ledger.join(JOIN))).toMatchObject({ fault: 'unavailable' });
      expect(await faultOf(pushNext(world, 'replicated'))).toMatchObject({ fault: 'unavailable' });
    });

    test('uses every master, and none but for its own keys', async () => {
      const cluster = await startCluster(3);
      const world = worldOn(clusterAddress(cluster));
      expect(await world.ledger.join(JOIN)).toMatchObject({ status: 'joined' });
      for (let partition = 0; partition < 32; partition += 1) {
        await pushNext(world, 'applied', { namespace: 'n', partition });
      }
      for (const node of cluster.nodes) {
        expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(0);
      }
      expect(world.ledger.traffic.sent).toBeGreaterThan(32 * 500);
      const hasty = worldOn(clusterAddress(cluster), { timeoutMs: 200 });
      const fault = await faultOf(pushNext(hasty, 'replicated'));
      expect(fault).toMatchObject({ fault: 'timeout' });
      const evict = ['maxmemory', '64mb', 'maxmemory-policy', 'volatile-lru'];
      await cluster.nodes[1]!.command('CONFIG', 'SET', ...evict);
      const evicting = await faultOf(world.ledger.join(JOIN));
      expect(evicting?.fault).toBe('misconfigured');
      await cluster.close();
    });

    test('follows a slot that moves, also while it does', async () => {
      const cluster = await startCluster(2);
      const world = worldOn(clusterAddress(cluster));
      const first = await pushNext(world, 'applied');
      const slot = slotOf(AT);
      const from = await cluster.masterOf(slot);
      const to = cluster.nodes.find((node) => node !== from)!;
      const [fromId, toId] = [await idOf(from), await idOf(to)];
      await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
      await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
      // No key of this partition is there any more: the old master says ASK.
      const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
      expect(keys.length).toBe(6);
      await from.command('MIGRATE', to.host, to.port, '', 0, 5_000, 'KEYS', ...keys);
      const asked = await pushNext(world, 'applied');
      expect(asked.tail.seq).toBe(first.tail.seq + 1);
      for (const node of [to, from]) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
      const moved = await pushNext(world, 'applied');
      expect(moved.tail.seq).toBe(first.tail.seq + 2);
      await cluster.close();
    });

    test('goes on with a replica when a master dies', async () => {
      const cluster = await startCluster(3, 1);
      const world = worldOn(clusterAddress(cluster));
      const first = await pushNext(world, 'replicated');
      const id = `key-${seq}`;
      const dead = await cluster.masterOf(slotOf(AT));
      await dead.kill();
      const fault = await faultOf(pushNext(world, 'applied'));
      expect(['unavailable', 'timeout']).toContain(fault?.fault);
      const after = await answered(() => pushNext(world, 'replicated').catch((error: unknown) => {
        // The promoted one has no replica of its own.
        if ((error as Error).message.includes('no replica')) return pushNext(world, 'applied');
        throw error;
      }));
      expect(after.tail.seq).toBeGreaterThan(first.tail.seq);
      expect(after.epoch).toBe(first.epoch + 1);
      expect(dotsOf(await world.ask().record(id))).toHaveLength(1);
      await cluster.close();
    });
  });
});

/** Leads to `server`, but answers one command itself. */
async function answering(server: RedisServer, command: string, reply: readonly number[]) {
  const asked: string[][] = [];
  const listener = createServer((client) => {
    const upstream = connect(server.port, server.host);
    client.on('data', (chunk) => {
      const lines = chunk.toString('latin1').split('\r\n');
      const words = lines.filter((_, index) => index % 2 === 0).slice(1);
      if (words[0] !== command) {
        upstream.write(chunk);
        return;
      }
      asked.push(words);
      client.write(`*${reply.length}\r\n${reply.map((number) => `:${number}\r\n`).join('')}`);
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy()).on('error', () => {});
    upstream.on('error', () => {});
  });
  listener.listen(0, HOST);
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  return { port, asked: () => asked, close: () => listener.close() };
}

function slotOf({ namespace, partition }: PartitionName): number {
  return new Command('get', [`{${namespace}:${partition}}`]).getSlot()!;
}

async function idOf(node: RedisServer): Promise<string> {
  return String(await node.command('CLUSTER', 'MYID'));
}

async function replicaOf(master: RedisServer): Promise<RedisServer> {
  await master.command('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
  const replica = await startRedis();
  await replica.command('REPLICAOF', master.host, master.port);
  await eventually('the replica', async () =>
    String(await master.command('INFO', 'replication')).includes('state=online') ? true : undefined);
  return replica;
}
