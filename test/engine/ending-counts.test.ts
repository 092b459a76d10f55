/** What has ended, by reason, how late, and after how long. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { put, world } from './world.ts';

const grant = (id: string, ttlMs: number) =>
  ({ op: 'grant' as const, namespace: 'default', holder: 'h', id, ttlMs });

function countsOf({ endings }: Engine) {
  return {
    released: endings.of('released'), expired: endings.of('expired'),
    deleted: endings.of('deleted'), superseded: endings.of('superseded'),
    late: endings.latenessMs.count, lived: endings.lifetimeMs.count,
  };
}

const NONE = { released: 0, expired: 0, deleted: 0, superseded: 0, late: 0, lived: 0 };

describe('endings', () => {
  it('are counted by reason: a lease that was asked for, and each entry', async () => {
    const { engine, answer } = world();
    await answer(grant('l', 10_000));
    await answer({ ...put('a'), lease: 'l' });
    await answer(put('b'));
    await answer({ op: 'delete', namespace: 'default', key: 'b' });
    expect(countsOf(engine)).toEqual({ ...NONE, deleted: 1, lived: 1 });
    await answer({ op: 'release', id: 'l' });
    expect(countsOf(engine)).toEqual({ ...NONE, deleted: 1, released: 2, lived: 2 });
  });

  it('at their deadlines tell how late they were, and how long the lease lived', async () => {
    const { engine, core, answer, clocks } = world();
    await answer(grant('l', 10_000));
    await answer({ ...put('a'), lease: 'l' });
    clocks.advance(10_004);
    core.tick(engine.now(), 100);
    await answer(put('c'));
    const { latenessMs, lifetimeMs } = engine.endings;
    expect(countsOf(engine)).toEqual({ ...NONE, expired: 2, late: 2, lived: 1 });
    expect([latenessMs.sum, lifetimeMs.sum]).toEqual([8, 10_004]);
  });

  it('that a refused batch took back are not counted', async () => {
    const { engine, answer } = world();
    await answer(put('a'));
    const operations = [
      { op: 'delete' as const, namespace: 'default', key: 'a' },
      { op: 'renew' as const, id: 'nobody' },
    ];
    await answer({ op: 'batch', atomic: true, operations });
    expect(countsOf(engine)).toEqual(NONE);
  });
});
