import { describe, expect, it } from 'vitest';
import type { FeedReader } from '../../src/engine/service.ts';
import { contract, put, world } from './world.ts';

function keysOf(reader: FeedReader): unknown[] {
  const read = reader.read(100);
  if (!Array.isArray(read)) return [read];
  return read.map(({ fact }) => ('key' in fact ? fact.key : fact.lease));
}

describe('the feed', () => {
  it('gives a reader every fact from where it began', async () => {
    const { feed, answer } = world();
    await answer(put('before'));
    const reader = feed.open();
    await answer(put('a'));
    await answer(put('b'));
    expect(keysOf(reader)).toEqual(['a', 'b']);
    expect(keysOf(reader)).toEqual([]);
  });

  it('resumes after a cursor, and a list followed by a watch misses nothing', async () => {
    const { feed, answer, ask, turn } = world();
    await answer(put('a'));
    const { cursor } = feed;
    const written = ask(put('b'));
    const listed = ask({ op: 'list-entries', namespace: 'default', prefix: '', limit: 10, values: false });
    ask(put('c'));
    await turn();
    expect(written.outcome).toMatchObject({ created: true });
    expect(listed.outcome).toMatchObject({ entries: [{ key: 'a' }, { key: 'b' }] });
    expect(keysOf(feed.open(cursor))).toEqual(['b', 'c']);
  });

  it('shows nothing before its group is written', async () => {
    const { feed, ask, turn, journal } = world();
    journal.prompt = false;
    const reader = feed.open();
    ask(put('a'));
    await turn();
    expect(keysOf(reader)).toEqual([]);
    journal.write();
    expect(keysOf(reader)).toEqual(['a']);
  });

  it('tells a reader that fell behind, and lets it go on', async () => {
    const { feed, answer } = world({ feed: { facts: 4, bytes: 1 << 20, ageMs: 300_000 } });
    const reader = feed.open();
    for (let index = 0; index < 10; index++) await answer(put(`k${index}`));
    expect(reader.read(100)).toEqual({
      from: '00000000000000aa.0', to: '00000000000000aa.10', reason: 'fell-behind',
    });
    await answer(put('later'));
    expect(keysOf(reader)).toEqual(['later']);
  });

  it('is bounded by bytes too, wherever the ring wraps', async () => {
    const { feed, answer } = world({ feed: { facts: 1000, bytes: 2000, ageMs: 300_000 } });
    for (let index = 0; index < 50; index++) {
      const reader = feed.open();
      await answer(put(`k${index}`, 'v'.repeat(index)));
      expect(keysOf(reader)).toEqual([`k${index}`]);
    }
    expect(feed.held).toBeGreaterThan(3);
    expect(feed.held).toBeLessThan(20);
  });

  it('takes the many facts of one step whole, wherever the ring wraps', async () => {
    const { feed, answer } = world({ feed: { facts: 40, bytes: 4000, ageMs: 300_000 } });
    const reader = feed.open();
    for (let round = 0; round < 30; round++) {
      const id = `l${round}`;
      await answer({ op: 'grant', namespace: 'default', holder: 'h', id });
      const keys = Array.from({ length: 1 + (round % 7) }, (_, index) => `${id}-${index}`);
      for (const key of keys) await answer(put(key, 'v', { lease: id }));
      expect(keysOf(reader)).toEqual([id, ...keys]);
      await answer({ op: 'release', id });
      const told = keysOf(reader);
      expect(told[0]).toBe(id);
      expect(told.slice(1).sort()).toEqual(keys);
      expect(reader.cursor).toBe(feed.cursor);
    }
  });

  it('forgets facts older than their age', async () => {
    const { feed, answer, clocks } = world();
    await answer(put('old'));
    const cursor = feed.cursor;
    await answer(put('old too'));
    clocks.advance(300_001);
    await answer(put('new'));
    expect(feed.open(cursor).read(10)).toMatchObject({ reason: 'not-held' });
  });

  it('says so when it does not know a cursor', () => {
    const { feed } = world();
    for (const strange of ['', 'x', '00000000000000bb.1', '00000000000000aa.99', '00000000000000aa.-1']) {
      expect(feed.open(strange).read(10)).toMatchObject({ from: strange, to: '00000000000000aa.0' });
    }
  });

  it('leaves values out unless the namespace publishes them', async () => {
    const values = { full: 'hello', none: '' };
    for (const [publish, expected] of Object.entries(values)) {
      const contracts = [contract({ events: { values: publish as 'none' | 'full' } })];
      const { feed, answer } = world({ contracts });
      const reader = feed.open();
      await answer(put('a', 'hello'));
      const [first] = reader.read(1) as readonly { fact: { value: Uint8Array; size: number } }[];
      expect(new TextDecoder().decode(first!.fact.value)).toBe(expected);
      expect(first!.fact.size).toBe(5);
    }
  });
});
