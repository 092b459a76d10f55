import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeDocument, encodeDocument } from '../../src/http/content.ts';
import { edge } from './edge.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('CBOR from outside', () => {
  test.each([
    ['nothing', ''],
    ['bytes after its end', '00 00'],
    ['an array that ends early', '82 01'],
    ['a text that ends early', '62 61'],
    ['a text that is not UTF-8', '61 ff'],
    ['an array of four thousand million', '9a ff ff ff ff'],
    ['a map of 2^64 - 1', 'bb ff ff ff ff ff ff ff ff'],
    ['an array without an end', '9f 01 ff'],
    ['a map without an end', 'bf 61 61 01 ff'],
    ['a text without an end', '7f 61 61 ff'],
    ['a date', 'c1 1a 51 4b 67 b0'],
    ['a big number', 'c2 49 01 00 00 00 00 00 00 00 00'],
    ['a record of the library', 'd9 df ff 83 18 69 81 61 61 01'],
    ['a record definition', 'd9 df fe 82 00 81 61 61'],
    ['packed values', 'd8 33 82 81 01 e0'],
    ['a shared reference', 'd8 1c 80'],
    ['an error object', 'd8 1b 82 65 45 72 72 6f 72 61 78'],
    ['undefined', 'f7'],
    ['a simple value', 'e0'],
    ['a reserved length', '1c'],
    ['a key that is a number', 'a1 01 01'],
    ['nesting without measure', `${'81'.repeat(40)}00`],
    ['half a float', 'fb 00 00'],
  ])('%s is malformed', (_what, text) => {
    expect(decodeDocument('cbor', hex(text))).toMatchObject({ refusal: { refused: 'malformed-body' } });
  });

  test('what JSON can say, and bytes, come back as they were', () => {
    const document = { a: [1, -2, 0.5, 2 ** 40, true, false, null], b: { c: 'é' }, d: Buffer.from([0, 255]) };
    const back = decodeDocument('cbor', encodeDocument('cbor', document));
    expect(back).toMatchObject({ value: { a: document.a, b: document.b } });
    expect('value' in back && [...(back.value as { d: Uint8Array }).d]).toEqual([0, 255]);
  });

  test('a key out of the prototype changes no object', () => {
    const decoded = decodeDocument('cbor', hex('a1 69 5f5f70726f746f5f5f a1 61 78 01'));
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    expect('value' in decoded && (decoded.value as Record<string, unknown>)['x']).toBeFalsy();
  });

  test('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodeDocument('cbor', Buffer.from(bytes));
        if ('refusal' in decoded) expect(decoded.refusal.refused).toBe('malformed-body');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a conversation in CBOR', () => {
  const cbor = new Encoder({ useRecords: false, mapsAsObjects: true });
  const headers = { 'content-type': 'application/cbor', accept: 'application/cbor' };

  test('takes and gives values as bytes', async () => {
    const { ask, stop } = edge();
    const value = Buffer.from([0, 1, 254, 255]);
    const body = cbor.encode({
      operations: [
        { op: 'put', namespace: 'default', key: 'k', value },
        { op: 'get', namespace: 'default', key: 'k' },
      ],
    });
    const answer = await ask('POST', '/v1/batch', { headers, body });
    expect(answer.headers['content-type']).toBe('application/cbor');
    const { applied, results } = cbor.decode(answer.bytes);
    expect(applied).toBe(2);
    expect([...results[1].value]).toEqual([...value]);
    const page = cbor.decode((await ask('GET', '/v1/entries/default?values=true', { headers })).bytes);
    expect([...page.entries[0].value]).toEqual([...value]);
    await stop();
  });

  test('takes no base64 for bytes', async () => {
    const { ask, stop } = edge();
    const operations = [{ op: 'put', namespace: 'default', key: 'k', value: 'aGk=' }];
    const answer = await ask('POST', '/v1/batch', { headers, body: cbor.encode({ operations }) });
    expect(answer.json.code).toBe('invalid-request');
    expect((await ask('GET', '/v1/entries/default/k')).status).toBe(404);
    await stop();
  });

  test('is refused in JSON, since people read refusals', async () => {
    const { ask, stop } = edge();
    const answer = await ask('POST', '/v1/leases', { headers, body: hex('ff') });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    await stop();
  });
});
