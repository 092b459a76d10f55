/** What networks do. Every message is one of many that together make a call of the ledger or the bus. */
import { GOOD, type Network } from '../network/network.ts';
import type { Details, Fault, Strike } from './fault.ts';
import type { Stricken } from './stricken.ts';

const SERVERS = ['ledger', 'bus'] as const;

/** Both directions between the sidecars that are meant and the servers. */
function paths(world: Stricken, { where }: Strike): (readonly [from: string, to: string])[] {
  const names = where === 'all' ? world.sidecars.map(({ name }) => name) : [where];
  return names.flatMap((name) => SERVERS.flatMap((server) => [[name, server], [server, name]] as const));
}

function worsen(change: (detail: Details) => object) {
  return {
    begin: (world: Stricken, strike: Strike): void => {
      for (const [from, to] of paths(world, strike)) {
        world.network.setQuality(from, to, { ...GOOD, ...change(strike.detail) });
      }
    },
    end: (world: Stricken, strike: Strike): void => {
      for (const [from, to] of paths(world, strike)) world.network.setQuality(from, to, undefined);
    },
  };
}

function cutOff(network: Network, from: string, to: string, isCut: boolean): void {
  if (isCut) network.cut(from, to);
  else network.mend(from, to);
}

export const networkFaults: readonly Fault[] = [
  {
    kind: 'loss',
    what: 'messages between the sidecars and the servers get lost',
    strikes: 'all',
    draw: (chance) => ({ forMs: chance.between(1_000, 8_000), detail: { share: chance.between(0.01, 0.4) } }),
    ...worsen(({ share }) => ({ lost: share })),
  },
  {
    kind: 'delay',
    what: 'messages of one sidecar take long, up to beyond what it waits for',
    weight: 2,
    strikes: 'sidecar',
    draw: (chance) => ({ forMs: chance.between(1_000, 8_000), detail: { meanMs: Math.round(chance.wait(120)) } }),
    ...worsen(({ meanMs }) => ({ meanMs })),
  },
  {
    kind: 'duplication',
    what: 'messages arrive a second time, later',
    strikes: 'all',
    draw: (chance) => ({
      forMs: chance.between(1_000, 8_000),
      detail: { share: chance.between(0.05, 0.5), secondMs: Math.round(chance.wait(800)) },
    }),
    ...worsen(({ share, secondMs }) => ({ doubled: share, secondMs })),
  },
  {
    kind: 'reordering',
    what: 'messages overtake each other',
    strikes: 'all',
    draw: (chance) => ({
      forMs: chance.between(1_000, 8_000),
      detail: { share: chance.between(0.1, 0.8), meanMs: Math.round(chance.wait(60)) },
    }),
    ...worsen(({ share, meanMs }) => ({ overtaking: share, meanMs })),
  },
  {
    kind: 'partition',
    what: 'one sidecar is cut off from a server, in one direction or both',
    weight: 2,
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: chance.weighted([[chance.wait(4_000), 1], [chance.between(5_000, 15_000), 2]]),
      detail: {
        server: chance.weighted([['ledger', 4], ['bus', 1]]),
        direction: chance.pick(['both', 'there', 'back']),
      },
    }),
    begin: (world, strike) => setPartition(world, strike, true),
    end: (world, strike) => setPartition(world, strike, false),
  },
];

function setPartition({ network }: Stricken, { where, detail }: Strike, isCut: boolean): void {
  const server = detail['server'] as string;
  if (detail['direction'] !== 'back') cutOff(network, where, server, isCut);
  if (detail['direction'] !== 'there') cutOff(network, server, where, isCut);
}
