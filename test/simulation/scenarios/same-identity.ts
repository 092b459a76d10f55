/** Two processes that draw alike, as two copies of one image do whose generator was seeded in it. */
import type { SimulatedSidecar } from '../cluster/simulated-sidecar.ts';
import type { World } from '../world.ts';
import { hand } from './hand.ts';
import { until } from './until.ts';

/** A sidecar starts anew and draws first what `original` goes by as its actor, then its own. */
export async function startAsTwin(world: World, name: string, original: string): Promise<void> {
  const { actor } = await hand(world, original).status();
  await startDrawing(world, name, (own) => firstly(Buffer.from(actor, 'hex'), own));
}

/** A sidecar starts anew and draws, one after the other, everything that the first run of `original` drew. */
export async function startAsCopy(world: World, name: string, original: string): Promise<void> {
  const chance = world.sidecar(original).machine.chance.fork('run 1');
  await startDrawing(world, name, () => (count) =>
    Buffer.from(Array.from({ length: count }, () => chance.integer(256))));
}

type Draw = (count: number) => Buffer;

async function startDrawing(world: World, name: string, drawing: (own: Draw) => Draw): Promise<void> {
  const sidecar: SimulatedSidecar = world.sidecar(name);
  sidecar.kill();
  sidecar.stayDown();
  await world.run(200);
  sidecar.start();
  // Before the first event of the process, and so before it draws anything.
  const process = sidecar.process!;
  Object.assign(process, { randomBytes: drawing(process.randomBytes.bind(process)) });
  await until(world, `the next run of ${name}`, () => sidecar.ready);
}

function firstly(bytes: Buffer, draw: Draw): Draw {
  let isFirst = true;
  return (count) => {
    const drawn = isFirst ? bytes : draw(count);
    isFirst = false;
    return drawn;
  };
}
