import { describe, expect, it } from 'vitest';
import { withDeadline } from '../../src/resilience/deadline.ts';
import { ManualScheduler } from './manual-scheduler.ts';

const late = (): Error => new Error('too late');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a deadline', () => {
  it('gives what came in time and leaves no timer', async () => {
    const time = new ManualScheduler();
    const answered = withDeadline(Promise.resolve('answer'), 100, time, late);
    expect(time.waiting).toBe(1);
    await expect(answered).resolves.toBe('answer');
    const refused = withDeadline(Promise.reject(new Error('refused')), 100, time, late);
    await expect(refused).rejects.toThrow('refused');
    expect(time.waiting).toBe(0);
  });

  it('rejects at its instant and not before', async () => {
    const time = new ManualScheduler();
    let outcome = 'waiting';
    withDeadline(new Promise(() => {}), 100, time, late).catch((error: Error) => {
      outcome = error.message;
    });
    time.pass(99);
    await turn();
    expect(outcome).toBe('waiting');
    time.pass(1);
    await turn();
    expect(outcome).toBe('too late');
  });

  it('ignores what comes afterwards, a failure too', async () => {
    const time = new ManualScheduler();
    const { promise, reject } = Promise.withResolvers<string>();
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const limited = withDeadline(promise, 100, time, late);
      time.pass(100);
      await expect(limited).rejects.toThrow('too late');
      reject(new Error('connection lost'));
      await turn();
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});
