/** The NATS servers that other tests lean on: real ones, killed, emptied and told something else. */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, connect, type NatsConnection } from 'nats';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { stopServers } from './child.ts';
import { type NatsServer, startNats } from './nats.ts';

const clients: NatsConnection[] = [];

/** NATS as anybody outside meets it. */
async function outsider(
  server: NatsServer, options: ConnectionOptions = {},
): Promise<NatsConnection> {
  const client = await connect({ servers: server.address, reconnect: false, ...options });
  clients.push(client);
  return client;
}

async function streamsOn(server: NatsServer): Promise<number> {
  const manager = await (await server.admin()).jetstreamManager();
  return (await manager.streams.names().next()).length;
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(stopServers);

describe('a server', () => {
  it('serves on its port, and is gone when killed', async () => {
    const server = await startNats();
    await (await outsider(server)).flush();
    const { pid } = server;
    await server.kill();
    expect(server.isRunning()).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await expect(outsider(server)).rejects.toThrow();
  });

  it('keeps its streams when killed, and loses them when emptied', async () => {
    const server = await startNats();
    const manager = await (await server.admin()).jetstreamManager();
    await manager.streams.add({ name: 'A', subjects: ['a'] });
    const { port } = server;
    await server.restart();
    expect([server.port, await streamsOn(server)]).toEqual([port, 1]);
    await server.restart({ empty: true });
    expect(await streamsOn(server)).toBe(0);
  });

  it('lets others in when told so, and is not told nonsense', async () => {
    const server = await startNats({ users: [{ user: 'a', password: 'one' }] });
    await (await outsider(server, { user: 'a', pass: 'one' })).flush();
    await server.reload({ users: [{ user: 'a', password: 'two' }] });
    await expect(outsider(server, { user: 'a', pass: 'one' })).rejects.toThrow(/Authorization/);
    await (await outsider(server, { user: 'a', pass: 'two' })).flush();
    await (await server.admin()).flush();
    await expect(server.reload({ users: [{ nkey: 'none' }] })).rejects.toThrow(/did not take/);
  });

  it('asks for a certificate where both sides show one', async () => {
    const server = await startNats({ tls: 'mutual' });
    const { caFile, clientCertFile, clientKeyFile } = server.certificates!;
    const ca = readFileSync(caFile, 'utf8');
    await expect(outsider(server, { tls: { ca } })).rejects.toThrow();
    const tls = { ca, certFile: clientCertFile, keyFile: clientKeyFile };
    await (await outsider(server, { tls })).flush();
  });

  it('stands still when paused', async () => {
    const server = await startNats();
    const client = await outsider(server);
    server.pause();
    // Stopping takes a moment: one of the first may still be answered.
    let isAnswered = true;
    for (let attempt = 0; attempt < 100 && isAnswered; attempt++) {
      const late = new Promise<false>((resolve) => setTimeout(resolve, 50, false));
      isAnswered = await Promise.race([client.flush().then(() => true as const), late]);
    }
    expect([isAnswered, server.isRunning()]).toEqual([false, true]);
    server.resume();
    await client.flush();
  });
});
