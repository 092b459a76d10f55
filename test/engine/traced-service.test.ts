/** What a recorded request waits for in the engine, and which leases it renews. */
import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/core/command.ts';
import type { Outcome, Service } from '../../src/engine/service.ts';
import { TracedService } from '../../src/engine/traced-service.ts';
import { leaseStory } from '../../src/tracing/lease-story.ts';
import { recordedTrace, RecordingTracing } from '../tracing/recording-tracing.ts';

/** Answers when it is told to, or at once. */
function world(reply: object, atOnce = false) {
  const tracing = new RecordingTracing();
  const story = leaseStory(tracing, () => false);
  let release = (): void => {};
  const inner = {
    now: () => 0,
    toWallMs: (instant: number) => instant,
    submit: (_command: Command, respond: (outcome: Outcome, replayed: boolean) => void) => {
      release = () => respond(reply as Outcome, false);
      if (atOnce) release();
    },
  } as Service;
  const service = new TracedService(inner, story);
  let answers = 0;
  const ask = (command: object) => service.submit(command as Command, () => { answers += 1; });
  return { tracing, story, ask, release: () => release(), answers: () => answers };
}

describe('a recorded request', () => {
  test('waits for the journal in a span of its own, as long as its reply is held back', () => {
    const { tracing, ask, release, answers } = world({ done: true });
    const trace = recordedTrace();
    ask({ op: 'release', id: 'a', trace });
    expect(tracing.spans).toMatchObject([{
      name: 'leasehold.journal.commit', parent: trace, ends: 0, attributes: { 'leasehold.operation': 'release' },
    }]);
    release();
    expect([tracing.spans[0]!.ends, answers()]).toEqual([1, 1]);
  });

  test('that waits for nothing has none, nor has one that nobody records', () => {
    const { tracing, ask } = world({ done: true }, true);
    ask({ op: 'release', id: 'a', trace: recordedTrace() });
    const other = world({ done: true });
    const unrecorded = recordedTrace();
    unrecorded[24] = 0;
    other.ask({ op: 'release', id: 'a', trace: unrecorded });
    other.ask({ op: 'get-lease', id: 'a' });
    expect([...tracing.spans, ...other.tracing.spans]).toEqual([]);
  });

  const OWN = 'i-00000000000000aa-7';
  test.each<[object, object, string[]]>([
    [{ op: 'renew', id: 'a' }, { lease: {} }, ['a']],
    [{ op: 'renew-many', ids: ['a', 'b'] }, { results: [] }, ['a', 'b']],
    [{ op: 'batch', operations: [{ op: 'renew', id: 'a' }, { op: 'get' }] }, { results: [] }, ['a']],
    [{ op: 'put' }, { created: false, lease: OWN }, [OWN]],
    [{ op: 'put' }, { created: true, lease: OWN }, []],
    [{ op: 'put' }, { created: false, lease: 'web-1' }, []],
    [{ op: 'renew', id: 'a' }, { refused: 'lease-ended', detail: '' }, []],
  ])('%j, answered with %j, is the last renewal of %j', (command, reply, leases) => {
    const { story, ask } = world(reply, true);
    const trace = recordedTrace();
    ask({ ...command, trace });
    const renewed = ['a', 'b', 'web-1', OWN].filter((lease) => story.renewed.get(lease) === trace);
    expect(renewed).toEqual(leases);
  });
});
