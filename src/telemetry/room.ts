/**
 * What telemetry holds at most, where it is on: above all what waits for a collector that is away.
 * Costs are measured with queues that are full of the largest there are (`test/telemetry/room.test.ts`).
 */
import { REMEMBERED_MAX } from '../tracing/lease-story.ts';
import { LINKS_MAX } from '../tracing/tracing.ts';
import { isAnyOn, type Queue, type TelemetrySettings } from './settings.ts';

/** The SDK with its exporters, and a copy of all metrics while they are sent. */
const SDK_BYTES = 20 * 1024 ** 2;
/** A span of a request with everything that can be said of it, a `tracestate` among it. */
const SPAN_BYTES = 5 * 1024;
/** With its two identifiers, and as it is written when it is sent. */
const LINK_BYTES = 384;
/** A fault with its message, its frames and its detail (`log/exception-fields.ts`). */
const LOG_RECORD_BYTES = 7 * 1024;
/** The longest name of a lease, a context, and their place in a map. */
const STORY_BYTES = 512;
/** Renewals and endings (`tracing/lease-story.ts`). */
const STORIES = 2 * REMEMBERED_MAX;

export type TelemetryLine = readonly [what: string, count: number, bytesEach: number];

/** What, how many, and what each costs; nothing of what is off. */
export function telemetryLines(settings: TelemetrySettings | undefined): readonly TelemetryLine[] {
  const traces = settings?.traces === undefined ? undefined : settings.queues.spans;
  const logs = settings?.logs === true ? settings.queues.logRecords : undefined;
  const links = Math.min(LINKS_MAX, settings?.queues.linksPerSpan ?? 0);
  return [
    ['telemetry itself', settings !== undefined && isAnyOn(settings) ? 1 : 0, SDK_BYTES],
    ['spans for the collector', held(traces), SPAN_BYTES + links * LINK_BYTES],
    ['log lines for the collector', held(logs), LOG_RECORD_BYTES],
    ['leases that spans are linked by', traces === undefined ? 0 : STORIES, STORY_BYTES],
  ];
}

/** What waits, and the batch that is on its way. */
function held(queue: Queue | undefined): number {
  return queue === undefined ? 0 : queue.size + Math.min(queue.batch, queue.size);
}
