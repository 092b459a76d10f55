/** What the sidecars answer when everything is over: asked once, for all checkers. */
import type { CheckedSidecar, CheckedWorld, Seen } from './checker.ts';
import { type Document, documentOf, type Dot, dotsOf, textOf } from './reading.ts';

/** What a sidecar shows of a key. */
export interface Shown {
  readonly atMs: number;
  readonly status: number;
  readonly dots: readonly Dot[];
  readonly values: readonly string[];
  readonly lease: string | undefined;
  /** Of the value that is shown; undefined where there are several. */
  readonly remainingMs: number | undefined;
  readonly context: string | undefined;
}

const SEVERAL = 300;
const STATUS = '/v1/status';

export class Rest {
  readonly #world: CheckedWorld;
  readonly #asked = new Map<string, Seen | undefined>();

  constructor(world: CheckedWorld) {
    this.#world = world;
  }

  get running(): readonly CheckedSidecar[] {
    return this.#world.sidecars.filter(({ running }) => running);
  }

  sidecar(name: string): CheckedSidecar | undefined {
    return this.running.find((sidecar) => sidecar.name === name);
  }

  look(sidecar: CheckedSidecar, path: string): Seen | undefined {
    // Reading changes things where reads prolong: what was so before is asked first.
    if (path !== STATUS) this.status(sidecar);
    const name = `${sidecar.name} ${path}`;
    if (!this.#asked.has(name)) this.#asked.set(name, sidecar.lookUp(path));
    return this.#asked.get(name);
  }

  /** undefined: it gave no answer that says what it holds. */
  entry(sidecar: CheckedSidecar, namespace: string, key: string): Shown | undefined {
    const seen = this.look(sidecar, `/v1/entries/${namespace}/${encodeURIComponent(key)}`);
    return seen === undefined ? undefined : shownOf(seen);
  }

  status(sidecar: CheckedSidecar): Document | undefined {
    return documentOf(this.look(sidecar, STATUS)?.document);
  }

  lease(sidecar: CheckedSidecar, id: string): Seen | undefined {
    return this.look(sidecar, `/v1/leases/${encodeURIComponent(id)}`);
  }
}

function shownOf({ atMs, status, headers, document }: Seen): Shown | undefined {
  if (status !== 200 && status !== SEVERAL && status !== 404) return undefined;
  const remaining = headers['leasehold-remaining-ms'];
  return {
    atMs, status,
    dots: dotsOf(headers['etag']),
    values: status === 200 ? [String(document)] : status === SEVERAL ? siblingsIn(document) : [],
    lease: headers['leasehold-lease'],
    remainingMs: remaining === undefined ? undefined : Number(remaining),
    context: headers['leasehold-context'],
  };
}

function siblingsIn(document: unknown): string[] {
  const siblings = documentOf(document)?.['siblings'];
  if (!Array.isArray(siblings)) return [];
  return siblings.map((each) => Buffer.from(textOf(documentOf(each), 'value') ?? '', 'base64').toString());
}
