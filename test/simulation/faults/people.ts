/** What people do: deploy, change settings, and write clients that come and go. */
import { PRIORITY } from '../kernel/kernel.ts';
import type { Fault } from './fault.ts';

/** Between one sidecar of a deployment and the next. */
const ROLLING_MS = 1_500;

export const peopleFaults: readonly Fault[] = [
  {
    kind: 'restart',
    what: 'a sidecar is told to stop, drains and is started again',
    strikes: 'sidecar',
    draw: () => ({ forMs: 0, detail: {} }),
    begin: (world, { where }) => world.sidecar(where).stop(true),
  },
  {
    kind: 'rolling-restart',
    what: 'all sidecars are deployed anew, one after the other',
    strikes: 'all',
    draw: () => ({ forMs: 0, detail: {} }),
    begin: (world) => {
      world.sidecars.forEach((sidecar, index) => {
        world.kernel.after(index * ROLLING_MS, PRIORITY.fault, 'deploy', () => sidecar.stop(true));
      });
    },
  },
  {
    kind: 'configuration-change',
    what: 'a sidecar is stopped and comes back with other capacities and another pace',
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: 0,
      detail: {
        capacity: chance.pick([0.5, 1, 2]), pullMs: chance.pick([100, 400, 1_500]),
        snapshotAfterBytes: chance.pick([4_000, 24_000, 1_000_000]),
      },
    }),
    begin: (world, { where, detail }) => {
      world.configure(where, {
        capacity: detail['capacity'] as number, pullMs: detail['pullMs'] as number,
        snapshotAfterBytes: detail['snapshotAfterBytes'] as number,
      });
      world.sidecar(where).stop(true);
    },
  },
  {
    kind: 'flag-change',
    what: 'sweep, adoption, merge or eviction is switched off or to shadow at one sidecar, without a restart',
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: chance.between(1_000, 8_000),
      detail: {
        flag: chance.pick(['sweep', 'adoption', 'merge', 'eviction']), state: chance.pick(['off', 'shadow']),
      },
    }),
    begin: (world, { where, detail }) => {
      const sidecar = world.sidecar(where);
      sidecar.flags = { ...sidecar.flags, [detail['flag'] as string]: detail['state'] };
    },
    end: (world, { where }) => {
      const sidecar = world.sidecar(where);
      sidecar.flags = sidecar.config.flags;
    },
  },
  {
    kind: 'client-crash',
    what: 'a client dies and comes back having forgotten everything',
    strikes: 'all',
    draw: (chance) => ({ forMs: chance.between(100, 6_000), detail: { client: chance.integer(1_000) } }),
    begin: (world, strike) => world.crashNeighbour(strike),
    end: (world, strike) => world.reviveNeighbour(strike),
  },
  {
    kind: 'slow-watchers',
    what: 'whoever watches by HTTP reads nothing for a while',
    strikes: 'all',
    draw: (chance) => ({ forMs: chance.between(500, 8_000), detail: {} }),
    begin: (world) => world.slowWatchers(true),
    end: (world) => world.slowWatchers(false),
  },
];
