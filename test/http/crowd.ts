/**
 * A crowd of clients in a process of its own, since one process has not enough file descriptors for
 * both ends. Told a port and a count, it connects, says `connected`, asks once on every connection
 * when told `ask`, and says `answered`; it ends with its parent.
 */
import { connect, type Socket } from 'node:net';

const REQUEST = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** Below the backlog of a listener, so that no connection has to be tried twice. */
const AT_ONCE = 200;

const sockets: Socket[] = [];
let answered = 0;

function connected(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, resolve);
    socket.on('error', reject);
    socket.once('data', () => {
      answered++;
      if (answered === sockets.length) process.send!('answered');
    });
    sockets.push(socket);
  });
}

process.on('message', async (told: 'ask' | { readonly port: number; readonly count: number }) => {
  if (told === 'ask') {
    for (const socket of sockets) socket.write(REQUEST);
    return;
  }
  while (sockets.length < told.count) {
    const batch = Math.min(AT_ONCE, told.count - sockets.length);
    await Promise.all(Array.from({ length: batch }, () => connected(told.port)));
  }
  process.send!('connected');
});
process.on('disconnect', () => process.exit());
