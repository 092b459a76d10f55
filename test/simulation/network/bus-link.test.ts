/** The bus over the network: what its callers meet with, and what a reader was told. */
import { expect, test } from 'vitest';
import type { BusMessage, BusState, PublishOutcome } from '../../../src/events/bus.ts';
import { schedulerOn } from '../../../src/resilience/scheduler.ts';
import { History } from '../history/history.ts';
import { Kernel, PRIORITY } from '../kernel/kernel.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import { BusLink } from './bus-link.ts';
import { BusServer, type BusServerOptions } from './bus-server.ts';
import { Network } from './network.ts';

const ACK_MS = 400;

async function world(options: BusServerOptions = {}) {
  const kernel = new Kernel({ seed: 7, startMs: 1e12 });
  const network = new Network(kernel);
  const history = new History();
  const server = new BusServer(network, history, options);
  const process = new SimulatedMachine(kernel, 's1').spawn();
  const scheduler = schedulerOn(process, { now: () => process.monotonicMs() });
  const bus = new BusLink({
    process, server, scheduler, place: 's1', ackMs: ACK_MS, connectMs: 1_000,
  });
  const states: BusState[] = [];
  bus.onState = (state) => states.push(state);
  await kernel.run(10);
  await Promise.all([bus.prepare(), kernel.run(10)]);
  /** `ok`, `duplicate` or the kind of the fault; joined when there are several. */
  const publish = async (id: string, forMs = 1_000): Promise<string> => {
    const outcomes: PublishOutcome[] = [];
    bus.publish(message(id), (outcome) => outcomes.push(outcome));
    expect(outcomes).toEqual([]);
    await kernel.run(forMs);
    return outcomes.map(nameOf).join();
  };
  const told = () => history.told.map(({ id, place }) => `${id}@${place}`);
  return { kernel, network, history, server, process, bus, states, publish, told };
}

function message(id: string): BusMessage {
  return {
    stream: 'endings', subject: 'leasehold.v1.entry.ended.expired.sessions', id,
    headers: [['Content-Type', 'application/cloudevents+json']],
    body: Buffer.from(JSON.stringify({ id, type: 'ended' })),
  };
}

function nameOf(outcome: PublishOutcome): string {
  if (!outcome.ok) return outcome.fault.kind;
  return outcome.duplicate ? 'duplicate' : 'ok';
}

test('what is stored is acknowledged once, and told', async () => {
  const { history, publish, states } = await world();
  expect(await publish('a')).toBe('ok');
  expect(states).toEqual(['connected']);
  expect(history.told).toMatchObject([
    { id: 'a', stream: 'endings', place: 1, event: { id: 'a', type: 'ended' } },
  ]);
});

test('a message in binary mode is told with its attributes', async () => {
  const { kernel, bus, history } = await world();
  const headers = [['ce-type', 'ended'], ['ce-subject', 'a%20b']] as const;
  bus.publish({ ...message('a'), headers, body: Buffer.from('{"key":"k"}') }, () => {});
  await kernel.run(10);
  expect(history.told[0]!.event).toEqual({ type: 'ended', subject: 'a b', data: { key: 'k' } });
});

test('a lost acknowledgement is a timeout, and the repeat is known', async () => {
  const { network, publish, told } = await world();
  network.cut('bus', 's1');
  expect(await publish('a', ACK_MS + 60)).toBe('timeout');
  network.heal();
  expect(await publish('a')).toBe('duplicate');
  expect(told()).toEqual(['a@1']);
});

test('the server may lose the message, or only its answer', async () => {
  const { server, publish, told } = await world();
  server.losesMessages = 1;
  expect(await publish('a')).toBe('timeout');
  server.losesMessages = 0;
  server.losesAnswers = 1;
  expect(await publish('b')).toBe('timeout');
  server.losesAnswers = 0;
  expect(await publish('a')).toBe('ok');
  expect(await publish('b')).toBe('duplicate');
  expect(told()).toEqual(['b@1', 'a@2']);
});

test('a repeat after the window is stored again', async () => {
  const { publish, told } = await world({ endings: { duplicateWindowMs: 500 } });
  expect(await publish('a', 400)).toBe('ok');
  expect(await publish('a', 400)).toBe('duplicate');
  expect(await publish('a')).toBe('ok');
  expect(told()).toEqual(['a@1', 'a@2']);
});

test('repeats may be forgotten before their window is over', async () => {
  const { server, publish, told } = await world();
  expect(await publish('a')).toBe('ok');
  server.forgetRepeats();
  expect(await publish('a')).toBe('ok');
  expect(await publish('a')).toBe('duplicate');
  expect(told()).toEqual(['a@1', 'a@2']);
});

test('what was acknowledged and then lost stays told', async () => {
  const { server, publish, told } = await world();
  await publish('a');
  await publish('b', 10);
  expect(server.loseLatest(500)).toBe(1);
  expect(server.messages('endings').map(({ id }) => id)).toEqual(['a']);
  expect(await publish('c')).toBe('ok');
  expect(told()).toEqual(['a@1', 'b@2', 'c@2']);
});

test('a stream that was replaced is another one under the same name', async () => {
  const { server, publish, history } = await world();
  await publish('a');
  server.replaceStream('endings');
  expect(await publish('a')).toBe('ok');
  const created = history.told.map((each) => (each as { created?: string }).created);
  expect(new Set(created).size).toBe(2);
  server.deleteStream('endings');
  expect(await publish('b')).toBe('no-stream');
});

test('a full stream refuses, until there is room again', async () => {
  const { server, publish } = await world();
  await publish('a');
  server.fill('endings');
  expect(await publish('b')).toBe('full');
  server.purge('endings');
  expect(await publish('b')).toBe('ok');
  expect(await publish('c')).toBe('full');
  server.resize('endings');
  expect(await publish('c')).toBe('ok');
});

test('one that goes away ends what is outstanding, refuses, and is found again', async () => {
  const { kernel, server, bus, states, publish } = await world();
  const outcomes: string[] = [];
  bus.publish(message('a'), (outcome) => outcomes.push(nameOf(outcome)));
  server.host.goAway();
  await kernel.run(10);
  expect(outcomes).toEqual(['timeout']);
  expect(bus.state).toBe('away');
  await expect(bus.prepare()).rejects.toThrow('Not connected');
  expect(await publish('b')).toBe('away');
  server.host.comeBack();
  await kernel.run(6_000);
  expect(states).toEqual(['connected', 'away', 'connected']);
  expect(await publish('b')).toBe('ok');
});

test('one that falls silent is left, and found again', async () => {
  const { kernel, server, states, publish } = await world();
  server.host.freeze();
  expect(await publish('a', 3 * ACK_MS)).toBe('timeout');
  expect(states).toEqual(['connected', 'away']);
  server.host.thaw();
  await kernel.run(6_000);
  expect(states).toEqual(['connected', 'away', 'connected']);
  expect(await publish('a')).toBe('duplicate');
});

test('an answer that arrives twice settles once', async () => {
  const { network, publish } = await world();
  network.quality = { ...network.quality, doubled: 1 };
  expect(await publish('a')).toBe('ok');
});

test('closing waits for what is outstanding, within its budget', async () => {
  const { kernel, server, bus, states } = await world();
  const outcomes: string[] = [];
  const done = (outcome: PublishOutcome): void => void outcomes.push(nameOf(outcome));
  bus.publish(message('a'), done);
  server.losesAnswers = 1;
  const closed = bus.close(100);
  await kernel.run(200);
  await closed;
  bus.publish(message('b'), done);
  await kernel.run(1_000);
  expect(outcomes).toEqual(['timeout', 'away']);
  expect(states).toEqual(['connected', 'closed']);
});

test('a process that is gone hears of nothing', async () => {
  const { process, publish, told } = await world();
  process.schedule(0.05, PRIORITY.fault, 'killed', () => process.kill());
  expect(await publish('a')).toBe('');
  expect(told()).toEqual(['a@1']);
});
