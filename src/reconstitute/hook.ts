/**
 * One neighbour's rebuild hook: a GET that says what an entry should be, or that there is none. It
 * knows HTTP and nothing of entries. A connection of its own for each question: rebuilding is rare
 * and near, and a kept one that the neighbour has just closed would look like a failure.
 */
import { type ClientRequest, type IncomingMessage, request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { DEFAULT_CONTENT_TYPE } from '../core/entry-table.ts';
import type { Scheduler } from '../resilience/scheduler.ts';

export type HookAnswer =
  | { readonly kind: 'value'; readonly value: Uint8Array; readonly contentType: string }
  /** The neighbour knows of no such entry. */
  | { readonly kind: 'absent' }
  /** An answer that is no use, from a neighbour that is well otherwise. */
  | { readonly kind: 'unusable'; readonly why: string }
  /** No whole answer in time, or one that says that the neighbour is not well. */
  | { readonly kind: 'failed'; readonly why: string };

export interface HookSettings {
  /** `http:` or `https:`, without query. */
  readonly url: string;
  /** For the whole answer. */
  readonly timeoutMs: number;
  /** A longer body is unusable. */
  readonly valueBytes: number;
}

export class Hook {
  readonly #settings: HookSettings;
  readonly #scheduler: Pick<Scheduler, 'after'>;
  readonly #asking = new Set<(answer: HookAnswer) => void>();

  constructor(settings: HookSettings, scheduler: Pick<Scheduler, 'after'>) {
    this.#settings = settings;
    this.#scheduler = scheduler;
  }

  /** Calls `done` exactly once, never within this call. Never throws. */
  ask(namespace: string, key: string, done: (answer: HookAnswer) => void): void {
    const { url, timeoutMs } = this.#settings;
    const query = `?namespace=${encodeURIComponent(namespace)}&key=${encodeURIComponent(key)}`;
    const send = url.startsWith('https:') ? secure : plain;
    // Redirects are not followed: whoever may answer stands in the configuration.
    const request = send(`${url}${query}`, {
      agent: false,
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'leasehold' },
    });
    const finish = (answer: HookAnswer): void => {
      if (!this.#asking.delete(finish)) return;
      cancel();
      request.destroy();
      done(answer);
    };
    this.#asking.add(finish);
    const cancel = this.#scheduler.after(timeoutMs, () => {
      finish({ kind: 'failed', why: `no answer within ${timeoutMs} ms` });
    });
    this.#listen(request, finish);
    request.end();
  }

  /** Breaks off every question; each is answered as failed. */
  close(): void {
    for (const finish of [...this.#asking]) finish({ kind: 'failed', why: 'closing' });
  }

  #listen(request: ClientRequest, finish: (answer: HookAnswer) => void): void {
    request.on('error', (error) => finish({ kind: 'failed', why: error.message }));
    request.on('response', (response) => {
      const judged = judge(response);
      if (judged === undefined) this.#gather(response, finish);
      else finish(judged);
    });
  }

  #gather(response: IncomingMessage, finish: (answer: HookAnswer) => void): void {
    const { valueBytes } = this.#settings;
    const tooLong = { kind: 'unusable', why: `longer than ${valueBytes} bytes` } as const;
    if (Number(response.headers['content-length'] ?? 0) > valueBytes) return finish(tooLong);
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > valueBytes) finish(tooLong);
      else chunks.push(chunk);
    });
    response.on('error', (error) => finish({ kind: 'failed', why: error.message }));
    response.on('end', () => {
      const contentType = response.headers['content-type'] ?? DEFAULT_CONTENT_TYPE;
      finish({ kind: 'value', value: Buffer.concat(chunks), contentType });
    });
  }
}

/** What the head of an answer says; undefined: the value follows. */
function judge({ statusCode = 0, headers }: IncomingMessage): HookAnswer | undefined {
  if (statusCode === 404 || statusCode === 204) return { kind: 'absent' };
  if (statusCode === 200) {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') return undefined;
    return { kind: 'unusable', why: `encoded as ${encoding} although that was not asked for` };
  }
  const refused = statusCode >= 400 && statusCode < 500 && statusCode !== 429;
  return { kind: refused ? 'unusable' : 'failed', why: `status ${statusCode}` };
}
