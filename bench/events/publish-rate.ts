/**
 * Events to a real nats-server, over the plain client publishing the same bytes to the same
 * subjects, in rounds whose order is shuffled. The sidecar's side is everything behind the engine:
 * the outbox, the encoding, the publisher with its window, and the adapter; the plain client's
 * messages are ready before it begins. Half of the events are endings.
 *
 * What is published without streams goes to a server of its own, so that no stream stores it. Both
 * servers have one processor and this process the other, where there are two and `taskset` is there.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { connect, headers as newHeaders, type MsgHdrs, type NatsConnection } from 'nats';
import type { Bus, BusMessage } from '../../src/events/bus.ts';
import { type EncodingContext, encodeEvent } from '../../src/events/message.ts';
import { NatsBus } from '../../src/events/nats/nats-bus.ts';
import type { OutboxEvent } from '../../src/events/outbox-port.ts';
import { createPublisher, type Publisher } from '../../src/events/publisher.ts';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { type NatsServer, startNats } from '../../test/servers/nats.ts';
import { processorMs } from '../http/processes.ts';
import { Histogram } from '../replay/histogram.ts';
import { seededRandom } from '../replay/random.ts';
import { atLeast, type Row } from '../row.ts';
import { lowerQuartile, pause, printRows, quick, shuffled } from '../script.ts';
import { Supply, toldFacts } from './facts.ts';

const ROUNDS = quick ? 2 : 9;
const WARM_UP_ROUNDS = quick ? 1 : 2;
const EVENTS = quick ? 6_000 : 40_000;
/** Of each stream. */
const DISTINCT = 2_000;
/** As configured by default. */
const WINDOW = 1_024;
/** The plain client has one window for both streams. */
const PLAIN_WINDOW = 2 * WINDOW;
/** Published between two turns of the loop: a client that never yields only fills its buffer. */
const PLAIN_BURST = 512;
const PACED_PER_MS = 5;
const PACED_MS = quick ? 1_000 : 5_000;
const COST_PASSES = quick ? 4 : 20;
const SERVER_PROCESSOR = 0;
const OWN_PROCESSOR = 1;
const GIBIBYTE = 1024 ** 3;

const NAMES = [
  'plain', 'plain, again', 'plain, headers', 'plain, stream', 'sidecar, core', 'sidecar, stream',
] as const;
type Name = (typeof NAMES)[number];

/** Per event, in microseconds. */
interface Cost {
  readonly wallUs: number;
  readonly ownUs: number;
  readonly serverUs: number;
}

const context: EncodingContext = {
  name: 'bench',
  contractOf: () => ({ sensitive: false, events: { values: 'none', publish: 'all' } }),
};
const encode = (event: OutboxEvent): BusMessage => encodeEvent(event, context, 'structured');
const silent = { debug: () => {}, info: () => {}, warn: warned };
const scheduler = schedulerOn(systemMachine, { now: () => performance.now() });
const random = seededRandom(1);
const facts = toldFacts(DISTINCT);
const messages = plainMessages();

const coreServer = await startNats({ jetstream: false });
const streamServer = await startNats();
if (availableParallelism() > 1) {
  for (const { pid } of [coreServer, streamServer]) pin(pid, SERVER_PROCESSOR);
  pin(process.pid, OWN_PROCESSOR);
}
let latency = new Histogram();
const throughCore = sidecar(coreServer, 'core');
const throughStream = sidecar(streamServer, 'jetstream');
const plain = await connect({ servers: coreServer.address });
const plainStream = await connect({ servers: streamServer.address });
let plainId = 0;

try {
  await Promise.all([throughCore, throughStream].map(({ bus }) => connected(bus)));
  const costs = new Map<Name, Cost[]>(NAMES.map((name) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    if (round >= 0) process.stderr.write(`  round ${round + 1} of ${ROUNDS}\n`);
    for (const name of shuffled(NAMES, () => random.next())) {
      const cost = await once(name);
      if (round >= 0) costs.get(name)!.push(cost);
    }
    await forget();
  }
  printRows([...rowsOf(costs), ...encodingRows(), ...(await latencyRows())]);
} finally {
  for (const { publisher, bus } of [throughCore, throughStream]) {
    publisher.close();
    await bus.close(1_000);
  }
  await Promise.all([plain.close(), plainStream.close()]);
  await Promise.all([coreServer.stop(), streamServer.stop()]);
}

function warned(_fields: object, message: string): void {
  process.stderr.write(`  ${message}\n`);
}

/** With all its threads; without `taskset` they stay where they are. */
function pin(pid: number, processor: number): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(processor), String(pid)]);
}

/** Everything behind the engine. Its bus is timed while `timed.on`. */
function sidecar(server: NatsServer, mode: Bus['mode']) {
  const limits = { maxBytes: 4 * GIBIBYTE, maxAgeMs: 86_400_000, duplicateWindowMs: 120_000 };
  const bus = new NatsBus(
    {
      servers: [server.address], tls: false, name: 'bench', mode, replicas: 1, payloadBytes: 1 << 20, endings: limits,
      events: limits, ackMs: 5_000, connectMs: 2_000,
    },
    scheduler,
    silent,
  );
  const timed = { on: false };
  const publish = bus.publish.bind(bus);
  bus.publish = (message, done) => {
    if (!timed.on) {
      publish(message, done);
      return;
    }
    const sentAt = performance.now();
    publish(message, (outcome) => {
      latency.record(performance.now() - sentAt);
      done(outcome);
    });
  };
  const supply = new Supply(facts);
  const publisher: Publisher = createPublisher({
    bus, outbox: supply, encode, scheduler,
    soon: (work) => void setImmediate(work),
    settings: { window: WINDOW, checkMs: 3_600_000, retryCapMs: 10_000 },
    log: silent,
  });
  return { bus, supply, publisher, timed };
}

async function connected(bus: Bus): Promise<void> {
  const givenUpAt = performance.now() + 10_000;
  while (bus.state !== 'connected') {
    if (performance.now() > givenUpAt) throw new Error('Cannot measure: no connection to nats-server');
    await pause(10);
  }
}

/** Ready to be published, in the order in which the sidecar tells the streams. */
function plainMessages(): BusMessage[] {
  const supply = new Supply(facts);
  supply.append(2 * DISTINCT);
  return Array.from({ length: DISTINCT }, (_, index) => [
    encode(supply.endings.at(index)),
    encode(supply.events.at(index)),
  ]).flat();
}

function plainMessage(index: number): BusMessage {
  return messages[index % messages.length]!;
}

/** An id of its own each time: a stream knows a repeated one, and stores nothing. */
function plainHeaders(message: BusMessage): MsgHdrs {
  const made = newHeaders();
  plainId += 1;
  made.set('Nats-Msg-Id', `plain-${message.id}-${plainId}`);
  for (const [name, value] of message.headers) made.set(name, value);
  return made;
}

async function once(name: Name): Promise<Cost> {
  const { work, server } = workOf(name);
  const serverBefore = processorMs(server.pid);
  const ownBefore = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(ownBefore);
  return {
    wallUs: (wallMs * 1_000) / EVENTS,
    ownUs: (user + system) / EVENTS,
    serverUs: ((processorMs(server.pid) - serverBefore) * 1_000) / EVENTS,
  };
}

function workOf(name: Name): { work: () => Promise<void>; server: NatsServer } {
  switch (name) {
    case 'plain':
    case 'plain, again':
      return { work: () => publishPlain(plain, false), server: coreServer };
    case 'plain, headers':
      return { work: () => publishPlain(plain, true), server: coreServer };
    case 'plain, stream':
      return { work: publishToStream, server: streamServer };
    case 'sidecar, core':
      return { work: publishAs(throughCore), server: coreServer };
    case 'sidecar, stream':
      return { work: publishAs(throughStream), server: streamServer };
  }
}

async function publishPlain(connection: NatsConnection, withHeaders: boolean): Promise<void> {
  for (let index = 0; index < EVENTS; index += 1) {
    const message = plainMessage(index);
    const options = withHeaders ? { headers: plainHeaders(message) } : {};
    connection.publish(message.subject, message.body, options);
    if (index % PLAIN_BURST === PLAIN_BURST - 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await connection.flush();
}

async function publishToStream(): Promise<void> {
  const stream = plainStream.jetstream();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < EVENTS) {
      const message = plainMessage(next);
      next += 1;
      await stream.publish(message.subject, message.body, { headers: plainHeaders(message) });
    }
  };
  await Promise.all(Array.from({ length: PLAIN_WINDOW }, worker));
}

/** The facts are in the outbox before the clock runs: appending is the engine's work. */
function publishAs({ supply }: ReturnType<typeof sidecar>): () => Promise<void> {
  supply.append(EVENTS);
  return async () => {
    supply.commit();
    await supply.settled();
  };
}

/** What the streams hold, so that the disk does not fill; their numbers go on. */
async function forget(): Promise<void> {
  const manager = await plainStream.jetstreamManager();
  for (const name of ['LEASEHOLD_ENDINGS', 'LEASEHOLD_EVENTS']) await manager.streams.purge(name);
}

/** The lower quartile of the rounds: what else a machine does can only add to a cost. */
function typical(costs: readonly Cost[]): Cost {
  const of = (part: keyof Cost): number => lowerQuartile(costs.map((cost) => cost[part]));
  return { wallUs: of('wallUs'), ownUs: of('ownUs'), serverUs: of('serverUs') };
}

function rowsOf(costs: ReadonlyMap<Name, readonly Cost[]>): Row[] {
  const cost = (name: Name): Cost => typical(costs.get(name)!);
  const perS = (us: number): string => `${Math.round(1_000_000 / us)}/s`;
  const over = (what: string, name: Name, base: Name, bar?: Row['bar']): Row => {
    const { wallUs, ownUs, serverUs } = cost(name);
    return {
      what,
      value: cost(base).wallUs / wallUs,
      unit: '×',
      note:
        `${perS(wallUs)} over ${perS(cost(base).wallUs)}; processor an event: ${ownUs.toFixed(1)} µs ` +
        `of its own, ${serverUs.toFixed(1)} µs of nats-server`,
      ...(bar === undefined ? {} : { bar }),
    };
  };
  const ofStream = 'events to JetStream, acknowledged';
  const ofCore = 'events to core NATS';
  return [
    over('control: plain core publish over itself', 'plain, again', 'plain'),
    over('plain core publish with the headers, over without', 'plain, headers', 'plain'),
    over(`${ofStream}, over plain core publish`, 'sidecar, stream', 'plain', atLeast(0.12, 0.2)),
    over(`${ofStream}, over plain core publish with the headers`, 'sidecar, stream', 'plain, headers'),
    over(`${ofStream}, over the plain client's JetStream publish`, 'sidecar, stream', 'plain, stream'),
    over(`${ofCore}, over plain core publish`, 'sidecar, core', 'plain'),
    over(`${ofCore}, over plain core publish with the headers`, 'sidecar, core', 'plain, headers'),
  ];
}

function encodingRows(): Row[] {
  const supply = new Supply(facts);
  supply.append(2 * DISTINCT);
  const each = (use: (event: OutboxEvent) => void): number => {
    const timesUs: number[] = [];
    for (let pass = 0; pass < COST_PASSES; pass += 1) {
      const startedAt = performance.now();
      for (let index = 0; index < DISTINCT; index += 1) {
        use(supply.endings.at(index));
        use(supply.events.at(index));
      }
      timesUs.push(((performance.now() - startedAt) * 1_000) / (2 * DISTINCT));
    }
    return lowerQuartile(timesUs);
  };
  let guard = 0;
  const encoding = each((event) => {
    guard += encode(event).body.length;
  });
  const reading = each((event) => {
    guard += event.sequence;
  });
  if (guard === 0) throw new Error('Cannot measure: nothing was encoded');
  const size = messages.reduce((total, { body }) => total + body.length, 0) / messages.length;
  return [
    {
      what: 'reading an event from the outbox and encoding it',
      value: encoding,
      unit: 'µs',
      note: `${reading.toFixed(1)} µs of it reading; ${Math.round(size)} B of body`,
    },
  ];
}

async function latencyRows(): Promise<Row[]> {
  const { supply, timed } = throughStream;
  const p99 = (what: string): Row => ({
    what: `p99 from sending to acknowledgement, ${what}`,
    value: latency.percentile(0.99),
    unit: 'ms',
    note: `p50 ${latency.percentile(0.5).toFixed(1)} ms, longest ${latency.max.toFixed(0)} ms`,
  });
  timed.on = true;
  const paced = performance.now() + PACED_MS;
  while (performance.now() < paced) {
    supply.append(PACED_PER_MS);
    supply.commit();
    await pause(1);
  }
  await supply.settled();
  const rows = [p99(`about ${PACED_PER_MS},000 events a second`)];
  latency = new Histogram();
  supply.append(EVENTS);
  supply.commit();
  await supply.settled();
  return [...rows, p99(`as many as it takes (windows of ${WINDOW})`)];
}
