import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Histogram } from '../../bench/replay/histogram.ts';
import { type Exchange, HttpClient, hostOf, parseAddress } from '../../bench/replay/http-client.ts';
import { integerValues, keyNames, opaqueValues } from '../../bench/replay/payload.ts';
import { seededRandom } from '../../bench/replay/random.ts';
import { header, type Response, ResponseParser } from '../../bench/replay/response-parser.ts';
import { drawSource } from '../../bench/replay/traffic.ts';
import { chooseClusters, loadWorkload, parseWorkload, planOf } from '../../bench/replay/workload.ts';
import { zipfSampler } from '../../bench/replay/zipf.ts';

const WORKLOADS = new URL('../../bench/workloads.json', import.meta.url).pathname;

describe('Zipf ranks', () => {
  test.each([0, 0.0242, 0.7624, 1, 1.3699, 1.7862])('have the weights the law gives for alpha %f', (alpha) => {
    const keys = 50;
    const draws = 200_000;
    const sample = zipfSampler(keys, alpha, seededRandom(42));
    const seen = new Float64Array(keys + 1);
    for (let draw = 0; draw < draws; draw += 1) seen[sample()]! += 1;
    const weights = Array.from({ length: keys }, (_, index) => (index + 1) ** -alpha);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const chiSquare = weights.reduce((sum, weight, index) => {
      const expected = (draws * weight) / total;
      return sum + (seen[index + 1]! - expected) ** 2 / expected;
    }, 0);
    // 49 degrees of freedom: a true sampler exceeds 85 once in a thousand seeds; this seed is fixed.
    expect(chiSquare).toBeLessThan(85);
  });

  test('stay within one to the number of keys, also with a single key and with a million', () => {
    const one = zipfSampler(1, 1.2, seededRandom(1));
    const many = zipfSampler(1_000_000, 0.5, seededRandom(1));
    const ranks = Array.from({ length: 10_000 }, many);
    expect(one()).toBe(1);
    expect(ranks.every((rank) => Number.isInteger(rank) && rank >= 1 && rank <= 1_000_000)).toBe(true);
    expect(Math.max(...ranks)).toBeGreaterThan(900_000);
  });

  test('are refused for no keys and for a negative exponent', () => {
    expect(() => zipfSampler(0, 1, seededRandom(1))).toThrow(RangeError);
    expect(() => zipfSampler(5, -1, seededRandom(1))).toThrow(RangeError);
  });
});

describe('a workload file', () => {
  test('of the repository has its four rows, and a row can be chosen by name', () => {
    const file = loadWorkload(WORKLOADS);
    expect(chooseClusters(file, 'all').map((row) => row.name)).toEqual([
      'cluster15',
      'cluster16',
      'cluster20',
      'cluster22',
    ]);
    expect(file.source).toContain('twitter/cache-trace');
    expect(() => chooseClusters(file, 'cluster99')).toThrow(/cluster15, cluster16/);
  });

  test('that is wrong is refused with every complaint and its path', () => {
    const wrong = {
      source: 's',
      clusters: [
        { name: 'x', keyBytes: 18, valueBytes: 0, meanFrequency: 1, ttls: [], operations: { fly: 1 }, zipfAlpha: -1 },
      ],
    };
    expect(() => parseWorkload(wrong, 'f.json')).toThrow(
      /clusters\.0\.valueBytes.*clusters\.0\.ttls.*clusters\.0\.operations.*clusters\.0\.zipfAlpha/s,
    );
  });

  test.each([
    ['cluster15', [20_000]],
    ['cluster20', [20_000]],
    ['cluster22', [20_000, 1_000, 1_000]],
  ])('gives %s TTLs from 1 to 20 s for a minute', (name, ttlsMs) => {
    const [cluster] = chooseClusters(loadWorkload(WORKLOADS), name);
    const plan = planOf(cluster!, { seconds: 60, expectedRate: 1_000, minTtlMs: 100 });
    expect(plan.ttlsMs.map((row) => row.item)).toEqual(ttlsMs);
  });

  test('keeps to a given time scale, but never below what the namespace allows', () => {
    const [cluster] = chooseClusters(loadWorkload(WORKLOADS), 'cluster22');
    const plan = planOf(cluster!, { seconds: 60, expectedRate: 1_000, minTtlMs: 500, timeScale: 10_000 });
    expect(plan.ttlsMs.map((row) => row.item)).toEqual([8_640, 500, 500]);
  });

  test('is drawn from in the published shares, the same for the same seed', () => {
    const [cluster] = chooseClusters(loadWorkload(WORKLOADS), 'cluster22');
    const plan = planOf(cluster!, { seconds: 60, expectedRate: 1_000, minTtlMs: 100 });
    const first = drawSource(plan, seededRandom(3));
    const second = drawSource(plan, seededRandom(3));
    const counts: Record<string, number> = {};
    for (let index = 0; index < 20_000; index += 1) {
      const draw = first(undefined);
      expect(second(undefined)).toEqual(draw);
      counts[draw.operation] = (counts[draw.operation] ?? 0) + 1;
    }
    // Five standard deviations of a binomial count are 320.
    expect(Math.abs(counts['get']! - 14_400)).toBeLessThan(320);
    expect(Math.abs(counts['incr']! - 3_600)).toBeLessThan(320);
    expect(Math.abs(counts['set']! - 2_000)).toBeLessThan(320);
  });
});

describe('keys and values', () => {
  test('names have the length asked for and lead back to their rank, those of other runs do not', () => {
    const names = keyNames(18, 1_000_000, seededRandom(1));
    const others = keyNames(18, 1_000_000, seededRandom(2));
    for (const rank of [1, 35, 36, 999_999, 1_000_000]) {
      expect(names.nameOf(rank)).toHaveLength(18);
      expect(names.rankOf(names.nameOf(rank))).toBe(rank);
      expect(others.rankOf(names.nameOf(rank))).toBeUndefined();
    }
    expect(() => keyNames(3, 1_000_000, seededRandom(1))).toThrow(RangeError);
  });

  test('values have the length asked for, differ from write to write and use every byte', () => {
    const values = opaqueValues(100, seededRandom(1));
    const rendered = Array.from({ length: 1_000 }, (_, write) => values.render(values.contentFor(write)));
    expect(new Set(rendered.map((value) => value.length))).toEqual(new Set([100]));
    expect(new Set(rendered).size).toBe(1_000);
    expect(new Set(rendered.join('')).size).toBe(256);
  });

  test('values of rows that count are integers of that many digits', () => {
    const values = integerValues(4);
    expect([0, 1, 8_999, 9_000].map((write) => values.render(values.contentFor(write)))).toEqual([
      '1000',
      '1001',
      '9999',
      '1000',
    ]);
  });
});

test('a histogram is within three per cent at every percentile, and exact at the maximum', () => {
  const histogram = new Histogram();
  for (let value = 1; value <= 10_000; value += 1) histogram.record(value / 100);
  for (const fraction of [0.01, 0.5, 0.9, 0.99, 0.999]) {
    expect(Math.abs(histogram.percentile(fraction) / (fraction * 100) - 1)).toBeLessThan(0.032);
  }
  expect([histogram.percentile(1), histogram.max, histogram.count]).toEqual([100, 100, 10_000]);
  const both = new Histogram();
  both.add(histogram);
  both.record(500);
  expect([both.count, both.max, new Histogram().percentile(0.5)]).toEqual([10_001, 500, 0]);
});

const STREAM = Buffer.from(
  'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 3\r\n\r\nabc' +
    'HTTP/1.1 204 No Content\r\neTaG: "b"\r\n\r\n' +
    'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n2\r\n\r\n\r\n0\r\n\r\n',
  'latin1',
);

describe('responses', () => {
  test('are read wherever the stream is cut', () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const parser = new ResponseParser();
      const seen = [...parser.push(STREAM.subarray(0, cut)), ...parser.push(STREAM.subarray(cut))];
      expect(seen.map((each) => [each.status, header(each.head, 'etag'), each.body])).toEqual([
        [200, '"a"', 'abc'],
        [204, '"b"', ''],
        [404, undefined, 'wiki\r\n'],
      ]);
    }
  });

  test('that are not HTTP are an error', () => {
    expect(() => new ResponseParser().push(Buffer.from('SSH-2.0-x\r\n\r\n'))).toThrow(/begins "SSH-2.0-x/);
    expect(() => new ResponseParser().push(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow(/neither its length/);
  });
});

describe('the client', () => {
  async function exchange(serve: (socket: Socket, requests: string) => void, wanted: number) {
    const server = createServer((socket) => socket.on('data', (bytes) => serve(socket, bytes.toString())));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const replies: [number, Response | 'lost'][] = [];
    let asked = 0;
    const client = new HttpClient({
      address: { kind: 'tcp', host: '127.0.0.1', port },
      connections: 1,
      pipeline: 3,
      timeoutMs: 10_000,
      next: (): Exchange | undefined => {
        if (asked === wanted) return undefined;
        const index = asked++;
        return {
          text: `GET /${index} HTTP/1.1\r\n\r\n`,
          sentAt: performance.now(),
          onReply: (response) => replies.push([index, response]),
          onLost: () => replies.push([index, 'lost']),
        };
      },
    });
    client.start();
    while (replies.length < wanted) await new Promise((resolve) => setImmediate(resolve));
    client.close();
    await new Promise((resolve) => server.close(resolve));
    return { replies, reconnects: client.reconnects };
  }

  test('pipelines no more than it may, and gives each reply to its request', async () => {
    let most = 0;
    const { replies } = await exchange((socket, text) => {
      const paths = [...text.matchAll(/GET (\S+)/g)].map((match) => match[1]!);
      most = Math.max(most, paths.length);
      for (const path of paths) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    }, 10);
    expect(most).toBe(3);
    expect(replies.map(([index, reply]) => [index, (reply as Response).body])).toEqual(
      Array.from({ length: 10 }, (_, index) => [index, `/${index}`]),
    );
  });

  test('gives up the requests of a broken connection and opens another', async () => {
    let broken = false;
    const { replies, reconnects } = await exchange((socket, text) => {
      if (!broken) {
        broken = true;
        socket.destroy();
        return;
      }
      for (const _ of text.matchAll(/GET/g)) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    }, 5);
    expect(replies.filter(([, reply]) => reply === 'lost').map(([index]) => index)).toEqual([0, 1, 2]);
    expect([replies.length, reconnects]).toEqual([5, 1]);
  });

  test('takes TCP and Unix addresses', () => {
    expect(parseAddress('http://127.0.0.1:7117')).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 7117 });
    expect(hostOf(parseAddress('http://[::1]:7117'))).toBe('[::1]:7117');
    expect(parseAddress('unix:/run/x')).toEqual({ kind: 'unix', path: '/run/x' });
    expect(() => parseAddress('https://x')).toThrow(/http:/);
  });
});
