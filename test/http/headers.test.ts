/** What stands in headers and queries, read as the RFCs have it. */
import { describe, expect, test } from 'vitest';
import { formatOfBody, formatOfReply, preferred } from '../../src/http/content.ts';
import { cursorAfter, cursorText } from '../../src/http/cursor.ts';
import { parseIfMatch, parseIfNoneMatch } from '../../src/http/etag.ts';
import { HostGuard } from '../../src/http/host.ts';
import { idempotencyRequest, parseIdempotencyKey, type Sent } from '../../src/http/idempotency.ts';
import { parseQuery } from '../../src/http/query.ts';
import { isMediaType } from '../../src/http/schemas.ts';

const refused = (found: unknown) =>
  typeof found === 'object' && found !== null && 'refused' in found ? found.refused : undefined;

describe('entity tags', () => {
  test.each([
    ['*', '*'],
    ['"a"', ['a']],
    ['"a", "b"', ['a', 'b']],
    [' "a" ,"b"', ['a', 'b']],
    ['"a",,"b",', ['a', 'b']],
    ['""', ['']],
    ['"a,b"', ['a,b']],
  ])('If-Match %j reads %j', (text, tags) => {
    expect(parseIfMatch(text)).toEqual(tags);
  });

  test('a weak tag matches nothing strongly, and its like weakly', () => {
    expect(parseIfMatch('W/"a", "b"')).toEqual(['b']);
    expect(parseIfNoneMatch('W/"a", "b"')).toEqual(['a', 'b']);
  });

  test.each(['', ',', 'a', '"a', 'a"', '"a" "b"', 'w/"a"', '"a"b', '*, "a"', '"a b"'])(
    '%j is malformed',
    (text) => {
      expect(refused(parseIfMatch(text))).toBe('invalid-request');
      expect(refused(parseIfNoneMatch(text))).toBe('invalid-request');
    },
  );
});

describe('Idempotency-Key', () => {
  test.each([
    ['"k"', 'k'],
    ['k', 'k'],
    [' "8e03978e-40d5-43dd" ', '8e03978e-40d5-43dd'],
    ['"a b"', 'a b'],
    ['"\\"\\\\"', '"\\'],
    [`"${'x'.repeat(255)}"`, 'x'.repeat(255)],
  ])('%j reads %j', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  test.each(['', '""', '"a', 'a b', '"a", "b"', '"\\x"', '"é"', `"${'x'.repeat(256)}"`])(
    '%j is malformed',
    (header) => {
      expect(refused(parseIdempotencyKey(header))).toBe('invalid-request');
    },
  );

  const sent: Sent = {
    method: 'PUT', path: '/p', query: 'q', contentType: 't', body: Buffer.from('b'), subject: undefined,
  };

  test('counts within one method and path', () => {
    const key = (more: Partial<Sent>) => idempotencyRequest('k', { ...sent, ...more }).key;
    expect(key({ query: 'other', body: Buffer.from('x') })).toBe(key({}));
    expect(key({ path: '/other' })).not.toBe(key({}));
    expect(key({ method: 'POST' })).not.toBe(key({}));
    // Nobody is given the answer of another subject.
    expect(key({ subject: 'web' })).not.toBe(key({}));
    expect(key({ subject: 'web' })).not.toBe(key({ subject: 'jobs' }));
  });

  test.each([
    [{ query: 'r' }], [{ contentType: 'u' }], [{ body: Buffer.from('c') }],
    [{ contentType: 'tb', body: Buffer.from('') }],
  ])('tells payloads apart: %j', (more) => {
    const print = (change: Partial<Sent>) => idempotencyRequest('k', { ...sent, ...change }).fingerprint;
    expect(print(more)).not.toBe(print({}));
    expect(print({})).toBe(print({}));
  });
});

describe('Host', () => {
  const guard = new HostGuard(['sidecar.internal'], false);
  test.each([
    'localhost', 'LOCALHOST:7117', 'localhost.', 'app.localhost:1', '127.0.0.1', '127.8.9.1:80',
    '[::1]', '[::1]:7117', 'sidecar.internal', 'Sidecar.Internal:99',
  ])('%s may pass, again and again', (host) => {
    expect(guard.refusal(host)).toBeUndefined();
    expect(guard.refusal(host)).toBeUndefined();
  });

  test.each([
    '', 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '[::2]',
    'localhost@evil.example', 'evil.example:localhost', 'localhost:x', '::1', '0x7f.1', 'localhost evil',
  ])('%j is refused', (host) => {
    expect(guard.refusal(host)?.refused).toBe('host-refused');
  });
});

describe('cursors of listings', () => {
  const listing = ['entries', 'default', 'p'];

  test('carry the name to go on after', () => {
    for (const after of ['a', 'é/🔑', '\u0000', 'x'.repeat(512)]) {
      expect(cursorAfter(listing, cursorText(listing, after))).toBe(after);
    }
  });

  test.each([
    ['nothing', ''],
    ['nonsense', 'nonsense'],
    ['not base64url', '***'],
    ['not an object', Buffer.from('1').toString('base64url')],
    ['null', Buffer.from('null').toString('base64url')],
    ['of another shape', Buffer.from('{"a":1}').toString('base64url')],
    ['of another listing', cursorText(['entries', 'other', 'p'], 'a')],
    ['with a member too many', Buffer.from('{"n":"x","a":"a","z":1}').toString('base64url')],
    ['endless', 'a'.repeat(5000)],
  ])('%s is invalid', (_what, cursor) => {
    expect(refused(cursorAfter(listing, cursor))).toBe('invalid-cursor');
  });
});

describe('media types', () => {
  test.each([
    [undefined, 'json'],
    ['*/*', 'json'],
    ['application/*', 'json'],
    ['application/cbor', 'cbor'],
    ['application/json;q=0.5, application/cbor', 'cbor'],
    ['application/cbor;q=0.5, */*', 'json'],
    ['text/html, application/cbor;q=0.1', 'cbor'],
    ['APPLICATION/JSON', 'json'],
  ])('Accept %j is answered in %s', (accept, format) => {
    expect(formatOfReply(accept)).toBe(format);
  });

  test.each(['text/html', 'application/json;q=0', '', 'application/json;q=x', '*/*;q=0'])(
    'Accept %j can not be met',
    (accept) => {
      expect(refused(formatOfReply(accept))).toBe('not-acceptable');
    },
  );

  test('the most specific range decides', () => {
    expect(preferred('text/*;q=0.9, text/event-stream;q=0', ['text/event-stream'])).toBeUndefined();
  });

  test.each([
    ['application/json', 'json'],
    ['application/json; charset=utf-8', 'json'],
    ['Application/JSON;Charset="UTF-8"', 'json'],
    ['application/cbor', 'cbor'],
  ])('a body of %s is read as %s', (type, format) => {
    expect(formatOfBody(type)).toBe(format);
  });

  test.each([undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1'])(
    'a body of %s is not understood',
    (type) => {
      expect(refused(formatOfBody(type))).toBe('unsupported-media-type');
    },
  );

  test('of a value must fit a header', () => {
    expect(isMediaType('text/plain; charset=utf-8')).toBe(true);
    for (const wrong of ['text', 'text/', 'text/plain\r\nX: y', 'text/plain; é', `a/${'b'.repeat(255)}`]) {
      expect(isMediaType(wrong)).toBe(false);
    }
  });
});

describe('queries', () => {
  test.each([
    ['', {}],
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a', { a: '' }],
    ['a=b=c&', { a: 'b=c' }],
    ['a=x+y%20z', { a: 'x y z' }],
    ['%61=%C3%A9', { a: 'é' }],
    ['refused=x', { refused: 'x' }],
  ])('%j reads %j', (raw, query) => {
    expect(parseQuery(raw)).toEqual({ value: query });
  });

  test.each(['a=1&a=2', 'a=%', 'a=%ff', '%zz=1'])('%j is refused', (raw) => {
    expect(parseQuery(raw)).toMatchObject({ refusal: { refused: 'invalid-request' } });
  });

  test('a name out of the prototype is a name like any other', () => {
    const parsed = parseQuery('__proto__=x');
    expect('value' in parsed && Object.keys(parsed.value)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});
