/** Reading answers, versions and events as any client would, from what the documentation says. */
import type { Answer, Operation } from '../history/operation.ts';
import type { ToldEvent } from '../history/history.ts';

export interface Dot {
  readonly actor: string;
  readonly seq: number;
}

/** For each actor the highest of its writes that are covered. */
export type Cover = ReadonlyMap<string, number>;

export function covers(cover: Cover, { actor, seq }: Dot): boolean {
  return (cover.get(actor) ?? 0) >= seq;
}

export function dotText({ actor, seq }: Dot): string {
  return `${actor}.${seq}`;
}

function dotOf(text: string): Dot | undefined {
  const point = text.indexOf('.');
  const seq = Number(text.slice(point + 1));
  return point > 0 && Number.isSafeInteger(seq) ? { actor: text.slice(0, point), seq } : undefined;
}

/** An ETag, with or without quotes: the dots of all values it stands for. */
export function dotsOf(etag: string | undefined): readonly Dot[] {
  if (etag === undefined) return [];
  return etag.replaceAll('"', '').split('+').flatMap((text) => dotOf(text) ?? []);
}

/** `<clock>;<dot>,…` */
export function coverOf(context: string | undefined): Cover | undefined {
  if (context === undefined) return undefined;
  const cover = new Map<string, number>();
  for (const text of context.slice(context.indexOf(';') + 1).split(',')) {
    const dot = dotOf(text);
    if (dot !== undefined) cover.set(dot.actor, Math.max(cover.get(dot.actor) ?? 0, dot.seq));
  }
  return cover;
}

export function coverOfDots(dots: readonly Dot[]): Cover {
  const cover = new Map<string, number>();
  for (const { actor, seq } of dots) cover.set(actor, Math.max(cover.get(actor) ?? 0, seq));
  return cover;
}

const CANONICAL: Readonly<Record<string, string>> = {
  'leasehold-lease': 'Leasehold-Lease', 'leasehold-remaining-ms': 'Leasehold-Remaining-Ms',
  'leasehold-source': 'Leasehold-Source', 'leasehold-cursor': 'Leasehold-Cursor',
};

/** By its name in lower case. */
export function headerOf({ headers }: Answer, name: keyof typeof CANONICAL & string): string | undefined {
  return headers[name] ?? headers[CANONICAL[name]!];
}

/** The run of the sidecar that answered, as versions name it. */
export function actorOf(answer: Answer): string | undefined {
  return headerOf(answer, 'leasehold-cursor')?.split('.')[0];
}

/** 300 is a read that found several values. */
export function isDone({ answer }: Operation): boolean {
  return answer !== undefined && answer.status >= 200 && answer.status <= 300;
}

/** Codes of answers that leave open whether it happened. */
const OPEN_CODES: ReadonlySet<string> = new Set(['outcome-unknown', 'internal', 'idempotency-in-progress']);

/** Certainly without effect. */
export function isRefused({ answer }: Operation): boolean {
  return answer !== undefined && answer.status >= 400 && !OPEN_CODES.has(answer.code ?? '');
}

export type Document = Readonly<Record<string, unknown>>;

export function documentOf(value: unknown): Document | undefined {
  return typeof value === 'object' && value !== null ? (value as Document) : undefined;
}

export function textOf(document: Document | undefined, member: string): string | undefined {
  const value = document?.[member];
  return typeof value === 'string' ? value : undefined;
}

export function numberOf(document: Document | undefined, member: string): number | undefined {
  const value = document?.[member];
  return typeof value === 'number' ? value : undefined;
}

/** An event, with what every checker asks of it. */
export interface Told {
  readonly atMs: number;
  readonly stream: 'endings' | 'events';
  readonly id: string;
  readonly source: string;
  /** The sidecar's name. */
  readonly place: string;
  readonly actor: string;
  readonly sequence: number;
  /** `entry.ended` */
  readonly what: string;
  readonly data: Document;
  readonly raw: ToldEvent;
}

export function toldOf(raw: ToldEvent): Told {
  const { event } = raw;
  const source = String(event['source']);
  const parts = source.split('/');
  const type = String(event['type']);
  return {
    raw, source,
    atMs: raw.atMs,
    stream: raw.stream,
    id: String(event['id']),
    place: decodeURIComponent(parts[2] ?? ''),
    actor: parts[3] ?? '',
    sequence: Number(event['sequence']),
    what: type.slice('leasehold.'.length, type.lastIndexOf('.')),
    data: documentOf(event['data']) ?? {},
  };
}

/** One line of evidence. */
export function lineOfTold({ atMs, id, what, data }: Told): string {
  const about = [data['namespace'], data['key'] ?? data['lease'], data['etag'], data['reason'], data['endingId']];
  return `${Math.round(atMs)} told ${id} ${what} ${about.filter((each) => each !== undefined).join(' ')}`;
}

export function lineOfOperation({ id, client, sidecar, run, asked, askedAtMs, answer }: Operation): string {
  const when = `${Math.round(askedAtMs)}-${answer === undefined ? '' : Math.round(answer.atMs)}`;
  const what = answer === undefined ? 'no answer' : `${answer.status} ${answer.code ?? answer.etag ?? ''}`;
  return `${when} #${id} ${client} asked ${sidecar}#${run} ${JSON.stringify(asked)}: ${what}`;
}

export function placeName(namespace: string, key: string): string {
  return `${namespace}/${key}`;
}
