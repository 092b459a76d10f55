/** What Redis may refuse, by its memory, role, users and settings; and what is made of it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { JoinRequest } from '../../src/ledger/ledger.ts';
import { encodeRecord } from '../../src/ledger/record.ts';
import { read } from '../house/repository.ts';
import { writeCertificates } from '../servers/certificate.ts';
import { stopServers } from '../servers/child.ts';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { A, B, dotsOf, ending, pushed, TICK } from './fixtures.ts';
import { singleAddress } from './redis-addresses.ts';
import {
  answered, AT, closeLedgers, eventually, faultOf, lasting, type World, worldOn,
} from './redis-world.ts';

const JOIN: JoinRequest = {
  actor: A, instance: 'one', name: 'web-1',
  partitions: 64, buckets: 256, versionMin: 1, versionMax: 2,
};
const KEYS = ['m', 'r', 'd', 'x', 'l', 'o'].map(
  (suffix) => `lh:{${AT.namespace}:${AT.partition}}:${suffix}`,
);

/** What the manual's line for one server allows, but for giving a connection its name. */
const PERMISSIONS = [...read('docs/permissions.md').matchAll(/ \+([a-z|]+)(?=[^`]*```)/g)]
  .map(([, name]) => name!)
  .filter((name) => name !== 'client|setname');
/** Without it there are answers all the same; no epoch is begun, and eviction not looked for. */
const OPTIONAL = 'info';

describe('what Redis refuses', () => {
  afterEach(closeLedgers);
  afterAll(stopServers);

  describe('for want of memory', () => {
    test('keeps values out, and lets what ends them in', async () => {
      const server = await startRedis();
      const world = worldOn(singleAddress(server));
      const [a, b] = [world.ask(), world.ask(B)];
      const [one, two] = [lasting(A, 1), lasting(B, 1)];
      await a.push([one]);
      await b.push([two], { id: 'other' });
      await server.command('CONFIG', 'SET', 'maxmemory', '1mb', 'maxmemory-policy', 'noeviction');
      const fault = await faultOf(a.push([lasting(A, 2)], { seen: { [A]: 1 } }));
      expect(fault).toMatchObject({ fault: 'full' });
      // The value it would have replaced is there.
      expect(dotsOf(await a.record())).toEqual(['a1']);
      expect(await a.push([], { seen: { [A]: 1 } })).toEqual({ code: 'applied' });
      const ended = { id: 'other', seen: { [B]: 1 }, ends: [ending(two, A)] };
      expect(await a.push([], ended)).toEqual({ code: 'applied' });
      expect((await b.vouch()).vouched).toEqual([B]);
      expect((await a.sweep('own')).more).toBe(false);
      expect((await a.pull()).changes).toHaveLength(2);
      expect(await world.ledger.join(JOIN)).toMatchObject({ status: 'joined' });
      await server.command('CONFIG', 'SET', 'maxmemory', '0');
      expect(await a.push([lasting(A, 3)], { seen: { [A]: 2 } })).toEqual({ code: 'applied' });
    });

    test('by throwing things away it is refused as a ledger', async () => {
      const server = await startRedis({ maxmemory: '64mb', maxmemoryPolicy: 'allkeys-lru' });
      const world = worldOn(singleAddress(server));
      const fault = await faultOf(world.ledger.join(JOIN));
      expect(fault).toMatchObject({ fault: 'misconfigured' });
      expect(fault!.message).toContain('allkeys-lru');
      // Without a limit nothing is ever thrown away.
      await server.command('CONFIG', 'SET', 'maxmemory', '0');
      expect(await world.ledger.join(JOIN)).toMatchObject({ status: 'joined' });
      await server.command('CONFIG', 'SET', 'maxmemory', '64mb', 'maxmemory-policy', 'noeviction');
      expect(await world.ledger.join(JOIN)).toMatchObject({ status: 'joined' });
    });
  });

  describe('by its role', () => {
    test('is read-only as a replica, and taken again when it leads', async () => {
      const server = await startRedis();
      const world = worldOn(singleAddress(server));
      await world.ask().push([lasting(A, 1)]);
      await server.command('REPLICAOF', '127.0.0.1', 1);
      expect((await faultOf(world.ask().pull()))?.fault).toBe('read-only');
      await server.command('REPLICAOF', 'NO', 'ONE');
      expect(dotsOf(await answered(() => world.ask().record()))).toEqual(['a1']);
    });

    test('is read-only when too few replicas listen', async () => {
      const server = await startRedis();
      const world = worldOn(singleAddress(server));
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', 1);
      expect((await faultOf(world.ask().pull()))?.fault).toBe('read-only');
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    });

    test('is read-only when it cannot save what it holds', async () => {
      const server = await startRedis({ settings: { save: '3600 1' } });
      const world = worldOn(singleAddress(server));
      await world.ask().push([lasting(A, 1)]);
      // Stands in the way of the file it would save to.
      mkdirSync(join(server.dir, 'dump.rdb'));
      await server.command('BGSAVE');
      await eventually('a failed save', async () => {
        const info = String(await server.command('INFO', 'persistence'));
        return info.includes('rdb_last_bgsave_status:err') ? true : undefined;
      });
      const fault = await faultOf(world.ask().pull());
      expect(fault).toMatchObject({ fault: 'read-only' });
      expect(fault!.message).toContain('MISCONF');
    });
  });

  describe('by its users', () => {
    const rules = (permissions: readonly string[]): string =>
      `on >secret ~lh:* resetchannels -@all ${permissions.map((name) => `+${name}`).join(' ')}`;
    const asUser = (server: RedisServer, username: string, password = 'secret'): World =>
      worldOn({ ...singleAddress(server), username, password });

    test('one with the permissions of the manual can do everything', async () => {
      const server = await startRedis({ users: { app: rules(PERMISSIONS), default: 'off' } });
      await everything(asUser(server, 'app'));
      expect(String(await server.command('ACL', 'LOG'))).toBe('');
    });

    const needed = PERMISSIONS.filter((name) => name !== OPTIONAL);
    test.each(needed)('each of them is needed: %s', async (missing) => {
      const left = PERMISSIONS.filter((name) => name !== missing);
      const server = await startRedis({ users: { app: rules(left), default: 'off' } });
      const fault = await faultOf(everything(asUser(server, 'app')));
      expect(fault).toMatchObject({ fault: 'misconfigured' });
      await server.stop();
    });

    test('one that may not ask for INFO gets along without', async () => {
      const users = { app: rules(needed), full: rules(PERMISSIONS), default: 'off' };
      const server = await startRedis({ users });
      const [without, full] = [asUser(server, 'app'), asUser(server, 'full')];
      await everything(without);
      const { epoch } = await without.ask().pull();
      // One who may asks for the first time, and the two do not take turns at it.
      expect((await full.ask().pull()).epoch).toBe(epoch + 1);
      expect((await without.ask().pull()).epoch).toBe(epoch + 1);
      expect((await full.ask().pull()).epoch).toBe(epoch + 1);
    });

    test('keys outside its prefix, no password, a wrong one, an unknown user', async () => {
      const server = await startRedis({
        password: 'default-secret', users: { app: rules(PERMISSIONS) },
      });
      const elsewhere = worldOn(
        { ...singleAddress(server), username: 'app', password: 'secret' }, { keyPrefix: 'other:' },
      );
      expect((await faultOf(elsewhere.ask().pull()))?.fault).toBe('misconfigured');
      const nobody = worldOn(singleAddress(server));
      expect((await faultOf(nobody.ask().pull()))?.fault).toBe('misconfigured');
      for (const [user, password] of [['app', 'wrong'], ['nobody', 'secret']] as const) {
        const fault = await faultOf(asUser(server, user, password).ask().pull());
        expect(fault).toMatchObject({ fault: 'misconfigured' });
        expect(fault!.message).toContain('WRONGPASS');
        expect(fault!.message).not.toContain(password);
      }
      const withPassword = worldOn({ ...singleAddress(server), password: 'default-secret' });
      expect((await withPassword.ask().pull()).status).toBe('ok');
    });

    test('a password that was changed is asked for again', async () => {
      const server = await startRedis({ password: 'first' });
      let password = 'first';
      const world = worldOn(singleAddress(server), { password: () => password });
      await world.ask().pull();
      await server.command('CONFIG', 'SET', 'requirepass', 'second');
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const fault = await eventually('a refusal', async () => {
        const met = await faultOf(world.ask().pull());
        return met?.fault === 'misconfigured' ? met : undefined;
      });
      expect(fault.message).toContain('WRONGPASS');
      password = 'second';
      expect((await answered(() => world.ask().pull())).status).toBe('ok');
    });
  });

  describe('over TLS', () => {
    test('talks to whom it can check, with a certificate of its own', async () => {
      const server = await startRedis({ tls: true, settings: { 'tls-auth-clients': 'yes' } });
      const { caFile, certFile, keyFile } = server.certificates!;
      const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file, 'utf8'));
      const address = { ...singleAddress(server), tls: true };
      const world = worldOn(address, { tls: () => ({ ca: ca!, cert: cert!, key: key! }) });
      expect(await world.ask().push([lasting(A, 1)])).toEqual({ code: 'applied' });
      expect(world.ledger.traffic.sent).toBeGreaterThan(1000);
      const unchecked = await faultOf(worldOn(address).ask().pull());
      expect(unchecked).toMatchObject({ fault: 'misconfigured' });
      expect(unchecked!.message).toMatch(/certificate/);
      const tls = { ca: ca!, cert: cert!, key: key!, serverName: 'elsewhere' };
      const otherName = worldOn(address, { tls: () => tls });
      expect((await faultOf(otherName.ask().pull()))?.fault).toBe('misconfigured');
    });
  });

  describe('over TLS, when everything is renewed', () => {
    test('reads authority and certificate again at the next connect', async () => {
      const server = await startRedis({ tls: true, settings: { 'tls-auth-clients': 'yes' } });
      const { caFile, clientCertFile, clientKeyFile } = server.certificates!;
      const tls = () => ({
        ca: readFileSync(caFile, 'utf8'),
        cert: readFileSync(clientCertFile, 'utf8'),
        key: readFileSync(clientKeyFile, 'utf8'),
      });
      const world = worldOn({ ...singleAddress(server), tls: true }, { tls });
      await world.ask().pull();
      writeCertificates(dirname(caFile));
      await server.restart();
      expect((await answered(() => world.ask().pull())).status).toBe('ok');
    });
  });

  describe('by what it holds', () => {
    test('keeps prefixes apart, and uses no other keys than its own', async () => {
      const server = await startRedis();
      const [one, two] = ['one:', 'two:'].map((keyPrefix) =>
        worldOn(singleAddress(server), { keyPrefix }));
      await one!.ledger.join(JOIN);
      await one!.ask().push([lasting(A, 1)]);
      expect(await two!.ask().record()).toBeUndefined();
      const other = { ...JOIN, partitions: 8 };
      expect(await two!.ledger.join(other)).toMatchObject({ status: 'joined' });
      const keys = (await server.command('KEYS', '*')) as string[];
      const known = /^(one|two):\{(registry|n:3)\}:[mrdxlo]$/;
      expect(keys.filter((key) => !known.test(key))).toEqual([]);
    });

    test('something else under its keys makes no sense', async () => {
      const server = await startRedis();
      const world = worldOn(singleAddress(server));
      await server.command('SET', KEYS[0]!, 'mine');
      expect((await faultOf(world.ask().pull()))?.fault).toBe('nonsense');
      await server.command('DEL', KEYS[0]!);
      await world.ask().push([lasting(A, 1)]);
      await server.command('HSET', KEYS[1]!, 'key', 'cut short');
      expect((await faultOf(world.ask().record()))?.fault).toBe('nonsense');
    });

    test('a record of a later version is left as it is', async () => {
      const server = await startRedis();
      const a = worldOn(singleAddress(server)).ask();
      const one = lasting(A, 1);
      await a.push([one]);
      const later = Buffer.from(encodeRecord({ ...pushed([one]), forgetAt: 0 }));
      later[0] = 3;
      await server.command('HSET', KEYS[1]!, 'key', later);
      const { results } = await a.pushAll([
        pushed([lasting(A, 2)]), pushed([lasting(A, 3)], { id: 'other' }),
      ]);
      expect(results).toEqual([{ code: 'unreadable' }, { code: 'applied' }]);
      expect(await server.commandBytes('HGET', KEYS[1]!, 'key')).toEqual(later);
      expect((await a.sweep('orphans')).ended).toEqual([]);
    });

    const losses = 'what has gone behind its back is noticed, once, and made good: %s';
    test.each(KEYS.slice(1))(losses, async (key) => {
      const server = await startRedis();
      const world = worldOn(singleAddress(server));
      const [a, b] = [world.ask(), world.ask(B)];
      const values = [lasting(A, 1), lasting(A, 2), lasting(B, 1)] as const;
      await a.push([values[0]]);
      await a.push([values[1]], { id: 'other', bucket: 9 });
      await b.push([values[2]], { id: 'third', bucket: 11 });
      await a.push([], { id: 'gone', seen: { [B]: 7 } });
      expect((await b.vouch()).vouched).toEqual([B]);
      const whole = await a.beat();
      const { tail } = await a.pull();
      expect(whole).toMatchObject({ corrupt: false, records: 3, tombstones: 1 });
      if (key.endsWith(':r')) await server.command('HDEL', key, 'other');
      else await server.command('DEL', key);

      const noticed = await a.beat(tail, { owned: whole.owned });
      // A log that is lost loses nothing: whoever stands at its end has seen all.
      if (key.endsWith(':l')) {
        expect(noticed).toMatchObject({ corrupt: false, history: 'current', vouched: [A] });
        return;
      }
      expect(noticed).toMatchObject({ corrupt: true, history: 'lost', epoch: whole.epoch + 1 });
      expect(noticed.vouched).toEqual(key.endsWith(':r') ? [] : [A]);
      expect((await a.pull(tail)).status).toBe('diverged');
      // As if it had never been otherwise, once it is pushed again.
      await a.push([values[1]], { id: 'other', bucket: 9 });
      const after = await a.beat((await a.pull()).tail);
      expect(after).toMatchObject({
        corrupt: false, history: 'current', root: whole.root, owned: whole.owned,
        records: 3, tombstones: 1,
      });
      const cells = Array.from({ length: 16 }, () => ({ count: 0, high: 0, low: 0 }));
      const asked = { caller: a.caller, cells, after: '', limit: 10 };
      const { differing } = await world.ledger.diff(AT, asked);
      expect(differing).toEqual([7, 9, 11]);
      expect((await b.vouch()).vouched).toEqual([B]);
      expect(await server.command('ZCARD', KEYS[3]!)).toBe(4);
    });

    test('what is left of a partition without its numbers counts for nothing', async () => {
      const server = await startRedis();
      const a = worldOn(singleAddress(server)).ask();
      await a.push([lasting(A, 1)]);
      const { tail } = await a.pull();
      await server.command('DEL', KEYS[0]!);
      expect(await a.beat(tail)).toMatchObject({ history: 'lost', corrupt: false, records: 0 });
      expect(await a.push([lasting(A, 1)])).toEqual({ code: 'applied' });
    });
  });
});

/** Every command of every script, at least once. */
async function everything({ ledger, ask }: World): Promise<void> {
  await ledger.join(JOIN);
  await ledger.join({ ...JOIN, actor: B, instance: 'two' });
  const a = ask(A, { slackMs: 0 });
  const now = Date.now();
  const passing = { deadline: now + TICK };
  await a.push([lasting(A, 1)]);
  await a.push([lasting(A, 2, passing)], { id: 'passing', bucket: 9 });
  await a.push([], { seen: { [A]: 1 } });
  await a.push([], { id: 'gone', seen: { [B]: 3 } });
  const { tail } = await a.pull();
  await a.vouch();
  await a.beat(tail);
  await ledger.diff(AT, { caller: a.caller, actors: [A], cells: [], after: '', limit: 10 });
  // Its own fixed value at its deadline, and with it the last thing to remember.
  await eventually('a sweep', async () => {
    await a.sweep('own');
    return (await a.record('passing')) === undefined ? true : undefined;
  });
}
