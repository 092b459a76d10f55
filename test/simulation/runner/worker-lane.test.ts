import { afterEach, describe, expect, test } from 'vitest';
import type { Lane } from './lane.ts';
import { planWith } from './plans.ts';
import { workerLane } from './worker-lane.ts';

/** A thread that does `does` with each plan; `answer` tells which thread it was. */
function threadThat(does: string): URL {
  const script = `
    import { parentPort, threadId } from 'node:worker_threads';
    const answer = ({ plan, keepsLines }) => parentPort.postMessage({ plan, keepsLines, hash: String(threadId) });
    parentPort.on('message', (task) => { ${does} });
  `;
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`);
}

const HANG_MS = 300;
let lane: Lane | undefined;
afterEach(async () => {
  await lane?.close();
  lane = undefined;
});

const [one, two, three] = [planWith({ seed: 1 }), planWith({ seed: 2 }), planWith({ seed: 3 })];

describe('a lane', () => {
  test('runs one plan after the other in the same thread', async () => {
    lane = workerLane(threadThat('answer(task)'));
    const first = await lane.run(one!);
    const second = await lane.run(two!, { keepsLines: true });
    expect(first).toMatchObject({ plan: { seed: 1 }, keepsLines: false });
    expect(second).toMatchObject({ plan: { seed: 2 }, keepsLines: true, hash: first!.hash });
  });

  test.each([
    ['throws', "throw new Error('out of its depth')", 'out of its depth'],
    ['rejects and nobody listens', "Promise.reject(new Error('unheard'))", 'unheard'],
    ['ends its thread', 'process.exit(7)', 'ended with 7'],
  ])('says of a run that %s that it crashed, and goes on in another thread', async (_, does, story) => {
    lane = workerLane(threadThat(`if (task.plan.seed === 2) { ${does} } else answer(task);`));
    const first = await lane.run(one!);
    expect(await lane.run(two!)).toMatchObject({
      plan: two, found: { invariant: 'no-crash', detail: expect.stringContaining(story) },
    });
    const third = await lane.run(three!);
    expect(third!.found).toBeUndefined();
    expect(third!.hash).not.toBe(first!.hash);
  });

  test('gives up a run that never ends, and goes on', async () => {
    lane = workerLane(threadThat('while (task.plan.seed === 2) {} answer(task);'), HANG_MS);
    expect(await lane.run(two!)).toMatchObject({ plan: two, found: { invariant: 'no-hang' } });
    expect(await lane.run(three!)).toMatchObject({ plan: three });
  });

  test('blames what goes off later on the run that left it behind', async () => {
    lane = workerLane(threadThat("answer(task); setTimeout(() => { throw new Error('left behind'); }, 20);"));
    expect((await lane.run(one!))!.found).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await lane.run(two!)).toMatchObject({
      plan: one, found: { invariant: 'no-crash', detail: expect.stringContaining('left behind') },
    });
  });

  test('that is closed knows nothing more, also of the run under way', async () => {
    lane = workerLane(threadThat('while (true) {}'));
    const under = lane.run(one!);
    await lane.close();
    expect(await under).toBeUndefined();
    expect(await lane.run(two!)).toBeUndefined();
  });
});
