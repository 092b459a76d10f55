/** Counts what goes over the sockets of a client, over all its connections, those gone too. */
import type { Redis } from 'ioredis';
import type { Socket } from 'node:net';

export class Traffic {
  readonly #open = new Set<Socket>();
  #sent = 0;
  #received = 0;

  /** Every connection that `redis` makes from now on. */
  watch(redis: Redis): void {
    redis.on('connect', () => {
      const socket = redis.stream as unknown as Socket;
      this.#open.add(socket);
      socket.once('close', () => {
        this.#open.delete(socket);
        this.#sent += socket.bytesWritten;
        this.#received += socket.bytesRead;
      });
    });
  }

  get sent(): number {
    let sum = this.#sent;
    for (const socket of this.#open) sum += socket.bytesWritten;
    return sum;
  }

  get received(): number {
    let sum = this.#received;
    for (const socket of this.#open) sum += socket.bytesRead;
    return sum;
  }
}
