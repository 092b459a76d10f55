import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';

let echo: Server;
let proxy: TcpProxy;
let arrived = '';
const clients: Socket[] = [];

beforeEach(async () => {
  arrived = '';
  echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      arrived += chunk.toString();
      socket.write(chunk);
    });
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address() as { port: number };
  proxy = await TcpProxy.start({ host: '127.0.0.1', port: address.port });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  echo.close();
});

/** A client of the echo, with what it got back so far. */
async function client(): Promise<{ socket: Socket; got: () => string; closed: () => boolean }> {
  const socket = connect(proxy.port, '127.0.0.1');
  clients.push(socket);
  let got = '';
  let closed = false;
  socket.setEncoding('utf8').on('data', (text: string) => {
    got += text;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return { socket, got: () => got, closed: () => closed };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('a link', () => {
  it('passes everything, in order, and the end too', async () => {
    const { socket, got, closed } = await client();
    const text = Array.from({ length: 20_000 }, (_, index) => `${index} `).join('');
    socket.write(text);
    await until(() => got().length === text.length);
    expect(got()).toBe(text);
    socket.end();
    await until(closed);
    await until(() => proxy.connections === 0);
  });

  it('brings everything later and in order when delayed', async () => {
    proxy.spoil({ delayMs: 40 });
    const { socket, got } = await client();
    const sentAt = performance.now();
    socket.write('a');
    socket.write('b');
    await until(() => got() === 'ab');
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(80);
  });

  it('is as slow as it is narrow', async () => {
    proxy.spoil({ bytesPerSecond: 20_000 });
    const { socket, got } = await client();
    const sentAt = performance.now();
    socket.write('x'.repeat(2_000));
    await until(() => got().length === 2_000);
    // Both ways: 2 x 100 ms, though the second begins before the first is over.
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(100);
  });

  it('keeps what is sent in silence and passes it afterwards', async () => {
    const { socket, got, closed } = await client();
    socket.write('before');
    await until(() => got() === 'before');
    proxy.spoil({ isSilent: true });
    socket.write(' during');
    const other = await client();
    other.socket.write('x');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([got(), other.got(), closed(), arrived]).toEqual(['before', '', false, 'before']);
    proxy.heal();
    await until(() => got() === 'before during' && other.got() === 'x');
  });

  it('resets what there is and lets nobody in while it is cut', async () => {
    const { closed } = await client();
    proxy.cut();
    await until(closed);
    const refused = await client();
    await until(refused.closed);
    proxy.heal();
    const { socket, got } = await client();
    socket.write('again');
    await until(() => got() === 'again');
  });

  it('can lose the replies of a connection and leave both ends in the dark', async () => {
    const { socket, got, closed } = await client();
    proxy.abandonConnections('replies');
    socket.write('asked');
    await until(() => arrived === 'asked');
    const other = await client();
    other.socket.write('!');
    await until(() => other.got() === '!');
    expect([got(), closed()]).toEqual(['', false]);
    proxy.abandonConnections('both');
    other.socket.write('lost');
    const third = await client();
    third.socket.write('?');
    await until(() => third.got() === '?');
    expect(arrived).toBe('asked!?');
  });
});
