import { describe, expect, test } from 'vitest';
import type { PressureLevel, PressureSource } from '../../src/admission/signals.ts';
import { END_REASONS } from '../../src/core/fact-format.ts';
import { NAMESPACE_NAME } from '../../src/core/namespaces.ts';
import { STREAMS } from '../../src/events/bus.ts';
import { PRESSURE_LEVELS, PRESSURE_SOURCES } from '../../src/events/event-members.ts';
import {
  ALL_NAMES, EVENT_NAMES, EVENT_TYPES, isEnding, streamOf,
} from '../../src/events/event-types.ts';
import { encodeEvent } from '../../src/events/message.ts';
import { NO_NAMESPACE, STREAM_SUBJECTS, subjectOf } from '../../src/events/subject.ts';
import { ACTOR, contractOf, FACTS } from './facts.ts';

/** Whether the server would give `subject` to who asked for `pattern`. */
function matches(pattern: string, subject: string): boolean {
  const [asked, given] = [pattern.split('.'), subject.split('.')];
  const open = asked.at(-1) === '>';
  if (open ? given.length < asked.length : given.length !== asked.length) return false;
  return asked.every((token, at) => token === '>' || token === '*' || token === given[at]);
}

const subjects = EVENT_NAMES.map((name) => {
  const fact = FACTS[name];
  const event = { stream: streamOf(name), actor: ACTOR, sequence: 1, fact };
  const message = encodeEvent(event, { name: 'pod-1', contractOf: () => contractOf() }, 'structured');
  return [name, message.subject] as const;
});

describe('a subject', () => {
  test.each([
    ['lease.granted', 'leasehold.v1.lease.granted.sessions'],
    ['lease.ended', 'leasehold.v1.lease.ended.expired.sessions'],
    ['entry.updated', 'leasehold.v1.entry.updated.sessions'],
    ['entry.ended', 'leasehold.v1.entry.ended.released.sessions'],
    ['reconcile.repaired', 'leasehold.v1.reconcile.repaired.sessions'],
    ['pressure.changed', 'leasehold.v1.pressure.changed._'],
    ['source.closed', 'leasehold.v1.source.closed._'],
  ] as const)('of %s is %s', (name, subject) => {
    expect(new Map(subjects).get(name)).toBe(subject);
  });

  test('holds no key, whatever it is', () => {
    const fact = { ...FACTS['entry.ended'], key: 'a.b > * c' };
    const event = { stream: 'endings' as const, actor: ACTOR, sequence: 1, fact };
    const { subject } = encodeEvent(event, { name: 'p', contractOf: () => contractOf() }, 'binary');
    expect(subject).toBe('leasehold.v1.entry.ended.released.sessions');
  });

  test('without a namespace has a name there that no namespace can have', () => {
    expect(NO_NAMESPACE).not.toMatch(NAMESPACE_NAME);
    expect(NO_NAMESPACE).toMatch(/^[^.*> ]+$/);
  });
});

describe('the streams', () => {
  const takers = (subject: string) =>
    STREAMS.filter((stream) => STREAM_SUBJECTS[stream].some((pattern) => matches(pattern, subject)));

  test.each(subjects)('take %s in one of them, the one it is sent to', (name, subject) => {
    expect(takers(subject)).toEqual([streamOf(name)]);
  });

  test('take every reason of an ending, and every event of a later version', () => {
    for (const name of ALL_NAMES) {
      const reasons = isEnding(name) ? ['expired', 'lost'] : [undefined];
      for (const reason of reasons) {
        expect(takers(subjectOf(name, 'x', reason))).toEqual([streamOf(name)]);
      }
    }
  });

  test('name no subject that both take', () => {
    for (const pattern of STREAM_SUBJECTS.events) {
      expect(pattern).toMatch(/^leasehold\.v1\.[a-z]+\.(?!ended)[a-z]+\.>$/);
    }
    expect(new Set(STREAM_SUBJECTS.events).size).toBe(STREAM_SUBJECTS.events.length);
  });
});

describe('the table', () => {
  test('knows every reason there is, level and source of pressure', () => {
    const { reasons } = EVENT_TYPES['entry.ended'];
    expect(Object.keys(reasons!).toSorted()).toEqual(END_REASONS.toSorted());
    const levels: Record<PressureLevel, true> = {
      nominal: true, elevated: true, high: true, critical: true,
    };
    const sources: Record<PressureSource, true> = {
      outbox: true, ledger: true, journal: true, memory: true, loop: true,
    };
    expect(PRESSURE_LEVELS).toEqual(Object.keys(levels));
    expect(PRESSURE_SOURCES).toEqual(Object.keys(sources));
  });

  test('gives reasons for endings, and for nothing else', () => {
    for (const name of EVENT_NAMES) {
      expect(EVENT_TYPES[name].reasons !== undefined, name).toBe(isEnding(name));
    }
  });

  test('says in sentences what each event means', () => {
    for (const name of EVENT_NAMES) {
      const { meaning, told, data } = EVENT_TYPES[name];
      expect(meaning, name).toMatch(/^[A-Z].*[a-z]\.$/);
      expect(told, name).toMatch(/^[a-z].*[a-z`]$/);
      for (const [member, { meaning: saying }] of Object.entries(data)) {
        expect(saying, `${name} ${member}`).toMatch(/^[A-Z`].*[.]$/);
      }
    }
  });
});
