/**
 * What went wrong, and what had been happening to that key: the last operations of the whole run
 * sit in one ring of typed arrays, so remembering costs the same few bytes an operation however
 * many keys there are, and the history of a key is looked for only once it is needed.
 */
export type ViolationKind =
  | 'early'
  | 'late'
  | 'stale value'
  | 'premature value'
  | 'wrong value'
  | 'unknown version'
  | 'version came back'
  | 'version changed'
  | 'remaining time'
  | 'add over a live entry'
  | 'add refused without an entry'
  | 'condition ignored'
  | 'condition refused'
  | 'created or replaced'
  | 'lost increment'
  | 'unexpected status'
  | 'unknown ending'
  | 'doubled ending'
  | 'missing ending'
  | 'early ending'
  | 'wrong reason'
  | 'lost write'
  | 'not at rest'
  | 'differs at rest'
  | 'ledger at rest';

export interface Violation {
  readonly kind: ViolationKind;
  readonly rank: number;
  readonly detail: string;
  readonly history: readonly string[];
}

const KINDS = ['get', 'set', 'add', 'cas', 'incr', 'ending'] as const;
export type StepKind = (typeof KINDS)[number];

export interface Step {
  readonly rank: number;
  readonly kind: StepKind;
  readonly sentAt: number;
  readonly receivedAt: number;
  /** 0 for an ending. */
  readonly status: number;
  readonly ttlMs: number | undefined;
  readonly etag: string | undefined;
  /** Which of several was asked. */
  readonly sidecar?: number;
}

/** Steps remembered: about half a minute at full speed, 20 MB. */
const RING = 1 << 19;
const HISTORY_MAX = 12;
const KEPT_MAX = 20;
const ALONE = -1;

export class ViolationLog {
  readonly kept: Violation[] = [];
  #total = 0;
  #next = 0;
  readonly #origin: number;
  #ranks = new Uint32Array(RING);
  #kinds = new Uint8Array(RING);
  #statuses = new Uint16Array(RING);
  #sent = new Float64Array(RING);
  #received = new Float64Array(RING);
  #ttls = new Float64Array(RING);
  #sidecars = new Int8Array(RING);
  #etags: (string | undefined)[] = new Array(RING);
  readonly #onViolation: (violation: Violation) => void;

  /** `origin`: the instant the printed histories count from. Called for the first 20 only. */
  constructor(origin: number, onViolation: (violation: Violation) => void = () => {}) {
    this.#origin = origin;
    this.#onViolation = onViolation;
  }

  get total(): number {
    return this.#total;
  }

  step(step: Step): void {
    const slot = this.#next % RING;
    this.#next += 1;
    this.#ranks[slot] = step.rank;
    this.#kinds[slot] = KINDS.indexOf(step.kind);
    this.#statuses[slot] = step.status;
    this.#sent[slot] = step.sentAt;
    this.#received[slot] = step.receivedAt;
    this.#ttls[slot] = step.ttlMs ?? -1;
    this.#sidecars[slot] = step.sidecar ?? ALONE;
    this.#etags[slot] = step.etag;
  }

  report(kind: ViolationKind, rank: number, detail: string): void {
    this.#total += 1;
    if (this.kept.length >= KEPT_MAX) return;
    const violation = { kind, rank, detail, history: this.#historyOf(rank) };
    this.kept.push(violation);
    this.#onViolation(violation);
  }

  #historyOf(rank: number): string[] {
    const lines: string[] = [];
    const oldest = Math.max(0, this.#next - RING);
    for (let at = this.#next - 1; at >= oldest && lines.length < HISTORY_MAX; at -= 1) {
      const slot = at % RING;
      if (this.#ranks[slot] === rank) lines.push(this.#line(slot));
    }
    return lines.reverse();
  }

  #line(slot: number): string {
    const sent = (this.#sent[slot]! - this.#origin).toFixed(3);
    const received = (this.#received[slot]! - this.#origin).toFixed(3);
    const kind = KINDS[this.#kinds[slot]!]!;
    const ttl = this.#ttls[slot]! >= 0 ? ` ttl ${this.#ttls[slot]} ms` : '';
    const status = this.#statuses[slot]! > 0 ? ` → ${this.#statuses[slot]}` : '';
    const etag = this.#etags[slot] === undefined ? '' : ` etag ${this.#etags[slot]}`;
    const where = this.#sidecars[slot] === ALONE ? '' : ` at sidecar ${this.#sidecars[slot]}`;
    return `[${sent}, ${received}] ms ${kind}${where}${ttl}${status}${etag}`;
  }
}
