import { describe, expect, test } from 'vitest';
import type { BusMessage, PublishOutcome } from '../../src/events/bus.ts';
import { StreamCheck, type StreamStates } from '../../src/events/stream-check.ts';
import { StreamPublisher } from '../../src/events/stream-publisher.ts';
import { Histogram } from '../../src/measure/histogram.ts';
import { settled, SimulatedTime } from '../reconcile/simulated-time.ts';
import { encode, FakeOutbox } from './fake-outbox.ts';

const log = { info: () => {}, warn: () => {} };
const state = {
  name: 'S', created: 'first', lastSequence: 0, messages: 0, bytes: 0, differences: [],
};
const states: StreamStates = { endings: state, events: state };

interface Asked {
  readonly answer: (states: StreamStates) => void;
  readonly fail: (error: Error) => void;
}

function checkWith() {
  const time = new SimulatedTime(0);
  const asked: Asked[] = [];
  const answers: (StreamStates | undefined)[] = [];
  const check = new StreamCheck({
    bus: { prepare: () => new Promise((answer, fail) => asked.push({ answer, fail })) },
    scheduler: time.clock(() => 0.5),
    log,
    settings: { checkMs: 10_000, retryCapMs: 2_000 },
    asked: () => {},
    answered: (each) => answers.push(each),
  });
  return { time, asked, answers, check };
}

describe('the look at the streams', () => {
  test('is taken again when it was asked for while one is under way', async () => {
    const { asked, answers, check } = checkWith();
    check.now();
    check.now();
    check.now();
    expect(asked).toHaveLength(1);
    asked[0]!.answer(states);
    await settled();
    expect([asked.length, answers], 'the first may have come too early').toEqual([2, []]);
    asked[1]!.answer(states);
    await settled();
    expect([asked.length, answers]).toEqual([2, [states]]);
  });

  test('counts no more when it was called off', async () => {
    const { time, asked, answers, check } = checkWith();
    check.now();
    check.stop();
    asked[0]!.answer(states);
    await time.pass(60_000);
    expect([asked.length, answers]).toEqual([1, []]);
    check.now();
    asked[1]!.answer(states);
    await settled();
    expect(answers).toEqual([states]);
  });

  test('waits longer after each failure, and shortly after the first again', async () => {
    const { time, asked, check } = checkWith();
    const waitFor = async (count: number): Promise<number> => {
      const from = time.now();
      while (asked.length < count && time.now() - from < 20_000) await time.pass(50);
      return time.now() - from;
    };
    const waits: number[] = [];
    check.now();
    for (let times = 1; times <= 5; times++) {
      asked.at(-1)!.fail(new Error('no answer'));
      waits.push(await waitFor(times + 1));
    }
    asked.at(-1)!.answer(states);
    waits.push(await waitFor(7));
    asked.at(-1)!.fail(new Error('no answer'));
    waits.push(await waitFor(8));
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 10_000, 100]);
  });

  test('is not asked for when the connection went before the failure was looked into', () => {
    const time = new SimulatedTime(0);
    const turns: (() => void)[] = [];
    const outcomes: ((outcome: PublishOutcome) => void)[] = [];
    let doubts = 0;
    const outbox = new FakeOutbox('endings');
    const publisher = new StreamPublisher(outbox, {
      bus: {
        mode: 'jetstream',
        publish: (_: BusMessage, done: (outcome: PublishOutcome) => void) => outcomes.push(done),
      },
      encode, log,
      scheduler: time.clock(() => 0.5),
      soon: (work) => turns.push(work),
      settings: { window: 4, retryCapMs: 1_000 },
      doubted: () => {
        doubts += 1;
      },
      lost: () => {},
      deliveryMs: new Histogram([]),
      changed: () => {},
    });
    const turn = (): void => {
      for (const work of turns.splice(0)) work();
    };
    const fault = { kind: 'no-stream', detail: '' } as const;
    outbox.append(1);
    for (const [away, expected] of [[false, 1], [true, 1]] as const) {
      publisher.resume();
      publisher.checked(state);
      turn();
      outcomes.pop()!({ ok: false, fault });
      if (away) publisher.hold();
      turn();
      expect(doubts).toBe(expected);
    }
  });
});
