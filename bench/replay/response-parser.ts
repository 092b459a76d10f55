/**
 * Reads HTTP/1.1 responses off a byte stream: status line, headers, a body of known length or in
 * chunks. It is for loopback and for a server that is under test: anything it does not understand
 * is an error, not a guess.
 */
export interface Response {
  readonly status: number;
  /** The status line and the headers as they came. */
  readonly head: string;
  /** One character a byte. */
  readonly body: string;
}

const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const EMPTY = Buffer.alloc(0);

export class ResponseParser {
  #rest: Buffer = EMPTY;

  /**
   * Takes the next bytes and returns the responses they complete, in order.
   *
   * @throws Error when the bytes are not HTTP as this reader knows it
   */
  push(bytes: Buffer): Response[] {
    const responses: Response[] = [];
    let data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (;;) {
      const headEnd = data.indexOf(HEAD_END, at);
      if (headEnd < 0) {
        if (data.length - at > HEAD_BYTES_MAX) throw new Error('Cannot read a response: endless headers');
        break;
      }
      const head = data.toString('latin1', at, headEnd + 2);
      const status = Number(head.slice(9, 12));
      if (!head.startsWith('HTTP/1.') || !Number.isInteger(status)) {
        throw new Error(`Cannot read a response: it begins ${JSON.stringify(head.slice(0, 40))}`);
      }
      const body = readBody(data, headEnd + 4, head, status);
      if (body === undefined) break;
      at = body.end;
      if (status >= 200) responses.push({ status, head, body: body.text });
    }
    data = at === 0 ? data : data.subarray(at);
    // A view would keep a whole socket buffer alive for the few bytes left of it.
    this.#rest = data.length === 0 ? EMPTY : Buffer.from(data);
    return responses;
  }
}

interface Body {
  readonly text: string;
  readonly end: number;
}

function readBody(data: Buffer, start: number, head: string, status: number): Body | undefined {
  if (status === 204 || status === 304 || status < 200) return { text: '', end: start };
  const length = header(head, 'content-length');
  if (length !== undefined) {
    const end = start + Number(length);
    return end <= data.length ? { text: data.toString('latin1', start, end), end } : undefined;
  }
  if (header(head, 'transfer-encoding') !== 'chunked') {
    throw new Error('Cannot read a response: neither its length nor chunks are given');
  }
  return readChunks(data, start);
}

function readChunks(data: Buffer, start: number): Body | undefined {
  let at = start;
  let text = '';
  for (;;) {
    const lineEnd = data.indexOf('\r\n', at, 'latin1');
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(data.toString('latin1', at, lineEnd), 16);
    if (!Number.isInteger(size)) throw new Error('Cannot read a response: a chunk has no size');
    const end = lineEnd + 2 + size;
    if (end + 2 > data.length) return undefined;
    text += data.toString('latin1', lineEnd + 2, end);
    at = end + 2;
    if (size === 0) return { text, end: at };
  }
}

const patterns = new Map<string, RegExp>();

/** The value of a header, `name` in lower case; undefined when it is not there. */
export function header(head: string, name: string): string | undefined {
  let pattern = patterns.get(name);
  if (pattern === undefined) {
    pattern = new RegExp(`\\r\\n${name}: *([^\\r]*)\\r\\n`, 'i');
    patterns.set(name, pattern);
  }
  return pattern.exec(head)?.[1];
}
