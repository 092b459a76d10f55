/** One request on a connection of its own, and all that comes back. */
import { connect } from 'node:net';

/** Against a hang only. */
const PATIENCE_MS = 20_000;

export interface Reply {
  /** 0: there was none. */
  readonly status: number;
  readonly contentType: string;
  /** Head and body as they came, a character for each byte. */
  readonly text: string;
  readonly body: string;
}

/** `whole` false: the head and what comes with it are enough, since the rest has no end. */
export function exchange(port: number, bytes: Buffer, whole: boolean): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.setEncoding('latin1');
    const patience = setTimeout(() => {
      socket.destroy();
      reject(new Error(`No answer within ${PATIENCE_MS} ms to ${bytes.subarray(0, 400).toString('latin1')}`));
    }, PATIENCE_MS);
    const over = (): void => {
      clearTimeout(patience);
      socket.destroy();
      resolve(replyOf(text));
    };
    socket.on('data', (piece: string) => {
      text += piece;
      if (!whole && text.includes('\r\n\r\n')) setImmediate(over);
    });
    socket.on('end', over);
    // What was refused before its body was read may end like this.
    socket.on('error', over);
    if (whole) socket.end(bytes);
    else socket.write(bytes);
  });
}

function replyOf(text: string): Reply {
  // A client that announces a body is told to go on before it is answered.
  const answer = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const end = answer.indexOf('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0),
    contentType: /\r\ncontent-type: ([^\r]*)/i.exec(answer.slice(0, end))?.[1] ?? '',
    text,
    body: end < 0 ? '' : answer.slice(end + 4),
  };
}
