/**
 * Reads the replies on a connection that has one request outstanding: status, length, and the three
 * things a neighbour looks at under pressure. It does no more than that, because the generator
 * must stay cheaper than what it measures.
 */
import type { PressureLevel } from '../../src/admission/signals.ts';

const HEAD_CHARACTERS_MAX = 64 * 1024;

export class ReplyReader {
  /** Of the last complete reply, as are the others. */
  status = 0;
  /** The header, in whole seconds; undefined: absent, or no such number. */
  retryAfterS: number | undefined;
  /** Of the problem; undefined: it does not say. */
  retryAfterMs: number | undefined;
  /** Not announced is nominal. */
  level: PressureLevel = 'nominal';
  /** Of a refusal; otherwise empty. */
  body = '';
  #head = '';
  /** Of the body; −1: the head is not complete. */
  #bytesLeft = -1;

  /**
   * Takes what has come, one character a byte.
   *
   * @returns whether the reply is complete
   * @throws Error when it is not HTTP as this reader knows it
   */
  push(text: string): boolean {
    let body = text;
    if (this.#bytesLeft < 0) {
      const all = this.#head + text;
      const end = all.indexOf('\r\n\r\n');
      if (end < 0) {
        if (all.length > HEAD_CHARACTERS_MAX) throw new Error('Cannot read a reply: endless headers');
        this.#head = all;
        return false;
      }
      this.#head = '';
      this.#readHead(all.slice(0, end + 2));
      body = all.slice(end + 4);
    }
    this.#bytesLeft -= body.length;
    if (this.#bytesLeft < 0) throw new Error('Cannot read a reply: more came than was asked for');
    if (this.status >= 400) this.body += body;
    if (this.#bytesLeft > 0) return false;
    this.#bytesLeft = -1;
    if (this.status >= 400) {
      const ms = /"retryAfterMs":(\d+)/.exec(this.body)?.[1];
      this.retryAfterMs = ms === undefined ? undefined : Number(ms);
    }
    return true;
  }

  #readHead(head: string): void {
    this.status = Number(head.slice(9, 12));
    if (!head.startsWith('HTTP/1.1 ') || !Number.isInteger(this.status)) {
      throw new Error(`Cannot read a reply: it begins ${JSON.stringify(head.slice(0, 40))}`);
    }
    this.body = '';
    this.retryAfterMs = undefined;
    const seconds = this.status < 400 ? undefined : /\r\nretry-after: *(\d+)\r\n/i.exec(head)?.[1];
    this.retryAfterS = seconds === undefined ? undefined : Number(seconds);
    const level = /\r\nleasehold-pressure: *level=(\w+)/i.exec(head)?.[1];
    this.level = (level as PressureLevel | undefined) ?? 'nominal';
    if (this.status === 204 || this.status === 304) {
      this.#bytesLeft = 0;
      return;
    }
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    if (length === undefined) throw new Error('Cannot read a reply: it does not say its length');
    this.#bytesLeft = Number(length);
  }
}
