import { describe, expect, test } from 'vitest';
import { maskedBusUrl, parseBusUrl } from '../../src/config/bus-url.ts';
import { hostText } from '../../src/config/url-pieces.ts';

const ONE = { tls: false, servers: [{ host: 'nats', port: 4222 }] };

describe('the URL of a bus', () => {
  test.each<[string, object]>([
    ['nats://nats', ONE],
    ['nats://nats/', ONE],
    ['NATS://nats:4222', ONE],
    ['nats://[::1]:1', { tls: false, servers: [{ host: '::1', port: 1 }] }],
    ['tls://a,b:7,10.0.0.1', {
      tls: true,
      servers: [{ host: 'a', port: 4222 }, { host: 'b', port: 7 }, { host: '10.0.0.1', port: 4222 }],
    }],
    ['nats://ann:p%40ss@nats', { ...ONE, user: 'ann', password: 'p@ss' }],
    ['nats://ann:p@:ss@nats', { ...ONE, user: 'ann', password: 'p@:ss' }],
    ['nats://ann@nats', { ...ONE, user: 'ann' }],
    ['nats://ann:@nats', { ...ONE, user: 'ann' }],
  ])('%s is understood', (url, address) => {
    expect(parseBusUrl(url)).toEqual(address);
  });

  test('names its servers as they would be written', () => {
    const address = parseBusUrl('nats://a,10.0.0.1:7,[::1]:9');
    if (typeof address === 'string') throw new Error(address);
    expect(address.servers.map(hostText)).toEqual(['a:4222', '10.0.0.1:7', '[::1]:9']);
  });

  test.each<[string, RegExp]>([
    ['nats:4222', /^is not a URL: write nats:\/\/host:port/],
    ['', /^is not a URL/],
    ['redis://ann:hunter2@nats', /scheme no bus has: it must be one of nats, tls$/],
    ['wss://ann:hunter2@nats', /scheme no bus has/],
    ['nats://', /the host should be/],
    ['nats://ann:hunter2@', /the host should be/],
    ['nats://:hunter2@nats', /password without a user/],
    ['nats://a,,b', /host 2 should be/],
    ['nats://a:0', /no possible port/],
    ['nats://a:65536', /no possible port/],
    ['nats://[a]:1', /the host should be/],
    ['nats://a/orders', /has a path/],
    ['nats://a?name=b', /no query/],
    ['nats://a b', /blank/],
    ['nats://%zz:hunter2@a', /percent-encoded/],
    ['nats://a,nats://b', /names a scheme twice/],
    ['nats://ann:hunter2@a,nats://ann:hunter2@b', /names a scheme twice/],
    [`nats://${Array(65).fill('a').join(',')}`, /more than 64 hosts/],
  ])('%j is refused in a sentence without a secret', (url, reason) => {
    const refused = parseBusUrl(url);
    expect(refused).toMatch(reason);
    expect(refused).not.toContain('hunter2');
  });

  test.each([
    ['nats://a,b:1', 'nats://a,b:1'],
    ['tls://ann:hunter2@a,b', 'tls://ann:***@a,b'],
    ['nats://ann:hun@ter2@a', 'nats://ann:***@a'],
    ['nats://ann:hunter2:hunter2@a', 'nats://ann:***@a'],
    // Elsewhere this is a token.
    ['nats://hunter2@a', 'nats://***@a'],
    ['ann:hunter2@a', '***'],
  ])('%s is shown as %s', (url, shown) => {
    expect(maskedBusUrl(url)).toBe(shown);
  });
});
