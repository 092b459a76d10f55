import { beforeEach, describe, expect, test } from 'vitest';
import type { HttpAnswer } from './http-exchange.ts';
import { type EventStream, follow } from './event-stream.ts';
import { OneSidecar } from './one-sidecar.ts';
import { type ServerSentEvent, ServerSentEvents } from './server-sent-events.ts';

let world: OneSidecar;
let events: ServerSentEvent[];
let ends: HttpAnswer[];
let lastId: string | undefined;

beforeEach(async () => {
  world = new OneSidecar();
  await world.start();
  events = [];
  ends = [];
  lastId = undefined;
});

function watch(headers: Readonly<Record<string, string>> = {}, path = '/v1/events'): EventStream {
  const reading = new ServerSentEvents(undefined);
  return follow(
    world.caller, world,
    { method: 'GET', path, headers, bufferBytes: 1_024 },
    {
      opened: () => {},
      text: (text) => {
        events.push(...reading.take(text));
        lastId = reading.lastId;
      },
      over: (answer) => ends.push(answer),
    },
  );
}

async function write(count: number, from = 1): Promise<void> {
  for (let number = from; number < from + count; number++) {
    await world.answer({ kind: 'put', namespace: 'sessions', key: `k${number}`, value: 'v', ttlMs: 60_000 });
  }
}

function keys(): (string | undefined)[] {
  return events.map(({ type, data }) => (type === 'resync' ? 'resync' : JSON.parse(data).data.key));
}

describe('a stream of events', () => {
  test('tells what happens, in its order', async () => {
    watch();
    await world.kernel.run(10);
    await write(3);
    expect(keys()).toEqual(['k1', 'k2', 'k3']);
    expect(events[0]!.type).toBe('leasehold.entry.created.v1');
  });

  test('goes on after the last event its reader saw', async () => {
    const stream = watch();
    await world.kernel.run(10);
    await write(2);
    stream.close();
    await write(2, 3);
    expect(keys()).toEqual(['k1', 'k2']);
    watch({ 'last-event-id': lastId! });
    await world.kernel.run(10);
    expect(keys()).toEqual(['k1', 'k2', 'k3', 'k4']);
  });

  test('waits for a reader that does not read, and loses nothing that is still held', async () => {
    const stream = watch();
    await world.kernel.run(10);
    stream.pause();
    await write(20);
    expect(keys()).toEqual([]);
    stream.goOn();
    await world.kernel.run(50);
    expect(keys()).toEqual(Array.from({ length: 20 }, (_, index) => `k${index + 1}`));
  });

  test('tells a reader that fell too far behind that it has missed something', async () => {
    const stream = watch();
    await world.kernel.run(10);
    stream.pause();
    await write(300);
    stream.goOn();
    await world.kernel.run(50);
    expect(keys()).toContain('resync');
    await write(1, 301);
    expect(keys().at(-1)).toBe('k301');
  });

  test('is reset with the process, and leaves no watcher behind when its reader goes', async () => {
    watch();
    await world.kernel.run(10);
    world.process!.kill();
    await world.kernel.run(10);
    expect(ends).toMatchObject([{ status: 0, code: 'connection-reset' }]);
    watch();
    await world.kernel.run(10);
    expect(ends[1]).toMatchObject({ status: 0, code: 'connection-refused' });
  });

  test('is refused like any request', async () => {
    watch({}, '/v1/events?since=nonsense');
    await world.kernel.run(10);
    expect(ends).toMatchObject([{ status: 400 }]);
    expect(JSON.parse(ends[0]!.body.toString())).toMatchObject({ code: 'invalid-cursor' });
  });

  test('gives its place back when its reader goes', async () => {
    for (let times = 0; times < 300; times++) {
      const stream = watch();
      await world.kernel.run(2);
      stream.close();
    }
    watch();
    await world.kernel.run(10);
    expect(ends).toEqual([]);
  });
});

describe('server-sent events', () => {
  test('are read whole, however they are cut', () => {
    const text = 'id: a.1\n\nid: a.2\nevent: x\ndata: {"b": 1}\n\n: alive\nid: a.5\n\n';
    const reading = new ServerSentEvents(undefined);
    const found = [...text].flatMap((letter) => reading.take(letter));
    expect(found).toEqual([{ id: 'a.2', type: 'x', data: '{"b": 1}' }]);
    expect(reading.lastId).toBe('a.5');
  });
});
