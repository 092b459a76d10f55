import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/config/complaint.ts';
import { complaintsOf, load, MACHINE, told } from './loading.ts';

describe('without a file', () => {
  test('there is a shared default namespace, and others are created on demand', () => {
    const config = load();
    expect(config.namespaces.map(({ name }) => name)).toEqual(['default']);
    expect(config.namespaces[0]).toMatchObject({
      class: 'shared',
      durability: 'journal',
      ttl: { defaultMs: 30_000, minMs: 100, maxMs: 3_600_000, maxLifetimeMs: 86_400_000 },
      capacity: { leases: 100_000, entries: 100_000, bytes: 67_108_864, eviction: 'refuse' },
    });
    expect(config.autoCreateNamespaces).toBe(true);
    expect(config.listen).toEqual([{ kind: 'tcp', host: '127.0.0.1', port: 7117 }]);
    expect(config.dataDir).toBe('.leasehold');
  });

  test('the replica is named after the host', () => {
    expect(load().name).toBe('host-1');
  });

  test('a host name that cannot be shown asks for another', () => {
    expect(told(undefined, {}, { ...MACHINE, hostName: 'no good' })).toEqual([
      expect.stringMatching(/^LEASEHOLD_NAME: the host name "no good" cannot serve/),
    ]);
  });

  test('the memory limit is the control group’s, else a modest share of the machine', () => {
    const limit = (machine: Partial<typeof MACHINE>) =>
      load(undefined, {}, { ...MACHINE, ...machine }).memoryLimitBytes;
    expect(limit({ groupMemoryBytes: 800 * 1024 ** 2 })).toBe(800 * 1024 ** 2);
    expect(limit({ memoryBytes: 1792 * 1024 ** 2 })).toBe(896 * 1024 ** 2);
    expect(limit({ memoryBytes: 64 * 1024 ** 3 })).toBe(1024 ** 3);
  });

  test('the result is frozen to the bottom', () => {
    const config = load();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.namespaces[0]?.ttl)).toBe(true);
    expect(Object.isFrozen(config.limits.endedMemory)).toBe(true);
  });
});

describe('the file', () => {
  test('overrides defaults, and what it leaves out keeps them', () => {
    const config = load('namespaces: { jobs: { ttl: { defaultMs: 5000 }, sliding: true } }');
    const jobs = config.namespaces.find(({ name }) => name === 'jobs');
    expect(jobs).toMatchObject({ sliding: true, ttl: { defaultMs: 5_000, minMs: 100 } });
    expect(config.namespaces.map(({ name }) => name).sort()).toEqual(['default', 'jobs']);
  });

  test('turns off the creation of namespaces, unless it says otherwise', () => {
    expect(load('drainMs: 1').autoCreateNamespaces).toBe(false);
    expect(load('autoCreateNamespaces: true').autoCreateNamespaces).toBe(true);
  });

  test('may be empty, and so may be its groups', () => {
    expect(load('').limits).toEqual(load().limits);
    const config = load('namespaces:\n  jobs:\n  more: { ttl: }\nlimits:\n');
    expect(config.namespaces).toHaveLength(3);
  });

  test('may say what the default namespace is like', () => {
    const config = load('namespaces: { default: { durability: fsync } }');
    expect(config.namespaces.map(({ name, durability }) => [name, durability])).toEqual([
      ['default', 'fsync'],
    ]);
  });

  test('the pools are the sum of the capacities unless given', () => {
    const yaml = (limits: string) =>
      `namespaces: { default: { capacity: { entries: 10 } }, a: { capacity: { entries: 5 } } }\n${limits}`;
    expect(load(yaml('')).limits.entries).toBe(15);
    expect(load(yaml('limits: { entries: 12 }')).limits.entries).toBe(12);
  });

  test.each([
    ['that is not there', 'LEASEHOLD_CONFIG: cannot be read: ENOENT', '/nowhere/leasehold.yaml'],
    ['that is a directory', 'LEASEHOLD_CONFIG: cannot be read: EISDIR', '/'],
  ])('one %s is refused', (_, message, path) => {
    expect(told(undefined, { LEASEHOLD_CONFIG: path })).toEqual([expect.stringContaining(message)]);
  });

  test.each([
    ['a list', '[1, 2]', /must hold a mapping of options/],
    ['broken YAML', 'a: [', /line 1/],
    ['a key given twice', 'drainMs: 1\ndrainMs: 2', /unique/],
    ['a __proto__ key', 'namespaces: { __proto__: {} }', /__proto__/],
    ['a bomb of aliases', bomb(), /alias/i],
    ['something enormous', `# ${'x'.repeat(1024 ** 2)}`, /bytes long/],
  ])('%s is refused with a reason', (_, yaml, reason) => {
    expect(told(yaml)).toEqual([expect.stringMatching(reason)]);
  });
});

function bomb(): string {
  const levels = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de'].map((pair) => [...pair] as [string, string])) {
    levels.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
  }
  return levels.join('\n');
}

describe('complaints', () => {
  test('all come at once, each with its path, what is allowed and what was given', () => {
    const yaml = `
      drainMs: soon
      namespaces:
        sessions: { ttl: { minMs: -5, defaultMs: 10.5 }, durability: maybe }
        Foo: {}
      limits: { feed: { bytes: 5XB }, watchers: 0 }
      journal: []
    `;
    expect(told(yaml, { LEASEHOLD_LOG_LEVEL: 'loud' })).toEqual([
      'drainMs: must be an integer from 0 to 600000, got "soon"',
      'LEASEHOLD_LOG_LEVEL: must be one of trace, debug, info, warn, error, fatal, silent, got "loud"',
      'namespaces.sessions.ttl.defaultMs: must be an integer from 1 to 2592000000, got 10.5',
      'namespaces.sessions.ttl.minMs: must be an integer from 1 to 2592000000, got -5',
      'namespaces.sessions.durability: must be one of memory, journal, fsync, ledger, got "maybe"',
      expect.stringMatching(/^namespaces\.Foo: must be a name of 1 to 63 characters/),
      'limits.watchers: must be an integer from 1 to 10000, got 0',
      'limits.feed.bytes: must be a size from 64Ki to 16Gi (bytes, or with Ki, Mi, Gi, Ti), got "5XB"',
      'journal: must be a mapping with segmentBytes, reserveBytes, snapshotAfterBytes, selfCheck, onCorruption, got []',
    ]);
  });

  test('each says separately what is allowed', () => {
    expect(complaintsOf('namespaces: { sessions: { ttl: { minMs: -5 } } }')).toEqual([
      {
        path: 'namespaces.sessions.ttl.minMs',
        message: 'must be an integer from 1 to 2592000000, got -5',
        allowed: 'an integer from 1 to 2592000000',
      },
    ]);
  });

  test('the error lists them, one a line', () => {
    try {
      load('a: 1\nb: 2');
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigurationError);
      expect((error as Error).message).toMatch(/refused, 2 complaints:\n {2}a: .*\n {2}b: /);
    }
  });

  test('an unknown option is refused, with the one that was meant', () => {
    expect(told('nmae: x')).toEqual(['nmae: is not an option; did you mean name?']);
    expect(told('namespaces: { a: { ttl: { maxms: 5 } } }')).toEqual([
      'namespaces.a.ttl.maxms: is not an option; did you mean maxMs?',
    ]);
    expect(told('journal: { colour: red }')[0]).toMatch(/known here: segmentBytes/);
  });

  test('a value that contradicts another is told beside values wrong in themselves', () => {
    const yaml = `
      drainMs: -1
      namespaces: { a: { ttl: { minMs: 100, defaultMs: 50, maxMs: 40, maxLifetimeMs: 30 } } }
    `;
    expect(told(yaml)).toEqual([
      'drainMs: must be an integer from 0 to 600000, got -1',
      'namespaces.a.ttl.minMs: must be at most namespaces.a.ttl.defaultMs, which is 50, got 100',
      'namespaces.a.ttl.defaultMs: must be at most namespaces.a.ttl.maxMs, which is 40, got 50',
      'namespaces.a.ttl.maxMs: must be at most namespaces.a.ttl.maxLifetimeMs, which is 30, got 40',
    ]);
  });

  test('nothing is said of a contradiction with a value that is wrong in itself', () => {
    expect(told('namespaces: { a: { ttl: { maxMs: 0, defaultMs: 99999999 } } }')).toEqual([
      'namespaces.a.ttl.maxMs: must be an integer from 1 to 2592000000, got 0',
    ]);
  });

  test.each([
    [
      'onExpire revert beside siblings',
      'namespaces: { a: { class: local, onExpire: revert, conflict: siblings } }',
      /^namespaces\.a\.conflict: must be lww or ownerWins where onExpire is revert/,
    ],
    [
      'onExpire revert outside class local',
      'namespaces: { a: { onExpire: revert } }',
      /^namespaces\.a\.onExpire: may be revert in class local only/,
    ],
    [
      'a value larger than a body',
      'limits: { valueBytes: 5Mi }',
      /^limits\.valueBytes: must be at most limits\.bodyBytes, which is 4Mi, got 5Mi/,
    ],
    [
      'a body larger than all bodies',
      'limits: { inFlightBodyBytes: 1Mi }',
      /^limits\.bodyBytes: must be at most limits\.inFlightBodyBytes/,
    ],
    [
      'headers too small for a key',
      'limits: { headerBytes: 4Ki, keyBytes: 2048 }',
      /^limits\.headerBytes: must be at least 13312 for keys of 2048 bytes/,
    ],
    [
      'a segment smaller than a body',
      'journal: { segmentBytes: 1Mi }',
      /^journal\.segmentBytes: must be at least limits\.bodyBytes/,
    ],
    [
      'headers slower than the request',
      'http: { headersTimeoutMs: 40000 }',
      /^http\.headersTimeoutMs: must be at most http\.requestTimeoutMs/,
    ],
    [
      'a capacity above its pool',
      'limits: { entries: 99999 }',
      /^namespaces\.default\.capacity\.entries: must be at most limits\.entries, which is 99999/,
    ],
    [
      'more namespaces than allowed',
      'limits: { namespaces: 1 }\nnamespaces: { a: {} }',
      /^limits\.namespaces: must be at least 2/,
    ],
  ])('%s is refused', (_, yaml, complaint) => {
    expect(told(yaml)).toEqual([expect.stringMatching(complaint)]);
  });

  test('capacities that add up to more than one process holds are refused', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const yaml = `namespaces:\n${names.map((name) => `  ${name}: { capacity: { entries: 20000000 } }`).join('\n')}`;
    expect(told(yaml)).toEqual([expect.stringMatching(/^limits\.entries: .* add up to 120100000/)]);
  });

  test.each([
    ['class: exclusive', /claims.*not part of this version/],
    ['permits: 3', /not part of this version/],
  ])('of a later version, a namespace’s %s is refused plainly', (option, sentence) => {
    const complaints = told(`namespaces: { a: { ${option} } }`);
    expect(complaints).toEqual([expect.stringMatching(sentence)]);
    expect(complaints[0]).toMatch(new RegExp(`^namespaces\\.a\\.${option.split(':')[0]}: `));
  });

  test('events.publish takes all or a list of what is known', () => {
    const publish = (written: string) => `namespaces: { a: { events: { publish: ${written} } } }`;
    expect(load(publish('[lease.granted]')).namespaces[1]?.events.publish).toEqual([
      'lease.granted',
    ]);
    expect(told(publish('[lease.granted, lease.bogus]'))).toEqual([
      expect.stringMatching(/^namespaces\.a\.events\.publish: must be all, or a list from/),
    ]);
  });
});

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-config-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function tokensFile(content: object): string {
  const path = join(scratch, 'tokens.yaml');
  writeFileSync(path, JSON.stringify(content));
  return path;
}

describe('listening', () => {
  test.each([
    ['127.0.0.1:0', { kind: 'tcp', host: '127.0.0.1', port: 0 }],
    ['127.9.8.7:80', { kind: 'tcp', host: '127.9.8.7', port: 80 }],
    ['[::1]:7117', { kind: 'tcp', host: '::1', port: 7117 }],
    ['localhost:7117', { kind: 'tcp', host: 'localhost', port: 7117 }],
    ['unix:/run/leasehold.sock', { kind: 'unix', path: '/run/leasehold.sock' }],
  ])('takes %s', (written, address) => {
    expect(load(undefined, { LEASEHOLD_LISTEN: written }).listen).toEqual([address]);
  });

  test('takes several, comma-separated or as a list', () => {
    expect(load(undefined, { LEASEHOLD_LISTEN: '127.0.0.1:1, unix:/a' }).listen).toHaveLength(2);
    expect(load('listen: [127.0.0.1:1, unix:/a]').listen).toHaveLength(2);
  });

  test.each([
    ['0.0.0.0:7117', /not a loopback address.*without tokensFile.*read and write everything/],
    ['[::]:7117', /not a loopback address/],
    ['127.0.0.1:1,10.0.0.1:7117', /"10\.0\.0\.1:7117" is not a loopback address/],
    ['example.org:80', /names a host/],
    ['127.0.0.1:65536', /no such port/],
    ['127.0.0.1', /not an address/],
    ['[127.0.0.1]:1', /no IPv6 address/],
    ['unix:', /names no socket/],
    [`unix:/${'x'.repeat(200)}`, /too long for a socket/],
    ['unix:/a,unix:/a', /twice/],
  ])('refuses %s', (written, reason) => {
    expect(told(undefined, { LEASEHOLD_LISTEN: written })).toEqual([expect.stringMatching(reason)]);
    expect(told(undefined, { LEASEHOLD_LISTEN: written })[0]).toMatch(/^LEASEHOLD_LISTEN: /);
  });

  test.each(['0.0.0.0:7117', '[::]:7117', '10.0.0.1:7117'])('takes %s with tokens', (written) => {
    const environment = { LEASEHOLD_LISTEN: written, LEASEHOLD_TOKENS_FILE: tokensFile({ tokens: [] }) };
    expect(load(undefined, environment).listen).toHaveLength(1);
  });

  test('refuses a list of nothing', () => {
    expect(told('listen: []')).toEqual([expect.stringMatching(/listen nowhere/)]);
  });
});

describe('the environment', () => {
  test('overrides the file', () => {
    const yaml = 'name: from-file\ndrainMs: 1\nlogLevel: warn';
    const config = load(yaml, {
      LEASEHOLD_NAME: 'from-environment',
      LEASEHOLD_DRAIN_MS: '5000',
      LEASEHOLD_DATA_DIR: '/var/lib/leasehold',
      LEASEHOLD_MEMORY_LIMIT_MB: '2048',
    });
    expect(config).toMatchObject({
      name: 'from-environment',
      drainMs: 5000,
      logLevel: 'warn',
      dataDir: '/var/lib/leasehold',
      memoryLimitBytes: 2048 * 1024 ** 2,
    });
  });

  test('an empty variable counts as not set', () => {
    expect(load(undefined, { LEASEHOLD_NAME: '', LEASEHOLD_LEDGER_URL: '' }).name).toBe('host-1');
  });

  test('a complaint names the variable, not the option behind it', () => {
    expect(
      told(undefined, { LEASEHOLD_DRAIN_MS: 'soon', LEASEHOLD_MEMORY_LIMIT_MB: '1Gi' }),
    ).toEqual([
      'LEASEHOLD_MEMORY_LIMIT_MB: must be a whole number of mebibytes, at least 64, got "1Gi"',
      'LEASEHOLD_DRAIN_MS: must be an integer from 0 to 600000, got "soon"',
    ]);
  });

  test('an unknown variable is refused, with the one that was meant', () => {
    expect(told(undefined, { LEASEHOLD_LISTN: 'x' })).toEqual([
      'LEASEHOLD_LISTN: is not a variable of the sidecar; did you mean LEASEHOLD_LISTEN?',
    ]);
  });

  test('what Kubernetes injects for a service of that name is no typing error', () => {
    const injected = {
      LEASEHOLD_PORT: 'tcp://10.0.0.1:7117',
      LEASEHOLD_SERVICE_HOST: '10.0.0.1',
      LEASEHOLD_SERVICE_PORT_HTTP: '7117',
      LEASEHOLD_PORT_7117_TCP_ADDR: '10.0.0.1',
      LEASEHOLD_CONSOLE_SERVICE_HOST: '10.0.0.2',
    };
    expect(load(undefined, injected)).toEqual(load());
  });

  test('a file of tokens is judged with the rest, every complaint with its place', () => {
    const verbs = ['read', 'fly'];
    const LEASEHOLD_TOKENS_FILE = tokensFile({ tokens: [{ subject: 'web', namespaces: ['*'], verbs }] });
    expect(told(undefined, { LEASEHOLD_TOKENS_FILE })).toEqual([
      expect.stringMatching(/^LEASEHOLD_TOKENS_FILE: ".*": tokens\[0\]\.verbs must be a list from read/),
    ]);
    expect(told('tokensFile: /nowhere/at-all')).toEqual([
      expect.stringMatching(/^tokensFile: "\/nowhere\/at-all" cannot be read: ENOENT/),
    ]);
  });
});
