/** A CloudEvent of the sidecar as one line for people. */
import { printable } from './printable.ts';

type Document = Readonly<Record<string, unknown>>;

/** Members worth a place on the line, in the order people look for them. */
const SHOWN = [
  'reason',
  'cause',
  'latenessMs',
  'holder',
  'previousHolder',
  'lease',
  'previousLease',
  'entries',
  'size',
  'contentType',
  'etag',
  'policy',
  'level',
  'previousLevel',
  'source',
  'fill',
  'lastSequences',
] as const;

/** `01:02:03.456 entry.ended  sessions/alice  reason=expired latenessMs=2 holder=web-1 …` */
export function eventLine(event: Document): string {
  const time = textOf(event['time']).replace(/^.*T/, '').replace(/Z$/, '');
  const type = textOf(event['type'])
    .replace(/^leasehold\./, '')
    .replace(/\.v\d+$/, '');
  const subject = textOf(event['subject']);
  const data = isDocument(event['data']) ? event['data'] : {};
  const members = SHOWN.flatMap((name) => {
    const value = data[name];
    // Of a lease's own event the subject is the lease already; empty is what has none.
    const said = value === undefined || value === null || value === subject || value === '';
    return said ? [] : [`${name}=${textOf(value)}`];
  });
  return printable([time, type.padEnd(16), subject, ...members].join(' ').trim());
}

export function resyncLine(notice: Document): string {
  const [from, to] = [textOf(notice['from']), textOf(notice['to'])];
  const reason = textOf(notice['reason']);
  return printable(`resync (${reason}): events between ${from} and ${to} were lost; list again`);
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
