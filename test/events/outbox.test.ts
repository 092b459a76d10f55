import { describe, expect, it } from 'vitest';
import { EVENTS_STREAM } from '../../src/core/told.ts';
import { type OutboxLimits, Outbox } from '../../src/events/outbox.ts';

const LIMITS: OutboxLimits = {
  events: 32, eventBytes: 65_536, endings: 32, endingBytes: 65_536, keptBytes: 65_536, keptMs: 1_000,
};
const EARLIER = 'aaaaaaaaaaaaaaaa';
const NOW = 'bbbbbbbbbbbbbbbb';
const FACT = {
  bytes: new Uint8Array(8), start: 0, end: 8, valueAt: 0, namespace: 'n', ofLease: false,
};

/** With so many events of an earlier run that are not acknowledged, as far as the journal knows. */
function recovered(events: number): Outbox {
  const outbox = new Outbox({ limits: LIMITS, now: () => 0, onSettled: () => {} });
  for (let number = 1; number <= events; number++) outbox.events.restore(EARLIER, number, FACT);
  outbox.beginRun(NOW);
  return outbox;
}

function appended(outbox: Outbox, count: number): number {
  const before = outbox.events.pending;
  for (let each = 0; each < count; each++) outbox.append(EVENTS_STREAM, FACT);
  return outbox.events.pending - before;
}

describe('the room of the outbox for other events', () => {
  it('ends for commands a sixteenth before it ends for what cannot be refused', () => {
    const outbox = recovered(0);
    expect([outbox.hasRoom(30, 0), outbox.hasRoom(31, 0)]).toEqual([true, false]);
    expect([appended(outbox, 40), outbox.events.dropped]).toEqual([32, 8]);
  });

  it('has that sixteenth left after a crash, however much was not known to be acknowledged', () => {
    const outbox = recovered(50);
    expect(outbox.hasRoom(1, 0)).toBe(false);
    expect([appended(outbox, 2), outbox.events.dropped]).toEqual([2, 0]);
    expect([appended(outbox, 1), outbox.events.dropped]).toEqual([0, 1]);
    outbox.events.commit(outbox.events.head);
    outbox.events.acknowledge(40);
    outbox.beginRun(NOW);
    expect(appended(outbox, 40)).toBe(20);
  });
});
