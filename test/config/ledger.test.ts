/** The configuration of the ledger, of what needs one, and of rebuild hooks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { printConfig } from '../../src/config/print.ts';
import { load, told } from './loading.ts';

const ROOM = { LEASEHOLD_MEMORY_LIMIT_MB: '4096' };
const LEDGER = { ...ROOM, LEASEHOLD_LEDGER_URL: 'redis://ledger:6379' };
const SECRET = { ...ROOM, LEASEHOLD_LEDGER_URL: 'redis://:hunter2@ledger:6379' };

let directory: string | undefined;
afterEach(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true });
  directory = undefined;
});
function file(text: string): string {
  directory ??= mkdtempSync(join(tmpdir(), 'leasehold-secret-'));
  const path = join(directory, `file-${text.length}`);
  writeFileSync(path, text);
  return path;
}

describe('without a ledger', () => {
  test('there is none, and no room is kept for it', () => {
    const { ledger, limits } = load();
    expect(ledger).toBeUndefined();
    expect(limits).toMatchObject({ copies: 0, copyBytes: 0, tombstones: 0 });
  });

  test('its options have no effect, whatever they say', () => {
    const config = load('ledger: { partitions: 8 }\nlimits: { copies: 5, tombstones: 5 }');
    expect(config.ledger).toBeUndefined();
    expect(config.limits).toMatchObject({ copies: 0, tombstones: 0 });
  });

  test.each([
    ['durability: ledger', 'durability'],
    ['mirror: all', 'mirror'],
    ['conflict: firstWins', 'conflict'],
    ['onDrain: handover', 'onDrain'],
    ['ledgerAck: replicated', 'ledgerAck'],
    ['ledgerAck: fsynced', 'ledgerAck'],
  ])('%s is refused in one complaint that says what to do', (option, name) => {
    const [complaint, ...more] = told(`namespaces: { a: { ${option} } }`);
    expect(more).toEqual([]);
    expect(complaint).toMatch(
      new RegExp(`^namespaces\\.a\\.${name}: may be \\w+ only with a ledger .*set LEASEHOLD_LEDGER_URL`),
    );
  });

  test('a URL that is wrong is the only complaint: one was meant', () => {
    const yaml = 'namespaces: { a: { durability: ledger, mirror: all } }';
    const complaints = told(yaml, { LEASEHOLD_LEDGER_URL: 'http://:hunter2@ledger' });
    expect(complaints).toEqual([expect.stringMatching(/^LEASEHOLD_LEDGER_URL: has a scheme no ledger/)]);
    expect(complaints.join()).not.toContain('hunter2');
  });
});

describe('with a ledger', () => {
  test('its options have defaults, and the URL is kept as it was given', () => {
    expect(load(undefined, SECRET).ledger).toEqual({
      url: 'redis://:hunter2@ledger:6379', tls: {},
      partitions: 64, buckets: 256, keyPrefix: 'lh:',
      beatMs: 5_000, pullMs: 500, truthCheckMs: 300_000, sweepMs: 1_000,
      timeoutMs: 1_000, readThroughMs: 500, ackMs: 5_000, windowMs: 60_000,
      slackMs: 1_000, stepMs: 500, driftRatio: 0.001, maxSkewMs: 5_000,
      logEntries: 65_536, requestsInFlight: 32, readThroughs: 1_024, waiters: 10_000,
    });
  });

  test('the URL of the environment goes before that of the file, whose options stand', () => {
    const yaml = 'ledger: { url: "redis://from-file", partitions: 8, driftRatio: 0 }';
    expect(load(yaml).ledger).toMatchObject({ url: 'redis://from-file', partitions: 8, driftRatio: 0 });
    expect(load(yaml, LEDGER).ledger).toMatchObject({ url: 'redis://ledger:6379', partitions: 8 });
    expect(load('ledger:', LEDGER).ledger?.partitions).toBe(64);
  });

  test('what needs one is taken', () => {
    const yaml = `
      namespaces:
        a: { durability: ledger, ledgerAck: replicated, conflict: firstWins, onDrain: handover }
        b: { mirror: all, autonomyMs: 86400000 }
    `;
    const { namespaces } = load(yaml, LEDGER);
    expect(namespaces.find(({ name }) => name === 'a')).toMatchObject({
      durability: 'ledger', ledgerAck: 'replicated', conflict: 'firstWins', onDrain: 'handover',
      mirror: 'none', autonomyMs: 60_000,
    });
    expect(namespaces.find(({ name }) => name === 'b')).toMatchObject({
      mirror: 'all', autonomyMs: 86_400_000,
    });
  });

  test.each([
    ['durability: ledger'], ['mirror: all'], ['onDrain: handover'], ['ledgerAck: fsynced'],
  ])('%s is refused in class local', (option) => {
    expect(told(`namespaces: { a: { class: local, ${option} } }`, LEDGER)).toEqual([
      expect.stringMatching(/: may be \w+ in class shared only, and a is of class local$/),
    ]);
  });

  test.each([
    ['namespaces: { a: { conflict: firstWins } }', /^namespaces\.a\.conflict: .*durability ledger only/],
    ['namespaces: { a: { autonomyMs: 999 } }', /^namespaces\.a\.autonomyMs: must be an integer from 1000/],
    ['namespaces: { a: { autonomyMs: 86400001 } }', /^namespaces\.a\.autonomyMs: must be .* to 86400000/],
    ['ledger: { partitions: 1025 }', /^ledger\.partitions: must be an integer from 1 to 1024/],
    ['ledger: { buckets: 15 }', /^ledger\.buckets: must be an integer from 16 to 1024/],
    ['ledger: { keyPrefix: "{lh}" }', /^ledger\.keyPrefix: must be a text/],
    ['ledger: { driftRatio: 0.2 }', /^ledger\.driftRatio: must be a number from 0 to 0\.1, got 0\.2/],
    ['ledger: { timeoutMs: 6000 }', /^ledger\.timeoutMs: must be at most ledger\.ackMs, which is 5000/],
    ['ledger: { timeoutMs: 3000, windowMs: 2000 }', /^ledger\.timeoutMs: must be at most ledger\.windowMs/],
    ['ledger: { truthCheckMs: 2000, beatMs: 3000 }', /^ledger\.beatMs: must be at most ledger\.truthCheckMs/],
    ['limits: { copies: 0 }', /^limits\.copies: must be at least 1 with a ledger/],
    ['limits: { tombstones: 0 }', /^limits\.tombstones: must be at least 1 with a ledger/],
    ['limits: { copies: 99950000 }', /^limits\.copies: must be at most 100000000 together with limits\.entries/],
    ['limits: { bytes: 16Gi }', /^limits\.bytes: must be less than 16Gi with a ledger/],
    ['ledger: []', /^ledger: must be a mapping with url/],
    ['ledger: { url: 5 }', /^LEASEHOLD_LEDGER_URL|^ledger\.url/],
    ['ledger: { partition: 5 }', /^ledger\.partition: is not an option; did you mean partitions/],
  ])('%s is refused', (yaml, complaint) => {
    const environment = yaml.includes('url') ? {} : LEDGER;
    expect(told(yaml, environment)).toContainEqual(expect.stringMatching(complaint));
  });

  test('a URL in the wrong place does not show its password', () => {
    for (const yaml of ['ledger: "redis://:hunter2@ledger"', 'ledger: { url: ["redis://:hunter2@a"] }']) {
      const complaints = told(yaml).join();
      expect(complaints).toMatch(/^ledger/);
      expect(complaints).not.toContain('hunter2');
    }
  });

  test('three beats fit into the shortest autonomy of what is shared', () => {
    const beatMs = (yaml: string) => load(yaml, LEDGER).ledger?.beatMs;
    expect(beatMs('namespaces: { a: { autonomyMs: 15000 } }')).toBe(5_000);
    expect(beatMs('namespaces: { a: { autonomyMs: 2000 }, b: { autonomyMs: 9000 } }')).toBe(666);
    expect(beatMs('namespaces: { a: { class: local, autonomyMs: 1000 } }')).toBe(5_000);
    expect(told('namespaces: { a: { autonomyMs: 9999 } }\nledger: { beatMs: 5000 }', LEDGER)).toEqual([
      'namespaces.a.autonomyMs: must be at least twice ledger.beatMs, which is 5000, got 9999',
    ]);
  });

  test('room is kept for copies and tombstones, more of it for a mirror', () => {
    const room = (yaml: string) => load(yaml, LEDGER).limits;
    expect(room('')).toMatchObject({
      copies: 10_000, copyBytes: Math.ceil(64 * 1024 ** 2 / 10), tombstones: 50_000,
    });
    expect(room('namespaces: { default: { mirror: all } }')).toMatchObject({
      copies: 100_000, copyBytes: 64 * 1024 ** 2, tombstones: 50_000,
    });
    expect(room('namespaces: { default: { capacity: { entries: 100 } } }')).toMatchObject({
      copies: 1_000, tombstones: 10_000,
    });
    expect(room('limits: { copies: 7, copyBytes: 1Ki, tombstones: 9 }')).toMatchObject({
      copies: 7, copyBytes: 1024, tombstones: 9,
    });
  });

  test('printed, its password is masked, and all else loads to the same', () => {
    const yaml = 'ledger: { partitions: 8 }\nnamespaces: { a: { durability: ledger } }';
    const config = load(yaml, LEDGER);
    for (const options of [{}, { json: true }, { explain: true }]) {
      expect(load(printConfig(config, options))).toEqual(config);
      const printed = printConfig(load(yaml, SECRET), options);
      expect(printed).toContain('redis://:***@ledger:6379');
      expect(printed).not.toContain('hunter2');
    }
  });

  test('printed without one, the page still goes with one', () => {
    const printed = printConfig(load('namespaces: { default: {} }'), { explain: true });
    expect(printed).toContain('  # url:');
    expect(printed).toContain('  partitions: 64');
    expect(load(printed, LEDGER).limits.copies).toBe(10_000);
    expect(printConfig(load())).not.toContain('ledger:');
  });
});

describe('files beside the ledger', () => {
  test('are named, and read only by whoever connects', () => {
    const passwordFile = file('hunter2\n');
    const config = load(`ledger: { passwordFile: "${passwordFile}" }`, LEDGER);
    expect(config.ledger?.passwordFile).toBe(passwordFile);
    expect(JSON.stringify(config)).not.toContain('hunter2');
  });

  test('must be there and hold something', () => {
    expect(told('ledger: { passwordFile: /nowhere/secret }', LEDGER)).toEqual([
      expect.stringMatching(/^ledger\.passwordFile: "\/nowhere\/secret" cannot be used: ENOENT/),
    ]);
    expect(told(`ledger: { passwordFile: "${file('\nmore')}" }`, LEDGER)).toEqual([
      expect.stringMatching(/^ledger\.passwordFile: .*it is empty$/),
    ]);
    expect(told(`ledger: { passwordFile: "${file('x'.repeat(5000))}" }`, LEDGER)).toEqual([
      expect.stringMatching(/it is longer than 4096 bytes$/),
    ]);
    expect(told('ledger: { url: "rediss://a", tls: { caFile: /nowhere } }')).toEqual([
      expect.stringMatching(/^ledger\.tls\.caFile: "\/nowhere" cannot be used: ENOENT/),
    ]);
  });

  test('a password stands in one place', () => {
    expect(told(`ledger: { passwordFile: "${file('hunter2')}" }`, SECRET)).toEqual([
      expect.stringMatching(/^ledger\.passwordFile: is given, and so is a password in the URL/),
    ]);
  });

  test('TLS options go with a scheme of TLS, and a certificate with its key', () => {
    expect(told('ledger: { tls: { serverName: ledger } }', LEDGER)).toEqual([
      'ledger.tls.serverName: has no effect where the URL is not of a rediss scheme',
    ]);
    const secure = { LEASEHOLD_LEDGER_URL: 'rediss://ledger' };
    const path = file('pem');
    expect(told(`ledger: { tls: { certFile: "${path}" } }`, secure)).toEqual([
      'ledger.tls.certFile: is of no use without ledger.tls.keyFile',
    ]);
    const both = `ledger: { tls: { certFile: "${path}", keyFile: "${path}", serverName: a.b } }`;
    expect(load(both, secure).ledger?.tls).toEqual({ certFile: path, keyFile: path, serverName: 'a.b' });
  });
});

describe('a rebuild hook', () => {
  const hook = (options: string) => `namespaces: { a: { reconstitute: { ${options} } } }`;
  const contract = (yaml: string) => load(yaml).namespaces.find(({ name }) => name === 'a');

  test('has defaults, and is not there without a URL', () => {
    expect(contract(hook('url: "http://127.0.0.1:8080/rebuild"'))?.reconstitute).toEqual({
      url: 'http://127.0.0.1:8080/rebuild', timeoutMs: 2_000, concurrency: 16, allowRemote: false,
    });
    expect(contract(hook('url: "http://localhost", ttlMs: 5000'))?.reconstitute?.ttlMs).toBe(5_000);
    expect(contract(hook('timeoutMs: 10'))).not.toHaveProperty('reconstitute');
    expect(contract('namespaces: { a: {} }')).not.toHaveProperty('reconstitute');
  });

  test('stays on this machine unless it is said that it may not', () => {
    for (const url of ['http://127.1.2.3', 'http://[::1]:1/x', 'https://LOCALHOST:2']) {
      expect(contract(hook(`url: "${url}"`))?.reconstitute?.url, url).toBe(url);
    }
    for (const url of ['http://10.0.0.1', 'http://rebuild.svc', 'http://[::2]']) {
      expect(told(hook(`url: "${url}"`)), url).toEqual([
        expect.stringMatching(/^namespaces\.a\.reconstitute\.url: leads beyond this machine/),
      ]);
      expect(contract(hook(`url: "${url}", allowRemote: true`))?.reconstitute?.url).toBe(url);
    }
  });

  test.each([
    ['url: "redis://127.0.0.1"', /\.url: must be an http or https URL/],
    ['url: nonsense', /\.url: must be an http or https URL/],
    ['url: "http://u:hunter2@127.0.0.1"', /\.url: must not hold credentials/],
    ['url: "http://127.0.0.1?a=b"', /\.url: must not hold a query/],
    ['url: "http://127.0.0.1", ttlMs: 50', /\.ttlMs: must be within the ttl of a, from 100 to 3600000/],
    ['url: "http://127.0.0.1", concurrency: 0', /\.concurrency: must be an integer from 1 to 1024/],
    ['uri: "http://127.0.0.1"', /\.uri: is not an option; did you mean url/],
  ])('%s is refused', (options, complaint) => {
    const complaints = told(hook(options));
    expect(complaints).toEqual([expect.stringMatching(complaint)]);
    expect(complaints.join()).not.toContain('hunter2');
  });

  test('cannot rebuild counters', () => {
    const yaml = 'namespaces: { a: { conflict: counter, reconstitute: { url: "http://127.0.0.1" } } }';
    expect(told(yaml)).toEqual([expect.stringMatching(/reconstitute\.url: cannot rebuild counters/)]);
  });

  test('printed, loads to the same', () => {
    const config = load(hook('url: "http://127.0.0.1:1", ttlMs: 5000'));
    for (const options of [{}, { json: true }, { explain: true }]) {
      expect(load(printConfig(config, options))).toEqual(config);
    }
  });
});
