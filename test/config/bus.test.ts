/** The configuration of the bus and of the outbox before it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { printConfig } from '../../src/config/print.ts';
import { COSTS, load, MACHINE, told } from './loading.ts';

const ROOM = { LEASEHOLD_MEMORY_LIMIT_MB: '4096' };
const BUS = { ...ROOM, LEASEHOLD_BUS_URL: 'nats://nats' };
const SECURE = { ...ROOM, LEASEHOLD_BUS_URL: 'tls://nats' };
const ANN = { ...ROOM, LEASEHOLD_BUS_URL: 'nats://ann@nats' };
const SECRET = { ...ROOM, LEASEHOLD_BUS_URL: 'nats://ann:hunter2@nats' };
const DAY_MS = 86_400_000;

let directory: string;
let file: string;
let empty: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'leasehold-bus-'));
  file = join(directory, 'secret');
  empty = join(directory, 'empty');
  writeFileSync(file, 'hunter2\n');
  writeFileSync(empty, '\nhunter2\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('without a bus', () => {
  test('there is none, and no outbox', () => {
    const config = load();
    expect(config).not.toHaveProperty('bus');
    expect(config.limits).not.toHaveProperty('outbox');
  });

  test('its options have no effect, whatever they say', () => {
    const config = load('bus: { replicas: 3, window: 1 }\nlimits: { outbox: { endings: 1 } }');
    expect(config).not.toHaveProperty('bus');
    expect(config.limits).not.toHaveProperty('outbox');
  });
});

describe('with a bus', () => {
  test('its options have defaults, and the URL is kept as it was given', () => {
    expect(load(undefined, SECRET).bus).toEqual({
      url: 'nats://ann:hunter2@nats', mode: 'jetstream', encoding: 'structured', tls: {},
      replicas: 1,
      endings: { maxBytes: 1024 ** 3, maxAgeMs: 7 * DAY_MS, duplicateWindowMs: 300_000 },
      events: { maxBytes: 1024 ** 3, maxAgeMs: DAY_MS, duplicateWindowMs: 120_000 },
      payloadBytes: 1024 ** 2, window: 1_024, ackMs: 5_000, connectMs: 2_000, checkMs: 10_000, keptMs: 300_000,
      retryCapMs: 10_000,
    });
  });

  test('every option can be given', () => {
    const yaml = `
      bus:
        url: "tls://a:1,b:2"
        mode: core
        encoding: binary
        credentialsFile: "${file}"
        tls: { caFile: "${file}", certFile: "${file}", keyFile: "${file}", serverName: nats.internal }
        replicas: 3
        endings: { maxBytes: 4Gi, maxAgeMs: 90000, duplicateWindowMs: 80000 }
        events: { maxBytes: 1Mi, maxAgeMs: 1000, duplicateWindowMs: 900 }
        payloadBytes: 8Mi
        window: 7
        ackMs: 800
        connectMs: 100
        checkMs: 900
        keptMs: 1000
        retryCapMs: 100
      limits: { outbox: { endings: 200000, endingBytes: 64Mi, events: 256, eventBytes: 64Ki, keptBytes: 64Ki } }
    `;
    const config = load(yaml);
    expect(config.bus).toEqual({
      url: 'tls://a:1,b:2', mode: 'core', encoding: 'binary', credentialsFile: file,
      tls: { caFile: file, certFile: file, keyFile: file, serverName: 'nats.internal' },
      replicas: 3,
      endings: { maxBytes: 4 * 1024 ** 3, maxAgeMs: 90_000, duplicateWindowMs: 80_000 },
      events: { maxBytes: 1024 ** 2, maxAgeMs: 1_000, duplicateWindowMs: 900 },
      payloadBytes: 8 * 1024 ** 2, window: 7, ackMs: 800, connectMs: 100, checkMs: 900, keptMs: 1_000, retryCapMs: 100,
    });
    expect(config.limits.outbox).toEqual({
      endings: 200_000, endingBytes: 64 * 1024 ** 2,
      events: 256, eventBytes: 65_536, keptBytes: 65_536,
    });
  });

  test('the URL of the environment goes before that of the file, whose options stand', () => {
    const yaml = 'bus: { url: "nats://from-file", replicas: 3 }';
    expect(load(yaml).bus).toMatchObject({ url: 'nats://from-file', replicas: 3 });
    expect(load(yaml, BUS).bus).toMatchObject({ url: 'nats://nats', replicas: 3 });
    expect(load('bus:', BUS).bus?.replicas).toBe(1);
  });

  test('the outbox has room for the endings of a quarter more than can live', () => {
    expect(load(undefined, BUS).limits.outbox).toEqual({
      endings: 250_000, endingBytes: 250_000 * 320,
      events: 65_536, eventBytes: 16 * 1024 ** 2, keptBytes: 16 * 1024 ** 2,
    });
    const pools = 'limits: { leases: 200001, entries: 100000 }';
    expect(load(pools, BUS).limits.outbox?.endings).toBe(Math.ceil(1.25 * 300_001));
    const fewer = load('limits: { outbox: { endings: 100000 } }', BUS).limits.outbox;
    expect(fewer).toMatchObject({ endings: 100_000, endingBytes: 32_000_000 });
  });

  test('the zero configuration with a bus and a ledger stays within its memory', () => {
    const both = { LEASEHOLD_BUS_URL: 'nats://nats', LEASEHOLD_LEDGER_URL: 'redis://ledger' };
    expect(load(undefined, both).memoryLimitBytes).toBe(1024 ** 3);
  });

  test('the example with a bus loads with one, within the default memory limit', () => {
    const example = join(import.meta.dirname, '../../config/examples/events-on-nats.yaml');
    const environment = {
      LEASEHOLD_CONFIG: example,
      LEASEHOLD_BUS_URL: 'nats://nats', LEASEHOLD_LEDGER_URL: 'redis://ledger',
    };
    const config = loadConfig({ environment, costs: COSTS, machine: MACHINE });
    expect(config.bus?.replicas).toBe(3);
    expect(config.limits.outbox?.endings).toBe(2 * (config.limits.leases + config.limits.entries));
    expect(config.memoryLimitBytes).toBe(1024 ** 3);
  });

  test.each([
    ['bus: { mode: stream }', /^bus\.mode: must be one of jetstream, core, got "stream"/],
    ['bus: { encoding: avro }', /^bus\.encoding: must be one of structured, binary/],
    ['bus: { replicas: 6 }', /^bus\.replicas: must be an integer from 1 to 5, got 6/],
    ['bus: { endings: { maxBytes: 1Ki } }', /^bus\.endings\.maxBytes: must be a size from 1Mi/],
    ['bus: { endings: { maxAgeMs: 1 } }', /^bus\.endings\.maxAgeMs: must be an integer from 1000/],
    ['bus: { events: { duplicateWindowMs: 0 } }', /^bus\.events\.duplicateWindowMs: must be .* from 100/],
    ['bus: { payloadBytes: 1Ki }', /^bus\.payloadBytes: must be a size from 64Ki to 64Mi/],
    ['bus: { window: 0 }', /^bus\.window: must be an integer from 1 to 65536/],
    ['bus: { ackMs: 49 }', /^bus\.ackMs: must be an integer from 50/],
    ['bus: { connectMs: 60001 }', /^bus\.connectMs: must be .* to 60000/],
    ['bus: { checkMs: 99 }', /^bus\.checkMs: must be an integer from 100/],
    ['bus: { keptMs: 999 }', /^bus\.keptMs: must be an integer from 1000/],
    ['bus: { retryCapMs: 99 }', /^bus\.retryCapMs: must be an integer from 100/],
    ['bus: { tls: { serverName: "a b" } }', /^bus\.tls\.serverName: must be a host name/],
    ['bus: { tokenFile: "" }', /^bus\.tokenFile: must be the path of a readable file/],
    ['bus: { nkeyfile: x }', /^bus\.nkeyfile: is not an option; did you mean nkeyFile/],
    ['bus: { endings: { discard: old } }', /^bus\.endings\.discard: is not an option; known here: maxBytes/],
    ['bus: []', /^bus: must be a mapping with url/],
    ['limits: { outbox: { endings: 0 } }', /^limits\.outbox\.endings: must be an integer from 1/],
    ['limits: { outbox: { endingBytes: 1Ki } }', /^limits\.outbox\.endingBytes: must be a size from 64Ki/],
    ['limits: { outbox: { events: 255 } }', /^limits\.outbox\.events: must be an integer from 256/],
    ['limits: { outbox: { eventBytes: 1 } }', /^limits\.outbox\.eventBytes: must be a size from 64Ki/],
    ['limits: { outbox: { keptBytes: 1 } }', /^limits\.outbox\.keptBytes: must be a size from 64Ki/],
  ])('%s is refused', (yaml, complaint) => {
    expect(told(yaml, BUS)).toContainEqual(expect.stringMatching(complaint));
  });

  test.each([
    [
      'bus: { endings: { maxAgeMs: 60000 } }',
      'bus.endings.duplicateWindowMs: must be at most bus.endings.maxAgeMs, which is 60000, got 300000',
    ],
    [
      'bus: { events: { duplicateWindowMs: 4000 } }',
      'bus.ackMs: must be at most bus.events.duplicateWindowMs, which is 4000, got 5000',
    ],
    ['bus: { keptMs: 9999 }', 'bus.checkMs: must be at most bus.keptMs, which is 9999, got 10000'],
    [
      'limits: { outbox: { endings: 99999 } }',
      'limits.outbox.endings: must be at least limits.entries, which is 100000: each of them will end; got 99999',
    ],
    [
      'limits: { leases: 200000, outbox: { endings: 199999 } }',
      'limits.outbox.endings: must be at least limits.leases, which is 200000: each of them will end; got 199999',
    ],
    [
      'namespaces: { a: { events: { values: full } } }\nlimits: { valueBytes: 600Ki, outbox: { eventBytes: 1Mi } }',
      'limits.outbox.eventBytes: must be at least twice limits.valueBytes, which is 600Ki, where events ' +
        'tell values or their hash, as in a; got 1Mi',
    ],
    [
      'namespaces: { a: { events: { values: full } } }',
      'limits.valueBytes: must be at most 759Ki where events tell values whole, as in a, to fit a ' +
        'message of bus.payloadBytes, which is 1Mi; got 1Mi',
    ],
    [
      'namespaces: { b: { events: { values: hash } } }\nlimits: { outbox: { eventBytes: 2047Ki } }',
      'limits.outbox.eventBytes: must be at least twice limits.valueBytes, which is 1Mi, where events ' +
        'tell values or their hash, as in b; got 2047Ki',
    ],
  ])('%s contradicts another option', (yaml, complaint) => {
    expect(told(yaml, BUS)).toEqual([complaint]);
  });

  test('a message takes the largest value there may be, unless it tells none', () => {
    const full = 'namespaces: { a: { events: { values: full } } }\n';
    expect(load(`${full}limits: { valueBytes: 759Ki }`, BUS).bus?.payloadBytes).toBe(1024 ** 2);
    expect(load(`${full}bus: { payloadBytes: 2Mi }`, BUS).limits.valueBytes).toBe(1024 ** 2);
    expect(load(full.replace('{ events', '{ sensitive: true, events'), BUS).bus).toBeDefined();
    expect(load(full).bus).toBeUndefined();
  });

  test('of events without values little room is enough', () => {
    const { outbox } = load('limits: { outbox: { eventBytes: 64Ki } }', BUS).limits;
    expect(outbox?.eventBytes).toBe(65_536);
  });
});

describe('signing in to the bus', () => {
  test('is by one way', () => {
    const files = `tokenFile: "${file}", nkeyFile: "${file}", credentialsFile: "${file}"`;
    expect(told(`bus: { ${files} }`, BUS)).toEqual([
      'bus.credentialsFile: is given, and so is bus.tokenFile; keep one way to sign in',
      'bus.nkeyFile: is given, and so is bus.tokenFile; keep one way to sign in',
    ]);
    for (const option of ['tokenFile', 'credentialsFile', 'nkeyFile'] as const) {
      const yaml = `bus: { ${option}: "${file}" }`;
      expect(load(yaml, BUS).bus?.[option]).toBe(file);
      expect(told(yaml, SECRET)).toEqual([
        `bus.${option}: is given, and so is a user in the URL; keep one way to sign in`,
      ]);
    }
  });

  test('a password stands in one place, and belongs to a user', () => {
    const yaml = `bus: { passwordFile: "${file}" }`;
    expect(load(yaml, ANN).bus).toMatchObject({ url: 'nats://ann@nats', passwordFile: file });
    expect(told(yaml, SECRET)).toEqual([
      'bus.passwordFile: is given, and so is a password in the URL; keep one of them',
    ]);
    expect(told(yaml, BUS)).toEqual(['bus.passwordFile: is of no use without a user in the URL']);
    expect(told(undefined, ANN)).toEqual([
      expect.stringMatching(/^LEASEHOLD_BUS_URL: has a user without a password; .* bus\.tokenFile$/),
    ]);
  });

  test('reads secrets when it connects only', () => {
    const config = load(`bus: { tokenFile: "${file}" }`, BUS);
    expect(JSON.stringify(config)).not.toContain('hunter2');
  });

  test('needs files that are there and hold something', () => {
    const nowhere = '/nowhere/secret';
    for (const option of ['passwordFile', 'tokenFile', 'credentialsFile', 'nkeyFile']) {
      const url = option === 'passwordFile' ? ANN : BUS;
      expect(told(`bus: { ${option}: ${nowhere} }`, url)).toEqual([
        expect.stringMatching(`^bus\\.${option}: "${nowhere}" cannot be used: ENOENT`),
      ]);
    }
    expect(told(`bus: { tokenFile: "${empty}" }`, BUS)).toEqual([
      `bus.tokenFile: "${empty}" cannot be used: it is empty`,
    ]);
    expect(told(`bus: { tls: { caFile: ${nowhere} } }`, SECURE)).toEqual([
      expect.stringMatching(/^bus\.tls\.caFile: "\/nowhere\/secret" cannot be used: ENOENT/),
    ]);
  });

  test('TLS options go with the tls scheme, and a certificate with its key', () => {
    expect(told(`bus: { tls: { serverName: nats, caFile: "${file}" } }`, BUS)).toEqual([
      'bus.tls.caFile: has no effect where the URL is not of the tls scheme',
      'bus.tls.serverName: has no effect where the URL is not of the tls scheme',
    ]);
    expect(told(`bus: { tls: { certFile: "${file}" } }`, SECURE)).toEqual([
      'bus.tls.certFile: is of no use without bus.tls.keyFile',
    ]);
    expect(told(`bus: { tls: { keyFile: "${file}" } }`, SECURE)).toEqual([
      'bus.tls.keyFile: is of no use without bus.tls.certFile',
    ]);
  });
});

describe('the secret in the URL', () => {
  test('is in no complaint, wherever it stands', () => {
    for (const [yaml, environment] of [
      ['', { LEASEHOLD_BUS_URL: 'redis://ann:hunter2@nats' }],
      ['', { LEASEHOLD_BUS_URL: 'nats://ann:hunter2@nats:0' }],
      ['bus: { url: ["nats://ann:hunter2@nats"] }', {}],
      ['bus: "nats://ann:hunter2@nats"', {}],
      ['bus: { mode: "nats://ann:hunter2@nats" }', {}],
      ['', { LEASEHOLD_BUS_URL: 'nats://hunter2@nats' }],
    ] as const) {
      const complaints = told(yaml, environment).join();
      expect(complaints).toMatch(/^(bus|LEASEHOLD_BUS_URL)\b/);
      expect(complaints).not.toContain('hunter2');
    }
  });

  test('is masked when printed, and all else loads to the same', () => {
    const yaml = 'bus: { replicas: 3 }\nlimits: { outbox: { events: 1000 } }';
    const config = load(yaml, BUS);
    for (const options of [{}, { json: true }, { explain: true }]) {
      expect(load(printConfig(config, options))).toEqual(config);
      const printed = printConfig(load(yaml, SECRET), options);
      expect(printed).toContain('nats://ann:***@nats');
      expect(printed).not.toContain('hunter2');
    }
  });

  test('printed without a bus, the page still goes with one', () => {
    const printed = printConfig(load('namespaces: { default: {} }'), { explain: true });
    expect(printed).toContain('  duplicateWindowMs: 300000');
    expect(load(printed, BUS).limits.outbox?.endings).toBe(250_000);
    expect(printConfig(load())).not.toMatch(/^(bus| {2}outbox):/m);
  });
});
