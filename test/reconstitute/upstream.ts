/** A neighbour with a rebuild hook: a real server, which answers as the test says and when it says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export interface Upstream {
  readonly url: string;
  /** Targets asked for, in order. */
  readonly asked: string[];
  readonly headers: IncomingMessage['headers'][];
  answer: Answer;
  /** Resolves once so many questions have come. */
  heard(count: number): Promise<void>;
  close(): Promise<void>;
}

export async function upstream(answer: Answer): Promise<Upstream> {
  const asked: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  let listeners: { readonly count: number; readonly tell: () => void }[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    headers.push(request.headers);
    one.answer(response, request);
    const due = listeners.filter(({ count }) => asked.length >= count);
    listeners = listeners.filter(({ count }) => asked.length < count);
    for (const { tell } of due) tell();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const one: Upstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rebuild`,
    asked,
    headers,
    answer,
    heard: (count) =>
      asked.length >= count
        ? Promise.resolve()
        : new Promise((tell) => void listeners.push({ count, tell })),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return one;
}

export function value(body: string | Buffer, contentType?: string): Answer {
  return (response) => {
    response.writeHead(200, contentType === undefined ? {} : { 'content-type': contentType });
    response.end(body);
  };
}

export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(code, headers);
    response.end();
  };
}
