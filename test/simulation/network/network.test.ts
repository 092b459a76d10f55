/** Paths between places: order, loss, cuts and second copies, all from the seed. */
import { expect, test } from 'vitest';
import { Kernel } from '../kernel/kernel.ts';
import { GOOD, Network, type Quality } from './network.ts';

function world(seed: number, quality: Partial<Quality> = {}) {
  const kernel = new Kernel({ seed, startMs: 1e12 });
  const network = new Network(kernel);
  network.quality = { ...GOOD, ...quality };
  const arrived: number[] = [];
  const send = (from: string, to: string, number: number): void =>
    network.send(from, to, 'message', () => arrived.push(number));
  return { kernel, network, arrived, send };
}

/** Fifty messages, one each tenth of a millisecond. */
async function fifty(seed: number, quality: Partial<Quality> = {}) {
  const { kernel, arrived, send } = world(seed, quality);
  for (let number = 0; number < 50; number++) {
    send('s1', 'ledger', number);
    await kernel.run(0.1);
  }
  await kernel.run(10_000);
  return { arrived, hash: kernel.trace.hash };
}

const IN_TURN = Array.from({ length: 50 }, (_, number) => number);
const ROUGH = { lost: 0.1, doubled: 0.2, overtaking: 0.3 };

test('a seed gives one run, and another seed another', async () => {
  const first = await fifty(7, ROUGH);
  expect(await fifty(7, ROUGH)).toEqual(first);
  expect((await fifty(8, ROUGH)).arrived).not.toEqual(first.arrived);
});

test('messages of a path keep their order, unless some overtake', async () => {
  expect((await fifty(7, { meanMs: 20 })).arrived).toEqual(IN_TURN);
  const { arrived } = await fifty(7, { meanMs: 20, overtaking: 0.5 });
  expect(arrived).not.toEqual(IN_TURN);
  expect(arrived.toSorted((a, b) => a - b)).toEqual(IN_TURN);
});

test('some are lost, and some come again later', async () => {
  const lossy = await fifty(7, { lost: 0.2 });
  expect(lossy.arrived.length).toBeLessThan(50);
  const doubling = await fifty(7, { doubled: 0.5 });
  expect(doubling.arrived.length).toBeGreaterThan(50);
  expect(new Set(doubling.arrived).size).toBe(50);
});

test('a cut is of one direction, takes what is under way, and is over when mended', async () => {
  const { kernel, network, arrived, send } = world(7);
  send('s1', 'ledger', 1);
  network.cut('s1', 'ledger');
  network.mend('s1', 'ledger');
  send('s1', 'ledger', 2);
  await kernel.run(100);
  expect(arrived).toEqual([2]);
  network.cut('s1', 'ledger');
  send('s1', 'ledger', 3);
  send('ledger', 's1', 4);
  send('s2', 'ledger', 5);
  await kernel.run(100);
  expect(arrived.toSorted()).toEqual([2, 4, 5]);
  network.heal();
  send('s1', 'ledger', 6);
  await kernel.run(100);
  expect(arrived.at(-1)).toBe(6);
});

test('what happens on one path moves nothing on another', async () => {
  const arrivals = async (busy: boolean) => {
    const { kernel, network } = world(7, ROUGH);
    const at: number[] = [];
    for (let number = 0; number < 20; number++) {
      if (busy) network.send('s2', 'bus', 'message', () => {});
      network.send('s1', 'ledger', 'message', () => at.push(kernel.nowMs));
    }
    await kernel.run(10_000);
    return at;
  };
  expect(await arrivals(true)).toEqual(await arrivals(false));
});
