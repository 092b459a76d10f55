/** Contexts by lease: the newest, and no more than there is room for. */
import { expect, test } from 'vitest';
import { leaseStory } from '../../src/tracing/lease-story.ts';
import { TraceMemory } from '../../src/tracing/trace-memory.ts';
import { recordedTrace, RecordingTracing } from './recording-tracing.ts';

test('the oldest is forgotten when there is no room; what is told again is the newest', () => {
  const memory = new TraceMemory(2);
  const [one, two, three] = [recordedTrace(), recordedTrace(), recordedTrace()];
  memory.set('a', one);
  memory.set('b', two);
  memory.set('a', three);
  memory.set('c', two);
  expect(['a', 'b', 'c'].map((lease) => memory.get(lease))).toEqual([three, undefined, two]);
  memory.delete('a');
  expect(memory.get('a')).toBeUndefined();
});

test('of all leases ten thousand renewals are remembered, and as many endings', () => {
  const { renewed, ended } = leaseStory(new RecordingTracing(), () => false);
  for (const memory of [renewed, ended]) {
    for (let lease = 0; lease <= 10_000; lease++) memory.set(`l${lease}`, recordedTrace());
    expect(memory.get('l0')).toBeUndefined();
    expect(memory.get('l1')).toBeDefined();
  }
});
