import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ServerSentEvents } from '../neighbours/server-sent-events.ts';
import { createHarness, type Fetch, type Harness } from './harness.ts';

let harness: Harness;

beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const json = (body: object): RequestInit => ({
  method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' },
});
const LEASE = json({ id: 'a', holder: 'w', ttlMs: 10_000 });

/** From the client of the code under test, in `s1`, unless said. */
const ask = (path: string, init?: RequestInit, fetch: Fetch = harness.sidecar('s1').fetch): Promise<Response> =>
  harness.until(fetch(path, init));

/** What it is rejected with. */
const refusal = (promise: Promise<unknown>): Promise<Error> =>
  harness.until(promise).then(() => expect.fail('It resolved'), (error: Error) => error);

const codeOf = ({ cause }: Error): unknown => (cause as { readonly code: string }).code;

async function configured(text: string): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-harness-'));
  const config = join(directory, 'leasehold.yaml');
  writeFileSync(config, text);
  try {
    return await createHarness({ config });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const told = (): readonly string[] =>
  harness.events().map(({ type, subject }) => `${type.replace(/^leasehold\.|\.v1$/g, '')} ${subject}`);

describe('fetch', () => {
  test('answers with the responses of the platform', async () => {
    const granted = await ask('/v1/leases', LEASE);
    expect(granted).toBeInstanceOf(Response);
    expect([granted.ok, granted.status, granted.headers.get('location')]).toEqual([true, 201, '/v1/leases/a']);
    expect(await granted.json()).toMatchObject({ id: 'a', state: 'live', safeForMs: 10_000 });
    const released = await ask('/v1/leases/a', { method: 'DELETE' });
    expect([released.status, released.body, await released.text()]).toEqual([204, null, '']);
    const gone = await ask('/v1/leases/a/renew', { method: 'POST' });
    expect([gone.ok, gone.status]).toEqual([false, 410]);
    expect(await gone.json()).toMatchObject({ code: 'lease-ended' });
  });

  test('takes addresses, requests and bodies as the platform does', async () => {
    const { fetch, url } = harness.sidecar('s1');
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const address = new URL('/v1/entries/default/k?ttlMs=60000', url);
    const put = await harness.until(fetch(new Request(address, { method: 'PUT', body: bytes })));
    expect(put.status).toBe(201);
    const got = await harness.until(fetch(`${url}/v1/entries/default/k`));
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(bytes);
    const text = await ask('/v1/entries/default/k', { method: 'PUT', body: 'text' });
    expect(text.status).toBe(204);
    expect((await ask('/v1/entries/default/k')).headers.get('content-type')).toBe('text/plain;charset=UTF-8');
  });

  test('is refused by a sidecar that does not know the host', async () => {
    expect((await ask('http://elsewhere.example/v1/leases')).status).toBe(421);
  });

  test('rejects with a TypeError where there is no answer', async () => {
    const { fetch } = harness.sidecar('s1');
    harness.kill('s1', 5_000);
    const refused = await refusal(fetch('/v1/status'));
    expect([refused.constructor, refused.message, codeOf(refused)]).toEqual([TypeError, 'fetch failed', 'ECONNREFUSED']);
    await harness.until(() => harness.sidecar('s1').isReady);
    harness.pause('s1');
    const asked = fetch('/v1/status');
    void asked.catch(() => {});
    await harness.pass(1_000);
    harness.kill('s1');
    const reset = await refusal(asked);
    expect([reset.constructor, codeOf(reset)]).toEqual([TypeError, 'ECONNRESET']);
  });

  test('is aborted by signals, of virtual time too', async () => {
    const { clock } = harness;
    harness.pause('s1', 20_000);
    const before = clock.now();
    const late = await refusal(harness.sidecar('s1').fetch('/v1/leases', { ...LEASE, signal: clock.timeout(3_000) }));
    expect(late.name).toBe('TimeoutError');
    expect(clock.now() - before).toBe(3_000);
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    expect(() => clock.timeout(1.5)).toThrow(RangeError);
    const never = harness.sidecar('s1').fetch('/v1/leases', { signal: controller.signal });
    expect((await refusal(never)).message).toBe('enough');
    await harness.pass(20_000);
    // Its client had gone, and what it asked for took effect all the same.
    expect(told()).toEqual(['lease.granted a']);
  });
});

describe('an event stream', () => {
  /** What has come so far, and how it ended. */
  function reading(response: Response): { readonly types: string[]; failure?: Error; isDone: boolean } {
    const seen: ReturnType<typeof reading> = { types: [], isDone: false };
    const parser = new ServerSentEvents(undefined);
    const read = async (): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const piece of response.body!) {
        seen.types.push(...parser.take(decoder.decode(piece, { stream: true })).map(({ type }) => type));
      }
    };
    read().catch((error: Error) => {
      seen.failure = error;
    }).finally(() => {
      seen.isDone = true;
    });
    return seen;
  }

  test('is read as it comes, until its sidecar dies', async () => {
    const response = await ask('/v1/events');
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const seen = reading(response);
    await ask('/v1/leases', LEASE);
    await harness.pass(1_000);
    expect(seen.types).toEqual(['leasehold.lease.granted.v1']);
    await ask('/v1/leases/a', { method: 'DELETE' });
    await harness.pass(1_000);
    expect(seen.types).toEqual(['leasehold.lease.granted.v1', 'leasehold.lease.ended.v1']);
    expect(seen.isDone).toBe(false);
    harness.kill('s1');
    await harness.pass(100);
    expect([seen.failure?.constructor, seen.failure?.message]).toEqual([TypeError, 'terminated']);
  });

  test('ends well when its sidecar stops', async () => {
    const seen = reading(await ask('/v1/events'));
    harness.restart('s1');
    await harness.pass(10_000);
    expect([seen.isDone, seen.failure]).toEqual([true, undefined]);
  });

  test('is aborted, cancelled and refused, and leaves its place to others', async () => {
    expect((await ask('/v1/events?since=nonsense')).status).toBe(400);
    harness.close();
    harness = await configured('limits: { watchers: 1 }');
    const controller = new AbortController();
    const seen = reading(await ask('/v1/events', { signal: controller.signal }));
    // Whoever was refused comes back when the sidecar has forgotten it.
    const again = async (): Promise<Response> => {
      await harness.pass(30_000);
      return ask('/v1/events');
    };
    expect((await again()).status).toBe(503);
    controller.abort(new Error('enough'));
    const response = await again();
    expect([seen.failure?.message, response.status]).toEqual(['enough', 200]);
    expect((await again()).status).toBe(503);
    await response.body!.cancel();
    expect((await again()).status).toBe(200);
  });

  test('fills up while nobody reads, and tells what was lost', async () => {
    harness.close();
    harness = await configured('limits: { feed: { facts: 256 } }');
    const response = await ask('/v1/events');
    for (let count = 0; count < 3_000; count++) {
      void harness.sidecar('s1').fetch('/v1/entries/default/hits/increment', json({ by: 1 }));
      await harness.pass(1);
    }
    const { types } = reading(response);
    await harness.pass(1_000);
    expect(types[0]).toBe('leasehold.entry.created.v1');
    expect(types).toContain('resync');
  });
});

describe('time', () => {
  test('passes only where it is let pass, and timers go off in their order', async () => {
    const { clock } = harness;
    const startMs = clock.now();
    const seen: string[] = [];
    const note = (what: string) => () => void seen.push(`${what} ${clock.now() - startMs}`);
    clock.setTimeout(note('late'), 2_000);
    clock.setTimeout(note('early'), 500);
    clock.clearTimeout(clock.setTimeout(note('never'), 700));
    clock.setTimeout(note('at once'), Number.NaN);
    const interval = clock.setInterval(note('again'), 800);
    void clock.sleep(1_700).then(() => clock.clearInterval(interval)).then(note('enough'));
    expect(seen).toEqual([]);
    await harness.pass(5_000);
    expect(seen).toEqual(['at once 1', 'early 500', 'again 800', 'again 1600', 'enough 1700', 'late 2000']);
    expect(clock.now() - startMs).toBe(5_000);
  });

  test('passes until something is so, and no further', async () => {
    const { clock } = harness;
    const startMs = clock.now();
    let isSo = false;
    clock.setTimeout(() => {
      isSo = true;
    }, 1_234);
    await harness.until(() => isSo);
    expect(clock.now() - startMs).toBe(1_234);
    expect(await harness.until(clock.sleep(10).then(() => 'slept'))).toBe('slept');
    await expect(harness.until(() => false, 5_000)).rejects.toThrow('Not so within 5000 ms of virtual time');
    await expect(harness.until(new Promise(() => {}), 5_000)).rejects.toThrow('Not so within 5000 ms');
    await expect(harness.until(Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(harness.until(() => { throw new Error('asked badly'); })).rejects.toThrow('asked badly');
  });

  test('is passed by one at a time, and by nobody once it is closed', async () => {
    const passing = harness.pass(10);
    await expect(harness.pass(10)).rejects.toThrow('it passes already');
    await passing;
    harness.close();
    await expect(harness.pass(10)).rejects.toThrow('the harness is closed');
  });

  test('stops where a timer of the code under test throws', async () => {
    harness.clock.setTimeout(() => {
      throw new Error('a mistake');
    }, 10);
    await expect(harness.pass(1_000)).rejects.toThrow('a mistake');
  });
});

describe('trouble of the code under test', () => {
  test('a pause: its timers and answers wait, and clocks run on', async () => {
    const { clock } = harness;
    const startMs = clock.now();
    const seen: string[] = [];
    const note = (what: string) => () => void seen.push(`${what} ${Math.round((clock.now() - startMs) / 100) * 100}`);
    void harness.sidecar('s1').fetch('/v1/status').then(note('answer'));
    clock.setTimeout(note('timer'), 1_000);
    harness.pauseClient(5_000);
    await harness.pass(4_900);
    expect(seen).toEqual([]);
    await harness.pass(200);
    expect(seen).toEqual(['timer 5000', 'answer 5000']);
  });

  test('work that takes long', async () => {
    const { clock } = harness;
    const client = harness.client('client');
    const spans: number[] = [];
    clock.setTimeout(() => {
      const beganMs = clock.monotonicMs();
      client.spend(700);
      spans.push(Math.round(clock.monotonicMs() - beganMs));
    }, 10);
    clock.setTimeout(() => void spans.push(clock.now()), 20);
    const startMs = clock.now();
    await harness.pass(1_000);
    expect(spans).toEqual([700, startMs + 710]);
  });

  test('a machine that sleeps, and a wall clock that is put back', async () => {
    const { clock } = harness;
    const client = harness.client('client');
    const [wallMs, monotonicMs] = [clock.now(), clock.monotonicMs()];
    client.suspend(5_000);
    await harness.pass(6_000);
    expect([clock.now() - wallMs, Math.round(clock.monotonicMs() - monotonicMs)]).toEqual([6_000, 1_000]);
    client.stepClock(-3_600_000);
    expect([clock.now() - wallMs, Math.round(clock.monotonicMs() - monotonicMs)]).toEqual([-3_594_000, 1_000]);
  });

  test('a crash: nothing of it goes on, and the next process of its name begins anew', async () => {
    const first = harness.client('worker');
    const seen: string[] = [];
    first.clock.setTimeout(() => void seen.push('first'), 100);
    void first.fetchFrom('s1')('/v1/status').then(() => seen.push('answer'));
    first.crash();
    const second = harness.client('worker');
    expect(second).not.toBe(first);
    expect(harness.client('worker')).toBe(second);
    second.clock.setTimeout(() => void seen.push('second'), 100);
    await harness.pass(1_000);
    expect(seen).toEqual(['second']);
  });
});

describe('trouble of the sidecars and what they need', () => {
  test('a killed sidecar comes back, and one that lost its power has what it synced', async () => {
    await ask('/v1/leases', LEASE);
    harness.kill('s1');
    expect(harness.sidecar('s1').isReady).toBe(false);
    await harness.until(() => harness.sidecar('s1').isReady, 2_000);
    harness.powerCut('s1', 4_000);
    await harness.pass(3_900);
    expect(harness.sidecar('s1').isReady).toBe(false);
    harness.heal();
    await harness.until(() => harness.sidecar('s1').isReady, 2_000);
    expect((await ask('/v1/leases', json({ id: 'b', holder: 'w' }))).status).toBe(201);
  });

  test('what has no end of its own lasts until it is healed', async () => {
    const { fetch } = harness.sidecar('s1');
    harness.pause('s1');
    const answer = fetch('/v1/status');
    await harness.pass(30_000);
    harness.heal();
    expect((await harness.until(answer, 100)).status).toBe(200);
    harness.suspend('s1');
    await expect(harness.until(fetch('/v1/status'), 10_000)).rejects.toThrow('Not so within');
    harness.heal();
    expect((await ask('/v1/status')).status).toBe(200);
  });

  test('a bus that is away is told afterwards', async () => {
    harness.bus.away(20_000);
    await ask('/v1/leases', LEASE);
    await harness.pass(15_000);
    expect(told()).toEqual([]);
    await harness.pass(30_000);
    // Two streams, each told on its own: which comes first is the seed's to say.
    expect(told().toSorted()).toEqual(['lease.ended a', 'lease.granted a']);
    harness.partition('s1', 'bus', 20_000);
    await ask('/v1/leases', json({ id: 'b', holder: 'w', ttlMs: 60_000 }));
    await harness.pass(15_000);
    expect(told()).toHaveLength(2);
    await harness.pass(30_000);
    expect(told()).toHaveLength(3);
  });

  test('any fault of the table strikes, and no other', async () => {
    const startMs = harness.clock.now();
    harness.strike('stall', 's1', { detail: { ms: 3_000 } });
    await ask('/v1/status');
    expect(harness.clock.now() - startMs).toBe(3_000);
    // With details drawn for it.
    harness.strike('disk-slow', 's1', { forMs: 1_000 });
    await ask('/v1/leases', LEASE);
    expect(harness.timeline()).toMatch(/disk-slow s1 callMs=\d/);
    expect(() => harness.strike('earthquake', 'all')).toThrow('There is no fault "earthquake"');
    expect(() => harness.strike('failpoint', 's1')).toThrow('There is no fault "failpoint"');
    expect(() => harness.client('s1')).toThrow('"s1" is a sidecar');
    expect(() => harness.kill('s2')).toThrow('There is no sidecar "s2"');
  });
});

describe('several sidecars', () => {
  beforeEach(async () => {
    harness.close();
    harness = await createHarness({ sidecars: 2 });
  });

  const put = (): Promise<Response> =>
    ask('/v1/entries/default/k?ttlMs=600000', { method: 'PUT', body: 'v' }, harness.sidecar('s1').fetch);
  const got = async (): Promise<number> =>
    (await ask('/v1/entries/default/k', {}, harness.sidecar('s2').fetch)).status;

  test('share what they hold, unless one is cut off from the ledger', async () => {
    harness.partition('s1', 'ledger', 20_000);
    await put();
    await harness.pass(10_000);
    expect(await got()).toBe(404);
    await harness.pass(20_000);
    expect(await got()).toBe(200);
  });

  test('push what a ledger has lost, and go on without one', async () => {
    await put();
    await harness.pass(5_000);
    harness.ledger.empty();
    await harness.pass(10_000);
    expect(await got()).toBe(200);
    harness.ledger.away(10_000);
    expect((await put()).status).toBe(204);
  });

  test('have clocks of their own', async () => {
    harness.clockStep('s2', 3_600_000);
    const at = async (name: string): Promise<number> => {
      const granted = await ask('/v1/leases', json({ id: name, holder: 'w' }), harness.sidecar(name).fetch);
      return Date.parse(((await granted.json()) as { grantedAt: string }).grantedAt);
    };
    const apartMs = (await at('s2')) - (await at('s1'));
    expect(Math.round(apartMs / 60_000)).toBe(60);
  });
});

describe('a harness', () => {
  test('has one to five sidecars', async () => {
    await expect(createHarness({ sidecars: 0 })).rejects.toThrow('Cannot simulate 0 sidecars: 1 to 5');
    await expect(createHarness({ sidecars: 6 })).rejects.toThrow('Cannot simulate 6 sidecars');
  });

  test('is configured by a file, or refused with its complaints', async () => {
    harness.close();
    harness = await configured('namespaces: { jobs: { ttl: { defaultMs: 4000, maxMs: 8000 } } }');
    const granted = await ask('/v1/leases', json({ holder: 'w', namespace: 'jobs' }));
    expect(await granted.json()).toMatchObject({ namespace: 'jobs', ttlMs: 4_000 });
    expect((await ask('/v1/leases', json({ holder: 'w', namespace: 'others' }))).status).toBe(404);
    await expect(configured('namespaces: { jobs: { ttls: 1 } }')).rejects.toThrow('ttls');
  });

  /** What happens in a run with much trouble. */
  async function story(seed: number): Promise<string> {
    const told = await createHarness({ seed, sidecars: 2 });
    const { fetch } = told.sidecar('s1');
    told.clock.setInterval(() => void fetch('/v1/leases', LEASE).catch(() => {}), 300 + 100 * told.random());
    told.strike('loss', 'all', { forMs: 5_000, detail: { share: 0.3 } });
    told.kill('s1');
    await told.pass(10_000);
    told.close();
    return `${told.fingerprint()}\n${told.timeline()}`;
  }

  test('does the same again with the same seed, and something else with another', async () => {
    const first = await story(7);
    expect(await story(7)).toBe(first);
    expect(await story(8)).not.toBe(first);
  });

  test('tells what happened, line by line', async () => {
    await ask('/v1/leases', LEASE);
    harness.kill('s1');
    harness.pauseClient(100);
    await harness.pass(2_000);
    const shape = harness.timeline().split('\n').map((line) => line.replace(/^ *[\d.]+ /, '').replace(/ +/g, ' '));
    expect(shape).toEqual([
      ' s1 run 1 starts',
      ' s1 run 1 is ready',
      ' client asks s1: POST /v1/leases',
      ' client hears of POST /v1/leases: 201',
      '>> fault kill s1',
      ' s1 run 1 is gone',
      '>> fault pause client',
      '<< fault pause ends client',
      ' s1 run 2 starts',
      ' s1 run 2 is ready',
    ]);
  });

  test('opens nothing outside', async () => {
    const reached = (): readonly string[] =>
      process.getActiveResourcesInfo().filter((kind) => /TCP|UDP|TLS|Server|Process/.test(kind));
    const before = reached();
    await ask('/v1/leases', LEASE);
    await harness.pass(60_000);
    expect(reached()).toEqual(before);
  });
});
