/**
 * Who asks for what: the classes of requests, their shares of the mix, the connections they come
 * on, and the requests themselves. The mix is of small requests, as a sidecar gets them; a quarter
 * are renewals and releases, so that at twice the capacity these alone take half of it, and what
 * may be refused decides whether the rest is served.
 */
import type { Random } from '../replay/random.ts';

/** In the order in which they keep being served: the last is the first to be refused. */
export const CLASSES = ['renew', 'release', 'read', 'put', 'grant', 'list'] as const;
export type RequestClass = (typeof CLASSES)[number];

export type PerClass<T> = Readonly<Record<RequestClass, T>>;

export const SHARES: PerClass<number> = {
  renew: 0.22, release: 0.03, read: 0.25, put: 0.25, grant: 0.2, list: 0.05,
};

/** Renewals and releases: what must not be refused for load. */
export const VITAL: ReadonlySet<RequestClass> = new Set(['renew', 'release']);

/** Requests of a lane share its connections, and wait for one of them only. */
export const LANES = ['vital', 'read', 'put', 'grant', 'list'] as const;
export type LaneName = (typeof LANES)[number];

export const LANE_OF: PerClass<LaneName> = {
  renew: 'vital', release: 'vital', read: 'read', put: 'put', grant: 'grant', list: 'list',
};

/**
 * Every holder renews on a connection of its own: at 20 000 renewals a second and 20 ms in the
 * queue, 400 are waiting, and one that waits must not keep another from being sent. The others come
 * on fewer connections than that, in proportion to their shares, as from pools of clients.
 */
export const CONNECTIONS: Readonly<Record<LaneName, number>> = {
  vital: 1_000, read: 250, put: 250, grant: 200, list: 50,
};

export const NAMESPACE = 'bench';
export const RENEWED_LEASES = 2_000;
export const KEYS = 10_000;
const VALUE_BYTES = 200;
const PAGE = 20;
const LONG_TTL_MS = 600_000;
/**
 * Of a lease that is granted under load: most are left to expire, as where neighbours crash, and so
 * soon that as many end as are granted well before the first quarter is over.
 */
export const GRANTED_TTL_MS = 5_000;

/** Everything that is granted at twice the capacity fits; limits of count are not what is tested. */
export const CONFIGURATION = `namespaces:
  ${NAMESPACE}:
    owner: bench
    durability: journal
    capacity: { leases: 600000, entries: 20000, bytes: 64Mi }
limits:
  endedMemory: { entries: 20000 }
`;

const value = Buffer.alloc(VALUE_BYTES, 'v').toString('latin1');

export type Write = (method: string, path: string, type?: string, body?: string) => string;

/** Request texts for one address. */
export function requestsTo(host: string): Write {
  return (method, path, type = '', body = '') => {
    const typeLine = type === '' ? '' : `Content-Type: ${type}\r\n`;
    const length = method === 'GET' ? '' : `Content-Length: ${body.length}\r\n`;
    return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${typeLine}${length}\r\n${body}`;
  };
}

function keyOf(index: number): string {
  return `key-${String(index).padStart(8, '0')}`;
}

export function heldLease(index: number): string {
  return `held-${String(index).padStart(8, '0')}`;
}

/** Leases that exist only to be released, for when hardly any are granted any more. */
export function spareLease(index: number): string {
  return `spare-${String(index).padStart(8, '0')}`;
}

export function grantText(write: Write, id: string, ttlMs = GRANTED_TTL_MS): string {
  const body = JSON.stringify({ holder: 'bench', id, namespace: NAMESPACE, ttlMs });
  return write('POST', '/v1/leases', 'application/json', body);
}

/** What must be there before anything is asked. */
export function preparation(write: Write): string[] {
  return [
    ...Array.from({ length: RENEWED_LEASES }, (_, index) => grantText(write, heldLease(index), LONG_TTL_MS)),
    ...Array.from({ length: KEYS }, (_, index) => putText(write, index)),
  ];
}

export function spareTexts(write: Write, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) =>
    grantText(write, spareLease(from + index), LONG_TTL_MS),
  );
}

function putText(write: Write, index: number): string {
  const path = `/v1/entries/${NAMESPACE}/${keyOf(index)}?ttlMs=${LONG_TTL_MS}`;
  return write('PUT', path, 'application/octet-stream', value);
}

/** The requests that name nothing new are written once and sent again and again. */
export class Repertoire {
  readonly write: Write;
  readonly #renew: readonly string[];
  readonly #read: readonly string[];
  readonly #put: readonly string[];
  readonly #list: readonly string[];

  constructor(host: string) {
    const write = requestsTo(host);
    const keys = Array.from({ length: KEYS }, (_, index) => index);
    this.write = write;
    this.#renew = Array.from({ length: RENEWED_LEASES }, (_, index) =>
      write('POST', `/v1/leases/${heldLease(index)}/renew`),
    );
    this.#read = keys.map((key) => write('GET', `/v1/entries/${NAMESPACE}/${keyOf(key)}`));
    this.#put = keys.map((key) => putText(write, key));
    this.#list = Array.from({ length: 10 }, (_, digit) =>
      write('GET', `/v1/entries/${NAMESPACE}?prefix=key-0000${digit}&limit=${PAGE}`),
    );
  }

  any(kind: 'renew' | 'read' | 'put' | 'list', random: Random): string {
    const texts = { renew: this.#renew, read: this.#read, put: this.#put, list: this.#list }[kind];
    return texts[Math.floor(random.next() * texts.length)]!;
  }
}
