/** Spans of endings, from the facts of a core, without an SDK. */
import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { EndingSpans } from '../../src/engine/ending-spans.ts';
import { leaseStory } from '../../src/tracing/lease-story.ts';
import { contractOf, optionsWith, START } from '../core/fixtures.ts';
import { recordedTrace, RecordingTracing } from '../tracing/recording-tracing.ts';

function world(more: Partial<NamespaceContract> = {}) {
  const tracing = new RecordingTracing();
  const story = leaseStory(tracing, (namespace) => namespace === 'secret');
  const turns: (() => void)[] = [];
  const spans = new EndingSpans(story, { soon: (work) => void turns.push(work) });
  const core = new Core(optionsWith([contractOf('default', more), contractOf('secret')]), START);
  const observe = () => {
    const { facts } = core;
    for (let index = 0; index < facts.count; index++) {
      spans.observe(facts.bytes, facts.starts[index]!, facts.starts[index + 1]!);
    }
    facts.reset();
  };
  return {
    tracing, story, core,
    ask: (command: Command, at = START) => {
      core.step(command, at);
      observe();
    },
    /** What is due at this instant ends. */
    tick: (at: number) => {
      core.tick(at, 100_000);
      observe();
    },
    turnOver: () => {
      for (const work of turns.splice(0)) work();
    },
  };
}

const grant = (id: string, trace: Uint8Array | undefined, more: object = {}): Command => ({
  op: 'grant', namespace: 'default', holder: 'h', id, ttlMs: 1000,
  ...(trace === undefined ? {} : { trace }), ...more,
});
const put = (key: string, more: object): Command => ({
  op: 'put', namespace: 'default', key, value: new Uint8Array(1), contentType: 'text/plain', ...more,
});

describe('the span of an ending', () => {
  test('begins at the deadline, and links to the grant and the last renewal', () => {
    const { tracing, story, ask, tick } = world();
    const [granting, renewing] = [recordedTrace(), recordedTrace()];
    ask(grant('a', granting));
    story.renewed.set('a', renewing);
    tick(START + 1250);
    expect(tracing.spans).toHaveLength(1);
    const [span] = tracing.spans;
    expect(span).toMatchObject({
      name: 'leasehold.lease.expire', parent: undefined, ends: 1,
      links: [{ trace: granting, kind: 'granted' }, { trace: renewing, kind: 'renewed' }],
      attributes: {
        'leasehold.namespace': 'default', 'leasehold.lease': 'a',
        'leasehold.ending.reason': 'expired', 'leasehold.ending.lateness_ms': 250,
      },
    });
    expect(story.renewed.get('a')).toBeUndefined();
    expect(story.ended.get('a')).toBe(span!.trace);
  });

  test('is one for a lease and all its entries', () => {
    const { tracing, ask, tick } = world();
    ask(grant('a', recordedTrace()));
    for (const key of ['x', 'y', 'z']) ask(put(key, { lease: 'a' }));
    tick(START + 2000);
    expect(tracing.spans.map(({ name }) => name)).toEqual(['leasehold.lease.expire']);
  });

  test('is that of the entry where it has a lease of its own', () => {
    const { tracing, ask, tick } = world();
    const granting = recordedTrace();
    ask(put('x', { ttlMs: 1000, trace: granting }));
    tick(START + 2000);
    expect(tracing.spans.map(({ links }) => links)).toEqual([[{ trace: granting, kind: 'granted' }]]);
  });

  test('is none of its own where a recorded request asked for it', () => {
    const { tracing, story, ask } = world();
    ask(grant('a', recordedTrace()));
    story.ended.set('a', recordedTrace());
    ask({ op: 'release', id: 'a', trace: recordedTrace() });
    expect(tracing.spans).toEqual([]);
    // And what an earlier lease of that id ended under has nothing to do with it.
    expect(story.ended.get('a')).toBeUndefined();
  });

  test('is told where a request asked for it that nobody recorded', () => {
    const { tracing, ask } = world();
    ask(grant('a', recordedTrace()));
    ask({ op: 'release', id: 'a' });
    expect(tracing.spans).toMatchObject([
      { name: 'leasehold.lease.end', attributes: { 'leasehold.ending.reason': 'released' } },
    ]);
  });

  test('links to who came upon an expiry, who has not brought it about', () => {
    const { tracing, ask } = world();
    const [granting, acting] = [recordedTrace(), recordedTrace()];
    ask(put('x', { ttlMs: 1000, trace: granting }));
    ask(put('x', { trace: acting }), START + 5000);
    expect(tracing.spans).toMatchObject([{
      name: 'leasehold.lease.expire', parent: undefined,
      links: [{ trace: granting, kind: 'granted' }, { trace: acting, kind: 'acting' }],
    }]);
  });

  test('of an eviction is a part of the request that made room', () => {
    const capacity = { leases: 1000, entries: 2, bytes: 1 << 20, eviction: 'soonestDeadline' } as const;
    const { tracing, core, ask } = world({ capacity });
    core.setEvicting('on');
    const [granting, acting] = [recordedTrace(), recordedTrace()];
    ask(put('x', { ttlMs: 1000, trace: granting }));
    ask(put('y', { ttlMs: 2000 }), START + 1);
    ask(put('z', { trace: acting }), START + 2);
    expect(tracing.spans).toMatchObject([{
      name: 'leasehold.lease.evict', parent: acting, links: [{ trace: granting, kind: 'granted' }],
    }]);
  });

  test('names no lease of a sensitive namespace', () => {
    const { tracing, ask, tick } = world();
    ask(grant('a', recordedTrace(), { namespace: 'secret' }));
    tick(START + 2000);
    expect(tracing.spans[0]!.attributes).not.toHaveProperty('leasehold.lease');
  });

  test('is not made of what nobody recorded', () => {
    const { tracing, ask, tick } = world();
    const unrecorded = recordedTrace();
    unrecorded[24] = 0;
    ask(grant('a', unrecorded));
    ask(grant('b', undefined));
    tick(START + 2000);
    expect(tracing.spans).toEqual([]);
  });
});

test('of many endings in one turn some have spans of their own, the others share them, 128 links each', () => {
  const { tracing, story, ask, tick, turnOver } = world();
  for (let lease = 0; lease < 500; lease++) {
    ask(grant(`l${lease}`, recordedTrace()));
    story.renewed.set(`l${lease}`, recordedTrace());
  }
  tick(START + 2000);
  turnOver();
  const crowds = tracing.spans.filter(({ attributes }) => 'leasehold.endings' in attributes);
  expect(tracing.spans.length - crowds.length).toBe(64);
  expect(crowds).toHaveLength(Math.ceil((500 - 64) / 64));
  expect(Math.max(...crowds.map(({ links }) => links.length))).toBe(128);
  const shared = crowds.reduce((sum, { attributes }) => sum + Number(attributes['leasehold.endings']), 0);
  expect(shared).toBe(500 - 64);
  expect(tracing.spans.every(({ ends }) => ends === 1)).toBe(true);
  for (let lease = 0; lease < 500; lease++) expect(story.ended.get(`l${lease}`)).toBeDefined();
  // The next turn begins anew.
  ask(grant('next', recordedTrace()), START + 3000);
  tick(START + 5000);
  expect(tracing.spans.at(-1)!.attributes).toMatchObject({ 'leasehold.lease': 'next' });
});
