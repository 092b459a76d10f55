import { beforeEach, describe, expect, test } from 'vitest';
import type { Asked, Increment, Write } from '../history/operation.ts';
import { OneSidecar } from './one-sidecar.ts';

let world: OneSidecar;

beforeEach(async () => {
  world = new OneSidecar();
  await world.start();
});

function put(namespace: string, value: string, more: Partial<Write> = {}): Write {
  return { kind: 'put', namespace, key: 'room/7', value, ...more };
}

function get(namespace: string): Asked {
  return { kind: 'get', namespace, key: 'room/7' };
}

describe('an entry', () => {
  test('is read as it was put, with its etag and its context, until its deadline', async () => {
    const written = await world.answer(put('sessions', 'one', { ttlMs: 400 }));
    const read = await world.answer(get('sessions'));
    expect(read).toMatchObject({ status: 200, values: ['one'], document: 'one', etag: written.etag });
    expect(read.context).toBeTypeOf('string');
    await world.kernel.run(350);
    expect(await world.answer(get('sessions'))).toMatchObject({ status: 404, code: 'entry-not-found' });
  });

  test('is replaced or claimed on conditions alone', async () => {
    const first = await world.answer(put('jobs', 'one', { ifAbsent: true }));
    expect(first.status).toBe(201);
    expect(await world.answer(put('jobs', 'two', { ifAbsent: true }))).toMatchObject({
      status: 412, code: 'version-mismatch',
    });
    const second = await world.answer(put('jobs', 'two', { ifMatch: first.etag! }));
    expect(second.status).toBe(204);
    const stale = { kind: 'delete', namespace: 'jobs', key: 'room/7', ifMatch: first.etag! } as const;
    expect((await world.answer(stale)).status).toBe(412);
    expect((await world.answer({ ...stale, ifMatch: second.etag! })).status).toBe(204);
    expect((await world.answer(get('jobs'))).status).toBe(404);
  });

  test('shows all values that were written unseen, until one is written with their context', async () => {
    await world.answer(put('notes', 'one'));
    await world.answer(put('notes', 'two'));
    const several = await world.answer(get('notes'));
    expect(several.status).toBe(300);
    expect([...several.values!].sort()).toEqual(['one', 'two']);
    await world.answer(put('notes', 'both', { context: several.context! }));
    expect(await world.answer(get('notes'))).toMatchObject({ status: 200, values: ['both'] });
  });

  test('is written once under a key of idempotency, and the first answer given again', async () => {
    const write = put('sessions', 'one', { idempotencyKey: 'c1#1' });
    const first = await world.answer(write);
    const again = await world.answer(write);
    expect([again.status, again.etag]).toEqual([201, first.etag]);
    expect(await world.answer({ ...write, value: 'two' })).toMatchObject({
      status: 422, code: 'idempotency-key-reused',
    });
  });
});

describe('a lease', () => {
  const grant = { kind: 'grant', namespace: 'sessions', ttlMs: 400, holder: 'ann' } as const;

  test('keeps what is under it while it is renewed, and no longer', async () => {
    const granted = await world.answer(grant);
    expect(granted.status).toBe(201);
    const { id: lease } = granted.document as { id: string };
    expect((await world.answer(put('sessions', 'one', { lease }))).status).toBe(201);
    for (let times = 0; times < 4; times++) {
      await world.kernel.run(150);
      expect((await world.answer({ kind: 'renew', lease })).status).toBe(200);
    }
    expect((await world.answer(get('sessions'))).status).toBe(200);
    await world.kernel.run(400);
    expect((await world.answer(get('sessions'))).status).toBe(404);
    expect(await world.answer({ kind: 'renew', lease, ttlMs: 400 })).toMatchObject({
      status: 410, code: 'lease-ended',
    });
    expect(await world.answer(put('sessions', 'two', { lease }))).toMatchObject({ code: 'lease-ended' });
    expect((await world.answer({ kind: 'get-lease', lease })).document).toMatchObject({ reason: 'expired' });
  });

  test('is handed over and released', async () => {
    const once = { ...grant, idempotencyKey: 'c1#1' };
    const { id: lease } = (await world.answer(once)).document as { id: string };
    expect((await world.answer(once)).document).toMatchObject({ id: lease });
    const transferred = await world.answer({ kind: 'transfer', lease, holder: 'bob' });
    expect(transferred.document).toMatchObject({ holder: 'bob' });
    expect((await world.answer({ kind: 'release', lease })).status).toBe(204);
    expect((await world.answer({ kind: 'get-lease', lease })).document).toMatchObject({ reason: 'released' });
  });
});

describe('a counter', () => {
  test('is added to once for each key of idempotency', async () => {
    const add: Increment = { kind: 'increment', namespace: 'hits', key: 'n1', by: 2, idempotencyKey: 'c1#1' };
    const first = await world.answer(add);
    expect(first).toMatchObject({ status: 200, document: { value: 2 } });
    expect(first.etag).toBe((first.document as { etag: string }).etag);
    expect((await world.answer(add)).document).toMatchObject({ value: 2 });
    const another = await world.answer({ ...add, idempotencyKey: 'c1#2', ttlMs: 1_000 });
    expect(another.document).toMatchObject({ value: 4 });
    expect(await world.answer({ kind: 'get', namespace: 'hits', key: 'n1' })).toMatchObject({ values: ['4'] });
  });
});

describe('a batch', () => {
  test('does everything or nothing', async () => {
    const operations = [
      put('sessions', 'one'),
      { kind: 'increment', namespace: 'sessions', key: 'n1', by: 3 },
      { kind: 'delete', namespace: 'sessions', key: 'other' },
    ] as const;
    expect(await world.answer({ kind: 'batch', operations })).toMatchObject({
      status: 200, document: { applied: 3, results: [{ status: 201 }, { value: 3 }, { status: 204 }] },
    });
    const taken = [put('sessions', 'two'), { ...put('sessions', 'three'), key: 'room/8', ifMatch: '"none"' }];
    expect(await world.answer({ kind: 'batch', operations: taken })).toMatchObject({
      status: 409, code: 'batch-refused',
    });
    expect((await world.answer(get('sessions'))).values).toEqual(['one']);
  });
});

describe('a list', () => {
  test('shows keys and values under a prefix, and a cursor for whoever watches then', async () => {
    await world.answer(put('sessions', 'one'));
    await world.answer({ ...put('sessions', 'two'), key: 'cellar' });
    const page = await world.answer({ kind: 'list', namespace: 'sessions', prefix: 'room/' });
    expect(page.document).toMatchObject({ entries: [{ key: 'room/7', value: 'one' }] });
    expect(page.headers['leasehold-cursor']).toMatch(/^[0-9a-f]{16}\.\d+$/);
  });
});
