/** A world made of what is said of it: histories for the checkers, honest ones and lying ones. */
import { History, type Incident } from '../history/history.ts';
import type { Answer, Asked, Operation } from '../history/operation.ts';
import type { WatchedEvent } from '../neighbours/watched.ts';
import type {
  CheckedNamespace, CheckedSidecar, CheckedWorld, Checker, RawPartition, RawRecord, RawSibling, Seen,
  TouchedPartition,
} from './checker.ts';
import { caughtUp } from './all.ts';
import { chained, fingerprintOf, sumOf } from './ledger-sums.ts';
import { type Room, roomOf } from './room.ts';

export const ACTOR = 'a000000000000001';
export const SUCCESSOR = 'a000000000000002';
export const OTHER = 'b000000000000001';

const NAMESPACE: CheckedNamespace = {
  name: 'jobs', conflict: 'lww', durability: 'journal', class: 'shared', mirror: 'all',
  onExpire: 'delete', onDrain: 'keep', sliding: false, sensitive: false,
  autonomyMs: 4_000, maxTtlMs: 60_000, values: 'full', publish: 'all',
  capacity: { leases: 3, entries: 3, evicts: false },
};

class ToldSidecar implements CheckedSidecar {
  readonly name: string;
  running = true;
  run = 1;
  heldUpMs = 0;
  readonly clock = { rate: 1, wallOffsetMs: 0, monotonicMs: () => 0 };
  /** By path, as it answers it at the end. */
  readonly answers = new Map<string, Omit<Seen, 'atMs'>>();

  constructor(name: string) {
    this.name = name;
  }

  lookUp(path: string): Seen {
    const nothing = { status: path.startsWith('/v1/entries/') ? 404 : 200, headers: {}, document: {} };
    return { atMs: Number.POSITIVE_INFINITY, ...(this.answers.get(path) ?? nothing) };
  }
}

interface Given {
  readonly sidecar?: string;
  readonly client?: string;
  readonly intent?: number;
  /** How long it takes until the answer. */
  readonly takesMs?: number;
}

export class ToldWorld implements CheckedWorld {
  nowMs = 1_000_000;
  readonly history = new History();
  readonly namespaces: readonly CheckedNamespace[];
  readonly s1 = new ToldSidecar('s1');
  readonly s2 = new ToldSidecar('s2');
  readonly sidecars = [this.s1, this.s2];
  readonly idempotencyMs = 60_000;
  readonly watched: WatchedEvent[][] = [];
  /** Of what was told, what its stream has lost since. */
  readonly lost = new Set<string>();
  readonly bus = {
    endingsCreated: 'later',
    endings: () =>
      new Set(this.history.told.flatMap(({ stream, id }) => (stream === 'endings' && !this.lost.has(id) ? [id] : []))),
  };
  readonly #taps: ((touched: TouchedPartition) => void)[] = [];
  partition = emptyPartition();
  readonly ledger = {
    clockOffsetMs: 0,
    onOperation: (tap: (touched: TouchedPartition) => void) => void this.#taps.push(tap),
    partitions: (): TouchedPartition[] => [this.#touched()],
  };
  readonly #room: Room;
  readonly #checker: Checker;

  constructor(make: (room: Room) => Checker, ...namespaces: Partial<CheckedNamespace>[]) {
    this.namespaces = (namespaces.length === 0 ? [{}] : namespaces).map((each) => ({ ...NAMESPACE, ...each }));
    this.#room = roomOf(this);
    this.#checker = caughtUp(this.#room, make(this.#room));
    this.look();
  }

  #touched(): TouchedPartition {
    return { namespace: this.namespaces[0]!.name, partition: 0, raw: this.partition };
  }

  look(): void {
    this.#checker.afterEvent!();
  }

  rest(): void {
    this.#checker.atRest!();
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.look();
  }

  incident(kind: string, where: string, detail: Incident['detail'] = {}): void {
    this.history.incidents.push({ kind, where, detail, atMs: this.nowMs });
    this.look();
  }

  restart(sidecar: ToldSidecar): void {
    sidecar.run += 1;
    this.look();
  }

  /** Asked now; answered after a millisecond, unless there is no answer. */
  ask(asked: Asked, answer: Partial<Answer> | undefined, given: Given = {}): Operation {
    const id = this.history.operations.length;
    const { sidecar = 's1', client = 'c1', intent = id, takesMs = 1 } = given;
    const operation: Operation = {
      id, intent, client, sidecar, asked,
      session: `${client}.1`, run: sidecar === 's1' ? this.s1.run : this.s2.run, askedAtMs: this.nowMs,
    };
    this.history.operations.push(operation);
    this.pass(takesMs);
    if (answer === undefined) return operation;
    operation.answer = { atMs: this.nowMs, status: 200, headers: {}, replayed: false, ...answer };
    this.history.answered.push(operation);
    this.look();
    return operation;
  }

  put(key: string, value: string, dot: string, fields: PutFields = {}): Operation {
    const { remainingMs = 5_000, lease = `i-${dot}`, answer, given, ...asked } = fields;
    const headers = {
      'leasehold-lease': lease, 'leasehold-remaining-ms': String(remainingMs),
      'leasehold-cursor': `${dot.split('.')[0]}.1`,
    };
    const answered = { status: 201, etag: `"${dot}"`, headers, ...answer };
    return this.ask({ kind: 'put', namespace: this.namespaces[0]!.name, key, value, ...asked }, answered, given);
  }

  get(key: string, shown: Readonly<Record<string, string>>, given: Given & ShownFields = {}): Operation {
    const dots = Object.keys(shown);
    const { remainingMs, lease, context } = given;
    const asked: Asked = { kind: 'get', namespace: this.namespaces[0]!.name, key };
    if (dots.length === 0) return this.ask(asked, { status: 404, code: 'entry-not-found' }, given);
    const headers = {
      'leasehold-source': 'local',
      ...(lease === undefined ? {} : { 'leasehold-lease': lease }),
      ...(remainingMs === undefined ? {} : { 'leasehold-remaining-ms': String(remainingMs) }),
    };
    const answer = {
      status: dots.length > 1 ? 300 : 200, etag: `"${dots.join('+')}"`, values: Object.values(shown), headers,
      ...(context === undefined ? {} : { context }),
    };
    return this.ask(asked, answer, given);
  }

  grant(id: string, remainingMs: number, given: Given & { readonly key?: string } = {}): Operation {
    const asked: Asked = {
      kind: 'grant', namespace: this.namespaces[0]!.name, ttlMs: remainingMs, holder: 'c1',
      ...(given.key === undefined ? {} : { idempotencyKey: given.key }),
    };
    return this.ask(asked, { status: 201, document: this.lease(id, remainingMs) }, given);
  }

  lease(id: string, remainingMs: number, state = 'live'): object {
    return { id, namespace: this.namespaces[0]!.name, state, remainingMs };
  }

  /** An event of a run of s1, or of another sidecar. */
  tell(what: string, sequence: number, data: Data, by: By = {}): void {
    const { actor = ACTOR, name = 's1' } = by;
    const stream = what.endsWith('.ended') ? 'endings' : 'events';
    this.history.told.push({
      stream, atMs: this.nowMs, place: this.history.told.length, subject: '', headers: {}, created: 'first',
      id: `${actor}:${stream}:${sequence}`,
      event: {
        id: `${actor}:${stream}:${sequence}`, source: `/leasehold/${name}/${actor}`,
        type: `leasehold.${what}.v1`, sequence: String(sequence).padStart(16, '0'),
        data: { namespace: this.namespaces[0]!.name, at: instant(this.nowMs), ...data },
      },
    });
    this.look();
  }

  /** The end of something by its deadline, now, unless said otherwise. */
  tellEnding(what: 'lease.ended' | 'entry.ended', sequence: number, data: Data, by: By = {}): void {
    const common = { reason: 'expired', endingId: `e${String(data['lease'])}`, deadline: instant(this.nowMs), latenessMs: 0 };
    this.tell(what, sequence, { ...common, ...data }, by);
  }

  /** What the ledger holds of a key becomes this. `change` may lie about what follows from it. */
  store(id: string, siblings: readonly RawSibling[], change: (raw: Changeable) => void = () => {}): void {
    const raw = this.partition;
    raw.records.set(id, { siblings, context: [], bucket: 0 });
    raw.seq += 1;
    raw.chain = chained(raw.chain, id, sumOf(siblings));
    raw.log.push({ seq: raw.seq, id, chain: raw.chain });
    const all = [...raw.records.values()].flatMap((record) => record.siblings);
    raw.root = sumOf(all);
    raw.cells = [raw.root];
    raw.live = [...raw.records.values()].filter((record) => record.siblings.length > 0).length;
    raw.tombstones = raw.records.size - raw.live;
    raw.owners = new Map(
      [...new Set(all.map(({ dot }) => dot.actor))].map((actor) => [
        actor, { owned: sumOf(all.filter(({ dot }) => dot.actor === actor)) },
      ]),
    );
    change(raw);
    this.touch();
  }

  touch(): void {
    for (const tap of this.#taps) tap(this.#touched());
    this.look();
  }
}

interface ShownFields {
  readonly context?: string;
  readonly remainingMs?: number;
  readonly lease?: string;
}

interface By {
  readonly actor?: string;
  readonly name?: string;
}

type Data = Readonly<Record<string, unknown>>;

interface PutFields {
  readonly remainingMs?: number;
  readonly lease?: string;
  readonly context?: string;
  readonly ifMatch?: string;
  readonly idempotencyKey?: string;
  readonly answer?: Partial<Answer>;
  readonly given?: Given;
}

type Changeable = {
  -readonly [K in keyof RawPartition]: K extends 'records' ? Map<string, RawRecord>
    : RawPartition[K] extends readonly (infer T)[] ? T[] : RawPartition[K];
};

export function emptyPartition(): Changeable {
  return {
    epoch: 1, seq: 0, chain: '0000000000000000', live: 0, tombstones: 0,
    root: sumOf([]), records: new Map(), cells: [], log: [], owners: new Map(),
  };
}

export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

/** As the ledger holds a value of `key`. */
export function sibling(key: string, name: string, value: string, hlc = 1): RawSibling {
  const point = name.indexOf('.');
  const dot = { actor: name.slice(0, point), seq: Number(name.slice(point + 1)) };
  // Version 1, lease "l", no holder, text/plain, 1 byte.
  const label = Buffer.from('\x85\x01\x61l\x60\x6atext/plain\x01', 'latin1');
  const bare = {
    dot, born: dot, hlc, label, deadline: 9e15, session: false, value: Buffer.from(value), hashHigh: 0, hashLow: 0,
  };
  const [hashHigh, hashLow] = fingerprintOf(key, bare);
  return { ...bare, hashHigh, hashLow };
}
