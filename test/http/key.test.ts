import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyOf, keyRefusal } from '../../src/http/key.ts';

const KEY_BYTES = 512;
const codeOf = (raw: string) => {
  const key = keyOf(raw, KEY_BYTES);
  return typeof key === 'string' ? undefined : key.refused;
};

describe('a key in a path', () => {
  test.each([
    ['a', 'a'],
    ['a/b', 'a/b'],
    ['a%2Fb', 'a/b'],
    ['a%2fb', 'a/b'],
    ['a//b', 'a//b'],
    ['/a/', '/a/'],
    ['a%20b', 'a b'],
    ['a+b', 'a+b'],
    ['%25', '%'],
    ['%2541', '%41'],
    ['%C3%A9', 'é'],
    ['%F0%9F%94%91', '🔑'],
    ['...', '...'],
    ['.a/b..', '.a/b..'],
    ['%01%7F', '\u0001\u007f'],
  ])('%j names %j', (raw, key) => {
    expect(keyOf(raw, KEY_BYTES)).toBe(key);
  });

  test.each([
    ['', 'nothing'],
    ['.', 'a dot'],
    ['..', 'two dots'],
    ['a/../b', 'two dots between slashes'],
    ['a/.', 'a dot at the end'],
    ['%2e%2E', 'two dots, percent-encoded'],
    ['a%2F..%2fb', 'two dots between percent-encoded slashes'],
    ['a%00b', 'NUL'],
    ['%', 'a lone percent sign'],
    ['%4', 'half a percent sequence'],
    ['%zz', 'a percent sequence that is not hexadecimal'],
    ['%C3', 'half a character'],
    ['%C0%AF', 'an overlong slash'],
    ['%ED%A0%80', 'a lone surrogate'],
    ['%ff', 'a byte that is not UTF-8'],
    ['é', 'a character that is not encoded'],
    ['a b', 'a space'],
    ['a'.repeat(513), 'a byte too many'],
    ['%C3%A9'.repeat(257), 'bytes too many in fewer characters'],
  ])('%j is none: %s', (raw) => {
    expect(codeOf(raw)).toBe('invalid-key');
  });

  test('may have as many bytes as the limit, and not one more', () => {
    expect(codeOf('é'.repeat(256).split('').map(encodeURIComponent).join(''))).toBeUndefined();
    expect(codeOf('a'.repeat(512))).toBeUndefined();
    expect(keyRefusal('🔑'.repeat(128), KEY_BYTES)).toBeUndefined();
    expect(keyRefusal(`${'🔑'.repeat(128)}a`, KEY_BYTES)?.refused).toBe('invalid-key');
  });

  test('comes back as it was, however it is encoded', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(text, (key) => {
        fc.pre(keyRefusal(key, KEY_BYTES) === undefined);
        const everyByte = [...Buffer.from(key)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`);
        expect(keyOf(encodeURIComponent(key), KEY_BYTES)).toBe(key);
        expect(keyOf(everyByte.join(''), KEY_BYTES)).toBe(key);
      }),
    );
  });

  test('is never thrown about, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const key = keyOf(Buffer.from(bytes).toString('latin1'), KEY_BYTES);
        if (typeof key === 'string') expect(keyRefusal(key, KEY_BYTES)).toBeUndefined();
        else expect(key.refused).toBe('invalid-key');
      }),
    );
  });
});
