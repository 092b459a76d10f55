import { describe, expect, test } from 'vitest';
import { maskedUrl, parseLedgerUrl } from '../../src/config/ledger-url.ts';

const PLAIN = { kind: 'single', tls: false, database: 0 };

describe('the URL of a ledger', () => {
  test.each<[string, object]>([
    ['redis://ledger', { ...PLAIN, host: { host: 'ledger', port: 6379 } }],
    ['redis://ledger/', { ...PLAIN, host: { host: 'ledger', port: 6379 } }],
    ['redis://ledger:1/7', { ...PLAIN, host: { host: 'ledger', port: 1 }, database: 7 }],
    ['REDIS://[::1]:2', { ...PLAIN, host: { host: '::1', port: 2 } }],
    ['rediss://10.0.0.1', { ...PLAIN, tls: true, host: { host: '10.0.0.1', port: 6379 } }],
    ['redis://ann:p%40ss@ledger', {
      ...PLAIN, host: { host: 'ledger', port: 6379 }, username: 'ann', password: 'p@ss',
    }],
    ['redis://:p@:ss@ledger', {
      ...PLAIN, host: { host: 'ledger', port: 6379 }, password: 'p@:ss',
    }],
    ['redis://:a/b@ledger/2', {
      ...PLAIN, host: { host: 'ledger', port: 6379 }, password: 'a/b', database: 2,
    }],
    ['redis+sentinel://a,b:7/leases', {
      kind: 'sentinel', tls: false, name: 'leases',
      sentinels: [{ host: 'a', port: 26_379 }, { host: 'b', port: 7 }],
    }],
    ['rediss+sentinel://:pw@a/leases', {
      kind: 'sentinel', tls: true, name: 'leases', sentinels: [{ host: 'a', port: 26_379 }],
      password: 'pw',
    }],
    ['redis+cluster://a:7000,[::1]:7001', {
      kind: 'cluster', tls: false,
      nodes: [{ host: 'a', port: 7000 }, { host: '::1', port: 7001 }],
    }],
    ['rediss+cluster://a', { kind: 'cluster', tls: true, nodes: [{ host: 'a', port: 6379 }] }],
  ])('%s is understood', (url, address) => {
    expect(parseLedgerUrl(url)).toEqual(address);
  });

  test.each<[string, RegExp]>([
    ['ledger:6379', /^is not a URL/],
    ['', /^is not a URL/],
    ['http://:hunter2@ledger', /scheme no ledger has.*redis, rediss, redis\+sentinel/],
    ['redis+sentinels://:hunter2@a/b', /scheme no ledger has/],
    ['redis://', /the host should be/],
    ['redis://:hunter2@', /the host should be/],
    ['redis://a,b', /names several hosts/],
    ['redis://a:0', /no possible port/],
    ['redis://a:65536', /no possible port/],
    ['redis://[a]:1', /the host should be/],
    ['redis://a/b', /no database/],
    ['redis://a/1/2', /no database/],
    ['redis://a?db=1', /no query/],
    ['redis://a b', /blank/],
    ['redis://%zz:hunter2@a', /percent-encoded/],
    ['redis+sentinel://a,b', /names no service/],
    ['redis+sentinel://a,,b/name', /host 2 should be/],
    ['redis+cluster://a,b/0', /has a path/],
    [`redis+cluster://${Array(65).fill('a').join(',')}`, /more than 64 hosts/],
  ])('%j is refused in a sentence without a secret', (url, reason) => {
    const refused = parseLedgerUrl(url);
    expect(refused).toMatch(reason);
    expect(refused).not.toContain('hunter2');
  });

  test.each([
    ['redis://ledger/3', 'redis://ledger/3'],
    ['redis://ann:hunter2@ledger', 'redis://ann:***@ledger'],
    ['redis://:hunter2@ledger', 'redis://:***@ledger'],
    ['redis://:hun@ter2@ledger', 'redis://:***@ledger'],
    ['redis://ann@ledger', 'redis://ann@ledger'],
    ['rediss+sentinel://:hunter2@a,b:1/leases', 'rediss+sentinel://:***@a,b:1/leases'],
    [':hunter2@ledger', '***'],
  ])('%s is shown as %s', (url, shown) => {
    expect(maskedUrl(url)).toBe(shown);
  });
});
