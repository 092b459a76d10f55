/** Pressure as clients see it: who is refused, what they are told, and who waits for room. */
import { afterEach, describe, expect, test } from 'vitest';
import type { NamespaceQuota } from '../../src/admission/settings.ts';
import { edge, type Edge, type EdgeChanges } from './edge.ts';
import { RawClient } from './raw.ts';

const opened: Edge[] = [];
const clients: RawClient[] = [];

function made(changes: EdgeChanges = {}): Edge {
  const one = edge(changes);
  opened.push(one);
  return one;
}

async function listening(changes: EdgeChanges = {}) {
  const one = made(changes);
  const [url] = await one.http.listen([{ kind: 'tcp', host: '127.0.0.1', port: 0 }]);
  const connect = () => {
    const client = new RawClient(url!);
    clients.push(client);
    return client;
  };
  return { ...one, connect };
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const one of opened.splice(0)) await one.stop();
});

const PUT = 'PUT /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx';
const GET = 'GET /v1/entries/default/k HTTP/1.1\r\nHost: localhost\r\n\r\n';
const ALIVE = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';
const GRANT_BODY = '{"holder":"h"}';
const GRANT = `POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${GRANT_BODY.length}\r\n\r\n${GRANT_BODY}`;

/** Moves on until something has come of it: what comes by a socket takes turns of the real loop. */
async function passUntil(reached: () => boolean, step: () => void): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!reached()) {
    if (Date.now() > deadline) throw new Error('It did not come to that');
    step();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a full outbox', () => {
  test('refuses grants, then writes; reads, deletes, renewals and releases go on', async () => {
    const { ask, pressure } = made();
    await ask('POST', '/v1/leases', { document: { holder: 'h', id: 'l' } });
    await ask('PUT', '/v1/entries/default/k', { body: 'x' });
    pressure.fill('outbox', 0.83, 3_000);
    const grant = () => ask('POST', '/v1/leases', { document: { holder: 'h' } });
    const put = () => ask('PUT', '/v1/entries/default/k', { body: 'y' });
    const refused = await grant();
    expect([refused.status, refused.json.code, refused.json.source, refused.json.retryAfterMs]).toEqual([
      503, 'under-pressure', 'outbox', 4_500,
    ]);
    expect(refused.headers['retry-after']).toBe('5');
    expect(refused.headers['leasehold-pressure']).toBe('level=high; source=outbox; fill=0.83');
    expect((await put()).status).toBe(204);
    pressure.fill('outbox', 0.95);
    expect([(await grant()).status, (await put()).status]).toEqual([503, 503]);
    const others = await Promise.all([
      ask('GET', '/v1/entries/default/k'), ask('GET', '/v1/entries/default'), ask('GET', '/v1/status'),
      ask('POST', '/v1/leases/l/renew'), ask('DELETE', '/v1/entries/default/k'), ask('DELETE', '/v1/leases/l'),
    ]);
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200, 204, 204]);
    for (const { headers } of others) {
      expect(headers['leasehold-pressure']).toBe('level=critical; source=outbox; fill=0.95');
    }
  });

  test('tells who finds no capacity when there will be some', async () => {
    const { ask, pressure } = made();
    const grant = () => ask('POST', '/v1/leases', { document: { holder: 'h', namespace: 'tiny' } });
    await grant();
    pressure.fill('outbox', 0.6, 7_000);
    const { status, json, headers } = await grant();
    expect([status, json.code, json.retryAfterMs, headers['retry-after']]).toEqual([503, 'capacity', 10_500, '11']);
  });

  test('is told on the head of an event stream too', async () => {
    const { connect, pressure } = await listening();
    pressure.fill('outbox', 0.6);
    const client = connect();
    client.send('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.until(() => client.received.includes('\r\n\r\n'));
    expect(client.received).toContain('Leasehold-Pressure: level=elevated; source=outbox; fill=0.6\r\n');
  });
});

describe('a quota', () => {
  const quota = (name: string, of: NamespaceQuota): EdgeChanges =>
    ({ admission: { quotas: { namespaces: new Map([[name, of]]) } } });

  test('of a namespace counts grants by what their body says', async () => {
    const { ask, pressure } = made(quota('other', { grantsPerS: 0.5, burst: 1 }));
    const grant = (namespace: string) => ask('POST', '/v1/leases', { document: { holder: 'h', namespace } });
    expect((await grant('other')).status).toBe(201);
    const { status, json, headers } = await grant('other');
    expect([status, json.code, json.retryable]).toEqual([429, 'quota-exceeded', true]);
    expect([headers['ratelimit-policy'], headers['ratelimit'], headers['retry-after']]).toEqual([
      '"grants";q=1;w=2', '"grants";r=0;t=2', '3',
    ]);
    expect((await grant('default')).status).toBe(201);
    pressure.scheduler.pass(2_000);
    expect((await grant('other')).status).toBe(201);
  });

  test('of a namespace stands on a 503 as well, and on nothing that is well', async () => {
    const { ask, pressure } = made(quota('default', { putsPerS: 5, burst: 10 }));
    const put = () => ask('PUT', '/v1/entries/default/k', { body: 'x' });
    expect(Object.keys((await put()).headers).filter((name) => name.startsWith('ratelimit'))).toEqual([]);
    pressure.fill('outbox', 0.95);
    const { status, headers } = await put();
    expect([status, headers['ratelimit']]).toEqual([503, '"puts";r=9;t=1']);
  });

  test('refused gives back what the request held', async () => {
    const { ask } = made({
      ...quota('default', { putsPerS: 1, burst: 1 }),
      options: { inFlightBodyBytes: 10, requestsInFlight: { renew: 1, read: 1, put: 1, grant: 1, list: 1 } },
    });
    const put = () => ask('PUT', '/v1/entries/default/k', { body: '0123456789' });
    const statuses = [];
    for (let round = 0; round < 4; round++) statuses.push((await put()).status);
    expect(statuses).toEqual([201, 429, 429, 429]);
  });
});

describe('refusals to one that does not heed them', () => {
  const held: EdgeChanges = { admission: { settings: { holdMs: 500 } } };

  test('are held, and nobody else waits for them', async () => {
    const { connect, pressure } = await listening(held);
    pressure.fill('outbox', 0.8, 60_000);
    const hasty = connect();
    hasty.send(GRANT);
    expect((await hasty.answers(1))[0]!.status).toBe(503);
    hasty.send(GRANT);
    const other = connect();
    other.send(PUT + GET);
    expect((await other.answers(2)).map(({ status }) => status)).toEqual([201, 200]);
    await passUntil(() => (pressure.admission.status() as { held: number }).held === 1, () => {});
    other.send(GET);
    await other.answers(3);
    expect(hasty.received.match(/HTTP\/1.1/g)).toHaveLength(1);
    await passUntil(() => (hasty.received.match(/HTTP\/1.1/g) ?? []).length === 2, () => pressure.scheduler.pass(10));
    expect((await hasty.answers(2))[1]!.status).toBe(503);
  });

  test('hold no place in the gate and no bytes meanwhile', async () => {
    const quotas = { namespaces: new Map([['default', { putsPerS: 0.01, burst: 1 }]]) };
    const { connect, pressure } = await listening({
      admission: { ...held.admission, quotas },
      options: { inFlightBodyBytes: 1, requestsInFlight: { renew: 1, read: 1, put: 1, grant: 1, list: 1 } },
    });
    const hasty = connect();
    hasty.send(PUT);
    await hasty.answers(1);
    hasty.send(PUT);
    await hasty.answers(2);
    hasty.send(PUT);
    await passUntil(() => (pressure.admission.status() as { held: number }).held === 1, () => {});
    const other = connect();
    other.send(PUT);
    expect((await other.answers(1))[0]!.status).toBe(429);
  });

  test('are given when the server drains', async () => {
    const { connect, http, pressure } = await listening(held);
    pressure.fill('outbox', 0.8, 60_000);
    const hasty = connect();
    hasty.send(GRANT);
    await hasty.answers(1);
    hasty.send(GRANT);
    await passUntil(() => (pressure.admission.status() as { held: number }).held === 1, () => {});
    await http.drain(1_000);
    expect((await hasty.answers(2))[1]!.headers['connection']).toBe('close');
  });
});

describe('a loop that cannot keep up', () => {
  const settings: EdgeChanges = { admission: { settings: { holdMs: 1_000, heldRefusals: 100 } } };

  /** With a limit of one request in a turn, which only a read or better may take. */
  async function overloaded() {
    const one = await listening(settings);
    await one.ask('PUT', '/v1/entries/default/k', { body: 'x' });
    for (let window = 0; window < 40; window++) {
      for (let asked = 0; asked < 4; asked++) one.pressure.admission.refusal('renew', true, {});
      one.pressure.window(1_000);
    }
    one.pressure.endTurn();
    return one;
  }

  test('lets a write wait, and takes it on when there is room', async () => {
    const { connect, pressure, core } = await overloaded();
    const client = connect();
    client.send(PUT.replace('/k', '/late'));
    const heldNow = () => (pressure.admission.status() as { held: number }).held;
    await passUntil(() => heldNow() === 1, () => {});
    expect(core.usage().entries).toBe(1);
    await passUntil(() => client.received !== '', () => pressure.endTurn());
    expect([(await client.answers(1))[0]!.status, heldNow(), core.usage().entries]).toEqual([201, 0, 2]);
  });

  test('refuses a write that found none in time', async () => {
    const { connect, pressure, core } = await overloaded();
    const client = connect();
    client.send(PUT.replace('/k', '/late'));
    await passUntil(() => client.received !== '', () => pressure.scheduler.pass(10));
    const [answer] = await client.answers(1);
    expect([answer!.status, JSON.parse(answer!.body).source, core.usage().entries]).toEqual([503, 'loop', 1]);
  });

  test('does not wait with a body in chunks, which it would have to keep as it comes', async () => {
    const { connect, pressure, core } = await overloaded();
    const client = connect();
    client.send('PUT /v1/entries/default/late HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    client.send('1\r\nx\r\n'.repeat(1_000));
    // One that waits is taken on at the end of a turn.
    const pass = (): void => {
      pressure.endTurn();
      pressure.scheduler.pass(10);
    };
    await passUntil(() => client.received !== '', pass);
    const [answer] = await client.answers(1);
    expect([answer!.status, core.usage().entries]).toEqual([503, 1]);
  });

  test('keeps the order on a connection: what follows waits too, and sees what was done', async () => {
    const { connect, pressure } = await overloaded();
    const client = connect();
    client.send(PUT.replace('\r\n\r\nx', '\r\n\r\ny') + ALIVE);
    await passUntil(() => (pressure.admission.status() as { held: number }).held === 1, () => {});
    expect(client.received).toBe('');
    await passUntil(() => client.received.includes('alive'), () => pressure.endTurn());
    expect((await client.answers(2)).map(({ status }) => status)).toEqual([204, 200]);
  });

  test('does not let itself be held up by one that sends on and on', async () => {
    const { connect, pressure } = await overloaded();
    const client = connect();
    client.send(PUT + ALIVE.repeat(66));
    await passUntil(() => client.received.includes('alive'), () => {});
    expect((await client.answers(67)).map(({ status }) => status).slice(0, 3)).toEqual([503, 200, 200]);
    expect((pressure.admission.status() as { held: number }).held).toBe(0);
  });

  test('has forgotten a client that goes away meanwhile when its time is over', async () => {
    const { connect, http, pressure } = await overloaded();
    const client = connect();
    client.send(PUT);
    const heldNow = () => (pressure.admission.status() as { held: number }).held;
    await passUntil(() => heldNow() === 1, () => {});
    client.close();
    await passUntil(() => http.connections === 0, () => pressure.scheduler.pass(10));
    expect(heldNow()).toBe(0);
  });
});
