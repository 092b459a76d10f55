/**
 * `fetch` from a simulated client to a simulated sidecar, with the platform's own `Request` and
 * `Response`. Every request goes to that one sidecar; of its URL, path, query and host count.
 * Answers enter the client as events of it, so a paused client learns of them late.
 */
import { PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import { type EventStream, follow } from '../neighbours/event-stream.ts';
import { ask, type HttpAnswer, type NoAnswer, type Serving } from '../neighbours/http-exchange.ts';
import type { Caller } from '../neighbours/loopback.ts';
import type { RequestHead } from '../neighbours/messages.ts';
import { Inbox } from '../network/inbox.ts';

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Where a sidecar listens unless it is told otherwise: what relative addresses are relative to. */
export const ADDRESS = 'http://127.0.0.1:7117';
const EVENTS_PATH = '/v1/events';
/** As Node's `fetch` waits for the head of an answer. */
const HEAD_MS = 300_000;
/** What the kernel of a host keeps for a reader that does not read. */
const BUFFER_BYTES = 256 * 1024;
/** Statuses that come without a body. */
const BODILESS = new Set([204, 205, 304]);

const CODES: Readonly<Record<NoAnswer, string>> = {
  'connection-refused': 'ECONNREFUSED',
  'connection-reset': 'ECONNRESET',
  timeout: 'UND_ERR_HEADERS_TIMEOUT',
};

/** The client goes away, for a reason. */
type HangUp = (reason: unknown) => void;

interface Exchange {
  readonly resolve: (response: Response) => void;
  readonly reject: (reason: unknown) => void;
  /** Nothing is left to abort. */
  readonly over: () => void;
}

export function createFetch(name: string, client: SimulatedProcess, caller: Caller, serving: Serving): Fetch {
  const inbox = new Inbox(client);
  /** Tells the client, when it runs and has been told what came before. */
  const tell = (label: string, work: () => void): void => inbox.put(label, work);
  const note = (what: string): void => client.kernel.note(name, what);

  function hears(answer: HttpAnswer, { method, path }: RequestHead, { resolve, reject, over }: Exchange): void {
    over();
    note(`hears of ${method} ${path}: ${answer.code ?? answer.status}`);
    if (answer.code === undefined) resolve(responseOf(answer, method));
    else reject(noAnswer('fetch failed', answer.code));
  }

  function once(head: RequestHead, exchange: Exchange): HangUp {
    return ask(caller, serving, { ...head, timeoutMs: HEAD_MS }, (answer) =>
      tell('answer', () => hears(answer, head, exchange)),
    );
  }

  function stream(head: RequestHead, exchange: Exchange): HangUp {
    let open: EventStream;
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    let isOver = false;
    const body = (): ReadableStream<Uint8Array> =>
      new ReadableStream<Uint8Array>({
        start: (its) => {
          controller = its;
        },
        pull: () => open.goOn(),
        cancel: () => {
          isOver = true;
          exchange.over();
          open.close();
        },
      });
    /** Nothing after the end. */
    const tellMore = (label: string, work: () => void): void =>
      tell(label, () => {
        if (!isOver) work();
      });
    open = follow(caller, serving, { ...head, bufferBytes: BUFFER_BYTES }, {
      opened: (headers) =>
        tellMore('head', () => {
          note(`hears of ${head.method} ${head.path}: 200`);
          exchange.resolve(new Response(body(), { status: 200, headers }));
        }),
      text: (text) =>
        tellMore('events', () => {
          controller!.enqueue(new TextEncoder().encode(text));
          if (controller!.desiredSize! <= 0) open.pause();
        }),
      over: (answer) =>
        tellMore('end', () => {
          isOver = true;
          if (controller === undefined) return hears(answer, head, exchange);
          exchange.over();
          note(`hears the end of ${head.path}: ${answer.code ?? answer.status}`);
          if (answer.code === undefined) controller.close();
          else controller.error(noAnswer('terminated', answer.code));
        }),
    });
    return (reason) => {
      if (isOver) return;
      isOver = true;
      open.close();
      controller?.error(reason);
    };
  }

  return async (input, init) => {
    const request = new Request(addressOf(input), init);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    const head = await headOf(request);
    signal?.throwIfAborted();
    return new Promise<Response>((resolve, reject) => {
      let hangUp: HangUp = () => {};
      const abort = (): void => {
        hangUp(signal!.reason);
        reject(signal!.reason);
      };
      const over = (): void => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort, { once: true });
      client.schedule(0, PRIORITY.turn, 'fetch', () => {
        if (signal?.aborted === true) return;
        note(`asks ${serving.name}: ${head.method} ${head.path}`);
        const begin = head.path.startsWith(EVENTS_PATH) ? stream : once;
        hangUp = begin(head, { resolve, reject, over });
      });
    });
  };
}

function addressOf(input: string | URL | Request): Request | URL {
  return input instanceof Request ? input : new URL(input, ADDRESS);
}

async function headOf(request: Request): Promise<RequestHead> {
  const { host, pathname, search } = new URL(request.url);
  const headers = { host, accept: '*/*', ...Object.fromEntries(request.headers) };
  const head = { method: request.method, path: `${pathname}${search}`, headers };
  if (request.body === null) return head;
  return { ...head, body: Buffer.from(await request.arrayBuffer()) };
}

function responseOf({ status, headers, body }: HttpAnswer, method: string): Response {
  const isBodiless = method === 'HEAD' || BODILESS.has(status);
  return new Response(isBodiless ? null : new Uint8Array(body), { status, headers });
}

/** As `fetch` says that there is no answer. */
function noAnswer(message: string, code: NoAnswer): TypeError {
  return new TypeError(message, { cause: Object.assign(new Error(code), { code: CODES[code] }) });
}
