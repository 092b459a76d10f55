/** What happens to a machine and the process on it. */
import { FAILPOINTS, type FailpointName } from '../../../src/journal/failpoint.ts';
import type { Fault } from './fault.ts';

/** Where answers and what they say are furthest apart. */
const WHILE_WRITING: readonly FailpointName[] = ['before-write', 'after-half-write'];
const WRITES = 0.3;

export const machineFaults: readonly Fault[] = [
  {
    kind: 'kill',
    what: 'a sidecar is killed, as by SIGKILL; what it wrote to the page cache stays',
    weight: 3,
    strikes: 'sidecar',
    draw: () => ({ forMs: 0, detail: {} }),
    begin: (world, { where }) => world.sidecar(where).kill(),
  },
  {
    kind: 'failpoint',
    what: 'a sidecar is killed at a named place of its journal, now and then right in the recovery that follows',
    weight: 3,
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: chance.between(2_000, 12_000),
      detail: {
        name: chance.pick(chance.happens(WRITES) ? WHILE_WRITING : FAILPOINTS),
        count: 1 + chance.integer(3), inRecovery: chance.happens(0.3),
      },
    }),
    begin: (world, { where, detail }) => {
      const { armed } = world.sidecar(where).machine;
      armed.set(detail['name'] as FailpointName, detail['count'] as number);
      if (detail['inRecovery'] === true) armed.set('recover-after-truncate', 1);
    },
    end: (world, { where }) => world.sidecar(where).machine.armed.clear(),
  },
  {
    kind: 'power-cut',
    what: 'a machine loses its power: the tail of its journal is lost, torn or rubbish, unless it was synced',
    weight: 2.5,
    strikes: 'sidecar',
    draw: () => ({ forMs: 0, detail: {} }),
    begin: (world, { where }) => world.sidecar(where).powerCut(),
  },
  {
    kind: 'down',
    what: 'a sidecar is killed and stays away for a while',
    weight: 2,
    strikes: 'sidecar',
    draw: (chance) => ({ forMs: chance.between(1_000, 15_000), detail: { power: chance.happens(0.3) } }),
    begin: (world, { where, detail }) => {
      const sidecar = world.sidecar(where);
      if (detail['power'] === true) sidecar.powerCut();
      else sidecar.kill();
      sidecar.stayDown();
    },
    end: (world, { where }) => world.sidecar(where).start(),
  },
  {
    kind: 'pause',
    what: 'a process is stopped, as by SIGSTOP: clocks run on, nothing else does',
    strikes: 'sidecar',
    draw: (chance) => ({ forMs: chance.wait(3_000), detail: {} }),
    begin: (world, strike) => world.pause(strike),
    end: (world, strike) => world.goOn(strike),
  },
  {
    kind: 'stall',
    what: 'the event loop of a process does nothing else for a while: a collection, a busy core',
    strikes: 'sidecar',
    draw: (chance) => ({ forMs: 0, detail: { ms: Math.round(chance.wait(400)) } }),
    begin: (world, { where, detail }) => world.sidecar(where).process?.stall(detail['ms'] as number),
  },
  {
    kind: 'suspend',
    what: 'a machine is suspended: nothing runs, and its monotonic clock stands still',
    strikes: 'sidecar',
    draw: (chance) => ({ forMs: chance.between(500, 12_000), detail: {} }),
    begin: (world, { where }) => world.sidecar(where).machine.suspend(),
    end: (world, { where }) => world.sidecar(where).machine.resume(),
  },
];
