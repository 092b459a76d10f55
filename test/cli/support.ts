/** A command line run in the test's own process, against a sidecar that answers as the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CommandIo } from '../../src/cli/command-io.ts';
import { type CommandLineParts, runCommandLine } from '../../src/cli/command-line.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}
type Answer = (seen: Seen, response: ServerResponse) => void;

export interface FakeSidecar {
  readonly url: string;
  readonly seen: Seen[];
  close(): Promise<void>;
}

/** Listens on a free loopback port, or on `socket`, and answers every request by `answer`. */
export async function fakeSidecar(answer: Answer, socket?: string): Promise<FakeSidecar> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks),
      };
      seen.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => {
    if (socket === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(socket, resolve);
  });
  const { port } = (socket === undefined ? server.address() : { port: 0 }) as AddressInfo;
  return {
    url: socket === undefined ? `http://127.0.0.1:${port}` : `unix:${socket}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(
  response: ServerResponse,
  status: number,
  document: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(document));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const document = { type: `urn:leasehold:problem:${code}`, title: 'No', status, code, ...more };
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify(document));
}

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly bytes: Buffer;
  readonly err: string;
}

export interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly serve?: CommandLineParts['serve'];
  readonly simulator?: CommandLineParts['simulator'];
  /** Called with everything on stdout so far, after each write. */
  readonly onWrite?: (out: string, interrupt: () => void) => void;
  /** Called with each delay asked for; time does not pass. */
  readonly onPause?: (durationMs: number, interrupt: () => void) => void;
  readonly random?: number;
}

export async function leasehold(argv: readonly string[], around: Surroundings = {}): Promise<Run> {
  const chunks: Buffer[] = [];
  const lines: string[] = [];
  let interrupt = () => {};
  const io: CommandIo = {
    environment: around.environment ?? {},
    write: async (chunk) => {
      chunks.push(Buffer.from(chunk));
      around.onWrite?.(Buffer.concat(chunks).toString(), interrupt);
    },
    tell: (line) => void lines.push(line),
    progress: undefined,
    colours: false,
    readInput: () =>
      around.input === undefined ? undefined : Promise.resolve(Buffer.from(around.input)),
    readFile: async (path) => {
      const text = around.files?.[path];
      if (text === undefined) throw new Error(`ENOENT: ${path}`);
      return Buffer.from(text);
    },
    onInterrupt: (stop) => {
      interrupt = stop;
      return () => {};
    },
    pause: async (durationMs) => around.onPause?.(durationMs, interrupt),
    random: () => around.random ?? 0.5,
  };
  const code = await runCommandLine(argv, io, {
    version: '1.2.3',
    costs: { entrySlotBytes: 110, leaseSlotBytes: 90, ledgerSlotBytes: 30 },
    machine: { hostName: 'host-1', memoryBytes: 8 * 1024 ** 3, groupMemoryBytes: undefined },
    serve: around.serve ?? (async () => 0),
    simulator: around.simulator ?? (async () => undefined),
  });
  const bytes = Buffer.concat(chunks);
  return { code, out: bytes.toString(), bytes, err: lines.join('\n') };
}
