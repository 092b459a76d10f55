/** The AsyncAPI document and what is really sent, both ways. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv, type Options } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asyncApiFile, eventReferencePage } from '../../scripts/event-pages.ts';
import type { Fact } from '../../src/core/fact.ts';
import { asyncApi } from '../../src/events/asyncapi.ts';
import type { BusMessage } from '../../src/events/bus.ts';
import { type EventContract, eventName } from '../../src/events/cloud-event.ts';
import { EVENT_NAMES, membersOf, streamOf } from '../../src/events/event-types.ts';
import { type Encoding, encodeEvent } from '../../src/events/message.ts';
import { ACTING, ACTOR, anyContract, anyFact, contractOf, FACTS, GRANTING } from './facts.ts';

type Json = Readonly<Record<string, unknown>>;

const ROOT = join(import.meta.dirname, '../..');
const specs = createRequire(import.meta.url)('@asyncapi/specs') as {
  readonly schemas: Readonly<Record<string, object>>;
};

const document = asyncApi() as {
  readonly channels: Readonly<Record<string, {
    readonly address: string;
    readonly parameters: Readonly<Record<string, { readonly enum?: readonly string[] }>>;
    readonly messages: Readonly<Record<string, { readonly $ref: string }>>;
  }>>;
  readonly operations: Readonly<Record<string, Json>>;
  readonly components: { readonly messages: Readonly<Record<string, Json>> };
};

/** `addFormats` is the module itself to Node, its default to TypeScript. */
function schemaChecker(options: Options = {}): Ajv {
  const ajv = new Ajv({ strict: false, allErrors: true, ...options });
  (addFormats as unknown as (to: Ajv) => void)(ajv);
  return ajv;
}

/** Its own `id` is none to JSON Schema. */
const messages = schemaChecker().addSchema({ components: document.components }, 'events');

function complaints(message: string, part: 'headers' | 'payload', value: unknown): string[] {
  const pointer = `events#/components/messages/${message}/${part}`;
  const validate = messages.getSchema(pointer);
  if (validate === undefined) throw new Error(`${pointer} is not there`);
  if (validate(value) === true) return [];
  return (validate.errors ?? []).map(({ instancePath, message: what }) => `${instancePath} ${what}`);
}

interface Sent {
  /** Its name among the messages of the document. */
  readonly message: string;
  readonly headers: Json;
  readonly payload: Json;
}

function sent(fact: Fact, encoding: Encoding, contract: EventContract = contractOf()): Sent {
  const name = eventName(fact)!;
  const event = { stream: streamOf(name), actor: ACTOR, sequence: 7, fact };
  const encoded: BusMessage = encodeEvent(
    event, { name: 'pod-1', contractOf: () => contract }, encoding,
  );
  return {
    message: encoding === 'binary' ? `${name}.binary` : name,
    headers: { ...Object.fromEntries(encoded.headers), 'Nats-Msg-Id': encoded.id },
    payload: JSON.parse(Buffer.from(encoded.body).toString()),
  };
}

const CONTRACTS = (['none', 'hash', 'full'] as const).flatMap((values) =>
  [false, true].map((sensitive) => contractOf({ sensitive, events: { values } })),
);
/** Each event in every mode under every contract. */
const samples: readonly Sent[] = EVENT_NAMES.flatMap((name) =>
  (['structured', 'binary'] as const).flatMap((encoding) =>
    CONTRACTS.map((contract) =>
      sent(
        { ...FACTS[name], traceparent: GRANTING, actingTraceparent: ACTING, cause: 'drain' } as Fact,
        encoding, contract,
      ),
    ),
  ),
);

describe('the document', () => {
  test('is valid AsyncAPI 3.0', () => {
    // It brings the meta-schema it refers to.
    const checker = schemaChecker({ meta: false, validateSchema: false });
    const validate = checker.compile(specs.schemas['3.0.0']!);
    expect(validate(document) ? [] : validate.errors).toEqual([]);
    expect(validate({ ...document, channels: { 'lease.granted': { addresses: 'x' } } })).toBe(false);
  });

  test('refers to nothing that is not there', () => {
    const matches = asyncApiFile().matchAll(/"\$ref": "#\/([^"]+)"/g);
    const references = [...matches].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(100);
    const missing = references.filter((pointer) => {
      const step = (place: Json | undefined, part: string) => place?.[part] as Json | undefined;
      return pointer.split('/').reduce(step, document) === undefined;
    });
    expect(missing).toEqual([]);
  });

  test('and the page beside it are what `npm run docs` would write now', () => {
    expect(readFileSync(join(ROOT, 'docs/asyncapi.json'), 'utf8')).toBe(asyncApiFile());
    expect(readFileSync(join(ROOT, 'docs/event-reference.md'), 'utf8')).toBe(eventReferencePage());
  });

  test('has an address for each subject that is sent to', () => {
    for (const name of EVENT_NAMES) {
      const fact: Fact = FACTS[name];
      const { address, parameters } = document.channels[name]!;
      const reason = 'reason' in fact ? fact.reason : '';
      const subject = address.replace('{namespace}', fact.namespace).replace('{reason}', reason);
      const event = { stream: streamOf(name), actor: ACTOR, sequence: 7, fact };
      const context = { name: 'pod-1', contractOf: () => contractOf() };
      expect(encodeEvent(event, context, 'structured').subject).toBe(subject);
      const placeholders = [...address.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
      expect(placeholders.toSorted()).toEqual(Object.keys(parameters).toSorted());
      if (reason !== '') expect(parameters['reason']!.enum).toContain(reason);
    }
  });
});

describe('what is sent', () => {
  test('fits its message', () => {
    for (const { message, headers, payload } of samples) {
      expect(complaints(message, 'headers', headers), message).toEqual([]);
      expect(complaints(message, 'payload', payload), message).toEqual([]);
    }
  });

  test('fits its message, whatever the fact and the contract', () => {
    fc.assert(
      fc.property(
        anyFact, anyContract, fc.constantFrom('structured', 'binary'),
        (fact, contract, encoding) => {
          const { message, headers, payload } = sent(fact, encoding, contract);
          expect(complaints(message, 'headers', headers), message).toEqual([]);
          expect(complaints(message, 'payload', payload), message).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('is every message of the document, and no other', () => {
    const described = Object.keys(document.components.messages);
    expect([...new Set(samples.map(({ message }) => message))].toSorted()).toEqual(described.toSorted());
    const reached = Object.values(document.channels).flatMap((channel) =>
      Object.values(channel.messages).map(({ $ref }) => $ref.split('/').at(-1)!),
    );
    expect(reached.toSorted()).toEqual(described.toSorted());
    expect(Object.keys(document.operations)).toEqual(Object.keys(document.channels));
  });

  test('has every member of the table at least once', () => {
    for (const name of EVENT_NAMES) {
      const data = samples.filter(({ message }) => message === `${name}.binary`);
      const seen = new Set(data.flatMap(({ payload }) => Object.keys(payload)));
      expect([...seen].toSorted(), name).toEqual(Object.keys(membersOf(name)).toSorted());
    }
  });

  test('would not fit with a member more', () => {
    for (const { message, headers, payload } of samples) {
      expect(complaints(message, 'payload', { ...payload, surplus: 1 }), message).not.toEqual([]);
      expect(complaints(message, 'headers', { ...headers, surplus: '1' }), message).not.toEqual([]);
      if (message.endsWith('.binary')) continue;
      const data = { ...(payload['data'] as Json), surplus: 1 };
      expect(complaints(message, 'payload', { ...payload, data }), message).not.toEqual([]);
    }
  });

  test('would not fit with an attribute less, or as another event', () => {
    for (const { message, headers, payload } of samples) {
      const binary = message.endsWith('.binary');
      const attributes = binary ? headers : payload;
      const part = binary ? 'headers' : 'payload';
      const attribute = (name: string) => (binary ? `ce-${name}` : name);
      for (const name of ['id', 'source', 'type', 'subject', 'sequence', 'partitionkey']) {
        const { [attribute(name)]: _left, ...rest } = attributes;
        expect(complaints(message, part, rest), `${message} ${name}`).not.toEqual([]);
      }
      const other = { ...attributes, [attribute('type')]: 'leasehold.lease.lent.v1' };
      expect(complaints(message, part, other), message).not.toEqual([]);
    }
  });

  test('has a key or its hash, and not both', () => {
    const { payload } = samples.find(({ message }) => message === 'entry.ended.binary')!;
    const { key: _key, ...without } = payload;
    expect(complaints('entry.ended.binary', 'payload', without)).not.toEqual([]);
    const both = { ...payload, keyHash: 'a'.repeat(64) };
    expect(complaints('entry.ended.binary', 'payload', both)).not.toEqual([]);
  });
});
