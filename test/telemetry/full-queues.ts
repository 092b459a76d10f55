/**
 * A process whose queues are full of the largest there are, with a collector that takes a request
 * and never answers. Prints, as JSON, the bytes that each part has come to hold.
 *
 *     node --expose-gc test/telemetry/full-queues.ts links|no-links
 */
import { createServer } from 'node:net';
import type { LogFields } from '../../src/log/fields.ts';
import { RootLog } from '../../src/log/root-log.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { startSdk } from '../../src/telemetry/otel/sdk.ts';
import { telemetrySettings } from '../../src/telemetry/settings.ts';
import { leaseStory } from '../../src/tracing/lease-story.ts';
import { ATTRIBUTES } from '../../src/tracing/names.ts';
import type { SpanLink } from '../../src/tracing/tracing.ts';

/** More than the queues take, with what is on its way. */
const SPANS = 3000;
const LINES = 3000;
const LEASES = 10_001;

const silent = createServer((socket) => socket.resume());
await new Promise<void>((resolve) => {
  silent.listen(0, '127.0.0.1', resolve);
});
const { port } = silent.address() as { readonly port: number };
process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${port}`;
process.env['OTEL_BLRP_SCHEDULE_DELAY'] = '1';

const log = new RootLog(() => {}, () => true, systemMachine);
const identity = { actor: '0123456789abcdef', name: 'full', version: '1' };
const telemetry = startSdk({ identity }, telemetrySettings(process.env)!, log);
const tracing = telemetry.tracing!;
const withLinks = process.argv[2] === 'links';

let made = 0;
const spans = await growthOf(SPANS, () => {
  const span = tracing.start('POST /v1/leases/{id}/renew', {
    kind: 'server',
    parent: context(),
    parentState: Array.from({ length: 32 }, (_, member) => `k${member + 10}=${unique(11)}`).join(','),
    ...(withLinks ? { links: Array.from({ length: 128 }, link) } : {}),
    attributes: {
      [ATTRIBUTES.requestMethod]: 'POST', [ATTRIBUTES.urlScheme]: 'http',
      [ATTRIBUTES.route]: '/v1/leases/{id}/renew', [ATTRIBUTES.namespace]: unique(63),
    },
  });
  span.set({ [ATTRIBUTES.namespace]: unique(63), [ATTRIBUTES.lease]: unique(128) });
  span.set({ [ATTRIBUTES.statusCode]: 503, [ATTRIBUTES.refusal]: 'under-pressure' });
  span.fail('under-pressure');
  span.end();
});

const lines = await growthOf(LINES, () => {
  const fields: LogFields = {
    trace_id: unique(32), span_id: unique(16), 'http.route': unique(60),
    'exception.type': 'TypeError', 'exception.message': unique(500),
    'exception.stacktrace': Array.from({ length: 20 }, () => unique(160)).join('\n'),
    detail: unique(500),
  };
  // A name of its own, so that it is not held back as a repeat.
  log.warn({ ...fields, file: unique(60) }, 'Cannot answer a request');
});

const story = leaseStory(tracing, () => false);
const stories = await growthOf(LEASES, () => {
  // As it comes from a router, cut from a URL.
  const url = Buffer.from(`/v1/leases/${unique(128)}/renew?${unique(4000)}`).toString('latin1');
  const { trace } = tracing.start('renewal', { parent: context() });
  // It was a parent itself.
  tracing.start('commit', { parent: trace });
  story.renewed.set(url.slice(11, 139), trace);
  story.ended.set(url.slice(11, 139), tracing.start('ending', { parent: trace }).trace);
});

// Named once more, or they would be gone by the time they are weighed.
const parts = [telemetry, story];
process.stdout.write(`${JSON.stringify({ spans, lines, stories, parts: parts.length })}\n`);
process.exit(0);

/** The bytes that are held after `count` more than before. */
async function growthOf(count: number, make: () => void): Promise<number> {
  const before = heldBytes();
  for (let index = 0; index < count; index++) {
    make();
    // So that a batch can be on its way.
    if (index % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  return heldBytes() - before;
}

function heldBytes(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Flat text that nothing else shares. */
function unique(length: number): string {
  made += 1;
  return Buffer.from(String(made).padStart(length, 'x')).toString('latin1');
}

function context(): Uint8Array {
  made += 1;
  const trace = new Uint8Array(25).fill(1);
  for (let index = 0; index < 4; index++) trace[index] = trace[index + 16] = made >>> (8 * index);
  return trace;
}

function link(): SpanLink {
  return { trace: context(), kind: 'granted' };
}
