/** Reading everything a sidecar shows. */
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import { type Answer, Connection, type Document, jsonOf } from '../requests.ts';
import { placeName } from './history.ts';
import type { Shown, SidecarView } from './view.ts';

export interface ReadNamespace {
  readonly name: string;
  readonly policy: ConflictPolicy;
  /** Where a sidecar holds only its own: keys are asked for one by one, of the ledger too. */
  readonly keys?: readonly string[];
}

/** What one key shows: its values, and what a writer must name to replace them. */
export interface Reading {
  readonly shown: readonly Shown[];
  readonly etag: string;
  readonly context: string;
}

export function entryPath(namespace: string, key: string): string {
  return `/v1/entries/${namespace}/${key}`;
}

const unquoted = (tag: string): string => tag.replaceAll('"', '');

/** undefined: nothing is there. @throws Error for an answer that is none of these */
export function readingOf(answer: Answer): Reading | undefined {
  const { status, headers, body } = answer;
  if (status === 404) return undefined;
  const etag = unquoted(headers.etag ?? '');
  const context = String(headers['leasehold-context']);
  if (status === 200) {
    const { 'content-type': contentType = '', 'leasehold-lease': lease } = headers;
    return { etag, context, shown: [{ value: body, etag, contentType, lease: String(lease) }] };
  }
  if (status !== 300) throw new Error(`A read was answered ${status} ${body.toString()}`);
  const shown = jsonOf(answer).siblings.map(shownOf);
  return { etag, context, shown };
}

function shownOf({ value, etag, contentType, lease }: Document): Shown {
  return { value: Buffer.from(value, 'base64'), etag: unquoted(etag), contentType, lease };
}

/** Everything `url` shows of these namespaces. @throws Lost, or Error for an unexpected answer */
export async function readSidecar(url: string, namespaces: readonly ReadNamespace[]): Promise<SidecarView> {
  const connection = new Connection(url);
  const view = new Map<string, readonly Shown[]>();
  try {
    for (const { name, policy, keys } of namespaces) {
      const listed = keys === undefined ? await listAll(connection, name) : undefined;
      for (const { key, ...entry } of listed ?? []) view.set(placeName(name, key), [shownOf(entry)]);
      // A listing shows one of several concurrent values.
      const single = keys ?? (policy === 'siblings' ? listed!.map(({ key }) => key) : []);
      const consistency = keys === undefined ? '' : '?consistency=ledger';
      for (const key of single) {
        const path = `${entryPath(name, key)}${consistency}`;
        const reading = readingOf(await connection.ask({ method: 'GET', path }));
        if (reading === undefined) view.delete(placeName(name, key));
        else view.set(placeName(name, key), reading.shown);
      }
    }
    return view;
  } finally {
    connection.close();
  }
}

async function listAll(connection: Connection, namespace: string): Promise<Document[]> {
  const entries: Document[] = [];
  let cursor: string | undefined;
  do {
    const more = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/v1/entries/${namespace}?values=true&limit=1000${more}`;
    const answer = await connection.ask({ method: 'GET', path });
    if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}`);
    const page = jsonOf(answer);
    entries.push(...page.entries);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return entries;
}
