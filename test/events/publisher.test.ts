import { describe, expect, test } from 'vitest';
import { PublisherWorld } from './publisher-world.ts';

describe('the publisher', () => {
  test('publishes in order, and lets events leave on acknowledgement only', async () => {
    const { outbox: { endings }, bus, publisher, pass } = new PublisherWorld();
    bus.answerMs = () => 500;
    endings.append(5);
    await pass(100);
    expect(bus.streams.endings.ids()).toEqual(endings.ids(0, 1));
    expect(endings.first, 'stored, and not acknowledged').toBe(0);
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(endings.first).toBe(5);
    expect(publisher.status().streams.endings).toMatchObject({
      state: 'idle', unacknowledged: 0, kept: 5, published: 5, acknowledged: 5, duplicates: 0,
    });
  });

  test('publishes what becomes visible later, and each stream by itself', async () => {
    const { outbox, bus, pass } = new PublisherWorld();
    bus.fate = ({ stream }) => (stream === 'endings' ? 'full' : 'stored');
    outbox.endings.append(3);
    await pass(50);
    outbox.events.append(4);
    await pass(50);
    expect([outbox.endings.first, outbox.events.first]).toEqual([0, 4]);
  });

  test('has no more on its way than its window, and starts with one', async () => {
    const world = new PublisherWorld({ settings: { window: 10 } });
    const { outbox: { endings }, bus, publisher, pass } = world;
    bus.answerMs = () => 99;
    endings.append(200);
    const sent: number[] = [];
    await pass(50);
    for (let round = 0; round < 6; round++) {
      sent.push(bus.sent.length);
      expect(publisher.status().streams.endings.inFlight).toBeLessThanOrEqual(10);
      await pass(100);
    }
    expect(sent).toEqual([1, 3, 7, 15, 25, 35]);
    expect(bus.outstandingMax).toBe(10);
  });

  test('does a bounded amount of work in a turn', async () => {
    const world = new PublisherWorld({ settings: { window: 4096 } });
    const { outbox: { endings }, bus, pass, scheduler } = world;
    endings.append(1000);
    await pass(1_000);
    expect(endings.first).toBe(1000);
    endings.append(1000);
    const before = bus.sent.length;
    const turns: number[] = [];
    scheduler.after(0, () => turns.push(bus.sent.length - before));
    await pass(0);
    expect(turns[0]).toBe(128);
  });

  test('lets go in order what is acknowledged in any order', async () => {
    const { outbox: { endings }, bus, pass } = new PublisherWorld();
    endings.append(1);
    await pass(50);
    endings.append(15);
    await pass(50);
    const delays = [500, 10, 300, 20];
    bus.answerMs = () => delays.shift() ?? 10;
    endings.append(4);
    await pass(100);
    expect(bus.streams.endings.stored).toHaveLength(20);
    expect(endings.first).toBe(16);
    await pass(300);
    expect(endings.first, 'the first is still on its way').toBe(16);
    await pass(300);
    expect(endings.first).toBe(20);
  });

  test('waits for the connection, and says so', async () => {
    const world = new PublisherWorld({ connected: false });
    const { outbox: { endings }, bus, publisher, reasons, pass } = world;
    endings.append(2);
    await pass(10_000);
    expect(bus.sent).toEqual([]);
    expect([publisher.healthy, publisher.reasons()]).toEqual([false, ['bus-away']]);
    expect(publisher.status()).toMatchObject({
      bus: 'connecting', streams: { endings: { state: 'waiting', paused: ['away'] } },
    });
    bus.comeBack();
    await pass(50);
    expect([endings.first, publisher.healthy, reasons]).toEqual([2, true, [[]]]);
  });

  test('counts an age from the instant of the fact', async () => {
    const { outbox: { endings }, bus, publisher, time, pass } = new PublisherWorld();
    bus.fate = () => 'denied';
    endings.append(1, time.now() - 400);
    await pass(100);
    expect(publisher.status().streams.endings.oldestAgeMs).toBe(500);
  });

  test('tells how fast events leave, and how long an acknowledgement takes', async () => {
    const { outbox: { endings }, bus, publisher, pass } = new PublisherWorld();
    bus.answerMs = () => 9;
    expect(publisher.drainRate('endings')).toBe(0);
    for (let times = 0; times < 200; times++) {
      endings.append(10);
      await pass(100);
    }
    expect(publisher.drainRate('endings')).toBeGreaterThan(90);
    expect(publisher.drainRate('endings')).toBeLessThan(110);
    expect(publisher.status().streams.endings.ackMs).toBeCloseTo(10, 0);
    await pass(60_000);
    expect(publisher.drainRate('endings')).toBe(0);
  });
});

describe('order after a failure', () => {
  test('is restored: nothing more is sent until all have their outcome', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    let refused = false;
    bus.fate = ({ id }) => {
      if (!id.endsWith(':53') || refused) return 'stored';
      refused = true;
      return 'refused';
    };
    bus.answerMs = () => 40;
    endings.append(16);
    await pass(20);
    expect(bus.sent).toHaveLength(66);
    endings.append(20);
    await pass(22);
    expect(publisher.status().streams.endings).toMatchObject({ inFlight: 0, window: 1 });
    expect(bus.sent, 'none of the later ones').toHaveLength(66);
    expect(endings.first).toBe(52);
    await pass(5_000);
    expect(bus.sent.slice(66).map(({ id }) => id)).toEqual(endings.ids(52));
    expect(endings.first).toBe(86);
    expect([...bus.streams.endings.ids()].sort()).toEqual([...endings.ids()].sort());
    expect(publisher.status().streams.endings).toMatchObject({
      acknowledged: 86, duplicates: 13, failures: { refused: 1 }, state: 'idle', republished: 0,
    });
  });

  test('holds after a refusal of everything: stored once, and in order', async () => {
    const { outbox: { endings }, bus, pass } = await warm();
    bus.fate = () => 'denied';
    endings.append(100);
    await pass(10_000);
    bus.fate = () => 'stored';
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(endings.first).toBe(150);
  });

  test('takes a message for stored that was, though its answer got lost', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.fate = () => 'unanswered';
    endings.append(16);
    await pass(150);
    expect(publisher.status().streams.endings.failures.timeout).toBe(16);
    expect(endings.first).toBe(50);
    bus.fate = () => 'stored';
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(publisher.status().streams.endings).toMatchObject({ acknowledged: 66, duplicates: 16 });
    expect(publisher.healthy).toBe(true);
  });

  test('sends the same bytes again', async () => {
    const { outbox: { endings }, bus, pass } = new PublisherWorld();
    bus.fate = (_, count) => (count === 1 ? 'lost' : 'stored');
    endings.append(1);
    await pass(5_000);
    expect(bus.sent).toHaveLength(2);
    expect(bus.sent[1]).toEqual(bus.sent[0]);
  });

  test('waits longer after each failure, up to the cap', async () => {
    const { outbox: { endings }, bus, time, pass } = new PublisherWorld();
    const at: number[] = [];
    bus.fate = () => {
      at.push(time.now());
      return 'refused';
    };
    endings.append(3);
    await pass(20_000);
    const waits = at.slice(1).map((each, index) => Math.round((each - at[index]!) / 100) * 100);
    // Half of what full jitter may take, and a few milliseconds on the way.
    expect(waits.slice(0, 8)).toEqual([100, 100, 200, 400, 800, 1000, 1000, 1000]);
  });

  test('waits shortly again once something was acknowledged', async () => {
    const { outbox: { endings }, bus, pass } = await stuck('refused');
    bus.fate = () => 'stored';
    await pass(2_000);
    expect(endings.first).toBe(16);
    bus.fate = (_, count) => (count === before + 1 ? 'refused' : 'stored');
    const before = bus.sent.length;
    endings.append(1);
    await pass(60);
    expect(endings.first).toBe(17);
  });

  test('times what is acknowledged, not what failed', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await stuck('refused');
    expect(publisher.status().streams.endings.ackMs).toBeUndefined();
    bus.fate = () => 'stored';
    await pass(2_000);
    expect(endings.first).toBe(16);
    expect(publisher.status().streams.endings.ackMs).toBe(2);
  });

  test.each([
    ['full', 'lost', 'stream-full'],
    ['lost', 'denied', 'bus-denied'],
    ['denied', 'refused', 'bus-denied'],
  ] as const)('has its reason from the first that says something: %s, %s', async (
    one, other, reason,
  ) => {
    const { outbox: { endings }, bus, reasons, pass } = await warm();
    bus.fate = (_, count) => (count === 51 ? one : other);
    endings.append(2);
    await pass(105);
    expect(reasons[0]).toEqual([reason]);
  });
});

describe('a full stream', () => {
  test('is probed by single messages, and comes back by doubling', async () => {
    const { outbox: { endings }, bus, publisher, reasons, pass } = await warm();
    bus.streams.endings.capacity = 50;
    endings.append(40);
    await pass(20_000);
    expect(publisher.reasons()).toEqual(['stream-full']);
    expect(publisher.status().streams.endings).toMatchObject({ window: 1, unacknowledged: 40 });
    const probes = bus.sent.length - 50;
    expect(probes, 'a window, then one at a time').toBeGreaterThan(30);
    expect(probes).toBeLessThan(45);
    bus.streams.endings.capacity = 1000;
    bus.answerMs = () => 99;
    const before = bus.sent.length;
    const sent: number[] = [];
    for (let tries = 0; bus.sent.length === before && tries < 3000; tries++) await pass(1);
    for (let round = 0; round < 4; round++) {
      await pass(50);
      sent.push(bus.sent.length - before);
      await pass(52);
    }
    expect(sent).toEqual([1, 3, 7, 15]);
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(reasons).toEqual([['stream-full'], []]);
  });

  test('is complained of once, not at each attempt', async () => {
    const { outbox: { endings }, bus, warnings } = await stuck('full');
    expect([endings.first, bus.sent.length > 10]).toEqual([0, true]);
    expect(warnings()).toEqual(['The bus does not take events']);
  });

  test.each([
    ['denied', 'bus-denied'],
    ['refused', 'bus-refuses'],
  ] as const)('differs from one that answers %s', async (kind, reason) => {
    const { publisher } = await stuck(kind);
    expect(publisher.reasons()).toEqual([reason]);
  });

  test('stays the reason while nobody answers', async () => {
    const { publisher, bus, pass } = await stuck('full');
    bus.fate = () => 'lost';
    await pass(5_000);
    expect(publisher.status().streams.endings.lastFault).toMatchObject({ kind: 'timeout' });
    expect(publisher.reasons()).toEqual(['stream-full']);
  });
});

describe('a connection that comes back', () => {
  test('is used after a spread, by a look at the streams and then one message', async () => {
    const { outbox: { endings }, bus, pass } = await warm();
    bus.goAway();
    await pass(60_000);
    endings.append(30);
    await pass(1_000);
    expect(bus.sent).toHaveLength(50);
    const { prepares } = bus;
    bus.prepareMs = 10;
    bus.answerMs = () => 20;
    bus.comeBack();
    await pass(245);
    expect([bus.prepares, bus.sent.length], 'spread').toEqual([prepares, 50]);
    await pass(10);
    expect([bus.prepares, bus.sent.length], 'looking').toEqual([prepares + 1, 50]);
    await pass(15);
    expect(bus.sent, 'one probe').toHaveLength(51);
    await pass(1_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
  });

  test('loses nothing of what was on its way', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.answerMs = () => 50;
    endings.append(16);
    await pass(20);
    bus.goAway();
    await pass(100);
    expect(publisher.status().streams.endings).toMatchObject({
      state: 'waiting', inFlight: 0, unacknowledged: 16, failures: { timeout: 16 },
    });
    bus.comeBack();
    await pass(5_000);
    expect([endings.first, bus.streams.endings.ids()]).toEqual([66, endings.ids()]);
  });

  test('is not used when it is gone again before its turn', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    const { prepares } = bus;
    for (const end of [() => bus.goAway(), () => publisher.close()]) {
      bus.goAway();
      await pass(10);
      endings.append(1);
      bus.comeBack();
      await pass(100);
      end();
      await pass(20_000);
      expect([bus.sent.length, bus.prepares]).toEqual([50, prepares]);
    }
  });

  test('does not wait for the next attempt of the time before', async () => {
    const { outbox: { endings }, bus, pass } = await stuck('denied');
    const before = bus.sent.length;
    bus.goAway();
    await pass(10);
    bus.fate = () => 'stored';
    bus.comeBack();
    await pass(270);
    expect(bus.sent.length).toBeGreaterThan(before);
    expect(endings.first).toBeGreaterThan(0);
  });
});

describe('a stream that lost what it had acknowledged', () => {
  test('was replaced: everything kept is published again before anything else', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    endings.keepNewest(30);
    bus.goAway();
    await pass(10);
    bus.streams.endings.replace('second');
    endings.append(5);
    bus.comeBack();
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids(20));
    expect(publisher.status().streams.endings).toMatchObject({
      acknowledged: 55, republished: 30, duplicates: 0, state: 'idle',
    });
    expect(endings.lastSeen).toEqual({ created: 'second', sequence: 35 });
  });

  test('went back: what it still has it recognises', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.goAway();
    await pass(10);
    bus.streams.endings.goBack(10);
    bus.comeBack();
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(publisher.status().streams.endings).toMatchObject({
      acknowledged: 50, republished: 50, duplicates: 40,
    });
  });

  test('went back while connected: the next acknowledgement shows it', async () => {
    const { outbox: { endings }, bus, pass } = await warm();
    bus.streams.endings.goBack(10);
    endings.append(1);
    await pass(1_000);
    expect([...bus.streams.endings.ids()].sort()).toEqual([...endings.ids()].sort());
    expect(endings.lastSeen).toEqual({ created: 'first', sequence: 51 });
  });

  test('went back with others on their way: the order of places shows it', async () => {
    const { outbox: { endings }, bus, logged, pass } = await warm();
    bus.answerMs = () => 50;
    endings.append(8);
    await pass(10);
    bus.streams.endings.goBack(6);
    endings.append(8);
    await pass(2_000);
    expect([...bus.streams.endings.ids()].sort()).toEqual([...endings.ids()].sort());
    expect(bus.streams.endings.ids()).toHaveLength(66);
    expect(logged.map(({ fields }) => fields)).toEqual([
      { stream: 'endings', detail: 'it gave out place 53 after 58', events: 66 },
    ]);
  });

  test('is found by the regular look too', async () => {
    const { outbox: { endings }, bus, pass } = await warm();
    bus.streams.endings.replace('second');
    await pass(13_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
  });

  test('is found after a crash, by what the outbox remembers of it', async () => {
    const world = await warm();
    const { outbox: { endings }, bus } = world;
    expect(endings.lastSeen).toEqual({ created: 'first', sequence: 50 });
    endings.journal();
    bus.streams.endings.replace('second');
    endings.append(3);
    world.crash();
    await world.pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
  });

  test('is published to again from the start when the process stops on the way', async () => {
    const world = await warm();
    const { outbox: { endings }, bus } = world;
    endings.journal();
    bus.goAway();
    await world.pass(10);
    bus.streams.endings.replace('second');
    bus.answerMs = () => 2_000;
    bus.comeBack();
    await world.pass(7_000);
    const { stored } = bus.streams.endings;
    expect([stored.length > 1, stored.length < 50]).toEqual([true, true]);
    expect(endings.lastSeen, 'none that there is').toEqual({ created: '', sequence: 0 });
    bus.answerMs = () => 1;
    bus.streams.endings.remembers = false;
    world.crash();
    await world.pass(5_000);
    expect(bus.streams.endings.ids().slice(-50)).toEqual(endings.ids());
    expect(endings.lastSeen).toMatchObject({ created: 'second' });
  });

  test('counts as lost for the next run too, even if it has grown past its old end', async () => {
    const world = await warm();
    const { outbox: { endings }, bus } = world;
    const stream = bus.streams.endings;
    stream.remembers = false;
    endings.journal();
    bus.goAway();
    await world.pass(10);
    stream.goBack(10);
    bus.answerMs = () => 50;
    bus.comeBack();
    for (let ms = 0; stream.lastSequence <= 55 && ms < 5_000; ms++) await world.pass(1);
    expect([stream.lastSequence > 50, stream.lastSequence < 80]).toEqual([true, true]);
    world.crash();
    await world.pass(5_000);
    expect(stream.ids().slice(-50)).toEqual(endings.ids());
  });

  test('is published to from the start again when it is replaced once more', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.streams.endings.replace('second');
    bus.answerMs = () => 2_000;
    await pass(18_000);
    expect(publisher.status().streams.endings.state).toBe('republishing');
    bus.goAway();
    await pass(10);
    bus.streams.endings.replace('third');
    bus.answerMs = () => 1;
    bus.comeBack();
    await pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(endings.lastSeen).toEqual({ created: 'third', sequence: 50 });
  });

  test('goes on where a failure interrupted it', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.streams.endings.remembers = false;
    bus.goAway();
    await pass(10);
    bus.streams.endings.replace('second');
    let refusals = 0;
    bus.fate = ({ id }) => (id.endsWith(':20') && refusals++ === 0 ? 'refused' : 'stored');
    bus.comeBack();
    await pass(5_000);
    expect(bus.streams.endings.idsOnce().slice(0, 19)).toEqual(endings.ids(0, 19));
    const ids = bus.streams.endings.ids();
    expect(ids.slice(-31)).toEqual(endings.ids(19));
    expect(ids.filter((id) => id.endsWith(':5')), 'once').toHaveLength(1);
    expect(publisher.status().streams.endings.republished).toBe(50);
  });

  test('is not one that nobody has seen before', async () => {
    const { outbox: { endings }, bus, publisher, pass } = new PublisherWorld();
    bus.streams.endings.lastSequence = 400;
    endings.append(3);
    await pass(1_000);
    expect(endings.lastSeen).toEqual({ created: 'first', sequence: 403 });
    expect(publisher.status().streams.endings).toMatchObject({ republished: 0, published: 3 });
  });

  test('has nothing to be told again when nothing is kept', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    endings.keepNewest(0);
    bus.streams.endings.replace('second');
    await pass(13_000);
    endings.append(2);
    await pass(1_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids(50));
    expect(publisher.status().streams.endings).toMatchObject({ republished: 0, kept: 2 });
    expect(endings.lastSeen).toEqual({ created: 'second', sequence: 2 });
  });
});

describe('an absent stream', () => {
  test('is made, and told everything kept', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.streams.endings.replace('second', false);
    const { prepares } = bus;
    endings.append(10);
    await pass(2_000);
    expect(bus.prepares).toBe(prepares + 1);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(publisher.healthy).toBe(true);
  });

  test('that cannot be made is a reason, and asked for at a measured pace', async () => {
    const { outbox: { endings }, bus, publisher, warnings, pass } = await warm();
    bus.streams.endings.replace('second', false);
    bus.prepareError = 'insufficient storage';
    endings.append(10);
    const { prepares } = bus;
    await pass(30_000);
    expect(publisher.reasons()).toEqual(['stream-absent']);
    expect(publisher.status().checkError).toBe('insufficient storage');
    expect(bus.prepares - prepares).toBeGreaterThan(10);
    expect(bus.prepares - prepares).toBeLessThan(90);
    expect(warnings()).toEqual([
      'The bus does not take events', 'Cannot look at the streams of the bus',
    ]);
    bus.prepareError = undefined;
    await pass(10_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
  });
});

describe('looking at the streams', () => {
  test('may be denied: what exists is published to all the same', async () => {
    const { outbox: { endings }, bus, publisher, pass } = new PublisherWorld({ connected: false });
    bus.prepareError = 'permissions violation';
    bus.comeBack();
    endings.append(20);
    await pass(1_000);
    expect([endings.first, publisher.healthy]).toEqual([20, true]);
    expect(endings.lastSeen, 'nobody knows which it is').toMatchObject({ created: '' });
    bus.prepareError = undefined;
    await pass(15_000);
    expect(publisher.status().streams.endings).toMatchObject({ republished: 20, duplicates: 20 });
    expect(endings.lastSeen).toEqual({ created: 'first', sequence: 20 });
  });

  test('may fail when the connection is back: all that is kept is in doubt then', async () => {
    const { outbox: { endings }, bus, publisher, pass } = await warm();
    bus.goAway();
    await pass(10);
    bus.prepareError = 'no answer';
    bus.comeBack();
    endings.append(1);
    await pass(1_000);
    expect([endings.first, endings.lastSeen]).toEqual([51, { created: '', sequence: 51 }]);
    bus.prepareError = undefined;
    await pass(10_000);
    expect(publisher.status().streams.endings.republished).toBe(51);
    expect(endings.lastSeen).toEqual({ created: 'first', sequence: 51 });
  });

  test('happens regularly, and never while away', async () => {
    const { bus, pass } = await warm();
    const { prepares } = bus;
    await pass(61_000);
    expect(bus.prepares - prepares).toBe(6);
    bus.goAway();
    await pass(60_000);
    expect(bus.prepares - prepares).toBe(6);
  });

  test('tells of differences once per change', async () => {
    const { bus, logged, pass } = await warm();
    bus.streams.events.differences = ['it discards new messages, and should discard old ones'];
    await pass(60_000);
    bus.streams.events.differences = [];
    await pass(60_000);
    expect(logged.map(({ level, fields }) => [level, fields['stream'], fields['differences']]))
      .toEqual([
        ['warn', 'LEASEHOLD_EVENTS', ['it discards new messages, and should discard old ones']],
        ['info', 'LEASEHOLD_EVENTS', undefined],
      ]);
  });

  test('is not waited for without end', async () => {
    const { outbox: { endings }, bus, publisher, pass } = new PublisherWorld({ connected: false });
    bus.prepareMs = 1e9;
    bus.comeBack();
    endings.append(1);
    await pass(10_000);
    expect(publisher.status().streams.endings.paused).toEqual(['check']);
    await pass(10_000);
    expect(endings.first).toBe(1);
  });

  test('lets nothing leave before it is written down which stream has it', async () => {
    const { outbox: { endings }, pass } = new PublisherWorld();
    const noted: number[] = [];
    endings.leaving = (index) => noted.push(index - endings.lastSeen!.sequence);
    endings.append(100);
    await pass(1_000);
    expect(new Set(noted)).toEqual(new Set([0]));
    expect([endings.first, endings.notes < 50]).toEqual([100, true]);
  });
});

describe('another run', () => {
  test('publishes what the one before left unacknowledged, under the same ids', async () => {
    const world = await warm();
    const { outbox: { endings }, bus } = world;
    endings.journal();
    bus.fate = (_, count) => (count % 2 === 0 ? 'unanswered' : 'stored');
    bus.answerMs = () => 1_000;
    endings.append(16);
    await world.pass(20);
    expect(endings.first).toBe(50);
    world.crash();
    bus.fate = () => 'stored';
    bus.answerMs = () => 1;
    await world.pass(5_000);
    expect(bus.streams.endings.ids()).toEqual(endings.ids());
    expect(endings.first).toBe(66);
    expect(world.publisher.status().streams.endings).toMatchObject({
      acknowledged: 16, duplicates: 16,
    });
  });
});

describe('events that were pushed out', () => {
  test('are passed over, on their way or not', async () => {
    const { outbox: { events }, bus, pass } = new PublisherWorld();
    bus.fate = () => 'denied';
    events.append(40);
    await pass(1_000);
    events.pushOut(30);
    bus.fate = () => 'stored';
    await pass(5_000);
    expect(bus.streams.events.ids()).toEqual(events.ids(30));

    bus.answerMs = () => 100;
    events.append(3);
    await pass(20);
    events.append(20);
    events.pushOut(55);
    await pass(5_000);
    expect(events.first).toBe(63);
    expect(bus.streams.events.ids().slice(13)).toEqual(events.ids(55));
  });
});

describe('core NATS', () => {
  test('is never looked at, and acknowledges by a flush', async () => {
    const { outbox: { endings }, bus, publisher, pass } = new PublisherWorld({ mode: 'core' });
    endings.append(30);
    await pass(60_000);
    expect([bus.prepares, endings.first, endings.lastSeen]).toEqual([0, 30, undefined]);
    bus.goAway();
    endings.append(5);
    await pass(1_000);
    bus.comeBack();
    await pass(2_000);
    expect(endings.first).toBe(35);
    expect(publisher.status().streams.endings).toMatchObject({ acknowledged: 35, republished: 0 });
  });
});

describe('draining', () => {
  test('ends as soon as everything is acknowledged', async () => {
    const { outbox: { endings }, publisher, time, pass } = await warm();
    endings.append(40);
    let endedAt = 0;
    const drained = publisher.drain(5_000).then((result) => {
      endedAt = time.now();
      return result;
    });
    const before = time.now();
    await pass(6_000);
    expect(await drained).toEqual({ left: 0 });
    expect(endedAt - before).toBeLessThan(100);
  });

  test('does not wait for the next attempt, and ends with its budget', async () => {
    const { outbox: { endings }, publisher, bus, pass } = await stuck('full');
    const before = bus.sent.length;
    const drained = publisher.drain(980);
    await pass(20);
    expect(bus.sent).toHaveLength(before + 1);
    await pass(970);
    expect(bus.sent, 'the wait that was called off is no more').toHaveLength(before + 1);
    expect(await drained).toEqual({ left: 16 });
    expect(endings.first).toBe(0);
  });

  test('is over when the publisher is closed', async () => {
    const { publisher } = await stuck('full');
    const drained = publisher.drain(1e9);
    publisher.close();
    expect(await drained).toEqual({ left: 16 });
  });

  test('is over at once when nothing is left', async () => {
    const { publisher } = await warm();
    expect(await publisher.drain(5_000)).toEqual({ left: 0 });
  });
});

test('a closed publisher sends nothing and waits for nothing', async () => {
  const { outbox: { endings }, publisher, bus, pass } = await stuck('denied');
  publisher.close();
  const sent = bus.sent.length;
  const { prepares } = bus;
  endings.append(5);
  await pass(60_000);
  expect([bus.sent.length, bus.prepares]).toEqual([sent, prepares]);
});

/** Fifty endings have been published; the window is wide open. */
async function warm(): Promise<PublisherWorld> {
  const world = new PublisherWorld();
  world.outbox.endings.append(50);
  await world.pass(1_000);
  expect(world.outbox.endings.first).toBe(50);
  world.reasons.length = 0;
  return world;
}

/** Sixteen endings that the bus answers with `kind`, for a while already. */
async function stuck(kind: 'full' | 'denied' | 'refused'): Promise<PublisherWorld> {
  const world = new PublisherWorld();
  world.bus.fate = () => kind;
  world.outbox.endings.append(16);
  await world.pass(30_000);
  return world;
}
