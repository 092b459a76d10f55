/** The ledger over the network: what its callers meet with, and what becomes of what it holds. */
import { expect, test } from 'vitest';
import {
  LedgerError, NO_CURSOR, type PullReply, type PushedRecord, type PushReply,
} from '../../../src/ledger/ledger.ts';
import { A, B, caller, ending, pushed, START, TERMS, value } from '../../ledger/fixtures.ts';
import { Kernel } from '../kernel/kernel.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import { LedgerLink } from './ledger-link.ts';
import { LedgerServer, type LedgerStep } from './ledger-server.ts';
import { Network } from './network.ts';

const AT = { namespace: 'default', partition: 0 };
const TIMEOUT_MS = 200;
const DEADLINE = START + 3_600_000;

function world() {
  const kernel = new Kernel({ seed: 7, startMs: START });
  const network = new Network(kernel);
  const server = new LedgerServer(network);
  server.keepsImages = true;
  const steps: LedgerStep[] = [];
  server.onOperation = (step) => steps.push(step);
  const client = (place: string, actor: string) => {
    const process = new SimulatedMachine(kernel, place).spawn();
    const link = new LedgerLink({ process, place, server, timeoutMs: TIMEOUT_MS });
    let batch = 0;
    const push = (...records: PushedRecord[]): Promise<PushReply> =>
      link.push(AT, {
        caller: caller(actor), terms: TERMS, batch: ++batch, records, version: 2, rejoining: true,
      });
    const put = (id: string, seq: number) =>
      push(pushed([value(actor, seq, { deadline: DEADLINE, id })], { id }));
    const pull = (...ids: string[]): Promise<PullReply> =>
      link.pull(AT, { caller: caller(actor), cursor: NO_CURSOR, limit: 0, records: true, ids });
    const held = async (...ids: string[]): Promise<string[]> => {
      const { wanted } = await settled(kernel, pull(...ids));
      return wanted.filter(({ record }) => record !== undefined).map(({ id }) => id);
    };
    return { process, link, push, put, pull, held };
  };
  return { kernel, network, server, steps, s1: client('s1', A), s2: client('s2', B) };
}

/** Time goes on until it has an outcome. */
async function settled<T>(kernel: Kernel, promise: Promise<T>, forMs = 1000): Promise<T> {
  promise.catch(() => {});
  await kernel.run(forMs);
  return Promise.race([promise, Promise.reject(new Error('No outcome'))]);
}

async function faultOf(kernel: Kernel, promise: Promise<unknown>, forMs = 1000): Promise<string> {
  return settled(kernel, promise, forMs).then(
    () => 'none',
    (error: unknown) => (error instanceof LedgerError ? error.fault : String(error)),
  );
}

test('what one has pushed another pulls, as bytes of its own', async () => {
  const { kernel, s1, s2, steps } = world();
  const record = pushed([value(A, 1, { deadline: DEADLINE })]);
  const reply = s1.push(record);
  record.siblings[0]!.value.fill(0);
  expect((await settled(kernel, reply)).results).toEqual([{ code: 'applied' }]);
  const { wanted } = await settled(kernel, s2.pull('key'));
  const { value: first } = wanted[0]!.record!.siblings[0]!;
  expect(Buffer.from(first).toString()).toBe(`${A}.1`);
  first.fill(0);
  const again = await settled(kernel, s1.pull('key'));
  expect(Buffer.from(again.wanted[0]!.record!.siblings[0]!.value).toString()).toBe(`${A}.1`);
  expect(steps.map(({ from, operation }) => `${from} ${operation}`)).toEqual([
    's1 push', 's2 pull', 's1 pull',
  ]);
  expect(steps[0]!.partition?.records.get('key')?.siblings).toHaveLength(1);
});

test('a lost answer is a timeout like a lost request, but it has happened', async () => {
  const { kernel, network, server, s1 } = world();
  await kernel.run(100);
  network.cut('s1', 'ledger');
  expect(await faultOf(kernel, s1.put('lost', 1))).toBe('timeout');
  network.heal();
  network.cut('ledger', 's1');
  expect(await faultOf(kernel, s1.put('unheard', 2))).toBe('timeout');
  expect([...server.partitions().get('0:default')!.records.keys()]).toEqual(['unheard']);
});

test('a path that stays cut ends the connection, and is found again when it is mended', async () => {
  const { kernel, network, s1 } = world();
  await kernel.run(100);
  network.cut('ledger', 's1');
  const faults: string[] = [];
  for (let count = 0; count < 3; count++) faults.push(await faultOf(kernel, s1.pull('key'), 700));
  expect(faults).toEqual(['timeout', 'timeout', 'unavailable']);
  network.heal();
  await kernel.run(6_000);
  expect(await s1.held('key')).toEqual([]);
});

test('a request that arrives twice is done twice and answered once', async () => {
  const { kernel, network, steps, s1 } = world();
  await kernel.run(100);
  network.quality = { ...network.quality, doubled: 1 };
  expect((await settled(kernel, s1.put('key', 1))).results).toEqual([{ code: 'applied' }]);
  const codes = steps.map(({ reply }) => (reply as PushReply).results[0]!.code);
  expect(codes).toEqual(['applied', 'duplicate']);
});

test('one that is away refuses at once, and is found again when it is back', async () => {
  const { kernel, server, s1 } = world();
  await kernel.run(100);
  const underWay = s1.put('key', 1);
  server.host.goAway();
  expect(await faultOf(kernel, underWay, 10)).toBe('unavailable');
  expect(await faultOf(kernel, s1.put('key', 2), 10)).toBe('unavailable');
  server.host.comeBack();
  await kernel.run(6_000);
  expect(await faultOf(kernel, s1.put('key', 3))).toBe('none');
});

test('one that is frozen answers what it was asked when it goes on', async () => {
  const { kernel, server, s1 } = world();
  await kernel.run(100);
  server.host.freeze();
  const reply = s1.put('key', 1);
  await kernel.run(100);
  server.host.thaw();
  expect(await faultOf(kernel, reply, 10)).toBe('none');
});

test('out of memory, values are refused and endings are taken', async () => {
  const { kernel, server, s1 } = world();
  expect(await faultOf(kernel, s1.put('key', 1))).toBe('none');
  server.outOfMemory = true;
  expect(await faultOf(kernel, s1.put('other', 2))).toBe('full');
  const first = value(A, 1, { deadline: DEADLINE });
  const over = pushed([], { seen: { [A]: 1 }, ends: [ending(first, A, { told: true })] });
  expect(await faultOf(kernel, s1.push(over))).toBe('none');
  expect(server.partitions().get('0:default')!.live).toBe(0);
  server.readOnly = true;
  expect(await faultOf(kernel, s1.pull('key'))).toBe('read-only');
});

test('a failover goes back to what the replica had, in another epoch', async () => {
  const { kernel, server, steps, s1 } = world();
  const { epoch } = await settled(kernel, s1.put('old', 1));
  await settled(kernel, s1.put('new', 2));
  expect(await s1.held('old', 'new')).toEqual(['old', 'new']);
  const [first, second] = steps.map(({ atMs }) => atMs);
  const lostFromMs = server.failover(2_500);
  expect(lostFromMs).toBe(first);
  expect(lostFromMs).toBeLessThan(second!);
  await kernel.run(6_000);
  expect(await s1.held('old', 'new')).toEqual(['old']);
  expect((await settled(kernel, s1.pull())).epoch).toBeGreaterThan(epoch);
});

test('no failover loses what a replica has confirmed', async () => {
  const { kernel, server, s1 } = world();
  await settled(kernel, s1.put('old', 1));
  const records = [pushed([value(A, 2, { deadline: DEADLINE, id: 'safe' })], { id: 'safe' })];
  const request = {
    caller: caller(A), terms: TERMS, batch: 2, records, version: 2, rejoining: false,
  };
  await settled(kernel, s1.link.push(AT, request, 'replicated'));
  await settled(kernel, s1.put('new', 3));
  server.failover(60_000);
  await kernel.run(6_000);
  expect(await s1.held('old', 'safe', 'new')).toEqual(['old', 'safe']);
});

test('pushes that wait for a replica are applied and unanswered while none follows', async () => {
  const { kernel, server, s1 } = world();
  server.holdsAcknowledgements = true;
  const records = [pushed([value(A, 1, { deadline: DEADLINE })])];
  const request = {
    caller: caller(A), terms: TERMS, batch: 1, records, version: 2, rejoining: false,
  };
  expect(await faultOf(kernel, s1.link.push(AT, request, 'replicated'))).toBe('timeout');
  expect(await faultOf(kernel, s1.link.push(AT, request))).toBe('none');
  expect(await s1.held('key')).toEqual(['key']);
});

test('an old copy is another history, or looks like the same one', async () => {
  for (const sameHistory of [false, true]) {
    const { kernel, server, s1 } = world();
    const { epoch } = await settled(kernel, s1.put('old', 1));
    await settled(kernel, s1.put('new', 2));
    server.rollback(1_500, sameHistory);
    await kernel.run(6_000);
    expect(await s1.held('old', 'new')).toEqual(['old']);
    const after = await settled(kernel, s1.pull());
    expect(after.epoch > epoch).toBe(!sameHistory);
  }
});

test('in a split each side sees its own writes; healing loses those of the old primary', async () => {
  const { kernel, server, s1, s2, steps } = world();
  await settled(kernel, s1.put('before', 1));
  await kernel.run(100);
  server.split(['s1'], 0);
  await kernel.run(5);
  expect(await faultOf(kernel, s2.pull(), 5)).toBe('unavailable');
  expect(await faultOf(kernel, s1.pull(), 5)).toBe('none');
  await kernel.run(6_000);
  await settled(kernel, s1.put('doomed', 2));
  await settled(kernel, s2.put('lasting', 1));
  const all = ['before', 'doomed', 'lasting'];
  expect(await s1.held(...all)).toEqual(['before', 'doomed']);
  expect(await s2.held(...all)).toEqual(['before', 'lasting']);
  expect(steps.at(-2)).toMatchObject({ from: 's1', isDoomed: true });
  server.healSplit();
  await kernel.run(6_000);
  expect(await s1.held(...all)).toEqual(['before', 'lasting']);
});

test('restarted empty, it holds nothing', async () => {
  const { kernel, server, s1 } = world();
  await settled(kernel, s1.put('key', 1));
  server.clear();
  await kernel.run(6_000);
  expect(await s1.held('key')).toEqual([]);
});

test('its clock steps and runs at a rate of its own', async () => {
  const { kernel, server, s1 } = world();
  server.clock.setRate(1.5);
  await kernel.run(1_000);
  expect(server.clock.offsetMs).toBeCloseTo(500);
  server.clock.step(60_000);
  const { now } = await settled(kernel, s1.pull());
  expect(now).toBeGreaterThanOrEqual(START + 61_500);
});

test('a process that is gone hears of nothing, and one that is paused hears of it later', async () => {
  const { kernel, s1, s2 } = world();
  await kernel.run(100);
  const heard: string[] = [];
  for (const [name, { put }] of [['s1', s1], ['s2', s2]] as const) {
    put(name, 1).then(() => heard.push(name), () => heard.push(`${name} failed`));
  }
  s1.process.kill();
  s2.process.pause();
  await kernel.run(1_000);
  expect(heard).toEqual([]);
  s2.process.goOn();
  await kernel.run(10);
  expect(heard).toEqual(['s2']);
});

test('answers that find a process busy enter it in their order', async () => {
  const { kernel, s1 } = world();
  await kernel.run(100);
  const heard: number[] = [];
  for (let number = 1; number <= 20; number++) {
    void s1.put(`key-${number}`, number).then(() => heard.push(number));
  }
  s1.process.stall(50);
  await kernel.run(1_000);
  expect(heard).toEqual(heard.toSorted((left, right) => left - right));
  expect(heard).toHaveLength(20);
});
