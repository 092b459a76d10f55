/** What happens to the bus. */
import type { StreamName } from '../../../src/events/bus.ts';
import type { Fault } from './fault.ts';

const STREAMS: readonly StreamName[] = ['endings', 'events'];

export const busFaults: readonly Fault[] = [
  {
    kind: 'bus-away',
    what: 'nobody listens where the bus was',
    weight: 2,
    strikes: 'bus',
    draw: (chance) => ({ forMs: chance.wait(6_000), detail: {} }),
    begin: (world) => world.bus.host.goAway(),
    end: (world) => world.bus.host.comeBack(),
  },
  {
    kind: 'bus-frozen',
    what: 'the bus takes messages and acknowledges none, until it goes on: longer than repeats are recognised, at times',
    strikes: 'bus',
    draw: (chance) => ({ forMs: chance.between(300, 14_000), detail: {} }),
    begin: (world) => world.bus.host.freeze(),
    end: (world) => world.bus.host.thaw(),
  },
  {
    kind: 'bus-loses-answers',
    what: 'events are stored and the sidecar does not hear of it',
    strikes: 'bus',
    draw: (chance) => ({ forMs: chance.between(500, 12_000), detail: { share: chance.between(0.05, 0.9) } }),
    begin: (world, { detail }) => {
      world.bus.losesAnswers = detail['share'] as number;
    },
    end: (world) => {
      world.bus.losesAnswers = 0;
    },
  },
  {
    kind: 'bus-loses-messages',
    what: 'events are never stored, although the connection holds',
    strikes: 'bus',
    draw: (chance) => ({ forMs: chance.between(500, 8_000), detail: { share: chance.between(0.05, 0.5) } }),
    begin: (world, { detail }) => {
      world.bus.losesMessages = detail['share'] as number;
    },
    end: (world) => {
      world.bus.losesMessages = 0;
    },
  },
  {
    kind: 'bus-loses-acknowledged',
    what: 'the bus goes back to what it had on its disk: the last events it acknowledged are gone',
    strikes: 'bus',
    draw: (chance) => ({ forMs: 0, detail: { ms: Math.round(chance.wait(1_500)) } }),
    begin: (world, { detail }) => {
      world.bus.loseLatest(detail['ms'] as number);
      world.bus.host.breakConnections();
    },
  },
  {
    kind: 'bus-dedupe-forgotten',
    what: 'the bus no longer recognises what it has stored before',
    strikes: 'bus',
    draw: (chance) => ({ forMs: 0, detail: { restarts: chance.happens(0.5) } }),
    begin: (world, { detail }) => {
      world.bus.forgetRepeats();
      if (detail['restarts'] === true) world.bus.host.breakConnections();
    },
  },
  {
    kind: 'stream-full',
    what: 'the stream of endings has no room, until an operator gives it more',
    strikes: 'bus',
    draw: (chance) => ({ forMs: chance.between(500, 8_000), detail: {} }),
    begin: (world) => world.bus.fill('endings'),
    end: (world) => world.bus.resize('endings'),
  },
  {
    kind: 'stream-deleted',
    what: 'a stream is deleted by hand',
    strikes: 'bus',
    draw: (chance) => ({ forMs: 0, detail: { stream: chance.pick(STREAMS) } }),
    begin: (world, { detail }) => world.bus.deleteStream(detail['stream'] as StreamName),
  },
  {
    kind: 'stream-replaced',
    what: 'a stream is made anew, empty, under the same name',
    strikes: 'bus',
    draw: (chance) => ({ forMs: 0, detail: { stream: chance.pick(STREAMS) } }),
    begin: (world, { detail }) => world.bus.replaceStream(detail['stream'] as StreamName),
  },
];
