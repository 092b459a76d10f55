/**
 * Whatever happens to the bus, its streams and the process: nothing is lost, nothing leaves the
 * outbox that was not stored (`publisher-world.ts` looks at each acknowledgement), and readers that
 * take the newest copy of each event have them all in order.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { STREAMS, type StreamName } from '../../src/events/bus.ts';
import { chance } from '../reconcile/simulated-time.ts';
import type { Fate } from './fake-bus.ts';
import { PublisherWorld } from './publisher-world.ts';

const HAPPENINGS = [
  'append', 'append', 'append', 'append', 'trouble', 'calm', 'slow answers', 'full', 'room',
  'away', 'back', 'replaced', 'went back', 'deleted', 'looks fail', 'looks succeed', 'crash',
  'journal', 'journal',
] as const;
type Happening = readonly [what: (typeof HAPPENINGS)[number], stream: StreamName, amount: number];

const FATES: readonly Fate[] = ['lost', 'unanswered', 'refused', 'denied', 'full'];

function happen(
  world: PublisherWorld, random: () => number, [what, name, amount]: Happening,
): void {
  const { bus, outbox } = world;
  const stream = bus.streams[name];
  switch (what) {
    case 'append':
      outbox[name].append(1 + (amount % 40), world.time.now());
      break;
    case 'trouble':
      bus.fate = ({ stream: at }) =>
        at === name && random() < 0.2 ? FATES[Math.floor(random() * FATES.length)]! : 'stored';
      break;
    case 'calm':
      bus.fate = () => 'stored';
      bus.answerMs = () => 1;
      break;
    case 'slow answers':
      bus.answerMs = () => random() * (amount % 300);
      break;
    case 'full':
      stream.capacity = stream.stored.length + (amount % 10);
      break;
    case 'room':
      stream.capacity = Number.POSITIVE_INFINITY;
      break;
    case 'away':
      bus.goAway();
      break;
    case 'back':
      bus.comeBack();
      break;
    case 'replaced':
      stream.replace(`at ${world.time.now()}`);
      break;
    case 'went back':
      bus.goAway();
      stream.goBack(amount % 30);
      break;
    case 'deleted':
      stream.replace(`at ${world.time.now()}`, false);
      break;
    case 'looks fail':
      bus.prepareError = 'no answer';
      break;
    case 'looks succeed':
      bus.prepareError = undefined;
      break;
    case 'journal':
      outbox[name].journal();
      break;
    case 'crash':
      // The connection goes with the process.
      bus.goAway();
      world.crash();
      break;
  }
}

async function healed(world: PublisherWorld): Promise<void> {
  const { bus } = world;
  bus.fate = () => 'stored';
  bus.answerMs = () => 1;
  bus.prepareError = undefined;
  for (const name of STREAMS) bus.streams[name].capacity = Number.POSITIVE_INFINITY;
  if (bus.state !== 'connected') bus.comeBack();
  await world.pass(60_000);
}

/** Each id where its last copy stands. */
function lastCopies(ids: readonly string[]): string[] {
  return [...new Set(ids.toReversed())].reverse();
}

test('nothing is lost, and the newest copies are in order', async () => {
  const happening = fc.tuple(
    fc.constantFrom(...HAPPENINGS), fc.constantFrom(...STREAMS), fc.nat(1_000),
  );
  const course = fc.array(fc.tuple(happening, fc.constantFrom(1, 3, 20, 150, 800, 12_000)), {
    minLength: 1, maxLength: 40, size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(course, fc.nat(), fc.boolean(), async (steps, seed, remembers) => {
      const world = new PublisherWorld({ seed });
      const random = chance(seed + 1);
      for (const name of STREAMS) world.bus.streams[name].remembers = remembers;
      for (const [what, ms] of steps) {
        happen(world, random, what);
        await world.pass(ms);
      }
      await healed(world);
      for (const name of STREAMS) {
        const ids = world.bus.streams[name].ids();
        const outbox = world.outbox[name];
        expect(outbox.first).toBe(outbox.visible);
        expect(world.publisher.status().streams[name].state).toBe('idle');
        if (remembers) expect([...ids].sort()).toEqual(outbox.ids().sort());
        else expect(lastCopies(ids)).toEqual(outbox.ids());
      }
      expect(world.publisher.reasons()).toEqual([]);
    }),
    { numRuns: 150 },
  );
}, 120_000);
