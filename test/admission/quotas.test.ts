/** What one caller and one namespace may ask for, and what they are told when it is used up. */
import { describe, expect, test } from 'vitest';
import type { BatchOperation, Command } from '../../src/core/command.ts';
import { rateLimitFields } from '../../src/admission/rate-limit-fields.ts';
import { Quotas } from '../../src/admission/quotas.ts';
import type { NamespaceQuota, QuotaSettings } from '../../src/admission/settings.ts';
import { TokenBucket } from '../../src/admission/token-bucket.ts';
import { world } from './world.ts';

function quotas(settings: Partial<QuotaSettings>) {
  const clock = { now: 0 };
  const all = { namespaces: new Map(), configured: new Set(['default', 'jobs']), ...settings };
  return { clock, quotas: new Quotas(all, () => clock.now) };
}

const grant = (namespace: string): Command => ({ op: 'grant', namespace, holder: 'h' });
const put = (namespace: string): BatchOperation & { readonly op: 'put' } =>
  ({ op: 'put', namespace, key: 'k', value: new Uint8Array(), contentType: 'text/plain' });

describe('a bucket', () => {
  test('gives its burst at once, and then at its rate', () => {
    const bucket = new TokenBucket(10, 3, 0);
    for (let taken = 0; taken < 3; taken++) {
      expect(bucket.has(0)).toBe(true);
      bucket.take(1, 0);
    }
    expect(bucket.has(99)).toBe(false);
    expect(bucket.nextMs(99)).toBeCloseTo(1);
    expect([bucket.has(100), bucket.remaining(100)]).toEqual([true, 1]);
    expect(bucket.nextMs(100)).toBeCloseTo(100);
    expect([bucket.remaining(100_000), bucket.nextMs(100_000)]).toEqual([3, 0]);
  });

  test('lets one in that takes more than it has, and makes the next one wait for it', () => {
    const bucket = new TokenBucket(10, 3, 0);
    bucket.take(13, 0);
    expect(bucket.remaining(0)).toBe(0);
    expect(bucket.nextMs(0)).toBeCloseTo(1_100);
    expect([bucket.has(1_099), bucket.has(1_100)]).toEqual([false, true]);
  });
});

describe('the fields of a quota', () => {
  test('are policy and state, in whole seconds, rounded up', () => {
    const grants = new TokenBucket(10, 100, 0);
    grants.take(63, 0);
    const puts = new TokenBucket(0.25, 1, 0);
    puts.take(1, 0);
    const named = [{ name: 'grants', bucket: grants }, { name: 'puts', bucket: puts }];
    expect(rateLimitFields(named, 0)).toEqual([
      'RateLimit-Policy', '"grants";q=100;w=10, "puts";q=1;w=4',
      'RateLimit', '"grants";r=37;t=1, "puts";r=0;t=4',
    ]);
    expect(rateLimitFields([], 0)).toEqual([]);
  });
});

describe('a namespace', () => {
  const namespaces = new Map([['jobs', { grantsPerS: 1, putsPerS: 2, burst: 2 }]]);

  test('has grants and writes of its own; renewals, releases and reads are not counted', () => {
    const one = quotas({ namespaces }).quotas;
    for (const command of [grant('jobs'), grant('jobs'), put('jobs'), put('jobs')]) {
      expect(one.namespaceRefusal(command)).toBeUndefined();
    }
    expect(one.namespaceRefusal(grant('jobs'))).toEqual({
      refused: 'quota-exceeded',
      detail: 'Cannot take more grants from namespace "jobs" now: its quota is 1 a second',
      members: { policy: 'grants', perS: 1, burst: 2 },
      namespace: 'jobs',
      retryAfterMs: 1_000,
    });
    expect(one.namespaceRefusal(put('jobs'))?.members).toMatchObject({ policy: 'puts', perS: 2 });
    expect(one.namespaceRefusal({ op: 'delete', namespace: 'jobs', key: 'k' })).toBeDefined();
    const free: Command[] = [
      grant('default'), put('default'), { op: 'get', namespace: 'jobs', key: 'k' },
      { op: 'renew', id: 'l' }, { op: 'release', id: 'l' },
    ];
    for (const command of free) expect(one.namespaceRefusal(command)).toBeUndefined();
  });

  test('counts each write of a batch, and takes all or nothing', () => {
    const all = new Map<string, NamespaceQuota>(namespaces).set('default', { putsPerS: 1, burst: 4 });
    const one = quotas({ namespaces: all });
    const batch = (...operations: BatchOperation[]): Command => ({ op: 'batch', atomic: false, operations });
    const mixed = batch(put('jobs'), put('jobs'), put('default'), { op: 'get', namespace: 'jobs', key: 'k' });
    expect(one.quotas.namespaceRefusal(mixed)).toBeUndefined();
    expect(one.quotas.namespaceRefusal(mixed)).toMatchObject({ namespace: 'jobs' });
    // Three are left: the refused batch took none.
    const left = one.quotas.applying('put', 'default', {}).map(({ bucket }) => bucket.remaining(0));
    expect(left).toEqual([3]);
  });

  test('that is made on demand shares one quota with all others made so', () => {
    const one = quotas({ onDemand: { grantsPerS: 1, burst: 1 } }).quotas;
    expect(one.namespaceRefusal(grant('new-1'))).toBeUndefined();
    expect(one.namespaceRefusal(grant('new-2'))).toBeDefined();
    expect(one.namespaceRefusal(grant('jobs'))).toBeUndefined();
    expect(one.namespaceRefusal(grant('jobs'))).toBeUndefined();
  });
});

describe('a caller', () => {
  const caller = { requestsPerS: 1, burst: 1, callers: 2 };
  const of = (remoteAddress?: string) => ({ remoteAddress });

  test('is an address, or everybody on a Unix socket; only grants and writes count', () => {
    const one = quotas({ caller });
    const asks = (kind: 'put' | 'grant' | 'read' | 'renew' | 'list', who = of('10.0.0.1')) =>
      one.quotas.callerRefusal(kind, who) === undefined;
    expect([asks('put'), asks('grant'), asks('read'), asks('renew'), asks('list')]).toEqual([
      true, false, true, true, true,
    ]);
    expect([asks('put', of()), asks('grant', of())]).toEqual([true, false]);
    one.clock.now = 1_000;
    expect(asks('grant')).toBe(true);
  });

  test('unheard of for longest is forgotten at the bound, and nobody else', () => {
    const one = quotas({ caller });
    const refused = (address: string) => one.quotas.callerRefusal('put', of(address)) !== undefined;
    const seen = ['a', 'b', 'b', 'a', 'c'].map(refused);
    expect(seen).toEqual([false, false, true, true, false]);
    expect(one.quotas.callers).toBe(2);
    expect([refused('a'), refused('b')]).toEqual([true, false]);
  });
});

test('nobody is told to come back before there is room, nor all at the same time', () => {
  const { admission, scheduler } = world({
    quotas: { caller: { requestsPerS: 0.5, burst: 1, callers: 2 } },
  });
  expect(admission.refusal('put', true, {})).toBeUndefined();
  const waits = [0, 0.5, 0.99].map((chance) => {
    scheduler.chances.push(chance);
    return admission.refusal('put', true, {})!.retryAfterMs;
  });
  expect(waits).toEqual([2_000, 3_000, 3_980]);
  expect(admission.rateLimitFields('put', '', {})).toEqual([
    'RateLimit-Policy', '"caller";q=1;w=2', 'RateLimit', '"caller";r=0;t=2',
  ]);
  expect(admission.rateLimitFields('read', '', {})).toEqual([]);
  admission.close();
});
