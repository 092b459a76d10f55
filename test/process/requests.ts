/**
 * Requests to a sidecar as a neighbour would send them, over TCP or a Unix socket. A request that
 * gets no whole answer rejects with `Lost`: whether it was carried out is not known.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The connection broke: the request may or may not have been carried out. */
export class Lost extends Error {
  override readonly name = 'Lost';
}

/** Where `http://host:port` or `unix:/path` leads, in the words of `node:http`. */
export function placeOf(url: string): { socketPath: string } | { host: string; port: number } {
  if (url.startsWith('unix:')) return { socketPath: url.slice('unix:'.length) };
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

/** One connection, kept open between requests. */
export class Connection {
  readonly #place: ReturnType<typeof placeOf>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string) {
    this.#place = placeOf(url);
  }

  /** Sends one request and reads the whole answer. @throws Lost */
  ask({ method, path, headers = {}, body }: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const lost = (error: Error): void => reject(new Lost(error.message, { cause: error }));
      const outgoing = request({ ...this.#place, agent: this.#agent, method, path, headers });
      outgoing.on('error', lost);
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', lost);
        incoming.on('end', () => {
          const { statusCode: status = 0, headers: received } = incoming;
          resolve({ status, headers: received, body: Buffer.concat(chunks) });
        });
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** One request on a connection of its own. @throws Lost */
export async function ask(url: string, method: string, path: string, more: Omit<Ask, 'method' | 'path'> = {}) {
  const connection = new Connection(url);
  try {
    return await connection.ask({ method, path, ...more });
  } finally {
    connection.close();
  }
}

/** One request with a JSON document in it, or without. */
export function askJson(url: string, method: string, path: string, document?: object): Promise<Answer> {
  if (document === undefined) return ask(url, method, path);
  return ask(url, method, path, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
}

// biome-ignore lint/suspicious/noExplicitAny: documents are judged by the assertions on them.
export type Document = any;

export function jsonOf(answer: Answer): Document {
  return JSON.parse(answer.body.toString('utf8'));
}
