/** A connection of which the test writes every byte itself, for requests that stop halfway. */
import { connect, type Socket } from 'node:net';
import { placeOf } from './requests.ts';
import { until } from './support.ts';

export interface RawConnection {
  readonly send: (text: string) => void;
  readonly received: () => string;
  /** Resolves when the other side has closed it, with all that was received. */
  readonly closed: () => Promise<string>;
}

/** Opens one. @throws Error when nobody listens */
export async function openRaw(url: string): Promise<RawConnection> {
  const place = placeOf(url);
  const socket: Socket = 'socketPath' in place ? connect(place.socketPath) : connect(place.port, place.host);
  let received = '';
  let closed = false;
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  // A server that goes away resets it; what counts is what it said before.
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  return {
    send: (text) => void socket.write(text),
    received: () => received,
    closed: () => until('the connection is closed', () => closed && { received }).then(() => received),
  };
}
