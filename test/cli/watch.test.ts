import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type FakeSidecar,
  fakeSidecar,
  json,
  leasehold,
  problem,
  type Surroundings,
} from './support.ts';

let sidecar: FakeSidecar;
afterEach(() => sidecar.close());

const EVENT = {
  specversion: '1.0',
  type: 'leasehold.entry.ended.v1',
  time: '2026-01-02T03:04:05.678Z',
  subject: 'sessions/ali\u001bce',
  data: { namespace: 'sessions', reason: 'expired', latenessMs: 2, holder: 'web-1', lease: 'L1' },
};

function frame(id: string, document: unknown, event = 'leasehold.entry.ended.v1'): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(document)}\n\n`;
}

/** Answers the n-th request for events by the n-th of `streams`, and then goes silent. */
async function watch(
  argv: readonly string[],
  streams: ((response: ServerResponse) => void)[],
  around: Surroundings = {},
  cursor: string | undefined = 'a.7',
) {
  sidecar = await fakeSidecar((seen, response) => {
    if (seen.url === '/v1/status') {
      return json(response, 200, {}, cursor === undefined ? {} : { 'leasehold-cursor': cursor });
    }
    const stream = streams.shift();
    if (stream === undefined) throw new Error('one connection too many');
    stream(response);
  });
  const result = await leasehold(['watch', ...argv, '--url', sidecar.url], around);
  const asked = sidecar.seen.filter(({ url }) => url.startsWith('/v1/events'));
  return { ...result, asked };
}

function stream(...chunks: (string | Buffer)[]): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const chunk of chunks) response.write(chunk);
    response.end();
  };
}
/** Like `stream`, but the connection stays. */
function openStream(...chunks: string[]): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const chunk of chunks) response.write(chunk);
  };
}

/** Interrupts as soon as `count` lines have been printed. */
const untilLines = (count: number): Surroundings => ({
  onWrite: (out, interrupt) => {
    if (out.split('\n').length > count) interrupt();
  },
});

describe('watch', () => {
  test('prints one line an event, fit for a terminal, until interrupted', async () => {
    const { code, out, err } = await watch(
      [],
      [openStream(': hello\n\n', frame('a.8', EVENT))],
      untilLines(1),
    );
    expect(out).toBe(
      '03:04:05.678 entry.ended      sessions/ali\\u001bce ' +
        'reason=expired latenessMs=2 holder=web-1 lease=L1\n',
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('prints the CloudEvent, one a line, with --json', async () => {
    const frames = [frame('a.8', EVENT), frame('a.9', { ...EVENT, n: 2 })];
    const { out } = await watch(['--json'], [openStream(...frames)], untilLines(2));
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([EVENT, { ...EVENT, n: 2 }]);
  });

  test('passes its filters on and starts from the present cursor', async () => {
    const argv = '--namespace n --prefix a/ --types entry.ended --lease L'.split(' ');
    const { asked } = await watch(argv, [openStream(frame('a.8', EVENT))], untilLines(1));
    expect(asked[0]?.url).toBe('/v1/events?namespace=n&prefix=a%2F&types=entry.ended&lease=L');
    expect(asked[0]?.headers['last-event-id']).toBe('a.7');
  });

  test('starts from --since without asking for the present', async () => {
    const { asked } = await watch(
      ['--since', 'x.1'],
      [openStream(frame('a.8', EVENT))],
      untilLines(1),
    );
    expect(asked[0]?.headers['last-event-id']).toBe('x.1');
    expect(sidecar.seen).toHaveLength(1);
  });

  test('goes on after the last event when the stream ends', async () => {
    const pauses: number[] = [];
    const { out, err, asked } = await watch(
      ['--json'],
      [stream(frame('a.8', EVENT), 'id: a.9\nda'), openStream(frame('a.9', { ...EVENT, n: 2 }))],
      { ...untilLines(2), onPause: (durationMs) => pauses.push(durationMs), random: 0.5 },
    );
    expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual(['a.7', 'a.8']);
    expect(out.trim().split('\n')).toHaveLength(2);
    expect(pauses).toEqual([125]);
    expect(err).toMatch(/closed the stream; trying again in 125 ms/);
  });

  test('an event cut in the middle of a character is read whole', async () => {
    const text = Buffer.from(frame('a.8', { ...EVENT, subject: 'n/ü' }));
    const cut = text.indexOf(0xc3) + 1;
    const { out } = await watch(
      [],
      [
        (response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(text.subarray(0, cut), () =>
            setImmediate(() => response.write(text.subarray(cut))),
          );
        },
      ],
      untilLines(1),
    );
    expect(out).toContain(' n/ü ');
  });

  test('waits longer with every failure in a row, up to a bound, and then gives up with 69', async () => {
    const pauses: number[] = [];
    const hangUp = (response: ServerResponse) => void response.destroy();
    const { code, err } = await watch(['--retries', '8'], Array(9).fill(hangUp), {
      onPause: (durationMs) => pauses.push(durationMs),
      random: 0.999,
    });
    expect(pauses).toEqual([250, 500, 999, 1998, 3996, 7992, 9990, 9990]);
    expect(code).toBe(69);
    expect(err.split('\n').at(-1)).toMatch(/^Cannot reach the sidecar/);
  });

  test('a connection that worked starts the count anew', async () => {
    const hangUp = (response: ServerResponse) => void response.destroy();
    const beat = stream(': beat\n\n');
    const { code, asked } = await watch(['--retries', '2'], [hangUp, hangUp, beat, hangUp, hangUp]);
    expect(asked).toHaveLength(5);
    expect(code).toBe(69);
  });

  test('notes what was lost', async () => {
    const notice = { from: 'a.8', to: 'a.90', reason: 'fell-behind' };
    const frames = () => [frame('a.90', notice, 'resync'), frame('a.91', EVENT)];
    const plain = await watch([], [openStream(...frames())], untilLines(1));
    expect(plain.err).toBe(
      'resync (fell-behind): events between a.8 and a.90 were lost; list again',
    );
    await sidecar.close();
    const asJson = await watch(['--json'], [openStream(...frames())], untilLines(2));
    expect(JSON.parse(asJson.out.split('\n')[0]!)).toEqual({ resync: notice });
  });

  test('a refusal that will not change ends it with 1', async () => {
    const refuse = (response: ServerResponse) =>
      problem(response, 404, 'namespace-not-found', { retryable: false });
    const { code, err } = await watch(['--namespace', 'x'], [refuse]);
    expect(code).toBe(1);
    expect(err).toContain('namespace-not-found');
  });

  test('a refusal that passes is waited out, as long as the sidecar asks', async () => {
    const pauses: number[] = [];
    const refuse = (response: ServerResponse) =>
      problem(response, 503, 'under-pressure', { retryable: true, retryAfterMs: 3000 });
    const { code } = await watch([], [refuse, openStream(frame('a.8', EVENT))], {
      ...untilLines(1),
      onPause: (durationMs) => pauses.push(durationMs),
      random: 0,
    });
    expect({ code, pauses }).toEqual({ code: 0, pauses: [3000] });
  });

  test('a sidecar that is not there at the start ends it with 69 at once', async () => {
    sidecar = await fakeSidecar(() => {});
    const { code } = await leasehold(['watch', '--url', 'unix:/nowhere/x.sock']);
    expect(code).toBe(69);
  });

  test('an event that is not JSON is passed over with a note', async () => {
    const frames = ['id: a.8\ndata: not json\n\n', frame('a.9', EVENT)];
    const { out, err } = await watch([], [openStream(...frames)], untilLines(1));
    expect(out.trim().split('\n')).toHaveLength(1);
    expect(err).toMatch(/not JSON: not json/);
  });
});
