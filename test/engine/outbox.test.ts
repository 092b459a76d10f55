import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/core/command.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { type StreamName, STREAMS } from '../../src/events/bus.ts';
import { OUTBOX_LIMITS, type PublishedEvent, Replica, type Run, turn } from './publishing-world.ts';
import { put } from './world.ts';

const grant = (id: string): Command => ({ op: 'grant', namespace: 'default', holder: 'h', id });
const release = (id: string): Command => ({ op: 'release', id });
const ids = (events: readonly PublishedEvent[]) => events.map(({ id }) => id);
const kinds = (events: readonly PublishedEvent[]) =>
  events.map(({ text }) => (JSON.parse(text) as { type: string }).type.slice(10, -3));

describe('what goes to the bus', () => {
  it('is not to be seen before the journal has it', async () => {
    const run = await new Replica().start();
    run.journal.prompt = false;
    await run.ask(grant('a'));
    await run.ask(release('a'));
    expect([run.pending('events'), run.pending('endings')]).toEqual([[], []]);
    run.journal.write();
    expect(kinds(run.pending('events'))).toEqual(['lease.granted']);
    expect(kinds(run.pending('endings'))).toEqual(['lease.ended']);
  });

  it('of a group is not to be seen before that very group is written', async () => {
    const run = await new Replica().start();
    run.journal.prompt = false;
    await run.ask(grant('a'));
    await run.ask(release('a'));
    run.journal.writtenPosition = run.journal.groups.length - 1;
    run.journal.onAdvance();
    expect(kinds(run.pending('events'))).toEqual(['lease.granted']);
    expect(run.pending('endings')).toEqual([]);
  });

  it('is the same again after a crash, byte for byte, until it is acknowledged', async () => {
    const replica = new Replica();
    const run = await replica.start();
    await run.ask(grant('a'));
    await run.ask(put('k', 'v', { lease: 'a' }));
    await run.ask(release('a'));
    const before = run.pending('endings');
    expect(kinds(before)).toEqual(['lease.ended', 'entry.ended']);
    run.outbox.endings.acknowledge(1);
    run.engine.noteAcknowledged();
    await turn();
    replica.crash(run);
    const next = await replica.start();
    expect(next.pending('endings')).toEqual(before.slice(1));
    expect(next.pending('events').slice(0, 2)).toEqual(run.pending('events'));
    // Kept, should the stream lose it.
    expect(next.message('endings', 0)).toEqual(before[0]);
  });

  it('says of the run before that it is over, once', async () => {
    const replica = new Replica();
    const first = await replica.start();
    await first.ask(grant('a'));
    replica.crash(first);
    const second = await replica.start();
    const closed = JSON.parse(second.pending('events').at(-1)!.text);
    expect(closed).toMatchObject({
      type: 'leasehold.source.closed.v1',
      source: `/leasehold/replica/${second.actor}`,
      data: { source: `/leasehold/replica/${first.actor}`, lastSequences: { endings: 0, events: 1 } },
    });
    second.engine.closeSource();
    await turn();
    expect(JSON.parse(second.pending('events').at(-1)!.text)).toMatchObject({
      data: { source: `/leasehold/replica/${second.actor}`, lastSequences: { endings: 0, events: 2 } },
    });
    replica.crash(second);
    const third = await replica.start();
    expect(ids(third.pending('events'))).toEqual([
      ...ids(first.pending('events')), ...ids(second.pending('events').slice(-2)),
    ]);
  });

  it('is forgotten without a bus, and that is said', async () => {
    const replica = new Replica();
    const run = await replica.start();
    await run.ask(grant('a'));
    replica.crash(run);
    expect(await replica.startWithoutBus()).toMatchObject({ forgotten: true, owed: 0 });
    const again = await replica.start();
    for (const stream of STREAMS) again.outbox[stream].acknowledge(again.outbox[stream].visible);
    again.engine.noteAcknowledged();
    await turn();
    replica.crash(again);
    expect(await replica.startWithoutBus()).toMatchObject({ forgotten: false });
  });

  it('keeps what its endings hold over a crash, until they are acknowledged', async () => {
    const replica = new Replica({
      capacity: { leases: 2, entries: 2, bytes: 1 << 16, eviction: 'refuse' },
    });
    const run = await replica.start();
    for (const id of ['a', 'b']) {
      await run.ask(grant(id));
      await run.ask(release(id));
    }
    expect(await run.ask(grant('c'))).toMatchObject({ refused: 'capacity' });
    replica.crash(run);
    const next = await replica.start();
    expect(await next.ask(grant('c'))).toMatchObject({ refused: 'capacity' });
    next.outbox.endings.acknowledge(1);
    expect(await next.ask(grant('c'))).toMatchObject({ created: true });
  });

  it('makes commands wait that would cause more than there is room for, and no others', async () => {
    const replica = new Replica();
    const run = await replica.start({ events: 16 });
    for (let index = 0; index < 15; index++) await run.ask(put(`k${index}`, 'v', { ttlMs: 10_000 }));
    expect(await run.ask(put('more'))).toMatchObject({ refused: 'under-pressure' });
    expect(await run.ask(grant('more'))).toMatchObject({ refused: 'under-pressure' });
    expect(await run.ask({ op: 'delete', namespace: 'default', key: 'k0' })).toMatchObject({
      existed: true,
    });
    run.outbox.events.acknowledge(4);
    expect(await run.ask(put('more'))).toMatchObject({ created: true });
  });

  it('of renewals is the last one, when there is room again', async () => {
    const replica = new Replica();
    const run = await replica.start({ events: 16 });
    await run.ask(grant('a'));
    for (let index = 0; index < 8; index++) await run.ask(put(`k${index}`));
    for (let time = 0; time < 3; time++) {
      replica.clocks.advance(10);
      expect(await run.ask({ op: 'renew', id: 'a' })).toMatchObject({ lease: { state: 'live' } });
    }
    expect(kinds(run.pending('events'))).not.toContain('lease.renewed');
    run.outbox.events.acknowledge(9);
    run.engine.noteAcknowledged();
    await turn();
    const told = run.pending('events');
    expect(kinds(told)).toEqual(['lease.renewed']);
    expect(JSON.parse(told[0]!.text)).toMatchObject({ data: { renewals: 3 } });
  });

  it('is no more renewals in one turn than there is room for', async () => {
    const replica = new Replica();
    const run = await replica.start({ events: 40 });
    const held = Array.from({ length: 30 }, (_, index) => `l${index}`);
    for (const id of held.slice(0, 15)) await run.ask(grant(id));
    run.outbox.events.acknowledge(10);
    for (const id of held.slice(15)) await run.ask(grant(id));
    run.outbox.events.acknowledge(20);
    await run.ask({ op: 'renew-many', ids: held });
    const told = () => kinds(run.pending('events')).filter((kind) => kind === 'lease.renewed').length;
    expect([told(), run.outbox.events.dropped]).toEqual([10, 0]);
    run.outbox.events.acknowledge(run.outbox.events.visible);
    run.engine.noteAcknowledged();
    await turn();
    expect([told(), run.core.state.heldRenewals.size]).toEqual([20, 0]);
  });

  it('is nothing after a run has said that it is over', async () => {
    const replica = new Replica();
    const run = await replica.start();
    await run.ask(grant('a'));
    await run.ask(put('k', 'v', { ttlMs: 5 }));
    run.engine.submit({ op: 'renew', id: 'a' }, () => {});
    run.engine.closeSource();
    run.engine.tellPressure({ level: 'high', previous: 'nominal', source: 'loop', fill: 1 });
    expect(await run.ask(put('late', 'v'))).toMatchObject({ refused: 'draining' });
    replica.clocks.advance(10);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const last = run.pending('events').at(-1)!;
    expect(kinds([last])).toEqual(['source.closed']);
    const { data, id } = JSON.parse(last.text);
    expect(data.lastSequences).toEqual({ endings: 0, events: Number(id.split(':')[2]) });
    replica.crash(run);
    const next = await replica.start();
    expect(kinds(next.pending('endings'))).toEqual(['entry.ended']);
    expect(kinds(next.pending('events'))).not.toContain('pressure.changed');
  });

  it('comes back from the journal without what was dropped', async () => {
    const replica = new Replica();
    const run = await replica.start({ events: 16 });
    for (let time = 0; time < 40; time++) {
      run.engine.tellPressure({ level: 'high', previous: 'nominal', source: 'loop', fill: 1 });
    }
    await turn();
    expect(run.outbox.events).toMatchObject({ pending: 16, dropped: 24 });
    replica.crash(run);
    const next = await replica.start({ events: 16 });
    // And that the run before is over.
    expect(next.outbox.events.pending).toBe(17);
  });

  it('of a namespace made on demand is owed after a restart too', async () => {
    const replica = new Replica({}, true);
    const run = await replica.start();
    await run.ask({ ...put('k'), namespace: 'made' });
    await run.ask({ op: 'delete', namespace: 'made', key: 'k' });
    await run.snapshot();
    replica.crash(run);
    const next = await replica.start();
    expect(next.core.state.owed!.pending).toBe(1);
    next.outbox.endings.acknowledge(1);
    expect(next.core.state.owed!.pending).toBe(0);
    checkInvariants(next.core);
  });

  it('tells of pressure, in the name of nobody', async () => {
    const run = await new Replica().start();
    run.engine.tellPressure({ level: 'high', previous: 'nominal', source: 'outbox', fill: 0.8 });
    await turn();
    expect(JSON.parse(run.pending('events')[0]!.text)).toMatchObject({
      type: 'leasehold.pressure.changed.v1', data: { level: 'high', source: 'outbox', fill: 0.8 },
    });
  });
});

type Action =
  | { readonly kind: 'ask'; readonly command: Command }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'acknowledge'; readonly stream: StreamName; readonly count: number }
  | { readonly kind: 'note' | 'crash' | 'snapshot' | 'hold' };

const LEASES = ['l1', 'l2'];
const KEYS = ['a', 'b', 'c'];

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: fc.oneof<fc.Arbitrary<Command>[]>(
    fc.constantFrom(...LEASES).map(grant),
    fc.constantFrom(...LEASES).map(release),
    fc.constantFrom(...LEASES).map((id) => ({ op: 'renew' as const, id })),
    fc.record({
      key: fc.constantFrom(...KEYS),
      under: fc.constantFrom({ lease: 'l1' }, { lease: 'l2' }, { ttlMs: 50 }, {}),
    }).map(({ key, under }) => put(key, 'v', under)),
    fc.constantFrom(...KEYS).map((key) => ({ op: 'delete' as const, namespace: 'default', key })),
  ).map((command) => ({ kind: 'ask' as const, command })) },
  { weight: 2, arbitrary: fc.constantFrom(1, 60).map((ms) => ({ kind: 'time' as const, ms })) },
  { weight: 4, arbitrary: fc.record({
    kind: fc.constant('acknowledge' as const),
    stream: fc.constantFrom(...STREAMS),
    count: fc.integer({ min: 1, max: 6 }),
  }) },
  { weight: 4, arbitrary: fc
    .constantFrom('note' as const, 'crash' as const, 'snapshot' as const, 'hold' as const)
    .map((kind) => ({ kind })) },
);

/** What a bus would have stored, by id. */
class Stored {
  readonly texts = new Map<string, string>();
  readonly acknowledged = new Set<string>();

  look(run: Run): void {
    for (const stream of STREAMS) {
      for (const { id, text } of run.pending(stream)) {
        // The same id, the same bytes; what the journal has lost was never seen.
        expect(this.texts.get(id) ?? text).toBe(text);
        this.texts.set(id, text);
      }
    }
  }

  /** By run and stream, the numbers without a hole. */
  check(): void {
    const numbers = new Map<string, number[]>();
    for (const id of this.texts.keys()) {
      const [actor, stream, sequence] = id.split(':');
      const source = `${actor}:${stream}`;
      numbers.set(source, [...(numbers.get(source) ?? []), Number(sequence)]);
    }
    for (const [source, found] of numbers) {
      found.sort((left, right) => left - right);
      expect(found, source).toEqual(found.map((_, index) => index + 1));
    }
    const endings = [...this.texts.values()]
      .map((text) => (JSON.parse(text) as { data: { endingId?: string } }).data.endingId)
      .filter((endingId) => endingId !== undefined);
    expect(new Set(endings).size, 'each ending is told under one id').toBe(endings.length);
  }
}

describe('whatever happens to bus and process', () => {
  it('nothing that was to be seen is lost or told otherwise, and numbers have no holes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const replica = new Replica();
        const stored = new Stored();
        let run = await replica.start();
        for (const each of [...actions, { kind: 'crash' as const }]) {
          if (each.kind === 'ask') await run.ask(each.command);
          else if (each.kind === 'time') replica.clocks.advance(each.ms);
          else if (each.kind === 'acknowledge') {
            const log = run.outbox[each.stream];
            const until = Math.min(log.visible, log.first + each.count);
            for (let index = log.first; index < until; index++) {
              stored.acknowledged.add(run.message(each.stream, index).id);
            }
            log.acknowledge(until);
          } else if (each.kind === 'note') {
            run.engine.noteAcknowledged();
            await turn();
          } else if (each.kind === 'snapshot') {
            run.journal.prompt = true;
            run.journal.write();
            await run.snapshot();
          } else if (each.kind === 'hold') {
            run.journal.prompt = !run.journal.prompt;
            if (run.journal.prompt) run.journal.write();
          } else {
            const open = STREAMS.flatMap((stream) => ids(run.pending(stream)));
            replica.crash(run);
            run = await replica.start();
            const now = new Set(STREAMS.flatMap((stream) => ids(run.pending(stream))));
            for (const id of open) expect(now, 'unacknowledged, and gone').toContain(id);
          }
          stored.look(run);
          checkInvariants(run.core);
          expect(run.core.state.owed!.pending).toBe(run.outbox.endings.pending);
          expect(run.core.state.owed!.pendingBytes).toBe(run.outbox.endings.pendingBytes);
        }
        stored.check();
      }),
      { numRuns: 150 },
    );
  });

  it('has limits that the worlds of these tests do not meet by accident', () => {
    expect(OUTBOX_LIMITS.events).toBeGreaterThan(500);
  });
});
