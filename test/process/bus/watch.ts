/** Follows the endings that a sidecar tells its watchers, through all its runs. */
import { EventSourceParserStream } from 'eventsource-parser/stream';

const ENDINGS = 'lease.ended,entry.ended';

export class Watch {
  /** `endingId` of each. */
  readonly endings = new Set<string>();
  /** Times it was too slow, so that some were not shown. */
  resyncs = 0;
  #cursor: string;
  #abort = new AbortController();
  #over: Promise<void> = Promise.resolve();

  /** `cursor`: what is told after it is seen. */
  constructor(cursor: string) {
    this.#cursor = cursor;
  }

  /** Follows a sidecar, from where the one before was left, until it goes. */
  async follow(url: string): Promise<void> {
    await this.#over;
    const headers = { accept: 'text/event-stream', 'last-event-id': this.#cursor };
    const { signal } = this.#abort;
    const response = await fetch(`${url}/v1/events?types=${ENDINGS}`, { headers, signal });
    if (!response.ok) throw new Error(`The watch was answered ${response.status}`);
    this.#over = this.#read(response.body!).catch(() => {});
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const events = body
      .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)
      .pipeThrough(new EventSourceParserStream());
    for await (const { id, event, data } of events) {
      if (id !== undefined) this.#cursor = id;
      if (event === 'resync') this.resyncs++;
      else if (data !== '') this.endings.add(JSON.parse(data).data.endingId);
    }
  }

  /** Resolves when what was sent has been read. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#over;
  }
}
