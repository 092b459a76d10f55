/**
 * Follows the events of one sidecar through all its runs: each time it goes on after the last id
 * it saw, as a browser would, whether that came with an event or alone.
 */
import { get, type ClientRequest } from 'node:http';
import { Lost, placeOf } from '../requests.ts';
import type { Chronicle } from './chronicle.ts';

export class Watcher {
  readonly #chronicle: Chronicle;
  #request: ClientRequest | undefined;
  /** The last id seen. */
  cursor: string;
  #closed: Promise<void> = Promise.resolve();

  constructor(chronicle: Chronicle, cursor: string) {
    this.#chronicle = chronicle;
    this.cursor = cursor;
  }

  /** Opens the stream; resolves when it has begun. @throws Lost */
  async follow(url: string): Promise<void> {
    await this.#closed;
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    this.#closed = closed.promise;
    const headers = { accept: 'text/event-stream', 'last-event-id': this.cursor };
    const request = get({ ...placeOf(url), agent: false, path: '/v1/events', headers });
    this.#request = request;
    const gone = (error?: Error): void => {
      opened.reject(new Lost(error?.message ?? 'The stream ended before it began'));
      closed.resolve();
    };
    request.on('error', gone);
    request.on('response', (response) => {
      if (response.statusCode === 200) opened.resolve();
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop()!;
        for (const block of blocks) this.#take(block);
      });
      response.on('error', () => {});
      response.on('close', () => gone());
    });
    await opened.promise;
  }

  #take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const at = line.indexOf(': ');
      if (at > 0) fields.set(line.slice(0, at), line.slice(at + 2));
    }
    const id = fields.get('id');
    if (id !== undefined) this.cursor = id;
    const data = fields.get('data');
    if (data !== undefined) this.#chronicle.tell(id ?? '', fields.get('event') ?? '', data);
  }

  /** Resolves once the stream of a sidecar that is gone has been read to its end. */
  ended(): Promise<void> {
    return this.#closed;
  }

  close(): void {
    this.#request?.destroy();
  }
}
