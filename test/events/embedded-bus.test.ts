/** The bus in memory: what every bus does, and the trouble it makes when asked to. */
import { describe, expect, test } from 'vitest';
import type { StreamName } from '../../src/events/bus.ts';
import { EmbeddedBus, type EmbeddedBusOptions } from '../../src/events/embedded/embedded-bus.ts';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { ManualScheduler } from '../resilience/manual-scheduler.ts';
import {
  ACK_MS, type BusWorld, describeBus, kindOf, LIMITS, message, publish,
} from './bus-conformance.ts';

const OPTIONS: EmbeddedBusOptions = {
  endings: { ...LIMITS, discard: 'new' }, events: { ...LIMITS, discard: 'old' }, ackMs: ACK_MS,
};

async function embeddedWorld(): Promise<BusWorld> {
  const bus = new EmbeddedBus(OPTIONS, schedulerOn(systemMachine, performance));
  const stored = (stream: StreamName) =>
    bus.messages(stream).map(({ subject, id, headers, body }) => ({
      subject,
      headers: { 'Nats-Msg-Id': id, ...Object.fromEntries(headers) },
      body: new TextDecoder().decode(body),
    }));
  return {
    bus,
    stored: async (stream) => stored(stream),
    leave: async () => bus.goAway(),
    comeBack: async () => bus.comeBack(),
    fallSilent: () => {
      bus.trouble = { losesAnswers: true };
    },
    speakAgain: () => {
      bus.trouble = {};
    },
    deleteStream: async (stream) => bus.deleteStream(stream),
    resize: async (stream, maxBytes) => bus.resize(stream, maxBytes),
    close: () => bus.close(0),
  };
}

describeBus('the embedded bus', embeddedWorld);

describe('the embedded bus, on a clock that is led', () => {
  async function made(change: Partial<EmbeddedBusOptions> = {}) {
    const time = new ManualScheduler();
    const bus = new EmbeddedBus({ ...OPTIONS, ...change }, time);
    await bus.prepare();
    const sent = async (id: string, ms = 0): Promise<string> => {
      const outcome = publish(bus, message('endings', id));
      time.pass(ms);
      return kindOf(await outcome);
    };
    const ids = () => bus.messages('endings').map(({ id }) => id);
    return { time, bus, sent, ids };
  }

  test('forgets ids after their window, and messages after their time', async () => {
    const { time, sent, ids } = await made({
      endings: { ...OPTIONS.endings, duplicateWindowMs: 100, maxAgeMs: 1_000 },
    });
    await sent('a');
    time.pass(99);
    await sent('a');
    expect(ids()).toEqual(['a']);
    time.pass(1);
    await sent('a');
    expect(ids()).toEqual(['a', 'a']);
    time.pass(900);
    expect(ids()).toEqual(['a']);
    time.pass(100);
    expect(ids()).toEqual([]);
  });

  test('loses what it had acknowledged, and takes it again', async () => {
    const { bus, sent, ids } = await made();
    for (const id of ['a', 'b', 'c']) await sent(id);
    bus.loseAfter('endings', 1);
    expect((await bus.prepare())!.endings).toMatchObject({ lastSequence: 1, messages: 1 });
    await sent('c');
    await sent('b');
    expect(ids()).toEqual(['a', 'c', 'b']);
  });

  test('is another stream, empty, when replaced, though no time has passed', async () => {
    const { bus, sent, ids } = await made();
    const before = (await bus.prepare())!;
    await sent('a');
    bus.replaceStream('endings');
    const after = (await bus.prepare())!;
    expect(after.endings.created > before.endings.created).toBe(true);
    expect([ids(), await sent('a'), ids()]).toEqual([[], 'ok', ['a']]);
  });

  test('has room again when purged, and knows its place', async () => {
    const { bus, sent, ids } = await made({ endings: { ...OPTIONS.endings, maxBytes: 300 } });
    expect([await sent('a'), await sent('b'), await sent('c')]).toEqual(['ok', 'ok', 'full']);
    bus.purge('endings');
    expect([await sent('c'), ids()]).toEqual(['ok', ['c']]);
    expect((await bus.prepare())!.endings.lastSequence).toBe(3);
  });

  test('answers late, never, or with what it was told to', async () => {
    const { time, bus, sent, ids } = await made();
    bus.trouble = { delayMs: 50 };
    let outcome = '';
    bus.publish(message('endings', 'late'), (each) => {
      outcome = kindOf(each);
    });
    time.pass(49);
    expect(outcome).toBe('');
    time.pass(1);
    expect(outcome).toBe('ok');
    bus.trouble = { losesMessages: true };
    expect(await sent('lost', ACK_MS)).toBe('timeout');
    bus.trouble = { losesAnswers: true };
    expect(await sent('unheard', ACK_MS)).toBe('timeout');
    bus.trouble = { refuses: { kind: 'denied', detail: 'No' } };
    expect(await sent('denied')).toBe('denied');
    expect(ids()).toEqual(['late', 'unheard']);
  });

  test('holds no more than its bytes, however much goes through', async () => {
    const { time, bus } = await made({ events: { ...OPTIONS.events, maxBytes: 10_000 } });
    for (let index = 0; index < 5_000; index++) {
      bus.publish(message('events', `n${index}`), () => {});
    }
    time.pass(0);
    const held = bus.messages('events');
    expect(held.at(-1)!.id).toBe('n4999');
    expect(held.length).toBeLessThan(100);
    expect(held[0]!.sequence).toBe(5_000 - held.length + 1);
    expect((await bus.prepare())!.events.bytes).toBeLessThanOrEqual(10_000);
  });
});
