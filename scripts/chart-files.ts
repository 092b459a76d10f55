/**
 * What the Helm chart has from the source: the part of its schema that judges `config`, what the worst
 * case of memory is made of, and the table of its values. `npm run docs` writes them, and a test
 * compares them with what is checked in.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';
import * as z from 'zod';
import { ledgerRoom, type MemoryLine, worstCase } from '../src/config/derive.ts';
import { loadConfig } from '../src/config/load.ts';
import { messageBytes, outboxRoom } from '../src/config/outbox-room.ts';
import { POOL_BYTES_MAX, POOL_ROWS_MAX } from '../src/config/process-options.ts';
import { fileSchema } from '../src/config/schema.ts';
import { SLOT_COSTS } from '../src/core/costs.ts';
import { type TelemetryLine, telemetryLines } from '../src/telemetry/room.ts';
import { telemetrySettings } from '../src/telemetry/settings.ts';
import { LINKS_MAX } from '../src/tracing/tracing.ts';

const CHART = join(import.meta.dirname, '../helm/leasehold');

/* ---- the schema -------------------------------------------------------------------------- */

/** Options that are values of the chart, or follow from where it mounts things: refused in `config`. */
const OWNED = [
  'listen', 'name', 'dataDir', 'memoryLimitBytes', 'drainMs', 'logLevel', 'tokensFile',
  'ledger.url', 'ledger.passwordFile', 'ledger.tls.caFile', 'ledger.tls.certFile', 'ledger.tls.keyFile',
  'bus.url', 'bus.passwordFile', 'bus.tokenFile', 'bus.credentialsFile', 'bus.nkeyFile',
  'bus.tls.caFile', 'bus.tls.certFile', 'bus.tls.keyFile',
];

type Schema = Record<string, unknown>;

/**
 * `values.schema.json`: written by hand, but for `config`, which is what the sidecar's file may hold,
 * and for what is required: every value there is, as helm takes the default away where somebody says null.
 */
export function chartSchema(): string {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as {
    properties: Schema;
    definitions: Record<string, Schema>;
  };
  const { $schema: _, ...file } = z.toJSONSchema(fileSchema, {
    target: 'draft-7', io: 'input', unrepresentable: 'any',
  }) as Schema;
  for (const path of OWNED) removeOption(file, path.split('.'));
  schema.properties['config'] = {
    description: 'The file of the sidecar (docs/configuration.md), but for what has a value of its own.',
    ...(forHelm(file) as Schema),
  };
  requireAll(schema, standardValues(), schema.definitions);
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function requireAll(schema: Schema, values: Readonly<Record<string, unknown>>, definitions: Record<string, Schema>): void {
  if (Object.keys(values).length === 0) return;
  schema['required'] = Object.keys(values);
  for (const [key, value] of Object.entries(values)) {
    if (key === 'config' || typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    const given = (schema['properties'] as Record<string, Schema>)[key]!;
    const reference = given['$ref'] as string | undefined;
    const group = reference === undefined ? given : definitions[reference.split('/').at(-1)!]!;
    requireAll(group, value as Record<string, unknown>, definitions);
  }
}

function removeOption(schema: Schema, [key, ...rest]: readonly string[]): void {
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  if (rest.length === 0) delete properties[key!];
  else if (properties[key!] !== undefined) removeOption(properties[key!]!, rest);
}

const SIZE = '^[0-9]+(\\.[0-9]+)?\\s*([KkMmGgTt][Ii])?[Bb]?$';

/** Without defaults, which are the sidecar's to give, and with what the expressions of Go can say. */
function forHelm(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forHelm);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { default: _, ...kept } = schema as Schema;
  const { anyOf, pattern, description } = kept;
  if (Array.isArray(anyOf) && anyOf.some((one: Schema) => one['type'] === 'integer')) {
    return { description, type: ['integer', 'string'], minimum: 0, pattern: SIZE };
  }
  // Looking ahead, and counting beyond a thousand, are unknown to them; the sidecar checks the rest.
  if (typeof pattern === 'string' && /\(\?=|,\d{4,}\}/.test(pattern)) delete kept['pattern'];
  return Object.fromEntries(Object.entries(kept).map(([key, value]) => [key, forHelm(value)]));
}

/* ---- the worst case of memory ------------------------------------------------------------ */

/** Lines of `worstCase` that the chart counts itself; their number follows from the configuration. */
const COUNTED = new Set([
  'entries', 'leases, live and remembered', 'bytes of keys and values', 'copies of others’ entries',
  'what the ledger knows of entries', 'bytes of copies', 'rounding of cells', 'tombstones',
  'details of remembered leases', 'remembered replies', 'feed', 'index of the feed',
  'request bodies in flight', 'connections', 'watchers', 'requests to the ledger',
  'keys asked of the ledger', 'writes waiting for the ledger', 'endings for the bus',
  'index of those endings', 'index of those events', 'acknowledged endings, kept',
  'values in those messages', 'refusals held back', 'callers counted',
]);
/** Lines whose cost follows from the configuration too; the template works it out. */
const WORKED_OUT = new Set([
  'other events for the bus', 'messages on their way to the bus', 'entries being rebuilt',
]);

function linesWith(environment: Readonly<Record<string, string>>): readonly MemoryLine[] {
  const machine = { hostName: 'chart', memoryBytes: 2 ** 40, groupMemoryBytes: undefined };
  return worstCase(loadConfig({ environment, costs: SLOT_COSTS, machine }), SLOT_COSTS).lines;
}

/** What `src/telemetry/room.ts` adds where telemetry is on. */
function telemetryCosts(): object {
  const settings = telemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector' })!;
  const withLinks = (linksPerSpan: number) =>
    telemetryLines({ ...settings, queues: { ...settings.queues, linksPerSpan } });
  const [[, , itself], [, , spanBytes], [, , logRecordBytes], [, stories, storyBytes]] = withLinks(0) as [
    TelemetryLine, TelemetryLine, TelemetryLine, TelemetryLine,
  ];
  return {
    fixedBytes: itself + stories * storyBytes,
    spanBytes,
    linkBytes: withLinks(1)[1]![2] - spanBytes,
    logRecordBytes,
    linksMax: LINKS_MAX,
    queue: settings.queues.spans,
  };
}

/** `templates/_costs.tpl`: what each line costs, what does not depend on anything, and the defaults. */
export function chartCosts(): string {
  const bare = linesWith({ LEASEHOLD_MEMORY_LIMIT_MB: '100000' });
  const whole = linesWith({
    LEASEHOLD_MEMORY_LIMIT_MB: '100000',
    LEASEHOLD_LEDGER_URL: 'redis://ledger',
    LEASEHOLD_BUS_URL: 'nats://bus',
  });
  const fixed = (lines: readonly MemoryLine[]) =>
    lines
      .filter(({ what }) => !COUNTED.has(what) && !WORKED_OUT.has(what))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  const defaults = fileSchema.parse({ namespaces: { default: {} } });
  const { limits, ledger, bus, admission, callerQuota } = defaults;
  const { capacity, mirror, events, reconstitute } = defaults.namespaces['default']!;
  const empty = ledgerRoom({ entries: 1, bytes: 1 }, [], {});
  const million = outboxRoom({ entries: 1_000_000, leases: 0 }, limits.outbox);
  const eventsWithout = whole.find(({ what }) => what === 'other events for the bus')!.bytesEach;
  const costs = {
    each: Object.fromEntries(
      whole.filter(({ what }) => COUNTED.has(what)).map(({ what, bytesEach }) => [what, bytesEach]),
    ),
    fixedBytes: fixed(bare),
    fixedBusBytes: fixed(whole) - fixed(bare),
    copiesMin: empty.copies,
    tombstonesMin: empty.tombstones,
    poolRowsMax: POOL_ROWS_MAX,
    poolBytesMax: POOL_BYTES_MAX,
    endingsPerLive: million.endings / 1_000_000,
    endingBytes: million.endingBytes / million.endings,
    telemetry: telemetryCosts(),
    eventBytesWithout: eventsWithout,
    eventBytesWithValues: 2,
    messageBytes: messageBytes({ keyBytes: 0 }),
    messageBytesPerKeyByte: messageBytes({ keyBytes: 1 }) - messageBytes({ keyBytes: 0 }),
    defaults: {
      limits,
      ledger: {
        requestsInFlight: ledger.requestsInFlight,
        readThroughs: ledger.readThroughs,
        waiters: ledger.waiters,
      },
      bus: { window: bus.window },
      admission: { heldRefusals: admission.heldRefusals },
      callerQuota: { callers: callerQuota.callers },
      namespace: {
        capacity,
        mirror,
        events: { values: events.values },
        reconstitute: { concurrency: reconstitute.concurrency },
      },
    },
  };
  return [
    '{{- /* Written by `npm run docs` from src/config: what _memory.tpl reckons with. */ -}}',
    '{{- define "leasehold.costs" -}}',
    JSON.stringify(costs, null, 2),
    '{{- end -}}',
    '',
  ].join('\n');
}

/* ---- the values as a table --------------------------------------------------------------- */

interface ValueRow {
  readonly path: string;
  readonly standard: string;
  readonly meaning: string;
}

function text(comment: string | null | undefined): string {
  // The last block is the value's own; those before it are headings.
  const block = (comment ?? '').split(/\n\s*\n/).at(-1) ?? '';
  const lines = block.split('\n').filter((line) => !/^\s*----/.test(line));
  return lines.map((line) => line.trim()).join(' ').trim();
}

function* rowsOf(map: YAMLMap, path: readonly string[]): Generator<ValueRow> {
  for (const [index, { key, value }] of map.items.entries()) {
    if (!isScalar(key)) continue;
    const here = [...path, String(key.value)];
    // The comment before the first key of a group is, to the parser, one before the group.
    const meaning = text(key.commentBefore ?? (index === 0 ? map.commentBefore : undefined));
    if (isMap(value) && value.items.length > 0 && here[0] !== 'config') {
      if (meaning !== '') yield { path: here.join('.'), standard: '', meaning };
      yield* rowsOf(value, here);
    } else {
      const json = isMap(value) || isSeq(value) ? value.toJSON() : (value as { value: unknown }).value;
      const standard = json === '' ? '' : JSON.stringify(json);
      yield { path: here.join('.'), standard, meaning };
    }
  }
}

function standardValues(): Readonly<Record<string, unknown>> {
  return parseDocument(readFileSync(join(CHART, 'values.yaml'), 'utf8')).toJS();
}

/** Every value of `values.yaml` with its default and its comment. */
export function valueRows(): readonly ValueRow[] {
  const document = parseDocument(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
  return [...rowsOf(document.contents as YAMLMap, [])];
}

/** `helm/leasehold/README.md`. */
export function chartReadme(): string {
  const cell = (written: string) => written.replaceAll('|', '\\|');
  return [
    '# The chart',
    '',
    '<!-- Written by `npm run docs` from values.yaml. Change it there. -->',
    '',
    'Leasehold beside your service, or once per node. The guide, with a whole pod and what a rolling',
    'update costs, is [docs/kubernetes.md](../../docs/kubernetes.md); a service that includes the',
    'sidecar is in [examples/kubernetes/worker](../../examples/kubernetes/worker); what the values make',
    'is to be seen in [examples](examples). [UPGRADING.md](UPGRADING.md) says what a new version asks of',
    'you.',
    '',
    '## Values',
    '',
    'An empty cell is an empty text. The schema refuses what is not listed here.',
    '',
    '| value | default | meaning |',
    '|---|---|---|',
    ...valueRows().map(({ path, standard, meaning }) => {
      const shown = standard === '' ? '' : `\`${cell(standard)}\``;
      return `| \`${path}\` | ${shown} | ${cell(meaning)} |`;
    }),
    '',
  ].join('\n');
}
