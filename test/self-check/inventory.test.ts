import { describe, expect, test } from 'vitest';
import { CHECKED_ROW_BYTES } from '../../src/config/derive.ts';
import { Fingerprint } from '../../src/self-check/fingerprint.ts';
import { Inventory, InventoryFullError } from '../../src/self-check/inventory.ts';

const identity = (number: number) => new Fingerprint().begin(1).number(number).end();

describe('an inventory', () => {
  test('costs what the worst case says', () => {
    expect(Inventory.rowBytes).toBe(CHECKED_ROW_BYTES);
  });

  test('finds what is in it, by its identity or by a row of another one', () => {
    const one = new Inventory(4);
    const other = new Inventory(4);
    const row = one.add(identity(7), 2);
    expect(one.find(identity(7))).toBe(row);
    expect(one.find(identity(8))).toBe(0);
    expect(other.findIn(one, row)).toBe(0);
    other.add(identity(8), 2);
    const twin = other.add(identity(7), 2);
    expect(other.findIn(one, row)).toBe(twin);
    one.remove(row);
    expect([one.find(identity(7)), one.size, one.isHeld(row)]).toEqual([0, 0, false]);
  });

  test('holds as many rows as it was made for, and no more', () => {
    const one = new Inventory(3);
    for (let number = 0; number < 3; number++) one.add(identity(number), 0);
    expect(() => one.add(identity(3), 0)).toThrow(InventoryFullError);
    one.remove(one.find(identity(1)));
    expect(one.add(identity(3), 0)).toBeGreaterThan(0);
  });
});

describe('fingerprints', () => {
  test('of much that is alike are all different', () => {
    const seen = new Set<number>();
    const lows = new Set<number>();
    for (let number = 0; number < 50_000; number++) {
      const { high, low } = new Fingerprint().begin(2).text('sessions').text(`user/${number}`).number(1).end();
      seen.add(high * 2 ** 32 + low);
      lows.add(low);
    }
    expect(seen.size).toBe(50_000);
    expect(lows.size).toBeGreaterThan(49_990);
  });

  test('tell apart what is split otherwise, and one bit of a value or a deadline', () => {
    const of = (feed: (fingerprint: Fingerprint) => Fingerprint): string => {
      const { high, low } = feed(new Fingerprint().begin(1)).end();
      return `${high} ${low}`;
    };
    expect(of((one) => one.text('ab').text('c'))).not.toBe(of((one) => one.text('a').text('bc')));
    expect(of((one) => one.number(1_700_000_000_000.25))).not.toBe(of((one) => one.number(1_700_000_000_000.5)));
    expect(of((one) => one.bytes(Buffer.from('value')))).not.toBe(of((one) => one.bytes(Buffer.from('valve'))));
    expect(of((one) => one.text('same'))).toBe(of((one) => one.text('same')));
  });
});
