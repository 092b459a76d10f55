/**
 * A real sidecar under full load on a real NATS server, through everything that can happen to a
 * bus. What clients were told, what is left, and what a reader of the streams has read must agree;
 * `npm run soak` does the same for longer.
 */
import { afterEach, expect, test } from 'vitest';
import { stopServers } from '../servers/child.ts';
import { play, type Scenario, SCENARIOS } from './bus/scenarios.ts';
import { cleanUp } from './support.ts';

/** Decides what is asked; how it meets the faults, nobody can. */
const SEED = 1;
const NEIGHBOURS = 6;
const SPAN_MS = 1_500;
/** Small enough to be used up within a second or two. */
const ROOM = 1_500;
const LEASES = 3_000;
/** Against a hang. */
const PATIENCE_MS = 180_000;

afterEach(async () => {
  await cleanUp();
  await stopServers();
});

const scenarios = Object.values<Scenario>(SCENARIOS).map((each) => [each.what, each] as const);

test.each(scenarios)(
  'with %s, each grant ends once and is told, and who asks for more is told to wait',
  async (_what, scenario) => {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const settings = { seed: SEED, neighbours: NEIGHBOURS, room: ROOM, say };
    const { wrong, figures } = await play(scenario, settings, { spanMs: SPAN_MS, leases: LEASES });
    const { taken, endings } = figures;
    expect(wrong, said.join('\n')).toEqual([]);
    expect(Math.min(...Object.values(taken))).toBeGreaterThan(10);
    expect(endings).toBeGreaterThan(100);
  },
  PATIENCE_MS,
);
