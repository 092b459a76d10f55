/**
 * A worker that holds a lease and works only while it surely holds it.
 *
 * What it knows is how long it may be sure: the sidecar says `safeForMs`, and that counts from
 * before the request was sent, by a clock that nobody sets. Whatever happens in between (a pause, a
 * sidecar that is gone, an answer that takes long) only uses that time up. So a piece of work begins
 * only when all of it fits in, and nothing has to be noticed in time.
 */
export interface Clock {
  /** As `performance.now()`: steps of the wall clock must not make a lease longer. */
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
  /** As `AbortSignal.timeout()`. */
  timeout(ms: number): AbortSignal;
}

export interface LeaseHolderParts {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  /** Of the sidecar. */
  readonly url: string;
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  /** What is done again and again while the lease is held. */
  readonly work: () => void | Promise<void>;
  /** The longest that one piece of it takes. */
  readonly pieceMs: number;
  /** Between one piece and the next. */
  readonly restMs: number;
}

export interface LeaseHolder {
  /** Whether a piece of work may begin. */
  holds(): boolean;
  /** Begins no more work, waits for what is under way, and gives the lease back. */
  stop(): Promise<void>;
}

export function holdLease(parts: LeaseHolderParts): LeaseHolder {
  const { fetch, clock, url, id, holder, ttlMs, work, pieceMs, restMs } = parts;
  const path = `/v1/leases/${encodeURIComponent(id)}`;
  let safeUntilMs = -Infinity;
  let isStopped = false;

  const holds = (): boolean => !isStopped && clock.monotonicMs() + pieceMs < safeUntilMs;

  const post = (to: string, body: object): Promise<Response> =>
    fetch(`${url}${to}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: clock.timeout(Math.ceil(ttlMs / 6)),
    });

  /** Grants the lease, or renews it. Gives the time until it is to be asked again. */
  async function ask(): Promise<number> {
    const sentAtMs = clock.monotonicMs();
    const isHeld = sentAtMs < safeUntilMs;
    const response = isHeld ? await post(`${path}/renew`, {}) : await post('/v1/leases', { id, holder, ttlMs });
    if (response.ok) {
      const { safeForMs } = (await response.json()) as { readonly safeForMs: number };
      safeUntilMs = Math.max(safeUntilMs, sentAtMs + safeForMs);
      // Less than the TTL is left of a lease that was still there when it was asked for.
      return safeForMs / 3;
    }
    // It is no more: there is nothing to be sure of, and the next time it is asked for anew.
    if (response.status === 404 || response.status === 410) {
      safeUntilMs = -Infinity;
      return 0;
    }
    return 1_000 * Number(response.headers.get('retry-after') ?? ttlMs / 6_000);
  }

  async function keep(): Promise<void> {
    while (!isStopped) {
      // No answer says nothing: what was sure stays sure until it runs out.
      const againMs = await ask().catch(() => ttlMs / 6);
      await clock.sleep(againMs);
    }
  }

  async function go(): Promise<void> {
    while (!isStopped) {
      if (holds()) await work();
      await clock.sleep(restMs);
    }
  }

  void keep();
  const gone = go();
  return {
    holds,
    stop: async () => {
      isStopped = true;
      await gone;
      await fetch(`${url}${path}`, { method: 'DELETE', signal: clock.timeout(ttlMs) });
    },
  };
}
