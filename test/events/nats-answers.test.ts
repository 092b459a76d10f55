/** What the server's answers are taken for, and what becomes of messages that get none. */
import type { Msg, NatsConnection } from 'nats';
import { describe, expect, test } from 'vitest';
import type { PublishOutcome } from '../../src/events/bus.ts';
import { outcomeOf } from '../../src/events/nats/faults.ts';
import type { NatsBusOptions } from '../../src/events/nats/options.ts';
import { Outstanding } from '../../src/events/nats/outstanding.ts';
import { prepareStreams } from '../../src/events/nats/streams.ts';
import { ManualScheduler } from '../resilience/manual-scheduler.ts';
import { kindOf, message } from './bus-conformance.ts';

const STREAM = 'LEASEHOLD_ENDINGS';

function answer(text: string, code?: number): Msg {
  const data = new TextEncoder().encode(text);
  return { data, headers: { code }, json: () => JSON.parse(text) } as unknown as Msg;
}

describe('an answer', () => {
  test.each([
    ['a place', { stream: STREAM, seq: 7 }, { ok: true, sequence: 7, duplicate: false }],
    ['a repeat', { stream: STREAM, seq: 7, duplicate: true }, { ok: true, sequence: 7, duplicate: true }],
  ])('with %s is a success', (_, body, outcome) => {
    expect(outcomeOf(answer(JSON.stringify(body)), STREAM)).toEqual(outcome);
  });

  test.each([
    ['1', 1], ['907', 907], ['123456789012345', 123_456_789_012_345],
    ['1234567890123456', 1_234_567_890_123_456], ['7,"domain":"hub"', 7],
  ])('as the server writes it, with the place %s, is a success', (seq, sequence) => {
    const text = `{"stream":"${STREAM}", "seq":${seq}}`;
    expect(outcomeOf(answer(text), STREAM)).toEqual({ ok: true, sequence, duplicate: false });
  });

  test.each(['', '0', '1x', '-1'])('as the server never writes it, with the place "%s", is none', (seq) => {
    expect(outcomeOf(answer(`{"stream":"${STREAM}", "seq":${seq}}`), STREAM).ok).toBe(false);
    expect(outcomeOf(answer(`{"stream":"OTHERS", "seq":${seq}}`), STREAM).ok).toBe(false);
  });

  test.each([
    ['full', { error: { err_code: 10_077, description: 'maximum bytes exceeded' } }],
    ['full', { error: { err_code: 10_023, description: 'insufficient resources' } }],
    ['full', { error: { err_code: 10_047, description: 'insufficient storage' } }],
    ['no-stream', { error: { err_code: 10_059, description: 'stream not found' } }],
    ['refused', { error: { err_code: 10_054, description: 'message size exceeds maximum' } }],
    ['refused', { error: {} }],
    ['refused', { stream: STREAM, seq: 0, duplicate: true }],
    ['refused', { stream: STREAM }],
    ['refused', { stream: 'OTHERS', seq: 7 }],
  ])('is %s for %j', (kind, body) => {
    const outcome = outcomeOf(answer(JSON.stringify(body)), STREAM);
    expect(kindOf(outcome)).toBe(kind);
    expect(outcome).toMatchObject({ fault: { detail: expect.stringMatching(/^\S.+/) } });
  });

  test('that is none is no success either', () => {
    expect(kindOf(outcomeOf(answer('', 503), STREAM))).toBe('no-stream');
    expect(kindOf(outcomeOf(answer('', 408), STREAM))).toBe('refused');
    expect(kindOf(outcomeOf(answer('+OK'), STREAM))).toBe('refused');
  });
});

test.each(['2.8.4', '1.4.1', ''])('a server of release "%s" is too old', async (version) => {
  const connection = { info: { version } } as unknown as NatsConnection;
  await expect(prepareStreams(connection, {} as NatsBusOptions)).rejects.toThrow(
    `Cannot prepare the streams: the server is ${version}, older than 2.9`,
  );
});

describe('what is outstanding', () => {
  const GONE = { kind: 'denied', detail: 'gone' } as const;
  const OK: PublishOutcome = { ok: true, sequence: 1, duplicate: false };

  function made(limitMs = 80) {
    const time = new ManualScheduler();
    const outstanding = new Outstanding(time, limitMs);
    const told: string[] = [];
    const add = (id: string, then = () => {}): number =>
      outstanding.add(message('endings', id), (outcome) => {
        told.push(`${id} ${kindOf(outcome)}`);
        then();
      });
    return { time, outstanding, told, add };
  }

  test('is given up in order, no sooner than the limit and an eighth of it later at most', () => {
    const { time, outstanding, told, add } = made();
    add('a');
    time.pass(5);
    add('b');
    time.pass(74);
    expect(told).toEqual([]);
    time.pass(1);
    expect(told).toEqual(['a timeout']);
    time.pass(15);
    expect(told).toEqual(['a timeout', 'b timeout']);
    expect([outstanding.size, time.waiting]).toEqual([0, 0]);
  });

  test('has one timer, and none when there is nothing', () => {
    const { time, outstanding, add } = made();
    const numbers = Array.from({ length: 100 }, (_, index) => add(`n${index}`));
    expect(time.waiting).toBe(1);
    for (const number of numbers) outstanding.settle(number, OK);
    time.pass(10);
    expect(time.waiting).toBe(0);
    add('again');
    expect(time.waiting).toBe(1);
  });

  test('tells once that something was given up, after all of it was', () => {
    const { time, outstanding, told, add } = made();
    let late = 0;
    outstanding.onLate = () => {
      late += 1;
      expect(told).toHaveLength(3);
    };
    for (const id of ['a', 'b', 'c']) add(id);
    time.pass(80);
    expect(late).toBe(1);
  });

  test('ends once, though it is answered again', () => {
    const { outstanding, told, add } = made();
    const number = add('a');
    outstanding.settle(number, OK);
    outstanding.settle(number, OK);
    outstanding.settleAll(GONE);
    expect(told).toEqual(['a ok']);
  });

  test('ends as it was when told, not what comes of that', () => {
    const { outstanding, told, add } = made();
    const again = (id: string): (() => void) => () => void add(`${id} again`);
    add('a', again('a'));
    add('b', again('b'));
    outstanding.settleSubject(message('endings', 'a').subject, GONE);
    expect(told).toEqual(['a denied', 'b denied']);
    outstanding.settleAll(GONE);
    expect(told.slice(2)).toEqual(['a again denied', 'b again denied']);
  });

  test('says when there is nothing left', async () => {
    const { outstanding, add } = made();
    await outstanding.emptied();
    const number = add('a');
    let isEmpty = false;
    const emptied = outstanding.emptied().then(() => {
      isEmpty = true;
    });
    await Promise.resolve();
    expect(isEmpty).toBe(false);
    outstanding.settle(number, OK);
    await emptied;
  });
});
