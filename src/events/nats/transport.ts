/**
 * A TCP connection of the client that never outlives its attempt. The client's own transport leaves
 * its socket open when an attempt fails before the server has introduced itself, so a server that
 * hangs would cost a file descriptor at each attempt. That is why this reaches for the client's
 * inner modules, whose version is pinned.
 */
import { createConnection, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, type NatsConnection, NatsError, type ServerInfo } from 'nats';
import {
  NatsConnectionImpl, setTransportFactory,
} from 'nats/lib/nats-base-client/internal_mod.js';
import { NodeTransport } from 'nats/lib/src/node_transport.js';

class OwnedTransport extends NodeTransport {
  #socket: Socket | undefined;

  override async dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    const socket = createConnection({ port, host: hostname, noDelay: true });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
      socket.once('close', () => reject(new Error('the attempt was given up')));
    });
    socket.removeAllListeners();
    return socket;
  }

  override async peekInfo(): Promise<ServerInfo> {
    const info = await super.peekInfo();
    if (info.tls_required === true && this.options.tls === null) {
      throw new NatsError('the server demands TLS', 'TLS');
    }
    return info;
  }

  override async close(error?: Error): Promise<void> {
    if (!this.connected) this.#socket?.destroy();
    await super.close(error);
  }
}

/**
 * Connects to one server, once.
 *
 * @throws Error of the client, of the socket or of TLS
 */
export function connectOnce(server: string, options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new OwnedTransport() });
  // Names are left to the system, which also knows the hosts file and the search domains.
  return NatsConnectionImpl.connect({ ...options, servers: [server], resolve: false });
}

/** The host of `host:port`, for the check of a certificate; an IPv6 address without brackets. */
export function hostOf(server: string): string {
  return server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

export function isAddress(host: string): boolean {
  return isIP(host) !== 0;
}
