/**
 * Compares what the clients were told, what is still there, and what the streams tell. A pure
 * function of the three, so that it can be shown to see what it is there to see.
 */
import { STREAMS } from '../../../src/events/bus.ts';
import type { Account } from './account.ts';
import type { Archive, Ending } from './archive.ts';

/** What the sidecar shows at the end. */
export interface Rest {
  /** Ids of explicit leases. */
  readonly leases: ReadonlySet<string>;
  /** Versions of entries. */
  readonly etags: ReadonlySet<string>;
  /** `endingId` of what watchers were told. */
  readonly watched: ReadonlySet<string>;
}

export interface Circumstances {
  /** The stream of the other events lost some of what it had: only endings are kept for that. */
  readonly eventsLost: boolean;
  /**
   * Several sidecars write the same keys, all under implicit leases. What a write took the place of
   * may have been another's value; what it goes on from is its own of the same lease.
   */
  readonly severalWriters?: boolean;
}

const SHOWN = 5;

/** What is wrong, in sentences. */
export function judge(
  account: Account, archive: Archive, rest: Rest, circumstances: Circumstances,
): string[] {
  return [
    ...archive.wrong,
    ...gaps(archive, circumstances),
    ...sources(archive, circumstances),
    ...leases(account, archive, rest, circumstances),
    ...entries(account, archive, rest, circumstances),
    ...several(
      'endings that watchers were told are in no stream',
      [...rest.watched].filter((id) => !archive.endings.has(id)),
    ),
  ];
}

function gaps(archive: Archive, { eventsLost }: Circumstances): string[] {
  return STREAMS.filter((stream) => stream === 'endings' || !eventsLost).flatMap((stream) =>
    several(`numbers never came in ${stream}`, archive.missing(stream)),
  );
}

/** Each run must be told to be over, and how far it went. */
function sources(archive: Archive, { eventsLost }: Circumstances): string[] {
  const wrong: string[] = [];
  for (const actor of archive.sources.keys()) {
    const read = archive.lastOf(actor);
    const said = archive.closed.get(actor);
    if (said === undefined) {
      if (!eventsLost) wrong.push(`Nobody said that run ${actor} is over`);
      continue;
    }
    for (const stream of STREAMS) {
      const [last, highest] = [said[stream], read[stream]];
      const fits = eventsLost && stream === 'events' ? last >= highest : last === highest;
      if (fits) continue;
      wrong.push(`Run ${actor} is said to have ended at ${last} in ${stream}, and ${highest} was read`);
    }
  }
  return wrong;
}

/** Every lease that anybody knows of. */
function leases(
  account: Account, archive: Archive, rest: Rest, { eventsLost }: Circumstances,
): string[] {
  const endings = byWhat(archive, 'lease');
  const told = new Set([...account.leases, ...archive.grants]);
  const lives = [...told].map((id) => {
    return { id, endings: endings.get(id) ?? [], isLive: rest.leases.has(id) };
  });
  const untold = eventsLost ? [] : [...account.leases].filter((id) => !archive.grants.has(id));
  const strangers = [...rest.leases, ...endings.keys()].filter((id) => !told.has(id));
  return [
    ...countOfEndings('leases', lives),
    ...several('leases were granted, and nobody was told', untold),
    ...several('leases are there or ended that were never granted', strangers),
  ];
}

/** Every unbroken run of writes that anybody knows of. */
function entries(
  account: Account, archive: Archive, rest: Rest, { eventsLost, severalWriters = false }: Circumstances,
): string[] {
  const families = new Families();
  for (const { etags } of account.runs) for (const etag of etags) families.join(etags[0]!, etag);
  const known = new Set(account.runs.flatMap(({ etags }) => etags));
  const firstOf = new Map<string, string>();
  for (const { etag, lease, previous } of archive.writes) {
    if (!severalWriters) families.join(previous ?? etag, etag);
    else if (firstOf.has(lease)) families.join(firstOf.get(lease)!, etag);
    else {
      firstOf.set(lease, etag);
      families.join(etag, etag);
    }
  }

  const lives = new Map<string, { id: string; endings: Ending[]; isLive: boolean }>();
  for (const etag of families.members()) {
    const root = families.rootOf(etag);
    const life = lives.get(root) ?? { id: root, endings: [], isLive: false };
    lives.set(root, life);
    if (rest.etags.has(etag)) life.isLive = true;
  }
  const strangers: string[] = [...rest.etags].filter((etag) => !families.has(etag));
  for (const ending of archive.endings.values()) {
    if (ending.noun !== 'entry') continue;
    if (families.has(ending.what)) lives.get(families.rootOf(ending.what))!.endings.push(ending);
    else strangers.push(ending.what);
  }
  const writes = new Set(archive.writes.map(({ etag }) => etag));
  const untold = eventsLost ? [] : [...known].filter((etag) => !writes.has(etag));
  return [
    ...countOfEndings('entries', [...lives.values()]),
    ...several('writes were answered, and nobody was told', untold),
    ...several('versions are there or ended that were never written', strangers),
  ];
}

interface Life {
  readonly id: string;
  readonly endings: readonly Ending[];
  readonly isLive: boolean;
}

function countOfEndings(what: string, lives: readonly Life[]): string[] {
  const lost = lives.filter(({ endings, isLive }) => endings.length === 0 && !isLive);
  const early = lives.filter(({ endings, isLive }) => endings.length > 0 && isLive);
  const doubled = lives.filter(({ endings }) => endings.length > 1);
  return [
    ...several(`${what} are gone without an ending`, lost.map(({ id }) => id)),
    ...several(`${what} are there although they ended`, early.map(({ id }) => id)),
    ...several(
      `${what} ended more than once`,
      doubled.map(({ id, endings }) => `${id} as ${endings.map(({ reason }) => reason).join(' and ')}`),
    ),
  ];
}

function byWhat(archive: Archive, noun: Ending['noun']): Map<string, Ending[]> {
  const found = new Map<string, Ending[]>();
  for (const ending of archive.endings.values()) {
    if (ending.noun !== noun) continue;
    const others = found.get(ending.what);
    if (others === undefined) found.set(ending.what, [ending]);
    else others.push(ending);
  }
  return found;
}

function several(what: string, which: readonly string[]): string[] {
  if (which.length === 0) return [];
  const shown = which.slice(0, SHOWN).join(', ');
  return [`${which.length} ${what}: ${shown}${which.length > SHOWN ? ', …' : ''}`];
}

/** Versions that belong to one life: disjoint sets, with paths halved as they are walked. */
class Families {
  readonly #parents = new Map<string, string>();

  has(etag: string): boolean {
    return this.#parents.has(etag);
  }

  members(): Iterable<string> {
    return this.#parents.keys();
  }

  rootOf(etag: string): string {
    let at = etag;
    for (;;) {
      const parent = this.#parents.get(at) ?? at;
      if (parent === at) return at;
      const above = this.#parents.get(parent) ?? parent;
      this.#parents.set(at, above);
      at = above;
    }
  }

  join(one: string, other: string): void {
    for (const each of [one, other]) if (!this.#parents.has(each)) this.#parents.set(each, each);
    this.#parents.set(this.rootOf(other), this.rootOf(one));
  }
}
