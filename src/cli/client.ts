/**
 * A small HTTP client for the command line, on `node:http` because that speaks Unix sockets, which
 * `fetch` does not. One request, one answer, no retries: a person or a script decides whether to
 * try again. Every failure leaves as a `CommandFailure` with its exit code.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { CommandFailure, EXIT } from './exit.ts';
import { readProblem, Refused } from './problem.ts';
import type { Target } from './target.ts';

/** The largest value a sidecar can be configured for, in base64, and a margin. */
const REPLY_BYTES_MAX = 96 * 1024 ** 2;
/** Longer than a sidecar's own request timeout, which then explains itself. */
const SILENCE_MAX_MS = 45_000;

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Closes the connection when raised. */
  readonly signal?: AbortSignal;
}

/** A path made of parts, each percent-encoded. */
export function pathOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('');
}

/** `?a=1&b=2` of what is defined; empty when nothing is. */
export function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? '' : `?${query}`;
}

export class Client {
  readonly target: Target;
  readonly #token: (() => string) | undefined;

  /** `token` is asked for each request: it may have been replaced by another one. */
  constructor(target: Target, token?: () => string) {
    this.target = target;
    this.#token = token;
  }

  /**
   * Sends one request and reads the whole answer. Throws `Refused` for a problem document, and a
   * failure with exit code 69 when nothing sensible answers.
   */
  async ask(method: string, path: string, ask: Ask = {}): Promise<Reply> {
    const response = await this.#open(method, path, ask);
    const body = await this.#read(response);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw this.#refusal(status, body);
    return { status, headers: response.headers, body };
  }

  /** Sends JSON, if there is anything to send, and reads JSON. */
  async askJson(method: string, path: string, value?: unknown): Promise<unknown> {
    const accept = { accept: 'application/json' };
    const reply = await this.ask(
      method,
      path,
      value === undefined
        ? { headers: accept }
        : {
            headers: { ...accept, 'content-type': 'application/json' },
            body: Buffer.from(JSON.stringify(value)),
          },
    );
    return reply.body.length === 0 ? undefined : this.parse(reply.body);
  }

  /** A body that must be JSON, since a sidecar sent it. */
  parse(body: Buffer): unknown {
    try {
      return JSON.parse(body.toString('utf8'));
    } catch (error) {
      throw new CommandFailure(EXIT.unreachable, `${this.target.url} answers, but not in JSON`, {
        cause: error,
      });
    }
  }

  /**
   * Sends one GET and returns the response as soon as its head is there; an error status is thrown
   * as in `ask`. `signal` closes the connection.
   */
  async openStream(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal) {
    const response = await this.#open('GET', path, { headers, signal });
    if ((response.statusCode ?? 0) < 400) return response;
    throw this.#refusal(response.statusCode ?? 0, await this.#read(response));
  }

  #open(method: string, path: string, ask: Ask): Promise<IncomingMessage> {
    const headers: Record<string, string> = { ...ask.headers };
    if (this.#token !== undefined) headers['authorization'] = `Bearer ${this.#token()}`;
    if (ask.body !== undefined) headers['content-length'] = String(ask.body.length);
    return new Promise((resolve, reject) => {
      const outgoing = request({
        ...this.target.connect,
        method,
        path,
        headers,
        agent: false,
        timeout: SILENCE_MAX_MS,
        ...(ask.signal === undefined ? {} : { signal: ask.signal }),
      });
      outgoing.on('timeout', () => {
        outgoing.destroy(new Error(`silent for ${SILENCE_MAX_MS / 1000} s`));
      });
      outgoing.on('error', (error) => reject(this.#unreachable(error)));
      outgoing.on('response', resolve);
      outgoing.end(ask.body);
    });
  }

  async #read(response: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > REPLY_BYTES_MAX) throw new Error('its answer has no end');
        chunks.push(chunk);
      }
    } catch (error) {
      throw this.#unreachable(error);
    }
    return Buffer.concat(chunks);
  }

  #refusal(status: number, body: Buffer): CommandFailure {
    let problem: ReturnType<typeof readProblem>;
    try {
      problem = readProblem(JSON.parse(body.toString('utf8')));
    } catch {
      problem = undefined;
    }
    if (problem !== undefined) return new Refused(problem);
    const message = `${this.target.url} answers ${status} without a problem document: is it a sidecar?`;
    return new CommandFailure(EXIT.unreachable, message);
  }

  #unreachable(error: unknown): CommandFailure {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    const message = `Cannot reach the sidecar at ${this.target.url}: ${reason}`;
    return new CommandFailure(EXIT.unreachable, message, { cause: error });
  }
}
