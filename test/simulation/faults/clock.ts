/** What clocks do. Rates stay within what the sidecars are told to expect (`driftRatio`). */
import type { Fault } from './fault.ts';

const DRIFT = 0.001;

export const clockFaults: readonly Fault[] = [
  {
    kind: 'clock-rate',
    what: 'a monotonic clock runs faster or slower, by up to the drift the configuration allows',
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: chance.between(2_000, 30_000),
      detail: { rate: 1 + chance.between(-DRIFT / 2, DRIFT / 2) },
    }),
    begin: (world, { where, detail }) => world.sidecar(where).machine.setRate(detail['rate'] as number),
    end: (world, { where }) => world.sidecar(where).machine.setRate(1),
  },
  {
    kind: 'clock-step',
    what: 'a wall clock is put forward or back, and stays so until everything is healed',
    strikes: 'sidecar',
    draw: (chance) => ({
      forMs: chance.between(1_000, 20_000),
      detail: {
        ms: Math.round(
          chance.weighted([
            [chance.between(-4_000, 4_000), 6],
            [chance.between(5_000, 15_000), 2],
            [3_600_000, 1],
            [-3_600_000, 1],
            [86_400_000, 1],
          ]),
        ),
      },
    }),
    begin: (world, { where, detail }) => world.sidecar(where).machine.step(detail['ms'] as number),
    end: (world, { where, detail }) => world.sidecar(where).machine.step(-(detail['ms'] as number)),
  },
  {
    kind: 'ledger-clock-step',
    what: 'the clock of the ledger is put forward or back, by no more than the configuration allows',
    strikes: 'ledger',
    draw: (chance) => ({
      forMs: chance.between(1_000, 20_000),
      detail: { ms: Math.round(chance.between(-400, 400)) },
    }),
    begin: (world, { detail }) => world.ledger.clock.step(detail['ms'] as number),
    end: (world, { detail }) => world.ledger.clock.step(-(detail['ms'] as number)),
  },
];
