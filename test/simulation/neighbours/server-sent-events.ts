/** Reading a stream of server-sent events (WHATWG HTML §9.2.6), in pieces as they come. */
export interface ServerSentEvent {
  readonly id: string;
  readonly type: string;
  readonly data: string;
}

export class ServerSentEvents {
  /** Of the last block that had one, whether it was an event or not: where to resume. */
  lastId: string | undefined;
  #rest = '';

  constructor(lastId: string | undefined) {
    this.lastId = lastId;
  }

  /** The events that are whole now. */
  take(text: string): readonly ServerSentEvent[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop()!;
    return blocks.flatMap((block) => this.#read(block));
  }

  #read(block: string): ServerSentEvent[] {
    let type = 'message';
    let data: string | undefined;
    for (const line of block.split('\n')) {
      const colon = line.indexOf(': ');
      const value = line.slice(colon + 2);
      switch (line.slice(0, colon)) {
        case 'id':
          this.lastId = value;
          break;
        case 'event':
          type = value;
          break;
        case 'data':
          data = value;
          break;
      }
    }
    return data === undefined ? [] : [{ id: this.lastId ?? '', type, data }];
  }
}
