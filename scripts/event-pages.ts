/** What is generated from the table of event types: the AsyncAPI document and the reference page. */
import { asyncApi } from '../src/events/asyncapi.ts';
import { COMMON, type Members } from '../src/events/event-members.ts';
import {
  EVENT_NAMES, EVENT_TYPES, type EventName, isEnding, isOfProcess, RESERVED_NAMES, streamOf,
} from '../src/events/event-types.ts';
import { NO_NAMESPACE, STREAM_SUBJECTS, subjectOf } from '../src/events/subject.ts';

/** `docs/asyncapi.json`. */
export function asyncApiFile(): string {
  return `${JSON.stringify(asyncApi(), undefined, 2)}\n`;
}

const code = (text: string) => `\`${text}\``;
const cell = (text: string) => text.replaceAll('|', '\\|');

const ATTRIBUTES: Readonly<Record<string, string>> = {
  id: '`<actor>:<stream>:<sequence>`: the same however often it is sent; `Nats-Msg-Id` too',
  source: '`/leasehold/<name>/<actor>`: one run of one sidecar',
  type: '`leasehold.<noun>.<verb>.v1`',
  subject:
    'the lease id; `<namespace>/<key>`, or its SHA-256 where the namespace is sensitive; the ' +
    'namespace, the replica or the source where the event is about that',
  time: 'when it happened',
  sequence: '16 digits, contiguous from 1 for each source and stream: a jump is a gap',
  partitionkey:
    '`<namespace>:<hash>`, the hash being MurmurHash3 (x86, 32 bits, seed 0, 8 hexadecimal digits) ' +
    'of the key, or of what else it is about: the same for all events of a key, at every sidecar',
  traceparent:
    'of the request that granted it, where it had one; the header of that name has that of the ' +
    'request that caused it',
};

function subjectPattern(name: EventName): string {
  const namespace = isOfProcess(name) ? NO_NAMESPACE : '<namespace>';
  return subjectOf(name, namespace, isEnding(name) ? '<reason>' : undefined);
}

/** How a JSON Schema fragment reads in a table. */
function kindOf(schema: Readonly<Record<string, unknown>>): string {
  const { enum: values } = schema;
  if (Array.isArray(values)) return values.map((value) => code(String(value))).join(', ');
  if (schema['format'] === 'date-time') return 'instant, RFC 3339 UTC';
  if (schema['contentEncoding'] === 'base64') return 'base64';
  return schema['type'] === 'integer' ? 'whole number' : String(schema['type']);
}

function memberRows(members: Members): string[] {
  return [
    '| member of `data` | is | meaning |',
    '|---|---|---|',
    ...Object.entries(members).map(([name, { schema, meaning, optional }]) => {
      const shown = optional === true ? `${code(name)}?` : code(name);
      return `| ${shown} | ${kindOf(schema)} | ${cell(meaning)} |`;
    }),
    '',
  ];
}

function section(name: EventName): string[] {
  const { meaning, told, data, reasons } = EVENT_TYPES[name];
  return [
    `## ${code(name)}`,
    '',
    `${meaning} Told ${told}.`,
    '',
    `Type ${code(`leasehold.${name}.v1`)}, subject ${code(subjectPattern(name))}, ` +
      `stream of ${streamOf(name)}.`,
    '',
    ...(reasons === undefined
      ? []
      : [
          '| `data.reason` | when |',
          '|---|---|',
          ...Object.entries(reasons).map(([reason, when]) => `| ${code(reason)} | ${when} |`),
          '',
        ]),
    ...memberRows(data),
  ];
}

/** `docs/event-reference.md`. */
export function eventReferencePage(): string {
  return [
    '# Events, one by one',
    '',
    '<!-- Written by `npm run docs` from src/events. Change it there. -->',
    '',
    'Every event is a CloudEvent 1.0 with `application/json` data. `asyncapi.json` beside this page',
    'says the same for machines. Members with a question mark are left out where there is nothing to',
    'tell.',
    '',
    '| attribute | holds |',
    '|---|---|',
    ...Object.entries(ATTRIBUTES).map(([name, holds]) => `| ${code(name)} | ${holds} |`),
    '',
    'Characters that may not stand in an attribute (controls and what is no character) are',
    'percent-encoded in `subject`; `data.key` has the key as it is. In binary mode each attribute is',
    'a header `ce-<attribute>`, percent-encoded as the CloudEvents binding for NATS says, and the',
    'body is `data`.',
    '',
    `Endings are the subjects ${STREAM_SUBJECTS.endings.map(code).join(', ')}. Where there is no`,
    `namespace, ${code(NO_NAMESPACE)} stands for it.`,
    `${RESERVED_NAMES.map(code).join(', ')}`,
    'are taken for claims, which a later version has: nothing tells them yet.',
    '',
    'The data of every event has these members, and those of its own:',
    '',
    ...memberRows(COMMON),
    ...EVENT_NAMES.flatMap(section),
  ].join('\n');
}
