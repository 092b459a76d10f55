/** What the edge counts, and the page that shows it. */
import { afterEach, describe, expect, test } from 'vitest';
import { edge, type Edge, type EdgeChanges } from './edge.ts';
import { exchangeRaw, RawClient } from './raw.ts';
import { SCRAPE, stuckScrapers } from './stuck-scrapers.ts';

const opened: Edge[] = [];
const clients: RawClient[] = [];

async function made(changes: EdgeChanges = {}) {
  const one = edge(changes);
  opened.push(one);
  const [url] = await one.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
  return { ...one, url: url! };
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const one of opened.splice(0)) await one.stop();
});

function answersOf({ http }: Pick<Edge, 'http'>): Record<string, number> {
  return Object.fromEntries([...http.counts.answers()].map(({ route, status, count }) => [`${route} ${status}`, count]));
}

function refusalsOf({ http }: Pick<Edge, 'http'>): Record<string, number> {
  return Object.fromEntries([...http.counts.refusals()].map((each) => [`${each.class} ${each.code}`, each.count]));
}

describe('what is counted', () => {
  test('is each answer by its route and status, and each refusal by its class and code', async () => {
    const { ask, http } = await made();
    await ask('PUT', '/v1/entries/default/a', { body: '1' });
    await ask('PUT', '/v1/entries/other/b%2Fc', { body: '2' });
    await ask('GET', '/v1/entries/default/a');
    await ask('GET', '/v1/entries/default/none');
    await ask('DELETE', '/livez');
    for (const path of ['/one', '/two', '/three']) await ask('GET', path);
    expect(answersOf({ http })).toEqual({
      'PUT /v1/entries/{namespace}/{key} 201': 2,
      'GET /v1/entries/{namespace}/{key} 200': 1,
      'GET /v1/entries/{namespace}/{key} 404': 1,
      'none 404': 3,
      'none 405': 1,
    });
    expect(refusalsOf({ http })).toEqual({
      'read entry-not-found': 1, 'none route-not-found': 3, 'none method-not-allowed': 1,
    });
    const put = http.counts.routes.indexOf('PUT /v1/entries/{namespace}/{key}');
    expect(http.counts.durationsMs[put]!.count).toBe(2);
  });

  test('is what never became a request, too', async () => {
    const { url, http } = await made();
    await exchangeRaw(url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(answersOf({ http })).toEqual({ 'none 431': 1 });
    expect(refusalsOf({ http })).toEqual({ 'none headers-too-large': 1 });
  });

  test('is an event stream when its head is sent', async () => {
    const { url, http } = await made();
    const client = new RawClient(url);
    clients.push(client);
    client.send('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.until(() => client.received.includes('id: '));
    expect([answersOf({ http }), http.watchers]).toEqual([{ 'GET /v1/events 200': 1 }, 1]);
  });
});

describe('the page of metrics', () => {
  test('is text of Prometheus, whatever is accepted', async () => {
    const { ask } = await made();
    const answer = await ask('GET', '/metrics', { headers: { accept: 'application/openmetrics-text' } });
    expect([answer.status, answer.headers['content-type'], answer.text.split('\n')[1]]).toEqual([
      200, 'text/plain; version=0.0.4; charset=utf-8', '# TYPE up gauge',
    ]);
  });

  test('is shown while the sidecar recovers, and when nothing else is answered for load', async () => {
    const none = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
    const one = await made({ options: { requestsInFlight: none, inFlightBodyBytes: 1024 } });
    // Larger than a connection's own room, so it would need a share of what may be in flight.
    one.operations.metrics = () => `# ${'x'.repeat(100_000)}\n`;
    one.pressure.fill('outbox', 1);
    expect((await one.ask('GET', '/v1/entries/default/a')).status).toBe(503);
    one.operations.state = 'recovering';
    const { status, text } = await one.ask('GET', '/metrics');
    expect([status, text.length]).toEqual([200, 100_003]);
  });

  test('is not piled up for scrapers that do not read', async () => {
    const one = await made();
    const stuck = await stuckScrapers(one, one.url);
    clients.push(...stuck);
    expect((await exchangeRaw(one.url, SCRAPE)).status).toBe(503);
    expect(refusalsOf(one)).toEqual({ 'health under-pressure': 1 });
    stuck[0]!.close();
    let again = 503;
    while (again === 503) again = (await exchangeRaw(one.url, SCRAPE)).status;
    expect(again).toBe(200);
  });
});
