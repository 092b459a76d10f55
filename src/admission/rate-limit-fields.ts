/**
 * The two fields that tell a client how a quota stands with it
 * (draft-ietf-httpapi-ratelimit-headers-10): `RateLimit-Policy: "grants";q=100;w=10` and
 * `RateLimit: "grants";r=37;t=4`. Seconds only, whole ones, rounded up: nobody is told too early.
 *
 * Of a bucket, `q` is its bound, `w` how long filling it takes, `r` what is in it, `t` when there is
 * more.
 */
import type { TokenBucket } from './token-bucket.ts';

export interface NamedQuota {
  /** Plain ASCII without quotes. */
  readonly name: string;
  readonly bucket: TokenBucket;
}

/** Names and values of headers in turn; none without quotas. */
export function rateLimitFields(quotas: readonly NamedQuota[], now: number): string[] {
  if (quotas.length === 0) return [];
  const policies = quotas.map(({ name, bucket: { burst, perS } }) =>
    `"${name}";q=${burst};w=${Math.max(1, Math.ceil(burst / perS))}`);
  const limits = quotas.map(({ name, bucket }) =>
    `"${name}";r=${bucket.remaining(now)};t=${resetS(bucket, now)}`);
  return ['RateLimit-Policy', policies.join(', '), 'RateLimit', limits.join(', ')];
}

/** Whole seconds until there is more in the bucket. */
export function resetS(bucket: TokenBucket, now: number): number {
  return Math.ceil(bucket.nextMs(now) / 1000);
}
