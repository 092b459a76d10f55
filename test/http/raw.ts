/** Bytes on a socket, for everything a well-behaved client library would not send. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** All answers in what came back, each with a Content-Length or without a body. */
export function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest.startsWith('HTTP/1.1 ')) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) break;
    const [statusLine = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers['content-length'] ?? 0);
    const body = rest.slice(end + 4, end + 4 + length);
    answers.push({ status: Number(statusLine.split(' ')[1]), headers, body });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

export class RawClient {
  readonly socket: Socket;
  received = '';
  closed = false;
  #changed: () => void = () => {};

  constructor(url: string) {
    if (url.startsWith('unix:')) {
      this.socket = connect(url.slice('unix:'.length));
    } else {
      const { hostname, port } = new URL(url);
      this.socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    }
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.#changed();
    });
    const over = () => {
      this.closed = true;
      this.#changed();
    };
    this.socket.on('end', over);
    this.socket.on('close', over);
    this.socket.on('error', () => {});
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Resolves when so many answers are there; fails when the connection closes before. */
  async answers(count: number): Promise<RawAnswer[]> {
    await this.until(() => parseAnswers(this.received).length >= count);
    return parseAnswers(this.received);
  }

  async until(reached: () => boolean): Promise<void> {
    while (!reached()) {
      if (this.closed) throw new Error(`The connection closed after ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  async end(): Promise<void> {
    while (!this.closed) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

/** One request, one answer, and the connection closed. */
export async function exchangeRaw(url: string, request: string | Buffer): Promise<RawAnswer> {
  const client = new RawClient(url);
  client.send(request);
  const [answer] = await client.answers(1);
  client.close();
  return answer!;
}
