/** Records as bytes: what comes back is what went in, and other bytes are refused. */
import { decode } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareDots, decodeRecord, encodeRecord, type LedgerRecord, REASONS_BY_RANK, RECORD_VERSION,
  RECORD_VERSION_MIN, RecordFormatError,
} from '../../src/ledger/record.ts';
import { parseTraceparent, unsampled } from '../../src/core/trace.ts';
import { decodeLabel, encodeLabel, fingerprint, traceOfLabel } from '../../src/ledger/label.ts';
import { A, B, ending, plain, START, value } from './fixtures.ts';

const u32 = fc.nat(0xffffffff);
const instant = fc.double({ min: 0, max: Number.MAX_SAFE_INTEGER, noNaN: true });
const actor = fc.tuple(u32, u32).map((halves) =>
  halves.map((half) => half.toString(16).padStart(8, '0')).join(''),
);
const dot = fc.record({ actor, seq: fc.maxSafeNat() });
const bytes = fc.uint8Array({ maxLength: 40 });
const sibling = fc.record({
  dot, born: dot, hlc: fc.maxSafeNat(), rank: instant, deadline: instant, ttlMs: instant,
  session: fc.boolean(), hashHigh: u32, hashLow: u32, label: bytes, value: bytes,
});
const ends = fc.record({
  born: dot, dot, reason: fc.constantFrom(...REASONS_BY_RANK), by: actor, told: fc.boolean(),
  conflict: fc.boolean(), deadline: instant, until: instant, label: bytes,
});
const record: fc.Arbitrary<LedgerRecord> = fc.record({
  siblings: fc.array(sibling, { maxLength: 4 }),
  context: fc.array(fc.record({ actor, seq: fc.maxSafeNat(), until: instant }), { maxLength: 4 }),
  ends: fc.array(ends, { maxLength: 4 }),
  bucket: fc.nat(0xffff),
  forgetAt: instant,
});

describe('a record', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(record, (original) => {
        expect(plain(decodeRecord(encodeRecord(original)))).toEqual(plain(original));
      }),
      { numRuns: 500 },
    );
  });

  test('of version 1 has no rank: the hybrid clock stands in', () => {
    fc.assert(
      fc.property(record, (original) => {
        const siblings = original.siblings.map((one) => ({ ...one, rank: one.hlc }));
        expect(plain(decodeRecord(encodeRecord(original, 1)))).toEqual(
          plain({ ...original, siblings }),
        );
      }),
    );
  });

  test('says its version in its first byte', () => {
    const one: LedgerRecord = { siblings: [], context: [], ends: [], bucket: 0, forgetAt: 1 };
    expect(encodeRecord(one)[0]).toBe(RECORD_VERSION);
    expect(encodeRecord(one, RECORD_VERSION_MIN)[0]).toBe(RECORD_VERSION_MIN);
    expect(() => encodeRecord(one, RECORD_VERSION + 1)).toThrow(RecordFormatError);
    expect(() => encodeRecord(one, 0)).toThrow(RecordFormatError);
  });

  test('is read from the middle of a larger array', () => {
    const value1 = value(A, 1, { deadline: START });
    const original: LedgerRecord = {
      siblings: [value1], context: [], ends: [ending(value1, B)], bucket: 3, forgetAt: 0,
    };
    const encoded = encodeRecord(original);
    const larger = new Uint8Array(encoded.length + 20).fill(0xff);
    larger.set(encoded, 7);
    expect(plain(decodeRecord(larger.subarray(7, 7 + encoded.length)))).toEqual(plain(original));
  });

  // The layout is a contract with other versions and with Lua; these bytes must never change.
  test('lies in its bytes as it always has', () => {
    const original: LedgerRecord = {
      siblings: [{
        dot: { actor: '0123456789abcdef', seq: 2 }, born: { actor: 'fedcba9876543210', seq: 1 },
        hlc: 3, rank: 4, deadline: 5, ttlMs: 6, session: true,
        hashHigh: 0xdeadbeef, hashLow: 0x01020304,
        label: Uint8Array.of(0xaa), value: Uint8Array.of(0xbb, 0xcc),
      }],
      context: [{ actor: '0123456789abcdef', seq: 2, until: 7 }],
      ends: [{
        born: { actor: 'ffffffffffffffff', seq: 8 }, dot: { actor: 'ffffffffffffffff', seq: 9 },
        reason: 'deleted', by: '0123456789abcdef', told: true, conflict: true,
        deadline: 10, until: 11, label: Uint8Array.of(0xdd),
      }],
      bucket: 258, forgetAt: 12,
    };
    const f64 = (number: number) => {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, number);
      return Buffer.from(view.buffer).toString('hex');
    };
    expect(Buffer.from(encodeRecord(original)).toString('hex')).toBe([
      '02', '00', '0102', '0001', '0001', '0001', '0000', f64(12),
      '0123456789abcdef', f64(2), f64(7),
      '0123456789abcdef', f64(2), 'fedcba9876543210', f64(1), f64(3), f64(4), f64(5), f64(6),
      '01', 'deadbeef', '01020304', '00000001', '00000002', 'aa', 'bbcc',
      'ffffffffffffffff', f64(8), 'ffffffffffffffff', f64(9), '03', '03', '0123456789abcdef',
      f64(10), f64(11), '00000001', 'dd',
    ].join(''));
  });
});

describe('bytes that are no record', () => {
  const whole = encodeRecord({
    siblings: [value(A, 1, { deadline: START }), value(B, 1, { deadline: START })],
    context: [{ actor: A, seq: 1, until: 0 }, { actor: B, seq: 1, until: 0 }],
    ends: [ending(value(A, 1, { deadline: START }), B)],
    bucket: 7, forgetAt: 0,
  });

  test('cut short anywhere are refused', () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => decodeRecord(whole.subarray(0, length)), `${length}`).toThrow(RecordFormatError);
    }
  });

  test('with something behind them are refused', () => {
    expect(() => decodeRecord(Buffer.concat([whole, Buffer.of(0)]))).toThrow(RecordFormatError);
  });

  test('of a version to come, or of none, are refused', () => {
    for (const version of [0, RECORD_VERSION + 1, 255]) {
      const bytesOf = whole.slice();
      bytesOf[0] = version;
      expect(() => decodeRecord(bytesOf)).toThrow(RecordFormatError);
    }
  });

  test('are either read or refused, whatever they are; nothing else happens', () => {
    const damaged = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }).map(
      (changes) => {
        const copy = whole.slice();
        for (const [at, byte] of changes) copy[at] = byte;
        return copy;
      },
    );
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 300 })), (hostile) => {
        try {
          decodeRecord(hostile);
        } catch (error) {
          expect(error).toBeInstanceOf(RecordFormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('dots', () => {
  test('are ordered by actor, then by number', () => {
    const dots = [{ actor: B, seq: 1 }, { actor: A, seq: 10 }, { actor: A, seq: 9 }];
    const sorted = [dots[2], dots[1], dots[0]];
    expect([...dots].sort(compareDots)).toEqual(sorted);
  });
});

describe('a label', () => {
  test('comes back as it was', () => {
    const label = fc.record({
      lease: fc.string(), holder: fc.string(), contentType: fc.string(), size: fc.nat(0xffffffff),
    });
    fc.assert(fc.property(label, (original) => {
      expect(decodeLabel(encodeLabel(original))).toEqual(original);
    }));
  });

  const plain = { lease: 'l1', holder: 'h', contentType: 'text/plain', size: 3 };
  const recorded = parseTraceparent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')!;

  test('carries the trace of the grant where that was recorded, and only there', () => {
    const label = encodeLabel({ ...plain, trace: recorded });
    expect(decodeLabel(label)).toEqual({ ...plain, trace: recorded });
    expect(traceOfLabel(label)).toEqual(recorded);
    const without = encodeLabel({ ...plain, trace: unsampled(recorded) });
    expect(without).toEqual(encodeLabel(plain));
    expect(traceOfLabel(without)).toBeUndefined();
  });

  test('is read by who knows no traces, and may have further members', () => {
    const label = encodeLabel({ ...plain, trace: recorded });
    const fields = decode(label) as unknown[];
    expect(fields.slice(0, 5)).toEqual([1, 'l1', 'h', 'text/plain', 3]);
    const longer = Uint8Array.of(0x87, ...label.subarray(1), 0x61, 0x7a);
    expect(decode(longer)).toHaveLength(7);
    expect(decodeLabel(longer)).toEqual({ ...plain, trace: recorded });
  });

  test('of other bytes is refused', () => {
    const version0 = Uint8Array.of(0x85, 0x00, 0x60, 0x60, 0x60, 0x00);
    expect(() => decodeLabel(version0)).toThrow('Cannot read label');
    expect(() => decodeLabel(Uint8Array.of())).toThrow();
  });
});

describe('a fingerprint', () => {
  const key = new TextEncoder().encode('key');
  const one = fingerprint(key, { actor: A, seq: 1 }, 'text/plain', Uint8Array.of(1));

  // sha1('key' 00 'a0a0a0a0a0a0a0a0.1 text/plain ' 01), its first 64 bits.
  test('is what it always was', () => {
    expect(one).toEqual({ high: 0xf145f68e, low: 0xc0588738 });
  });

  test('tells apart key, dot, content type and value', () => {
    const otherKey = new TextEncoder().encode('kez');
    const others = [
      fingerprint(otherKey, { actor: A, seq: 1 }, 'text/plain', Uint8Array.of(1)),
      fingerprint(key, { actor: B, seq: 1 }, 'text/plain', Uint8Array.of(1)),
      fingerprint(key, { actor: A, seq: 2 }, 'text/plain', Uint8Array.of(1)),
      fingerprint(key, { actor: A, seq: 1 }, 'text/html', Uint8Array.of(1)),
      fingerprint(key, { actor: A, seq: 1 }, 'text/plain', Uint8Array.of(2)),
    ];
    expect(new Set([one, ...others].map(({ high, low }) => `${high}.${low}`)).size).toBe(6);
  });
});
