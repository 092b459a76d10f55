/** Which requests are recorded, what their spans say, and what is remembered of those that are not. */
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { parseTraceparent, unsampled } from '../../src/core/trace.ts';
import { RequestSpan, traceRequest } from '../../src/http/request-span.ts';
import type { Found } from '../../src/http/router.ts';
import { leaseStory } from '../../src/tracing/lease-story.ts';
import { RecordingTracing } from '../tracing/recording-tracing.ts';

const RECORDED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const UNRECORDED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
const PUT = {
  route: { path: '/v1/entries/{namespace}/{key}', class: 'put' }, namespace: 'sessions', key: 'ann', id: '',
} as Found;
const PROBE = { route: { path: '/livez', class: 'health' }, namespace: '', key: '', id: '' } as Found;

function world() {
  const tracing = new RecordingTracing();
  const story = leaseStory(tracing, (namespace) => namespace === 'secret');
  const ask = (headers: Record<string, string>, found: Found | undefined = PUT) =>
    traceRequest(story, { method: 'PUT', headers } as unknown as IncomingMessage, found);
  /** One that is recorded. */
  const recorded = (found?: Found) => {
    const span = ask({ traceparent: RECORDED }, found);
    if (!(span instanceof RequestSpan)) throw new Error('It is not recorded');
    return span;
  };
  return { tracing, ask, recorded };
}

describe('a request', () => {
  test('is called by method and route, and continues its caller', () => {
    const { tracing, ask } = world();
    const span = ask({ traceparent: RECORDED, tracestate: 'vendor=1' });
    expect((span as RequestSpan).trace).toBe(tracing.spans[0]!.trace);
    expect(tracing.spans).toMatchObject([{
      name: 'PUT /v1/entries/{namespace}/{key}', parent: parseTraceparent(RECORDED),
      options: { kind: 'server', parentState: 'vendor=1' },
      attributes: {
        'http.request.method': 'PUT', 'http.route': '/v1/entries/{namespace}/{key}',
        'leasehold.namespace': 'sessions',
      },
    }]);
    expect(JSON.stringify(tracing.spans[0]!.attributes)).not.toContain('ann');
  });

  test('whose caller records nothing leaves no span, and is remembered as it came', () => {
    const { tracing, ask } = world();
    expect(ask({ traceparent: UNRECORDED })).toEqual(parseTraceparent(UNRECORDED));
    expect(tracing.spans).toEqual([]);
  });

  test('that is not recorded though its caller is says so to whoever would link to it', () => {
    const { tracing, ask } = world();
    tracing.samples = () => false;
    expect(ask({ traceparent: RECORDED })).toEqual(unsampled(parseTraceparent(RECORDED)!));
    expect(ask({})).toBeUndefined();
  });

  test('of the platform is recorded only for a caller that records', () => {
    const { tracing, ask } = world();
    expect(ask({}, PROBE)).toBeUndefined();
    expect(ask({ traceparent: RECORDED }, PROBE)).toBeInstanceOf(RequestSpan);
    expect(tracing.spans).toHaveLength(1);
  });

  test('that leads nowhere is called by its method alone', () => {
    const { tracing, recorded } = world();
    traceRequest(leaseStory(tracing, () => false), { method: 'GET', headers: {} } as IncomingMessage, undefined);
    recorded();
    expect(tracing.spans.map(({ name }) => name)).toEqual(['GET', 'PUT /v1/entries/{namespace}/{key}']);
  });
});

describe('its end', () => {
  test.each([
    [201, undefined, { 'http.response.status_code': 201 }, undefined],
    [404, 'entry-not-found', { 'leasehold.refusal': 'entry-not-found' }, undefined],
    [503, 'capacity', { 'leasehold.refusal': 'capacity' }, 'capacity'],
    [500, undefined, {}, '500'],
  ])('with %i %s counts as failed where the fault is ours', (status, code, attributes, failure) => {
    const { tracing, recorded } = world();
    recorded().end(status, code);
    expect(tracing.spans[0]).toMatchObject({ attributes, failure, ends: 1 });
  });

  test('comes when the client goes away, too', () => {
    const { tracing, recorded } = world();
    recorded().abandon();
    expect(tracing.spans[0]).toMatchObject({ failure: 'client_gone', ends: 1 });
  });

  test.each([
    ['names the lease it was about', 'sessions', 'l1'],
    ['names none of a sensitive namespace', 'secret', undefined],
  ])('%s', (_what, namespace, lease) => {
    const { tracing, recorded } = world();
    const span = recorded();
    span.answered({ lease: { id: 'l1', namespace } });
    span.answered({ lease: 'only an id', etag: 'x' });
    span.answered({ refused: 'lease-held', detail: '' });
    expect(tracing.spans[0]!.attributes['leasehold.lease']).toBe(lease);
  });
});
