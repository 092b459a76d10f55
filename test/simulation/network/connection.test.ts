/** A connection is one attempt after the other, and what belongs to an earlier one counts no more. */
import { expect, test } from 'vitest';
import { Kernel } from '../kernel/kernel.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import { Connection } from './connection.ts';
import { Host } from './host.ts';
import { GOOD, Network } from './network.ts';

function world(leastMs: number) {
  const kernel = new Kernel({ seed: 7, startMs: 1e12 });
  const network = new Network(kernel);
  network.quality = { ...GOOD, leastMs };
  const host = new Host(network, 'ledger');
  const process = new SimulatedMachine(kernel, 's1').spawn();
  const log: string[] = [];
  const connection = new Connection({
    process, host, place: 's1', connectMs: 100, retryMs: () => 1_000,
    opened: () => log.push('opened'),
    lost: (detail) => log.push(detail),
  });
  return { kernel, network, host, connection, log };
}

test('an answer to an attempt that was given up opens nothing', async () => {
  const { kernel, network, connection, log } = world(80);
  await kernel.run(500);
  expect(connection.state).toBe('down');
  network.quality = GOOD;
  await kernel.run(1_000);
  expect(connection.state).toBe('open');
  expect(log).toEqual(['connecting timed out', 'opened']);
});

test('what was asked before a loss is not answered after it', async () => {
  const { kernel, host, connection, log } = world(0);
  await kernel.run(10);
  host.freeze();
  connection.ask<string>('question', (answer) => answer('late'), (answer) => log.push(answer));
  await kernel.run(10);
  connection.abandon('left');
  host.thaw();
  await kernel.run(2_000);
  connection.ask<string>('question', (answer) => answer('in time'), (answer) => log.push(answer));
  await kernel.run(10);
  expect(log).toEqual(['opened', 'left', 'opened', 'in time']);
});

test('one that was closed is not made again', async () => {
  const { kernel, host, connection, log } = world(0);
  await kernel.run(10);
  connection.close();
  host.breakConnections();
  await kernel.run(5_000);
  expect(connection.state).toBe('closed');
  expect(log).toEqual(['opened']);
});

test('a host that goes away while it is frozen never does what it was asked', async () => {
  const { kernel, host, connection, log } = world(0);
  await kernel.run(10);
  host.freeze();
  connection.ask<string>('order', () => log.push('done'), () => {});
  await kernel.run(10);
  host.goAway();
  host.thaw();
  await kernel.run(10);
  expect(log).toEqual(['opened', 'connection reset']);
});
