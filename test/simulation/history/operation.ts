/**
 * What a neighbour asked and what it was told: only what a client can see of itself, and the true
 * times, which nobody in the world can. Checkers judge by this.
 */

export type Asked =
  | {
      readonly kind: 'grant'; readonly namespace: string; readonly ttlMs: number;
      readonly holder: string; readonly idempotencyKey?: string;
    }
  | { readonly kind: 'renew'; readonly lease: string; readonly ttlMs?: number }
  | { readonly kind: 'release'; readonly lease: string }
  | { readonly kind: 'transfer'; readonly lease: string; readonly holder: string }
  | { readonly kind: 'get-lease'; readonly lease: string }
  | Write
  | { readonly kind: 'get'; readonly namespace: string; readonly key: string }
  | Delete
  | Increment
  | { readonly kind: 'batch'; readonly operations: readonly (Write | Delete | Increment)[] }
  | { readonly kind: 'list'; readonly namespace: string; readonly prefix: string };

export interface Write {
  readonly kind: 'put';
  readonly namespace: string;
  readonly key: string;
  /** Different in every write of a run: a value names the write it came from. */
  readonly value: string;
  /** Of its own (an implicit lease), or under `lease`. */
  readonly ttlMs?: number;
  readonly lease?: string;
  /** The etag it replaces; absent: whatever is there. */
  readonly ifMatch?: string;
  /** Only where there is nothing. */
  readonly ifAbsent?: boolean;
  /** The causal context it was written with, as the client was given it. */
  readonly context?: string;
  readonly idempotencyKey?: string;
}

export interface Delete {
  readonly kind: 'delete';
  readonly namespace: string;
  readonly key: string;
  readonly ifMatch?: string;
  readonly context?: string;
}

export interface Increment {
  readonly kind: 'increment';
  readonly namespace: string;
  readonly key: string;
  readonly by: number;
  readonly ttlMs?: number;
  readonly idempotencyKey?: string;
}

/** One attempt: a retry with the same idempotency key is another operation with the same `intent`. */
export interface Operation {
  readonly id: number;
  /** Shared by the attempts of one wish. */
  readonly intent: number;
  readonly client: string;
  /** A client that crashed and came back is another session: it has forgotten everything. */
  readonly session: string;
  readonly sidecar: string;
  /** The run of the sidecar that was asked. */
  readonly run: number;
  readonly asked: Asked;
  readonly askedAtMs: number;
  /** Undefined while nobody has answered; for ever, when the answer was lost. */
  answer?: Answer;
}

export interface Answer {
  readonly atMs: number;
  /** 0: no HTTP answer (refused, reset, timed out). Whether it happened is not known. */
  readonly status: number;
  /** Of a problem document, or why there is no answer. */
  readonly code?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As decoded. Of a value: its text; of siblings: theirs. */
  readonly document?: unknown;
  readonly etag?: string;
  readonly context?: string;
  /** Of a get: what it showed, oldest write first where there are several. */
  readonly values?: readonly string[];
  /** It was remembered from an earlier attempt. */
  readonly replayed: boolean;
}

/** Whether it certainly took effect. */
export function succeeded(operation: Operation): boolean {
  const status = operation.answer?.status ?? 0;
  return status >= 200 && status < 300;
}
