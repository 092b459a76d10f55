import { expect, test } from 'vitest';
import type { Answer, Asked, Write } from '../history/operation.ts';
import { Contexts } from './contexts.ts';

const PLACE = { namespace: 'notes', key: 'k1' };
const GET: Asked = { kind: 'get', ...PLACE };
const PUT: Write = { kind: 'put', ...PLACE, value: 'v' };

function answer(status: number, context?: string): Answer {
  return { atMs: 0, status, headers: {}, replayed: false, ...(context === undefined ? {} : { context }) };
}

test('a context is of the key that was read or written last', () => {
  const contexts = new Contexts();
  expect(contexts.of(PLACE)).toEqual({});
  contexts.learn(GET, answer(300, 'of the read'));
  expect(contexts.of(PLACE)).toEqual({ context: 'of the read' });
  expect(contexts.of({ ...PLACE, key: 'k2' })).toEqual({});
  contexts.learn(PUT, answer(204, 'of the write'));
  expect(contexts.of(PLACE)).toEqual({ context: 'of the write' });
});

test('a context that does not cover the own write is given up', () => {
  for (const written of [PUT, { kind: 'batch', operations: [PUT] }] as const) {
    const contexts = new Contexts();
    contexts.learn(GET, answer(200, 'of the read'));
    contexts.learn(written, answer(503));
    expect(contexts.of(PLACE)).toEqual({ context: 'of the read' });
    contexts.learn(written, answer(200));
    expect(contexts.of(PLACE)).toEqual({});
  }
});
