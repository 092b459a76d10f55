/** What happens to the ledger. */
import type { Fault } from './fault.ts';

/** A replica is behind by less than this, as a rule. */
const LAG_MS = 400;

export const ledgerFaults: readonly Fault[] = [
  {
    kind: 'ledger-away',
    what: 'nobody listens where the ledger was',
    weight: 2,
    strikes: 'ledger',
    draw: (chance) => ({ forMs: chance.wait(5_000), detail: {} }),
    begin: (world) => world.ledger.host.goAway(),
    end: (world) => world.ledger.host.comeBack(),
  },
  {
    kind: 'ledger-frozen',
    what: 'the ledger takes requests and answers none, until it goes on',
    strikes: 'ledger',
    draw: (chance) => ({ forMs: chance.wait(2_500), detail: {} }),
    begin: (world) => world.ledger.host.freeze(),
    end: (world) => world.ledger.host.thaw(),
  },
  {
    kind: 'ledger-empty',
    what: 'the ledger restarts and has kept nothing',
    strikes: 'ledger',
    draw: () => ({ forMs: 0, detail: {} }),
    begin: (world) => world.ledger.clear(),
  },
  {
    kind: 'ledger-failover',
    what: 'a replica that is behind takes over, with a clock of its own',
    strikes: 'ledger',
    draw: (chance) => ({
      forMs: 0,
      detail: { lagMs: Math.round(chance.wait(LAG_MS)), stepMs: Math.round(chance.between(-400, 400)) },
    }),
    begin: (world, { detail }) => {
      world.ledger.failover(detail['lagMs'] as number, detail['stepMs'] as number);
    },
  },
  {
    kind: 'ledger-split',
    what: 'some sidecars go on with the old primary while a replica was promoted for the others',
    strikes: 'ledger',
    draw: (chance) => ({
      forMs: chance.between(500, 6_000),
      detail: { callers: 1 + chance.integer(2), lagMs: Math.round(chance.wait(LAG_MS)) },
    }),
    begin: (world, { detail }) => {
      if (world.ledger.isSplit) return;
      const callers = world.sidecars.slice(0, detail['callers'] as number).map(({ name }) => name);
      world.ledger.split(callers, detail['lagMs'] as number);
    },
    end: (world) => world.ledger.healSplit(),
  },
  {
    kind: 'ledger-rollback',
    what: 'an old copy of the ledger is put back',
    strikes: 'ledger',
    draw: (chance) => ({
      forMs: 0,
      detail: { ageMs: Math.round(chance.between(500, 15_000)), sameHistory: chance.happens(0.3) },
    }),
    begin: (world, { detail }) => {
      world.ledger.rollback(detail['ageMs'] as number, detail['sameHistory'] === true);
    },
  },
  {
    kind: 'ledger-out-of-memory',
    what: 'the ledger takes no values any more, only ends',
    strikes: 'ledger',
    draw: (chance) => ({ forMs: chance.between(1_000, 8_000), detail: {} }),
    begin: (world) => {
      world.ledger.outOfMemory = true;
    },
    end: (world) => {
      world.ledger.outOfMemory = false;
    },
  },
  {
    kind: 'ledger-read-only',
    what: 'the ledger refuses every operation, as a replica does that is not promoted yet',
    strikes: 'ledger',
    draw: (chance) => ({ forMs: chance.wait(2_000), detail: {} }),
    begin: (world) => {
      world.ledger.readOnly = true;
    },
    end: (world) => {
      world.ledger.readOnly = false;
    },
  },
];
