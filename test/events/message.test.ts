import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fact } from '../../src/core/fact.ts';
import type { BusMessage } from '../../src/events/bus.ts';
import { type EventContract, eventName } from '../../src/events/cloud-event.ts';
import { EVENT_NAMES, streamOf } from '../../src/events/event-types.ts';
import { type Encoding, encodeEvent } from '../../src/events/message.ts';
import {
  ACTING, ACTOR, anyContract, anyFact, BURIED, contractOf, FACTS, GRANTING,
} from './facts.ts';

const ENCODINGS = ['structured', 'binary'] as const;
const anyEncoding = fc.constantFrom(...ENCODINGS);

function encoded(
  fact: Fact,
  encoding: Encoding,
  contract: EventContract = contractOf(),
  sequence = 42,
): BusMessage {
  const stream = streamOf(eventName(fact) ?? '');
  const context = { name: 'pod-1', contractOf: () => contract };
  return encodeEvent({ stream, actor: ACTOR, sequence, fact }, context, encoding);
}

const textOf = ({ body }: BusMessage) => new TextDecoder('utf-8', { fatal: true }).decode(body);
const headersOf = ({ headers }: BusMessage): Record<string, string> => Object.fromEntries(headers);

/** What a receiver makes of a message in binary mode: a single round of percent-decoding. */
function received(message: BusMessage): Record<string, unknown> {
  const attributes = message.headers.filter(([name]) => name.startsWith('ce-'));
  return {
    ...Object.fromEntries(
      attributes.map(([name, value]) => [name.slice('ce-'.length), decodeURIComponent(value)]),
    ),
    data: JSON.parse(textOf(message)),
  };
}

describe('a message', () => {
  test('is the same, byte for byte, for the same fact', async () => {
    const lines = ENCODINGS.flatMap((encoding) =>
      EVENT_NAMES.map((name, index) => {
        const traces = index % 2 === 0 ? {} : { traceparent: GRANTING, actingTraceparent: ACTING };
        const message = encoded({ ...FACTS[name], ...traces }, encoding, undefined, index + 1);
        const headers = message.headers.map(([header, value]) => `${header}: ${value}`);
        const { subject, stream, id } = message;
        return [`${subject} (${stream}, ${id})`, ...headers, '', textOf(message), ''].join('\n');
      }),
    );
    await expect(lines.join('\n')).toMatchFileSnapshot('messages.txt');
    fc.assert(
      fc.property(anyFact, anyEncoding, anyContract, (fact, encoding, contract) => {
        const again = structuredClone(fact);
        expect(encoded(again, encoding, contract)).toEqual(encoded(fact, encoding, contract));
      }),
    );
  });

  test('has the id of the event, and goes to its stream', () => {
    const ending = encoded(FACTS['entry.ended'], 'structured');
    expect(ending).toMatchObject({ stream: 'endings', id: `${ACTOR}:endings:42` });
    expect(encoded(FACTS['lease.granted'], 'binary')).toMatchObject({
      stream: 'events', id: `${ACTOR}:events:42`, subject: 'leasehold.v1.lease.granted.sessions',
    });
  });

  test('is made of what its namespace does not tell any more: it has its number', () => {
    const contract = contractOf({ events: { publish: [] } });
    const { subject } = encoded(FACTS['entry.created'], 'structured', contract);
    expect(subject).toBe('leasehold.v1.entry.created.sessions');
  });

  test('is not made of a fact that is no event', () => {
    expect(() => encoded(BURIED, 'structured')).toThrow('Cannot encode entry.buried: it is no event');
  });

  test('is under the contract of its own namespace', () => {
    const asked: string[] = [];
    encodeEvent(
      { stream: 'endings', actor: ACTOR, sequence: 1, fact: FACTS['entry.ended'] },
      {
        name: 'pod-1',
        contractOf: (namespace) => {
          asked.push(namespace);
          return contractOf();
        },
      },
      'structured',
    );
    expect(asked).toEqual(['sessions']);
  });
});

describe('its trace', () => {
  const { 'entry.ended': ending } = FACTS;

  test.each(ENCODINGS)('is who acted in the header, who granted in the attribute (%s)', (encoding) => {
    const message = encoded({ ...ending, traceparent: GRANTING, actingTraceparent: ACTING }, encoding);
    expect(headersOf(message)['traceparent']).toBe(ACTING);
    const event = encoding === 'binary' ? received(message) : JSON.parse(textOf(message));
    expect(event.traceparent).toBe(GRANTING);
  });

  test.each(ENCODINGS)('is the granting one where nobody acted (%s)', (encoding) => {
    const message = encoded({ ...ending, traceparent: GRANTING }, encoding);
    expect(headersOf(message)['traceparent']).toBe(GRANTING);
  });

  test.each(ENCODINGS)('is left out where there is none (%s)', (encoding) => {
    const names = encoded(ending, encoding).headers.map(([name]) => name);
    expect(names.filter((name) => name.includes('trace'))).toEqual([]);
  });
});

describe('structured mode', () => {
  test('says so in the header, and has everything in the body', () => {
    const message = encoded(FACTS['lease.ended'], 'structured');
    expect(message.headers).toEqual([['Content-Type', 'application/cloudevents+json']]);
    expect(JSON.parse(textOf(message))).toMatchObject({ id: message.id, data: { entries: 2 } });
  });

  test('is a valid CloudEvent of any fact, under any contract', () => {
    fc.assert(
      fc.property(anyFact, anyContract, (fact, contract) => {
        const message = encoded(fact, 'structured', contract);
        const body = textOf(message);
        expect(new CloudEvent(JSON.parse(body), true).validate()).toBe(true);
        const event = HTTP.toEvent({ headers: headersOf(message), body }) as CloudEvent<unknown>;
        expect(event.validate()).toBe(true);
        expect(JSON.parse(JSON.stringify(event))).toEqual(JSON.parse(body));
      }),
      { numRuns: 300 },
    );
  });
});

describe('binary mode', () => {
  test('has the attributes in headers, the data in the body, and no content type', () => {
    const message = encoded(FACTS['lease.renewed'], 'binary');
    expect(headersOf(message)).toMatchObject({
      'ce-specversion': '1.0', 'ce-type': 'leasehold.lease.renewed.v1', 'ce-subject': 'l-1',
      'ce-datacontenttype': 'application/json', 'ce-sequence': '0000000000000042',
    });
    expect(headersOf(message)).not.toHaveProperty('Content-Type');
    expect(JSON.parse(textOf(message))).toMatchObject({ renewals: 3 });
  });

  test.each([
    ['Euro € 😀 "best" (it\'s)!~', "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22best%22%20(it's)!~"],
    ['100%', '100%25'],
    ['"', '%22'],
    ['a b', 'a%20b'],
    ["!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"],
  ])('percent-encodes %j as the binding says', (key, header) => {
    const message = encoded({ ...FACTS['entry.ended'], key }, 'binary');
    expect(headersOf(message)['ce-subject']).toBe(`sessions/${header}`);
  });

  test('is a valid CloudEvent of any fact, the same as in structured mode', () => {
    fc.assert(
      fc.property(anyFact, anyContract, (fact, contract) => {
        const message = encoded(fact, 'binary', contract);
        for (const [name, value] of message.headers) {
          expect(name).toMatch(/^(?:ce-[a-z0-9]{1,20}|traceparent)$/);
          expect(value).toMatch(/^[!#-~]+$/);
        }
        const event = received(message);
        expect(new CloudEvent(event, true).validate()).toBe(true);
        expect(event).toEqual(JSON.parse(textOf(encoded(fact, 'structured', contract))));
        const headers = { ...headersOf(message), 'content-type': 'application/json' };
        const read = HTTP.toEvent({ headers, body: textOf(message) }) as CloudEvent<unknown>;
        expect(read.data).toEqual(event['data']);
      }),
      { numRuns: 300 },
    );
  });
});
