/**
 * What one caller, and what all callers of one namespace may ask for in a second. Quotas are about
 * fairness, not about load: one is refused while the sidecar may be idle, with 429, and told how
 * it stands. Renewals, releases and reads are not counted.
 *
 * A caller is the subject of a token; where there are none an address, or everybody on a Unix socket
 * together; at the bound of callers the one
 * unheard of for longest is forgotten, and begins anew with a full bucket if it comes again.
 * Namespaces made on demand share one quota, so that making one buys nobody another.
 */
import type { Command } from '../core/command.ts';
import { reject, type Rejection } from '../errors.ts';
import type { RequestClass } from './classes.ts';
import { type NamedQuota, resetS } from './rate-limit-fields.ts';
import type { NamespaceQuota, QuotaSettings } from './settings.ts';
import { TokenBucket } from './token-bucket.ts';

/** Who asks: by its token, else as its connection knows it; neither on a Unix socket. */
export interface Caller {
  readonly subject?: string;
  readonly remoteAddress?: string | undefined;
}

/** What a quota refuses; `namespace` is whose it was, '' for a caller's. */
export interface QuotaRefusal extends Rejection {
  readonly namespace: string;
  readonly retryAfterMs: number;
}

const UNIX_SOCKET = 'unix';

interface Buckets {
  readonly grants: TokenBucket | undefined;
  readonly puts: TokenBucket | undefined;
}

/** Tokens that a command takes from one namespace. */
interface Use {
  readonly of: 'grants' | 'puts';
  readonly namespace: string;
  count: number;
}

export class Quotas {
  readonly #settings: QuotaSettings;
  readonly #now: () => number;
  readonly #namespaces = new Map<string, Buckets>();
  readonly #onDemand: Buckets | undefined;
  readonly #callers = new Map<string, TokenBucket>();
  /** Whether anything is limited at all. */
  readonly any: boolean;
  /** Whether namespaces are. */
  readonly ofNamespaces: boolean;

  constructor(settings: QuotaSettings, now: () => number) {
    this.#settings = settings;
    this.#now = now;
    for (const [name, quota] of settings.namespaces) {
      this.#namespaces.set(name, bucketsOf(quota, now()));
    }
    if (settings.onDemand !== undefined) this.#onDemand = bucketsOf(settings.onDemand, now());
    this.ofNamespaces = this.#namespaces.size > 0 || this.#onDemand !== undefined;
    this.any = this.ofNamespaces || settings.caller !== undefined;
  }

  /** Callers counted now. */
  get callers(): number {
    return this.#callers.size;
  }

  /** Takes one token of the caller's, or tells why not. */
  callerRefusal(kind: RequestClass, caller: Caller): QuotaRefusal | undefined {
    if (this.#settings.caller === undefined || !isCounted(kind)) return undefined;
    const now = this.#now();
    const bucket = this.#bucketOf(caller, now);
    if (!bucket.has(now)) return refusal('this caller', '', 'caller', bucket, now);
    bucket.take(1, now);
    return undefined;
  }

  /** Takes what `command` needs of its namespaces' quotas, all of it or nothing. */
  namespaceRefusal(command: Command): QuotaRefusal | undefined {
    const uses = usesOf(command);
    const now = this.#now();
    for (const { of, namespace } of uses) {
      const bucket = this.#of(namespace)?.[of];
      if (bucket === undefined || bucket.has(now)) continue;
      return refusal(`namespace "${namespace}"`, namespace, of, bucket, now);
    }
    for (const { of, namespace, count } of uses) this.#of(namespace)?.[of]?.take(count, now);
    return undefined;
  }

  /** The quotas a request of this class is counted by, as they stand. */
  applying(kind: RequestClass, namespace: string, caller: Caller): NamedQuota[] {
    if (!isCounted(kind)) return [];
    const quotas: NamedQuota[] = [];
    if (this.#settings.caller !== undefined) {
      quotas.push({ name: 'caller', bucket: this.#bucketOf(caller, this.#now()) });
    }
    const name = kind === 'grant' ? 'grants' : 'puts';
    const bucket = namespace === '' ? undefined : this.#of(namespace)?.[name];
    if (bucket !== undefined) quotas.push({ name, bucket });
    return quotas;
  }

  #of(namespace: string): Buckets | undefined {
    const own = this.#namespaces.get(namespace);
    if (own !== undefined || this.#settings.configured.has(namespace)) return own;
    return this.#onDemand;
  }

  #bucketOf(caller: Caller, now: number): TokenBucket {
    const { requestsPerS, burst, callers } = this.#settings.caller!;
    const name = nameOf(caller);
    const known = this.#callers.get(name);
    const bucket = known ?? new TokenBucket(requestsPerS, burst, now);
    // A map keeps the order of insertion: put back at its end, the first is the one not heard of.
    if (known !== undefined) this.#callers.delete(name);
    else if (this.#callers.size >= callers) this.#callers.delete(this.#callers.keys().next().value!);
    this.#callers.set(name, bucket);
    return bucket;
  }
}

/** No address has a space in it. */
function nameOf({ subject, remoteAddress = UNIX_SOCKET }: Caller): string {
  return subject === undefined ? remoteAddress : `subject ${subject}`;
}

function isCounted(kind: RequestClass): boolean {
  return kind === 'grant' || kind === 'put';
}

function bucketsOf({ grantsPerS, putsPerS, burst }: NamespaceQuota, now: number): Buckets {
  const bucket = (perS: number | undefined) =>
    perS === undefined ? undefined : new TokenBucket(perS, burst, now);
  return { grants: bucket(grantsPerS), puts: bucket(putsPerS) };
}

function usesOf(command: Command): Use[] {
  switch (command.op) {
    case 'grant':
      return [{ of: 'grants', namespace: command.namespace, count: 1 }];
    case 'put':
    case 'increment':
    case 'delete':
      return [{ of: 'puts', namespace: command.namespace, count: 1 }];
    case 'batch': {
      const uses = new Map<string, Use>();
      for (const operation of command.operations) {
        if (operation.op === 'refused') continue;
        for (const use of usesOf(operation)) {
          const same = uses.get(use.namespace);
          if (same === undefined) uses.set(use.namespace, use);
          else same.count++;
        }
      }
      return [...uses.values()];
    }
    default:
      return [];
  }
}

function refusal(
  whose: string,
  namespace: string,
  policy: string,
  bucket: TokenBucket,
  now: number,
): QuotaRefusal {
  const { perS, burst } = bucket;
  const detail = `Cannot take more ${nounOf(policy)} from ${whose} now: its quota is ${perS} a second`;
  return {
    ...reject('quota-exceeded', detail, { policy, perS, burst }),
    namespace,
    // Never before the instant that the fields name.
    retryAfterMs: resetS(bucket, now) * 1000,
  };
}

function nounOf(policy: string): string {
  if (policy === 'caller') return 'grants and writes';
  return policy === 'puts' ? 'writes' : policy;
}
