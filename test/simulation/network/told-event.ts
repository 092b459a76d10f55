/** A message of the bus as a reader decodes it: both modes of the CloudEvents binding for NATS. */
import type { StoredMessage } from '../../../src/events/embedded/memory-stream.ts';
import { STRUCTURED_TYPE } from '../../../src/events/message.ts';
import type { ToldEvent } from '../history/history.ts';

const ATTRIBUTE = 'ce-';

export function toldEvent(message: StoredMessage, created: string): ToldEvent {
  const { storedAt, stream, sequence, subject, id } = message;
  const headers = Object.fromEntries(message.headers);
  const document: unknown = JSON.parse(Buffer.from(message.body).toString());
  const event =
    headers['Content-Type'] === STRUCTURED_TYPE
      ? (document as ToldEvent['event'])
      : { ...attributesOf(message), data: document };
  return { atMs: storedAt, stream, place: sequence, subject, id, headers, event, created };
}

function attributesOf({ headers }: StoredMessage): { [attribute: string]: string } {
  const attributes: { [attribute: string]: string } = {};
  for (const [name, value] of headers) {
    if (!name.startsWith(ATTRIBUTE)) continue;
    attributes[name.slice(ATTRIBUTE.length)] = decodeURIComponent(value);
  }
  return attributes;
}
