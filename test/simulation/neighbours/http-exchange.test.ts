import { beforeEach, describe, expect, test } from 'vitest';
import type { Write } from '../history/operation.ts';
import { requestOf } from './api.ts';
import { ask, type HttpAnswer } from './http-exchange.ts';
import { OneSidecar } from './one-sidecar.ts';

const PUT: Write = { kind: 'put', namespace: 'sessions', key: 'ann', value: 'here' };
const GET = { kind: 'get', namespace: 'sessions', key: 'ann' } as const;

let world: OneSidecar;

beforeEach(async () => {
  world = new OneSidecar();
  await world.start();
});

describe('a request', () => {
  test('is answered over loopback, within a millisecond or two', async () => {
    const askedAtMs = world.kernel.nowMs;
    const answer = await world.answer(PUT);
    expect(answer).toMatchObject({ status: 201, replayed: false });
    expect(answer.atMs - askedAtMs).toBeGreaterThan(0.1);
    expect(answer.atMs - askedAtMs).toBeLessThan(5);
  });

  test('is refused where there is no process, or nobody listens yet', async () => {
    const { handler } = world;
    world.handler = undefined;
    expect(await world.answer(GET)).toMatchObject({ status: 0, code: 'connection-refused' });
    world.handler = handler;
    world.process!.kill();
    expect(await world.answer(GET)).toMatchObject({ status: 0, code: 'connection-refused' });
  });

  test('is reset when the process dies on it, a little later, and has not happened', async () => {
    world.process!.pause();
    const answers = world.asks(PUT);
    await world.kernel.run(10);
    expect(answers).toEqual([]);
    const diedAtMs = world.kernel.nowMs;
    world.process!.kill();
    await world.kernel.run(10);
    expect(answers).toMatchObject([{ status: 0, code: 'connection-reset' }]);
    expect(answers[0]!.atMs).toBeGreaterThan(diedAtMs);
    await world.start();
    expect(await world.answer(GET)).toMatchObject({ status: 404, code: 'entry-not-found' });
  });

  test('that a process was too slow for is given up, and takes effect all the same', async () => {
    world.process!.pause();
    const askedAtMs = world.kernel.nowMs;
    const answers = [PUT, ...Array<typeof GET>(10).fill(GET)].map((asked) => world.asks(asked, 400));
    await world.kernel.run(1_000);
    for (const each of answers) {
      expect(each).toMatchObject([{ status: 0, code: 'timeout', atMs: askedAtMs + 400 }]);
    }
    world.process!.goOn();
    await world.kernel.run(10);
    expect(answers.map(({ length }) => length)).toEqual(Array(11).fill(1));
    expect(await world.answer(GET)).toMatchObject({ status: 200, values: ['here'] });
  });

  /** What becomes of twenty requests, each to a process that dies when it is about to answer or just has. */
  async function answersOfDying(moment: 'before' | 'after'): Promise<string[]> {
    const outcomes: string[] = [];
    for (let times = 0; times < 20; times++) {
      world.process!.kill();
      const process = world.machine.spawn();
      world.handler = (_request, response) => {
        if (moment === 'before') process.kill();
        response.writeHead(204, []);
        response.end();
        if (moment === 'after') process.kill();
      };
      const answers = world.asks(GET);
      await world.kernel.run(2);
      outcomes.push(...answers.map(({ status, code }) => code ?? String(status)));
    }
    return outcomes;
  }

  test('whose answer is on its way is answered, though the process dies', async () => {
    expect(await answersOfDying('after')).toEqual(Array(20).fill('204'));
  });

  test('is not answered by what a dead process still does', async () => {
    expect(await answersOfDying('before')).toEqual(Array(20).fill('connection-reset'));
  });

  test('that its client abandons is heard of no more', async () => {
    const heard: HttpAnswer[] = [];
    const request = { ...requestOf(PUT), timeoutMs: 100 };
    const abandon = ask(world.caller, world, request, (answer) => heard.push(answer));
    abandon();
    await world.kernel.run(500);
    expect(heard).toEqual([]);
    expect(await world.answer(GET)).toMatchObject({ status: 200 });
  });
});
