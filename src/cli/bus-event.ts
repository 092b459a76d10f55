/**
 * What arrives from NATS, read as the CloudEvent it is: structured mode, where the body is the
 * event, and binary mode, where headers hold its attributes and the body its data. As the CloudEvents
 * binding for NATS tells them apart: by the content type. Header names are read in any case.
 */
export type EventDocument = Readonly<Record<string, unknown>>;

export interface BusMessageRead {
  readonly body: Uint8Array;
  readonly headers: Iterable<readonly [name: string, values: readonly string[]]> | undefined;
}

const STRUCTURED = 'application/cloudevents';
const PREFIX = 'ce-';

/** The event as one document, whichever way it came; undefined: this is no event. */
export function readBusEvent(message: BusMessageRead): EventDocument | undefined {
  const headers = new Map<string, string>();
  for (const [name, values] of message.headers ?? []) {
    if (values[0] !== undefined) headers.set(name.toLowerCase(), values[0]);
  }
  const isStructured = headers.get('content-type')?.toLowerCase().startsWith(STRUCTURED) === true;
  const isBinary = !isStructured && headers.has(`${PREFIX}specversion`);
  const event = isBinary ? binaryEvent(headers, message.body) : readJson(message.body);
  return event !== undefined && typeof event['type'] === 'string' ? event : undefined;
}

function binaryEvent(
  headers: ReadonlyMap<string, string>,
  body: Uint8Array,
): EventDocument | undefined {
  const event: Record<string, unknown> = {};
  for (const [name, value] of headers) {
    if (!name.startsWith(PREFIX)) continue;
    try {
      event[name.slice(PREFIX.length)] = decodeURIComponent(value);
    } catch {
      return undefined;
    }
  }
  const data = readJson(body);
  return data === undefined ? event : { ...event, data };
}

function readJson(body: Uint8Array): EventDocument | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    const isDocument = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isDocument ? (value as EventDocument) : undefined;
  } catch {
    return undefined;
  }
}

/** The streams, as events name them. */
export type EventStream = 'endings' | 'events';

/** An event's place: contiguous from 1 for each source and stream. */
export interface EventPlace {
  readonly source: string;
  readonly stream: EventStream;
  readonly sequence: number;
}

/** Where an event stands; undefined: it does not say so, and nothing can be told of gaps. */
export function placeOf(event: EventDocument): EventPlace | undefined {
  const { source, sequence, type } = event;
  if (typeof source !== 'string' || typeof sequence !== 'string') return undefined;
  const number = Number(sequence);
  if (!/^\d+$/.test(sequence) || !Number.isSafeInteger(number)) return undefined;
  return { source, stream: isEnding(type) ? 'endings' : 'events', sequence: number };
}

function isEnding(type: unknown): boolean {
  return typeof type === 'string' && /\.ended\.v\d+$/.test(type);
}
