/**
 * An event as it comes from NATS. A sidecar publishes CloudEvents 1.0 in structured mode, where the
 * body is the whole event, or in binary mode, where `ce-` headers hold the attributes and the body
 * holds the data; whoever runs it chooses. A consumer that understands both never needs to know.
 */
import type { JsMsg } from 'nats';

export interface LeaseholdEvent {
  /** `/leasehold/<name>/<actor>`: one run of one sidecar. */
  readonly source: string;
  /** Like `leasehold.entry.ended.v1`. */
  readonly type: string;
  /** Contiguous from 1 for each source and stream. */
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** undefined: this is no event, and reading it again will not make it one. */
export function readEvent(message: JsMsg): LeaseholdEvent | undefined {
  try {
    const { source, type, sequence, data } = isBinary(message)
      ? { ...binaryAttributes(message), data: message.json<LeaseholdEvent['data']>() }
      : message.json<Record<string, unknown>>();
    if (typeof source !== 'string' || typeof type !== 'string') return undefined;
    return { source, type, sequence: Number(sequence), data: data as LeaseholdEvent['data'] };
  } catch {
    return undefined;
  }
}

function isBinary({ headers }: JsMsg): boolean {
  const contentType = headers?.get('Content-Type') ?? '';
  return !contentType.startsWith('application/cloudevents') && headers?.has('ce-type') === true;
}

function binaryAttributes({ headers }: JsMsg): Record<string, unknown> {
  const attribute = (name: string): string => decodeURIComponent(headers?.get(`ce-${name}`) ?? '');
  return {
    source: attribute('source'),
    type: attribute('type'),
    sequence: attribute('sequence'),
  };
}
