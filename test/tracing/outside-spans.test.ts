/** What a timer does belongs to nobody who happened to set it. */
import { expect, test } from 'vitest';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { outsideSpans } from '../../src/tracing/outside-spans.ts';
import { RecordingTracing } from './recording-tracing.ts';

test('timers set within a span run outside of it; the machine is else as it was', async () => {
  const tracing = new RecordingTracing();
  const machine = outsideSpans(systemMachine, tracing);
  const span = tracing.start('request');
  const seen = await tracing.within(span, async () => {
    expect(tracing.active).toBe(span);
    return Promise.all([
      new Promise((resolve) => machine.soon(() => resolve(tracing.active))),
      new Promise((resolve) => machine.after(0, () => resolve(tracing.active))),
    ]);
  });
  expect(seen).toEqual([undefined, undefined]);
  let called = false;
  machine.after(0, () => { called = true; })();
  await new Promise<void>((resolve) => { machine.after(1, resolve); });
  expect(called).toBe(false);
  expect(machine.randomBytes(4)).toHaveLength(4);
  expect(machine.random()).toBeLessThan(1);
});
