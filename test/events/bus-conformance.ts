/**
 * What every bus does, whatever lies behind it: one suite that each adapter passes, in each mode.
 * Times are real, so nothing is concluded from how long anything took.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  Bus, BusMessage, BusState, PublishOutcome, StreamName, StreamState,
} from '../../src/events/bus.ts';
import type { StreamLimits } from '../../src/events/nats/options.ts';

/** How long the worlds' buses wait for an acknowledgement. */
export const ACK_MS = 400;
export const LIMITS: StreamLimits = {
  maxBytes: 4 * 1024 * 1024, maxAgeMs: 3_600_000, duplicateWindowMs: 120_000,
};
const PATIENCE_MS = 20_000;
const POLL_MS = 5;

/** A message as somebody else finds it. */
export interface FoundMessage {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface BusWorld {
  /** Not prepared. */
  readonly bus: Bus;
  /** What a stream holds, oldest first; in mode `core`, what somebody got who listened from the start. */
  stored(stream: StreamName): Promise<readonly FoundMessage[]>;
  /** Nothing connects any more. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
  /** Nothing answers any more, and nothing is closed. */
  fallSilent(): void;
  speakAgain(): void;
  deleteStream(stream: StreamName): Promise<void>;
  /** Gives the stream another bound than the configured one. */
  resize(stream: StreamName, maxBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Resolves with what `look` finds. */
export async function eventually<T>(
  what: string, look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export function reached(bus: Bus, state: BusState): Promise<true> {
  return eventually(`the bus is ${state}`, () => (bus.state === state ? true : undefined));
}

export function message(stream: StreamName, id: string, body = `body of ${id}`): BusMessage {
  const subject =
    stream === 'endings'
      ? 'leasehold.v1.entry.ended.expired.sessions'
      : 'leasehold.v1.entry.created.sessions';
  const headers = [['Content-Type', 'text/plain'], ['traceparent', `00-${id}`]] as const;
  return { stream, subject, id, headers, body: new TextEncoder().encode(body) };
}

/** Publishes one; fails when its outcome comes twice, or within the call. */
export function publish(bus: Bus, sent: BusMessage): Promise<PublishOutcome> {
  return new Promise((resolve, reject) => {
    let outcomes = 0;
    let isWithin = true;
    bus.publish(sent, (outcome) => {
      outcomes += 1;
      if (isWithin) reject(new Error('The outcome came within the call'));
      if (outcomes > 1) throw new Error('The outcome came twice');
      resolve(outcome);
    });
    isWithin = false;
  });
}

/** The kind of fault, or `ok`. */
export function kindOf(outcome: PublishOutcome): string {
  return outcome.ok ? 'ok' : outcome.fault.kind;
}

function detailOf(outcome: PublishOutcome): string {
  return outcome.ok ? '' : outcome.fault.detail;
}

async function prepared(bus: Bus): Promise<Readonly<Record<StreamName, StreamState>>> {
  await reached(bus, 'connected');
  const streams = await bus.prepare();
  if (streams === undefined) throw new Error('The bus has no streams');
  return streams;
}

function inTurn(count: number, ids: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, index) => ids(index));
}

/** Runs the suite; each test has a world of its own. */
export function describeBus(name: string, makeWorld: () => Promise<BusWorld>): void {
  describe(name, () => {
    let world: BusWorld;
    let bus: Bus;
    beforeEach(async () => {
      world = await makeWorld();
      bus = world.bus;
    });
    afterEach(() => world.close());

    describeConnection(() => world);

    describe('streams', () => {
      test('take messages in order, as they are, and tell each its place', async () => {
        await prepared(bus);
        const ids = inTurn(300, (index) => `run:endings:${index + 1}`);
        const outcomes = await Promise.all(ids.map((id) => publish(bus, message('endings', id))));
        expect(outcomes).toEqual(
          ids.map((_, index) => ({ ok: true, sequence: index + 1, duplicate: false })),
        );
        const stored = await world.stored('endings');
        expect(stored.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(ids);
        expect(stored[2]).toEqual({
          subject: 'leasehold.v1.entry.ended.expired.sessions',
          headers: {
            'Nats-Msg-Id': ids[2], 'Content-Type': 'text/plain', traceparent: `00-${ids[2]}`,
          },
          body: `body of ${ids[2]}`,
        });
        expect(await world.stored('events')).toEqual([]);
      });

      test('know a repeat by its id, each for itself', async () => {
        await prepared(bus);
        await publish(bus, message('endings', 'other'));
        const first = await publish(bus, message('endings', 'one'));
        const again = await publish(bus, message('endings', 'one', 'told differently'));
        const elsewhere = await publish(bus, message('events', 'one'));
        expect([first, again, elsewhere]).toEqual([
          { ok: true, sequence: 2, duplicate: false },
          { ok: true, sequence: 2, duplicate: true },
          { ok: true, sequence: 1, duplicate: false },
        ]);
        const stored = await world.stored('endings');
        expect(stored.map(({ body }) => body)).toEqual(['body of other', 'body of one']);
      });

      test('that are not there take nothing until they are prepared', async () => {
        await reached(bus, 'connected');
        expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('no-stream');
        await prepared(bus);
        expect(kindOf(await publish(bus, message('endings', 'a')))).toBe('ok');
      });

      test('are another one when deleted and made again', async () => {
        const before = await prepared(bus);
        await publish(bus, message('endings', 'a'));
        await world.deleteStream('endings');
        expect(kindOf(await publish(bus, message('endings', 'b')))).toBe('no-stream');
        const after = await prepared(bus);
        expect(after.endings.created).not.toBe(before.endings.created);
        expect(after.events.created).toBe(before.events.created);
        expect(await publish(bus, message('endings', 'a'))).toEqual({
          ok: true, sequence: 1, duplicate: false,
        });
      });

      test('tell how they are, and stay as they are', async () => {
        const fresh = await prepared(bus);
        expect(fresh.endings).toMatchObject({ lastSequence: 0, messages: 0, differences: [] });
        expect(fresh.events.differences).toEqual([]);
        expect(Date.parse(fresh.endings.created)).not.toBeNaN();
        for (const id of ['a', 'b', 'b']) await publish(bus, message('endings', id));
        await world.resize('endings', 1_000_000);
        const used = await prepared(bus);
        expect(used.endings).toMatchObject({
          name: fresh.endings.name,
          created: fresh.endings.created,
          lastSequence: 2,
          messages: 2,
          differences: [`max_bytes is 1000000 and should be ${LIMITS.maxBytes}`],
        });
        expect(used.endings.bytes).toBeGreaterThan(0);
        expect((await prepared(bus)).endings.differences).toEqual(used.endings.differences);
      });

      test('of endings are full and take no more, of events lose the oldest', async () => {
        await prepared(bus);
        await world.resize('endings', 20_000);
        await world.resize('events', 20_000);
        const ids = inTurn(30, (index) => `n${index}`);
        const big = 'x'.repeat(1_000);
        const kinds: Record<StreamName, string[]> = { endings: [], events: [] };
        for (const id of ids) {
          for (const stream of ['endings', 'events'] as const) {
            kinds[stream].push(kindOf(await publish(bus, message(stream, id, big))));
          }
        }
        const taken = kinds.endings.indexOf('full');
        expect(taken).toBeGreaterThan(5);
        expect(kinds.endings).toEqual(ids.map((_, index) => (index < taken ? 'ok' : 'full')));
        expect(kinds.events).toEqual(ids.map(() => 'ok'));
        const idsOf = async (stream: StreamName) =>
          (await world.stored(stream)).map(({ headers }) => headers['Nats-Msg-Id']);
        expect(await idsOf('endings')).toEqual(ids.slice(0, taken));
        const kept = await idsOf('events');
        expect(kept.length).toBeGreaterThan(5);
        expect(kept).toEqual(ids.slice(-kept.length));
        expect((await prepared(bus)).events).toMatchObject({
          lastSequence: 30, messages: kept.length,
        });
      });

      test('may have what was not acknowledged, and then say so', async () => {
        await prepared(bus);
        world.fallSilent();
        const outcome = await publish(bus, message('endings', 'a'));
        expect(kindOf(outcome)).toBe('timeout');
        world.speakAgain();
        await eventually('it is stored', async () =>
          (await world.stored('endings')).length === 1 ? true : undefined,
        );
        await reached(bus, 'connected');
        expect(await publish(bus, message('endings', 'a'))).toEqual({
          ok: true, sequence: 1, duplicate: true,
        });
      });
    });
  });
}

/** The part of the suite for a bus without streams. */
export function describeCoreBus(name: string, makeWorld: () => Promise<BusWorld>): void {
  describe(name, () => {
    let world: BusWorld;
    let bus: Bus;
    beforeEach(async () => {
      world = await makeWorld();
      bus = world.bus;
    });
    afterEach(() => world.close());

    describeConnection(() => world);

    test('has no streams, and no places in them', async () => {
      await reached(bus, 'connected');
      expect(await bus.prepare()).toBeUndefined();
      const ids = inTurn(300, (index) => `run:endings:${index + 1}`);
      const outcomes = await Promise.all(ids.map((id) => publish(bus, message('endings', id))));
      expect(outcomes).toEqual(ids.map(() => ({ ok: true, sequence: 0, duplicate: false })));
      expect(await publish(bus, message('endings', 'run:endings:1'))).toEqual({
        ok: true, sequence: 0, duplicate: false,
      });
    });
  });
}

/** What holds with streams and without. */
function describeConnection(world: () => BusWorld): void {
  test('tells that it is away, sends nothing then, and comes back by itself', async () => {
    const { bus } = world();
    await reached(bus, 'connected');
    await bus.prepare();
    const changes: string[] = [];
    bus.onState = (state, detail) => {
      changes.push(detail === '' ? `${state} without a word` : state);
    };
    await world().leave();
    await reached(bus, 'away');
    const outcomes = await Promise.all(
      inTurn(20, (index) => `lost-${index}`).map((id) => publish(bus, message('endings', id))),
    );
    expect(new Set(outcomes.map(kindOf))).toEqual(new Set(['away']));
    await world().comeBack();
    await reached(bus, 'connected');
    expect(kindOf(await publish(bus, message('endings', 'found')))).toBe('ok');
    expect(changes.filter((change) => change !== 'connecting')).toEqual(['away', 'connected']);
    const stored = await world().stored('endings');
    expect(stored.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(['found']);
  });

  test('ends what is outstanding when it goes away: it may be stored', async () => {
    const { bus } = world();
    await reached(bus, 'connected');
    await bus.prepare();
    world().fallSilent();
    const sent = inTurn(50, (index) => `n${index}`).map((id) =>
      publish(bus, message('endings', id)),
    );
    await world().leave();
    const outcomes = await Promise.all(sent);
    expect(new Set(outcomes.map(kindOf))).toEqual(new Set(['timeout']));
    // Not because time went by.
    for (const outcome of outcomes) expect(detailOf(outcome)).not.toContain(`${ACK_MS} ms`);
    await reached(bus, 'away');
  });

  test('prepares nothing while it is away, and says why', async () => {
    const { bus } = world();
    await reached(bus, 'connected');
    await world().leave();
    await reached(bus, 'away');
    await expect(bus.prepare()).rejects.toThrow(/^Cannot prepare the streams: .+/);
  });

  test('sends what it has before it closes', async () => {
    const { bus } = world();
    await reached(bus, 'connected');
    await bus.prepare();
    const sent = inTurn(100, (index) => `n${index}`).map((id) =>
      publish(bus, message('endings', id)),
    );
    await Promise.all([bus.close(10_000), bus.close(10_000)]);
    expect(bus.state).toBe('closed');
    expect(new Set((await Promise.all(sent)).map(kindOf))).toEqual(new Set(['ok']));
    expect(kindOf(await publish(bus, message('endings', 'late')))).toBe('away');
    expect(bus.state).toBe('closed');
    expect((await world().stored('endings')).length).toBe(100);
  });

  test('closes although nothing answers, and ends what is outstanding', async () => {
    const { bus } = world();
    await reached(bus, 'connected');
    await bus.prepare();
    world().fallSilent();
    const sent = publish(bus, message('endings', 'a'));
    await bus.close(10);
    expect([bus.state, kindOf(await sent)]).toEqual(['closed', 'timeout']);
  });

  test('has a status that says how it stands', async () => {
    const { bus } = world();
    await reached(bus, 'connected');
    await bus.prepare();
    await publish(bus, message('endings', 'a'));
    expect(bus.status()).toMatchObject({
      kind: bus.kind, mode: bus.mode, state: 'connected',
      published: 1, acknowledged: 1, outstanding: 0,
    });
  });
}
