/**
 * Headers of one message as they travel (ADR-4 of NATS). The client's own keep a map and look each
 * name up in it; these are written once and never read here.
 */
import type { MsgHdrs } from 'nats';
import type { BusMessage } from '../bus.ts';

const NAME = /^[\x21-\x39\x3b-\x7e]+$/;
const LINE_BREAK = /[\r\n]/;

/** @throws Error when a name or a value cannot be a header */
export function headersOf({ id, headers }: BusMessage): MsgHdrs {
  let text = `NATS/1.0\r\nNats-Msg-Id: ${checked(id)}\r\n`;
  for (const [name, value] of headers) {
    if (!NAME.test(name)) throw new Error(`"${name}" cannot be the name of a header`);
    text += `${name}: ${checked(value)}\r\n`;
  }
  const encoded = Buffer.from(`${text}\r\n`);
  // All that the client asks of the headers of a message to be sent.
  return { encode: () => encoded } as unknown as MsgHdrs;
}

function checked(value: string): string {
  if (LINE_BREAK.test(value)) throw new Error('a header cannot hold a line break');
  return value;
}
