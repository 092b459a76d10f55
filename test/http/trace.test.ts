import { afterEach, describe, expect, test } from 'vitest';
import type { FeedFact } from '../../src/engine/service.ts';
import { edge, type Edge } from './edge.ts';

let opened: Edge[] = [];
afterEach(async () => {
  for (const one of opened) await one.stop();
  opened = [];
});

const GRANTING = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const ACTING = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

describe('the trace of a request', () => {
  test('is remembered by what it grants, and by what it does', async () => {
    const world = edge();
    opened.push(world);
    const { ask, feed } = world;
    const reader = feed.open();
    const document = { holder: 'h', id: 'a' };
    await ask('POST', '/v1/leases', { document, headers: { traceparent: GRANTING } });
    await ask('PUT', '/v1/entries/default/k?lease=a', { body: 'v' });
    await ask('DELETE', '/v1/leases/a', { headers: { traceparent: ACTING } });
    const facts = reader.read(10) as readonly FeedFact[];
    const traces = facts.map(({ fact }) => [fact.kind, fact.traceparent, fact.actingTraceparent]);
    expect(traces).toEqual([
      ['lease.granted', GRANTING, GRANTING],
      ['entry.written', GRANTING, undefined],
      ['lease.ended', GRANTING, ACTING],
      ['entry.ended', GRANTING, ACTING],
    ]);
  });

  test('that is none is passed over', async () => {
    const world = edge();
    opened.push(world);
    const reader = world.feed.open();
    const headers = { traceparent: 'what is this' };
    const { status } = await world.ask('POST', '/v1/leases', { document: { holder: 'h' }, headers });
    expect(status).toBe(201);
    expect((reader.read(1) as readonly FeedFact[])[0]!.fact.traceparent).toBeUndefined();
  });
});
