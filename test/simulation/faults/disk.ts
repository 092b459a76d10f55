/** What disks do. */
import { QUICK_DISK } from '../machine/simulated-disk.ts';
import type { Fault } from './fault.ts';

export const diskFaults: readonly Fault[] = [
  {
    kind: 'disk-full',
    what: 'a disk has next to no room left, until somebody makes some',
    strikes: 'sidecar',
    draw: (chance) => ({ forMs: chance.between(1_000, 10_000), detail: { leftBytes: chance.integer(20_000) } }),
    begin: (world, { where, detail }) => {
      const { disk } = world.sidecar(where).machine;
      disk.roomBytes = disk.usedBytes + (detail['leftBytes'] as number);
    },
    end: (world, { where }) => world.sidecar(where).machine.disk.makeRoom(),
  },
  {
    kind: 'disk-slow',
    what: 'a disk takes long, and now and then holds up the whole loop of its process',
    weight: 2,
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: chance.between(1_000, 10_000),
      detail: {
        callMs: chance.weighted([[chance.wait(5), 2], [chance.wait(80), 1]]), syncMs: chance.wait(100),
        slowWrites: chance.between(0, 0.2), slowWriteMs: chance.wait(60),
      },
    }),
    begin: (world, { where, detail }) => {
      world.sidecar(where).machine.disk.pace = {
        callMs: detail['callMs'] as number, syncMs: detail['syncMs'] as number,
        slowWrites: detail['slowWrites'] as number, slowWriteMs: detail['slowWriteMs'] as number,
      };
    },
    end: (world, { where }) => {
      world.sidecar(where).machine.disk.pace = QUICK_DISK;
    },
  },
];
