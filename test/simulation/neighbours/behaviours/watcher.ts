/**
 * Follows the events of its sidecar and goes on after the last one it saw, whatever happens to its
 * connection. Now and then it does not read for a while.
 */
import type { HttpAnswer, Serving } from '../http-exchange.ts';
import { ServerSentEvents } from '../server-sent-events.ts';
import type { Session } from '../session.ts';
import type { WatchedEvent } from '../watched.ts';

/** Small, so that one who does not read is soon noticed. */
const BUFFER_BYTES = 4 * 1024;
const READS_MS = 4_000;
const DOES_NOT_READ_MS = 7_000;
const BACKOFF_MAX_MS = 3_000;

export async function watch(session: Session): Promise<void> {
  const { chance } = session;
  const isSlow = chance.happens(0.6);
  const connections = { last: Math.max(0, ...session.watched.map(({ connection }) => connection)) };
  // What one who reads all the time sees, the slow one must see too, or hear that it has missed it.
  if (isSlow) session.begin(follow(session, connections, { isSlow: false }));
  const namespace = chance.happens(0.6) ? undefined : chance.pick(session.neighbourhood.namespaces).name;
  const since = namespace !== undefined && chance.happens(0.5) ? await listed(session, namespace) : undefined;
  await follow(session, connections, { namespace, since, isSlow });
}

interface Followed {
  readonly namespace?: string | undefined;
  readonly since?: string | undefined;
  readonly isSlow: boolean;
}

/** One connection after the other. */
async function follow(
  session: Session, connections: { last: number }, { namespace, since, isSlow }: Followed,
): Promise<void> {
  const { chance } = session;
  let lastId = since;
  for (;;) {
    const watching = new Watching(session, ++connections.last, namespace, lastId);
    if (isSlow) session.begin(readInTurns(session, watching));
    await watching.over;
    lastId = watching.lastId;
    await session.wait(chance.between(0, BACKOFF_MAX_MS));
    await session.think();
  }
}

/** Where a stream goes on from what a list has shown. */
async function listed(session: Session, namespace: string): Promise<string | undefined> {
  const { headers } = await session.insist({ kind: 'list', namespace, prefix: '' });
  return headers['leasehold-cursor'];
}

async function readInTurns(session: Session, watching: Watching): Promise<void> {
  const { chance } = session;
  while (!watching.isOver) {
    await session.wait(chance.wait(READS_MS));
    watching.pause();
    await session.wait(chance.wait(DOES_NOT_READ_MS));
    watching.goOn();
  }
}

/** One connection. */
class Watching {
  readonly over: Promise<void>;
  readonly pause: () => void;
  readonly goOn: () => void;
  isOver = false;
  readonly #session: Session;
  readonly #where: Pick<WatchedEvent, 'client' | 'session' | 'sidecar' | 'run' | 'connection'>;
  readonly #events: ServerSentEvents;

  constructor(session: Session, connection: number, namespace: string | undefined, since: string | undefined) {
    this.#session = session;
    this.#where = { ...placeOf(session, session.sidecar), connection };
    this.#events = new ServerSentEvents(since);
    let resolve = (): void => {};
    this.over = new Promise((settle) => {
      resolve = settle;
    });
    const stream = session.follow(
      {
        method: 'GET',
        path: namespace === undefined ? '/v1/events' : `/v1/events?namespace=${namespace}`,
        headers: since === undefined ? {} : { 'last-event-id': since },
        bufferBytes: BUFFER_BYTES,
      },
      {
        opened: () => this.#record({ kind: 'opened', since, namespace }),
        text: (text) => this.#take(text),
        over: (answer) => {
          this.isOver = true;
          this.#record(closed(answer));
          resolve();
        },
      },
    );
    this.pause = () => stream?.pause();
    this.goOn = () => stream?.goOn();
  }

  get lastId(): string | undefined {
    return this.#events.lastId;
  }

  #take(text: string): void {
    for (const { id, type, data } of this.#events.take(text)) {
      const decoded = JSON.parse(data);
      if (type === 'resync') this.#record({ kind: 'resync', cursor: id, ...decoded });
      else this.#record({ kind: 'event', cursor: id, type, event: decoded });
    }
  }

  #record(what: Told): void {
    const { watched, nowMs, client, neighbourhood } = this.#session;
    const which = what.kind === 'event' ? `${what.type} ${what.cursor}` : what.kind;
    neighbourhood.kernel.note(client, `sees ${which}`);
    watched.push({ ...this.#where, atMs: nowMs, ...what });
  }
}

type Told = WatchedEvent extends infer Each
  ? Each extends WatchedEvent
    ? Omit<Each, 'atMs' | 'client' | 'session' | 'sidecar' | 'run' | 'connection'>
    : never
  : never;

function placeOf({ client, name: session }: Session, { name, run }: Serving) {
  return { client, session, sidecar: name, run };
}

function closed({ status, code }: HttpAnswer): Told {
  return code === undefined ? { kind: 'closed', status } : { kind: 'closed', status, code };
}
