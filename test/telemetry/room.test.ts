/** What telemetry holds while its collector is away, against what is reckoned for it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { telemetryLines } from '../../src/telemetry/room.ts';
import { telemetrySettings } from '../../src/telemetry/settings.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

interface Held {
  readonly spans: number;
  readonly lines: number;
  readonly stories: number;
}

async function held(links: 'links' | 'no-links'): Promise<Held> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc', 'test/telemetry/full-queues.ts', links,
  ]);
  return JSON.parse(stdout);
}

function reckoned(variables: Record<string, string> = {}): Held & { readonly sdk: number } {
  const settings = telemetrySettings({ ...ENDPOINT, ...variables });
  const [sdk, spans, lines, stories] = telemetryLines(settings).map(([, count, each]) => count * each);
  return { sdk: sdk!, spans: spans!, lines: lines!, stories: stories! };
}

test('queues full of the largest there are hold no more than is reckoned for them', async () => {
  const [linked, plain] = await Promise.all([held('links'), held('no-links')]);
  const bounds = reckoned();
  expect(linked.spans).toBeLessThan(bounds.spans);
  expect(plain.spans).toBeLessThan(reckoned({ OTEL_SPAN_LINK_COUNT_LIMIT: '1' }).spans);
  for (const { lines, stories } of [linked, plain]) {
    expect(lines).toBeLessThan(bounds.lines);
    expect(stories).toBeLessThan(bounds.stories);
  }
  // They were full: it is not for nothing that so much is set aside.
  expect(linked.spans).toBeGreaterThan(bounds.spans / 2);
  expect(plain.lines).toBeGreaterThan(bounds.lines / 3);
}, 60_000);

test('a signal that is off costs nothing', () => {
  expect(telemetryLines(undefined).every(([, count]) => count === 0)).toBe(true);
  expect(reckoned({ OTEL_TRACES_EXPORTER: 'none' })).toMatchObject({ spans: 0, stories: 0 });
  expect(reckoned({ OTEL_LOGS_EXPORTER: 'none' })).toMatchObject({ lines: 0 });
});

test('smaller queues cost less', () => {
  const { spans } = reckoned();
  expect(reckoned({ OTEL_BSP_MAX_QUEUE_SIZE: '512' }).spans).toBe(spans * (512 + 512) / (2048 + 512));
  expect(reckoned({ OTEL_SPAN_LINK_COUNT_LIMIT: '16' }).spans).toBeLessThan(spans / 4);
});
