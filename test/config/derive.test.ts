import { describe, expect, test } from 'vitest';
import { worstCase } from '../../src/config/derive.ts';
import { slabLimit } from '../../src/core/tables.ts';
import { COSTS, load, MACHINE, told } from './loading.ts';

const MEBIBYTE = 1024 ** 2;
const BUS = { LEASEHOLD_BUS_URL: 'nats://nats', LEASEHOLD_MEMORY_LIMIT_MB: '8192' };

describe('the worst case of memory', () => {
  test('is a sum whose lines can be checked by hand', () => {
    const { lines, bytes } = worstCase(load(), COSTS);
    for (const line of lines) expect(line.bytes).toBe(Math.ceil(line.count * line.bytesEach));
    expect(bytes).toBe(lines.reduce((sum, line) => sum + line.bytes, 0));
    const line = (what: string) => lines.find((one) => one.what.startsWith(what));
    expect(line('entries')).toMatchObject({ count: 100_000, bytesEach: 110 });
    expect(line('leases')).toMatchObject({ count: 200_000, bytesEach: 90 });
    expect(line('bytes of keys')?.bytes).toBe(80 * MEBIBYTE);
  });

  test('fits the default limit comfortably without any configuration', () => {
    expect(worstCase(load(), COSTS).bytes).toBeLessThan(800 * MEBIBYTE);
  });

  test('leaves the slab all the room it may take', () => {
    const inSlab = [
      'bytes of keys and values',
      'bytes of copies',
      'rounding of cells',
      'chunks begun',
      'details of remembered leases',
    ];
    for (const bytes of ['64Ki', '1Mi', '64Mi', '900Mi', '15Gi']) {
      const yaml = `namespaces: { default: { capacity: { bytes: 1Ki } } }\nlimits: { bytes: ${bytes} }`;
      const environment = { LEASEHOLD_MEMORY_LIMIT_MB: '65536' };
      for (const more of [{}, { LEASEHOLD_LEDGER_URL: 'redis://ledger' }]) {
        const config = load(yaml, { ...environment, ...more });
        const { lines } = worstCase(config, COSTS);
        const counted = lines.filter(({ what }) => inSlab.includes(what));
        expect(counted).toHaveLength(inSlab.length);
        const sum = counted.reduce((total, line) => total + line.bytes, 0);
        expect(sum, bytes).toBeGreaterThanOrEqual(slabLimit(config.limits));
      }
    }
  });

  test('grows with every bound that costs memory', () => {
    const base = worstCase(load(), COSTS).bytes;
    const grown = [
      'namespaces: { a: { capacity: { entries: 1000 } } }',
      'limits: { entries: 200000 }',
      'limits: { leases: 200000 }',
      'limits: { bytes: 128Mi }',
      'limits: { endedMemory: { entries: 200000 } }',
      'limits: { idempotency: { bytes: 17Mi } }',
      'limits: { feed: { bytes: 33Mi } }',
      'limits: { feed: { facts: 65537 } }',
      'limits: { inFlightBodyBytes: 65Mi }',
      'limits: { connections: 12001 }',
      'limits: { watchers: 257 }',
    ];
    for (const yaml of grown) {
      expect(worstCase(load(yaml), COSTS).bytes, yaml).toBeGreaterThan(base);
    }
  });

  test('counts what a ledger needs beside the pools, and nothing of it without one', () => {
    const lineOf = (environment: Record<string, string>, yaml = '') => {
      const { lines } = worstCase(load(yaml, environment), COSTS);
      return (what: string) => lines.find((line) => line.what.startsWith(what));
    };
    const ledgerLines = [
      'copies of', 'what the ledger knows', 'bytes of copies', 'tombstones', 'requests to the ledger',
      'keys asked of the ledger', 'writes waiting',
    ];
    const without = lineOf({});
    for (const what of ledgerLines) expect(without(what), what).toMatchObject({ bytes: 0 });
    const withOne = lineOf({ LEASEHOLD_LEDGER_URL: 'redis://ledger' });
    expect(withOne('copies of')).toMatchObject({ count: 10_000, bytesEach: 200 });
    expect(withOne('bytes of copies')?.count).toBe(Math.ceil((64 * MEBIBYTE) / 10));
    expect(withOne('what the ledger knows')).toMatchObject({ count: 110_000, bytesEach: 30 });
    expect(withOne('tombstones')).toMatchObject({ count: 50_000, bytesEach: 400 });
    for (const what of ledgerLines) expect(withOne(what)?.bytes, what).toBeGreaterThan(0);
  });

  test('counts entries being rebuilt, twice their size', () => {
    const hook = 'reconstitute: { url: "http://127.0.0.1:1", concurrency: 3 }';
    const { lines } = worstCase(load(`namespaces: { a: { ${hook} }, b: { ${hook} } }`), COSTS);
    const line = lines.find(({ what }) => what === 'entries being rebuilt');
    expect(line).toMatchObject({ count: 6, bytesEach: 2 * MEBIBYTE });
  });

  test('grows with every bound of the ledger that costs memory', () => {
    const ledger = { LEASEHOLD_LEDGER_URL: 'redis://ledger', LEASEHOLD_MEMORY_LIMIT_MB: '8192' };
    const base = worstCase(load('', ledger), COSTS).bytes;
    const grown = [
      'limits: { copies: 20000 }',
      'limits: { copyBytes: 64Mi }',
      'limits: { tombstones: 100000 }',
      'ledger: { requestsInFlight: 64 }',
      'ledger: { readThroughs: 2048 }',
      'ledger: { waiters: 20000 }',
      'namespaces: { a: { mirror: all, capacity: { entries: 1 } } }',
    ];
    for (const yaml of grown) {
      expect(worstCase(load(yaml, ledger), COSTS).bytes, yaml).toBeGreaterThan(base);
    }
  });

  test('counts what a bus needs, and nothing of it without one', () => {
    const busLines = [
      'endings for the bus', 'index of those endings', 'other events for the bus',
      'index of those events', 'acknowledged endings, kept', 'chunks of the outbox begun',
      'messages on their way to the bus',
    ];
    const lineOf = (yaml: string, environment = {}) => {
      const { lines } = worstCase(load(yaml, environment), COSTS);
      return (what: string) => lines.find((line) => line.what === what);
    };
    const without = lineOf('namespaces: { a: { events: { values: full } } }');
    for (const what of [...busLines, 'values in those messages']) {
      expect(without(what), what).toMatchObject({ bytes: 0 });
    }
    const withOne = lineOf('', BUS);
    for (const what of busLines) expect(withOne(what)?.bytes, what).toBeGreaterThan(0);
    expect(withOne('endings for the bus')?.bytes).toBe(250_000 * 320 * 1.01);
    expect(withOne('values in those messages')?.bytes).toBe(0);
    // A key of control characters twice, at six bytes each, and two holders likewise.
    expect(withOne('messages on their way to the bus')).toMatchObject({
      count: 2 * 1024, bytesEach: 2048 + 2 * 6 * 512 + 2 * 6 * 256,
    });
    const hashed = lineOf('namespaces: { a: { events: { values: hash } } }', BUS);
    expect(hashed('other events for the bus')?.bytes).toBe(32 * MEBIBYTE);
    expect(hashed('values in those messages')?.bytes).toBe(0);
    const whole = lineOf('namespaces: { a: { events: { values: full } } }\nbus: { payloadBytes: 2Mi }', BUS);
    const values = whole('values in those messages')!.bytes;
    // No more than the outbox holds: in base64, once as text and once as bytes.
    expect(values).toBe(Math.ceil((2 * 4 * 16 * MEBIBYTE) / 3));
  });

  test('grows with every bound of the bus and of admission that costs memory', () => {
    const base = worstCase(load('', BUS), COSTS).bytes;
    const grown = [
      'limits: { outbox: { endings: 250001 } }',
      'limits: { outbox: { endings: 200000, endingBytes: 100Mi } }',
      'limits: { outbox: { events: 65537 } }',
      'limits: { outbox: { eventBytes: 17Mi } }',
      'limits: { outbox: { keptBytes: 17Mi } }',
      'limits: { keyBytes: 513 }',
      'bus: { window: 1025 }',
      'namespaces: { default: { events: { values: hash } } }',
      'namespaces: { default: { events: { values: full } } }\nbus: { payloadBytes: 2Mi }',
      'callerQuota: { requestsPerS: 1 }',
    ];
    for (const yaml of grown) {
      expect(worstCase(load(yaml, BUS), COSTS).bytes, yaml).toBeGreaterThan(base);
    }
    // As many as there may be connections, unless fewer are wanted.
    const fewer = 'admission: { heldRefusals: 11999 }';
    expect(worstCase(load(fewer, BUS), COSTS).bytes).toBeLessThan(base);
  });

  test('counts no more refusals held back than there are connections', () => {
    const { lines } = worstCase(load('limits: { connections: 10 }'), COSTS);
    expect(lines.find(({ what }) => what === 'refusals held back')?.count).toBe(10);
  });

  test('above the limit the configuration is refused, with the largest parts', () => {
    const yaml = 'namespaces: { big: { capacity: { entries: 9000000, bytes: 3Gi } } }';
    expect(told(yaml)).toEqual([
      expect.stringMatching(
        /^memoryLimitBytes: the worst case .* above the limit of 1Gi; the largest parts: bytes of keys and values 3920Mi, entries 955Mi, connections 188Mi$/,
      ),
    ]);
    expect(load(yaml, { LEASEHOLD_MEMORY_LIMIT_MB: '8192' }).namespaces).toHaveLength(2);
  });

  test('a control group too small for the defaults is refused at start, not killed later', () => {
    const machine = { ...MACHINE, groupMemoryBytes: 256 * MEBIBYTE };
    expect(told(undefined, {}, machine)).toEqual([
      expect.stringMatching(/above the limit of 256Mi/),
    ]);
  });
});
