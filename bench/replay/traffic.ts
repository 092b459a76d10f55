/**
 * Draws operations from a plan and turns them into requests: `set` is a PUT with a TTL, `get` and
 * `gets` are GETs, `add` is a PUT that demands absence, `cas` a PUT that demands a version, `incr`
 * a POST that gives a TTL only where it may have to make the counter.
 */
import type { KeyNames } from './payload.ts';
import { type Operation, type Plan, pick } from './workload.ts';
import type { Random } from './random.ts';
import { zipfSampler } from './zipf.ts';

export interface Draw {
  readonly operation: Operation;
  readonly rank: number;
  readonly ttlMs: number;
  /** For choices that depend on what is believed of the key when the request is made. */
  readonly chance: number;
  /** When it should have been sent; latency counts from here. Undefined: as soon as possible. */
  readonly dueAt: number | undefined;
}

export type DrawSource = (dueAt: number | undefined) => Draw;

/** A source of draws, the same sequence for the same plan and seed. */
export function drawSource(plan: Plan, random: Random): DrawSource {
  const rank = zipfSampler(plan.keys, plan.cluster.zipfAlpha, random);
  return (dueAt) => ({
    operation: pick(plan.operations, random.next()),
    rank: rank(),
    ttlMs: pick(plan.ttlsMs, random.next()),
    chance: random.next(),
    dueAt,
  });
}

/** Request texts for one namespace of one sidecar, one character a byte. */
export class RequestWriter {
  readonly #path: string;
  readonly #host: string;
  readonly #names: KeyNames;

  constructor(host: string, namespace: string, names: KeyNames) {
    this.#path = `/v1/entries/${namespace}/`;
    this.#host = ` HTTP/1.1\r\nHost: ${host}\r\n`;
    this.#names = names;
  }

  get(rank: number): string {
    return `GET ${this.#path}${this.#names.nameOf(rank)}${this.#host}\r\n`;
  }

  /** `headers`: whole header lines with their ends, or nothing. */
  put(rank: number, value: string, ttlMs: number | undefined, headers: string): string {
    const query = ttlMs === undefined ? '' : `?ttlMs=${ttlMs}`;
    return (
      `PUT ${this.#path}${this.#names.nameOf(rank)}${query}${this.#host}` +
      `Content-Type: application/octet-stream\r\n${headers}` +
      `Content-Length: ${value.length}\r\n\r\n${value}`
    );
  }

  increment(rank: number, ttlMs: number | undefined, headers = ''): string {
    const body = ttlMs === undefined ? '{"by":1}' : `{"by":1,"ttlMs":${ttlMs}}`;
    return (
      `POST ${this.#path}${this.#names.nameOf(rank)}/increment${this.#host}` +
      `Content-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
    );
  }
}
