/** What becomes fields: keys, traces, what was thrown. */
import { describe, expect, test } from 'vitest';
import { createHash } from 'node:crypto';
import { parseTraceparent } from '../../src/core/trace.ts';
import { exceptionFields, faultFields } from '../../src/log/exception-fields.ts';
import { keyFields } from '../../src/log/key-fields.ts';
import type { Log } from '../../src/log/log.ts';
import { traceFields } from '../../src/log/trace-fields.ts';

describe('a key', () => {
  test('stands there as it is', () => {
    expect(keyFields({ name: 'jobs', sensitive: false }, 'a/b')).toEqual({ namespace: 'jobs', key: 'a/b' });
  });

  test('of a sensitive namespace is only hashed, as events hash it', () => {
    const hashed = createHash('sha256').update('sessions/ann').digest('hex');
    expect(keyFields({ name: 'sessions', sensitive: true }, 'ann')).toEqual({
      namespace: 'sessions', keyHash: hashed,
    });
  });
});

describe('a trace', () => {
  test('is its ids', () => {
    const trace = parseTraceparent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
    expect(traceFields(trace)).toEqual({
      trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331',
    });
    expect(traceFields(undefined)).toEqual({});
  });
});

describe('what was thrown', () => {
  test('is told by class and message, and by frames only where it must not happen', () => {
    const error = new RangeError('beyond');
    expect(exceptionFields(error)).toEqual({ 'exception.type': 'RangeError', 'exception.message': 'beyond' });
    const { 'exception.stacktrace': frames, ...rest } = faultFields(error);
    expect(rest).toEqual(exceptionFields(error));
    expect(frames).toMatch(/^at .*fields\.test\.ts/);
    expect(frames).not.toContain('beyond');
  });

  test('says no more than a bounded text and 20 frames', () => {
    const deep = (depth: number): Error => (depth === 0 ? new Error('x'.repeat(10_000)) : deep(depth - 1));
    Error.stackTraceLimit = 100;
    const fields = faultFields(deep(60));
    Error.stackTraceLimit = 10;
    expect(fields['exception.message']).toHaveLength(501);
    expect(fields['exception.stacktrace']!.split('\n')).toHaveLength(20);
  });

  test('does not quote what a parser was given', () => {
    let thrown: unknown;
    try {
      JSON.parse('{"password": hunter2}');
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toContain('hunter2'.slice(0, 1));
    expect(JSON.stringify(faultFields(thrown))).not.toMatch(/password|hunter/);
    expect(faultFields(thrown)).toMatchObject({ 'exception.type': 'SyntaxError' });
  });

  test('that is no error is only named by its type', () => {
    expect(faultFields('a secret')).toEqual({ 'exception.type': 'string' });
  });
});

test('a field that is not in the table, or of another type, does not compile', () => {
  const log: Pick<Log, 'info'> = { info: () => {} };
  log.info({ namespace: 'a', left: 1 }, 'fine');
  // @ts-expect-error there is no such field
  log.info({ nmespace: 'a' }, 'misspelt');
  // @ts-expect-error it is a number
  log.info({ left: 'much' }, 'of another type');
  const handed = { left: 1, value: 'secret' };
  // @ts-expect-error nor may it come in from a variable
  log.info(handed, 'handed on');
  // @ts-expect-error nor be spread
  log.info({ ...handed }, 'spread');
});
