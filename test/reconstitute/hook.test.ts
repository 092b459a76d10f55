/** The hook against a real server; only its deadline is the test's. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Hook, type HookAnswer } from '../../src/reconstitute/hook.ts';
import { ManualScheduler } from '../resilience/manual-scheduler.ts';
import { status, type Upstream, upstream, value } from './upstream.ts';

let neighbour: Upstream;
let scheduler: ManualScheduler;
beforeEach(async () => {
  neighbour = await upstream(status(404));
  scheduler = new ManualScheduler();
});
afterEach(() => neighbour.close());

function hook(valueBytes = 100): Hook {
  return new Hook({ url: neighbour.url, timeoutMs: 50, valueBytes }, scheduler);
}
function ask(one = hook(), key = 'k'): Promise<HookAnswer> {
  return new Promise((resolve) => one.ask('sessions', key, resolve));
}

describe('a hook', () => {
  test('is asked for namespace and key, whatever the key is made of', async () => {
    const key = 'a/b c&d=ü?#%2F+';
    await ask(hook(), key);
    const asked = new URL(neighbour.asked[0]!, neighbour.url);
    expect(asked.pathname).toBe('/rebuild');
    expect([...asked.searchParams]).toEqual([['namespace', 'sessions'], ['key', key]]);
    expect(neighbour.headers[0]).toMatchObject({ accept: '*/*', 'accept-encoding': 'identity' });
  });

  test('gives the value byte for byte, with its type', async () => {
    const bytes = Buffer.from([0, 1, 254, 255]);
    neighbour.answer = value(bytes, 'image/png');
    expect(await ask()).toEqual({ kind: 'value', value: bytes, contentType: 'image/png' });
    neighbour.answer = value('');
    expect(await ask()).toEqual({
      kind: 'value', value: Buffer.alloc(0), contentType: 'application/octet-stream',
    });
  });

  test.each([404, 204])('says by %i that there is none', async (code) => {
    neighbour.answer = status(code);
    expect(await ask()).toEqual({ kind: 'absent' });
  });

  test.each<[number, HookAnswer['kind']]>([
    [201, 'failed'], [301, 'failed'], [307, 'failed'], [400, 'unusable'], [403, 'unusable'],
    [410, 'unusable'], [429, 'failed'], [500, 'failed'], [503, 'failed'],
  ])('that answers %i is %s', async (code, kind) => {
    neighbour.answer = status(code);
    expect(await ask()).toEqual({ kind, why: `status ${code}` });
  });

  test('is not followed elsewhere', async () => {
    const elsewhere = await upstream(value('from elsewhere'));
    try {
      neighbour.answer = status(302, { location: elsewhere.url });
      expect((await ask()).kind).toBe('failed');
      expect(elsewhere.asked).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  test('gives no more than a value may have, announced or not', async () => {
    neighbour.answer = value('x'.repeat(100));
    expect((await ask()).kind).toBe('value');
    neighbour.answer = value('x'.repeat(101));
    expect(await ask()).toEqual({ kind: 'unusable', why: 'longer than 100 bytes' });
    neighbour.answer = (response) => {
      response.writeHead(200);
      const more = () => {
        while (response.write('x'.repeat(1000)));
      };
      response.on('drain', more);
      more();
    };
    expect(await ask()).toEqual({ kind: 'unusable', why: 'longer than 100 bytes' });
  });

  test('that compresses unasked is of no use', async () => {
    neighbour.answer = (response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end('x');
    };
    expect((await ask()).kind).toBe('unusable');
  });

  test('has so long for the whole answer', async () => {
    neighbour.answer = (response) => {
      response.writeHead(200);
      response.write('half');
    };
    const one = hook();
    const answer = ask(one);
    await neighbour.heard(1);
    scheduler.pass(49);
    expect(scheduler.waiting).toBe(1);
    scheduler.pass(1);
    expect(await answer).toEqual({ kind: 'failed', why: 'no answer within 50 ms' });
  });

  test('leaves no timer and no connection behind', async () => {
    const gone = new Promise<void>((resolve) => {
      neighbour.answer = (response, request) => {
        request.socket.once('close', () => resolve());
        response.writeHead(200);
        response.end('v');
      };
    });
    await ask();
    expect(scheduler.waiting).toBe(0);
    await gone;
  });

  test('that breaks off halfway has failed', async () => {
    neighbour.answer = (response, request) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half');
      setImmediate(() => request.socket.destroy());
    };
    expect((await ask()).kind).toBe('failed');
    neighbour.answer = (_, request) => request.socket.destroy();
    expect((await ask()).kind).toBe('failed');
  });

  test('nobody listens at has failed', async () => {
    const one = hook();
    await neighbour.close();
    expect(await ask(one)).toMatchObject({ kind: 'failed' });
    neighbour = await upstream(status(404));
  });

  test('that is closed answers all who wait, once', async () => {
    neighbour.answer = () => {};
    const one = hook();
    const answers = [ask(one, 'a'), ask(one, 'b')];
    await neighbour.heard(2);
    one.close();
    expect(await Promise.all(answers)).toEqual([
      { kind: 'failed', why: 'closing' }, { kind: 'failed', why: 'closing' },
    ]);
    expect(scheduler.waiting).toBe(0);
  });
});
