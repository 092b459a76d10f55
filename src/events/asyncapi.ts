/**
 * The AsyncAPI 3.0 document of what is told on the bus, generated from the table of event types. A
 * channel per type, and two messages in each: one as structured mode has it, one as binary mode.
 * Unknown members are refused, so that the document and the events can be compared both ways.
 * Schemas are JSON Schema, draft 07, as AsyncAPI has them where no other format is named.
 */
import { NAMESPACE_NAME } from '../core/namespaces.ts';
import type { Members } from './event-members.ts';
import {
  EVENT_NAMES, EVENT_TYPES, type EventName, type EventType, eventTypeOf, isEnding, isOfProcess,
  membersOf, streamOf,
} from './event-types.ts';
import { STRUCTURED_TYPE } from './message.ts';
import { NO_NAMESPACE, subjectOf } from './subject.ts';

type Json = Readonly<Record<string, unknown>>;

const DATA_TYPE = 'application/json';
const TRACEPARENT = {
  type: 'string',
  pattern: '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$',
};

/** Attributes that look alike in every event; `type` differs. */
const ATTRIBUTES: Readonly<Record<string, Json>> = {
  specversion: { const: '1.0' },
  id: {
    description: '`<actor>:<stream>:<sequence>`; the message id on the bus too.',
    type: 'string',
    pattern: '^[0-9a-f]{16}:(endings|events):[1-9][0-9]{0,15}$',
  },
  source: {
    description: '`/leasehold/<name>/<actor>`: the run that tells it. Sequences count in it.',
    type: 'string',
    pattern: '^/leasehold/[^/]+/[0-9a-f]{16}$',
  },
  subject: {
    description:
      'The lease id; of entries `<namespace>/<key>`, with percent-encoding for characters that may ' +
      'not stand in an attribute, or a hash where the namespace is sensitive; else what it is about.',
    type: 'string',
    minLength: 1,
  },
  time: { description: 'When it happened.', type: 'string', format: 'date-time' },
  datacontenttype: { const: DATA_TYPE },
  sequence: {
    description: 'Contiguous for each source and stream, from 1; orders as text.',
    type: 'string',
    pattern: '^[0-9]{16}$',
  },
  partitionkey: {
    description: '`<namespace>:<hash>`: the same for all events of a key, at every sidecar.',
    type: 'string',
    pattern: '^[a-z0-9_-]+:[0-9a-f]{8}$',
  },
  traceparent: {
    ...TRACEPARENT,
    description: 'The trace of the request that granted it (distributed tracing extension).',
  },
};
const OPTIONAL_ATTRIBUTES = ['traceparent'];

/** Of these, headers hold another text: percent-encoded once more. */
const ENCODED_ATTRIBUTES: Readonly<Record<string, Json>> = {
  source: { type: 'string', pattern: '^/leasehold/[^/ "]+/[0-9a-f]{16}$' },
  subject: { type: 'string', pattern: '^[!#-~]+$' },
};

const TRANSPORT_HEADERS: Json = {
  'Nats-Msg-Id': { description: 'The id, with JetStream: repeats are known by it.', type: 'string' },
  traceparent: { ...TRACEPARENT, description: 'The parent of what a consumer does: the span that publishes it, or the request that caused it.' },
};

function closed(properties: Json, optional: readonly string[], more: Json = {}): Json {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false, ...more };
}

function referenceTo(kind: string, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` };
}

function dataSchema(name: EventName): Json {
  const members: Members = membersOf(name);
  const entries = Object.entries(members);
  const properties = Object.fromEntries(
    entries.map(([member, { schema, meaning }]) => [member, { ...schema, description: meaning }]),
  );
  const optional = entries.filter((entry) => entry[1].optional === true).map(([member]) => member);
  return closed(properties, optional, {
    ...('keyHash' in members ? { oneOf: [{ required: ['key'] }, { required: ['keyHash'] }] } : {}),
    ...('valueHash' in members ? { not: { required: ['value', 'valueHash'] } } : {}),
  });
}

/** Every attribute but `data`. */
function attributesOf(name: EventName): Json {
  const shared = Object.keys(ATTRIBUTES).map((attribute) => [
    attribute, referenceTo('schemas', attribute),
  ]);
  return { type: { const: eventTypeOf(name) }, ...Object.fromEntries(shared) };
}

function structuredMessage(name: EventName, { meaning }: EventType): Json {
  return {
    name: eventTypeOf(name),
    title: name,
    summary: meaning,
    contentType: STRUCTURED_TYPE,
    headers: headersOf({ 'Content-Type': { const: STRUCTURED_TYPE } }, []),
    payload: closed(
      { ...attributesOf(name), data: referenceTo('schemas', `${name}.data`) },
      OPTIONAL_ATTRIBUTES,
    ),
  };
}

function binaryMessage(name: EventName, { meaning }: EventType): Json {
  const attributes = { ...attributesOf(name), ...ENCODED_ATTRIBUTES };
  return {
    name: `${eventTypeOf(name)} (binary)`,
    title: `${name}, in binary mode`,
    summary: meaning,
    contentType: DATA_TYPE,
    headers: headersOf(prefixed('ce-', attributes), OPTIONAL_ATTRIBUTES.map((one) => `ce-${one}`)),
    payload: referenceTo('schemas', `${name}.data`),
  };
}

function headersOf(own: Json, optional: readonly string[]): Json {
  return closed({ ...own, ...TRANSPORT_HEADERS }, [...optional, ...Object.keys(TRANSPORT_HEADERS)]);
}

function channelOf(name: EventName, { meaning, told, reasons }: EventType): Json {
  const namespace = isOfProcess(name) ? NO_NAMESPACE : '{namespace}';
  return {
    address: subjectOf(name, namespace, isEnding(name) ? '{reason}' : undefined),
    title: name,
    description: `${meaning} Told ${told}. Stream: ${streamOf(name)}.`,
    messages: {
      structured: referenceTo('messages', name),
      binary: referenceTo('messages', `${name}.binary`),
    },
    parameters: {
      ...(reasons === undefined
        ? {}
        : { reason: { description: 'Why it ended.', enum: Object.keys(reasons) } }),
      ...(isOfProcess(name) ? {} : { namespace: referenceTo('parameters', 'namespace') }),
    },
  };
}

function operationOf(name: EventName, { meaning }: EventType): Json {
  return {
    action: 'send',
    channel: { $ref: `#/channels/${name}` },
    summary: meaning,
    messages: ['structured', 'binary'].map((mode) => ({
      $ref: `#/channels/${name}/messages/${mode}`,
    })),
  };
}

function perEvent(make: (name: EventName, type: EventType) => Json): Json {
  return Object.fromEntries(EVENT_NAMES.map((name) => [name, make(name, EVENT_TYPES[name])]));
}

function prefixed(prefix: string, document: Json): Json {
  return Object.fromEntries(
    Object.entries(document).map(([name, value]) => [`${prefix}${name}`, value]),
  );
}

function suffixed(document: Json, suffix: string): Json {
  return Object.fromEntries(
    Object.entries(document).map(([name, value]) => [`${name}${suffix}`, value]),
  );
}

export function asyncApi(): Json {
  return {
    asyncapi: '3.0.0',
    id: 'urn:leasehold:events:v1',
    info: {
      title: 'Leasehold events',
      version: '1',
      description:
        'The life of leases and entries, as CloudEvents 1.0 on NATS. A sidecar sends in structured ' +
        'or in binary mode, as it is configured. With JetStream, `Nats-Msg-Id` repeats the id. ' +
        'Delivery is at least once: endings are told apart by `data.endingId`, others by `id`.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: STRUCTURED_TYPE,
    channels: perEvent(channelOf),
    operations: perEvent(operationOf),
    components: {
      parameters: {
        namespace: { description: `A namespace: \`${NAMESPACE_NAME.source}\`.` },
      },
      messages: { ...perEvent(structuredMessage), ...suffixed(perEvent(binaryMessage), '.binary') },
      schemas: { ...ATTRIBUTES, ...suffixed(perEvent(dataSchema), '.data') },
    },
  };
}
