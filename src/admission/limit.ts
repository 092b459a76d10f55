/**
 * How many requests the loop can take. While they wait for their turn no longer than they should,
 * everybody is admitted and nothing is counted but who came. When a queue stands, what was admitted
 * of late becomes a limit, and from then on it is led by additive increase and multiplicative
 * decrease, window by window. What the limit allows is handed out in the order of classes, each
 * class getting as much as it asked for in the last windows before the next one gets anything; of a
 * class that gets a part, every so-manieth request is admitted, evenly.
 *
 * A limit on requests admitted rather than on requests in flight: work here is done in the turn in
 * which it comes, so nothing is in flight that a limit could count. As DAGOR does it (Zhou et al.,
 * SoCC 2018), with classes for its priorities.
 */
import { type RequestClass, SHEDDABLE, type Sheddable } from './classes.ts';
import type { AdmissionSettings } from './settings.ts';

/** A standing queue is to shrink by a tenth of what feeds it in a window. */
const DECREASE = 0.9;
/** Of what was admitted when the limit began: ten windows make up for two decreases. */
const INCREASE = 0.02;
/** The queue has all but gone, so the limit is well below what the loop can do. */
const INCREASE_IDLE = 0.1;
/** The limit never falls below this share of where it began: it must be able to rise again. */
const FLOOR = 0.05;
/** How much of the last window counts beside those before it. */
const SMOOTHING = 0.5;

type PerClass = Record<RequestClass, number>;
type Shares = Record<Sheddable, number>;

export class Limit {
  readonly #settings: AdmissionSettings;
  readonly #arrived: PerClass = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
  /** Requests a millisecond, by class, as of the last windows. */
  readonly #demand: PerClass = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
  readonly #shares: Shares = { read: 1, put: 1, grant: 1, list: 1 };
  readonly #credits: Shares = { read: 0, put: 0, grant: 0, list: 0 };
  #admitted = 0;
  /** Requests a millisecond; undefined: no limit. */
  #limit: number | undefined;
  /** What was admitted, at most, since the limit began. */
  #reached = 0;
  /** Since when nobody has been refused under the limit. */
  #idleSince: number | undefined;
  #standingMs = 0;

  constructor(settings: AdmissionSettings) {
    this.#settings = settings;
  }

  get limiting(): boolean {
    return this.#limit !== undefined;
  }

  /** Requests a second; undefined: as many as come. */
  get perS(): number | undefined {
    return this.#limit === undefined ? undefined : Math.round(this.#limit * 1000);
  }

  /** What share of each class is admitted. */
  get shares(): Readonly<Shares> {
    return this.#shares;
  }

  /** Counts a request, and tells whether it is admitted. */
  admits(kind: RequestClass): boolean {
    this.#arrived[kind]++;
    if (this.#limit !== undefined && kind !== 'renew' && !this.#draws(kind)) return false;
    this.#admitted++;
    return true;
  }

  #draws(kind: Sheddable): boolean {
    const credit = this.#credits[kind] + this.#shares[kind];
    const drawn = credit >= 1;
    this.#credits[kind] = drawn ? credit - 1 : credit;
    return drawn;
  }

  /** Ends a window of `elapsedMs` in which the standing queue was `standingMs` long. */
  sample(standingMs: number, elapsedMs: number, now: number): void {
    if (elapsedMs <= 0) return;
    this.#standingMs = standingMs;
    const admitted = this.#admitted / elapsedMs;
    this.#admitted = 0;
    this.#learn(elapsedMs);
    if (standingMs > this.#settings.queueMs) this.#decrease(admitted);
    else if (this.#limit !== undefined) this.#increase(admitted, now);
    this.#handOut();
  }

  #learn(elapsedMs: number): void {
    const weight = this.#limit === undefined ? 1 : SMOOTHING;
    for (const kind of ['renew', ...SHEDDABLE] as const) {
      const came = this.#arrived[kind] / elapsedMs;
      this.#demand[kind] += (came - this.#demand[kind]) * weight;
      this.#arrived[kind] = 0;
    }
  }

  #decrease(admitted: number): void {
    this.#idleSince = undefined;
    this.#reached = this.#limit === undefined ? admitted : Math.max(this.#reached, admitted);
    const from = Math.min(this.#limit ?? admitted, admitted);
    this.#limit = Math.max(from * DECREASE, this.#reached * FLOOR);
  }

  #increase(admitted: number, now: number): void {
    this.#reached = Math.max(this.#reached, admitted);
    const idle = this.#standingMs < this.#settings.queueMs / 2;
    this.#limit = this.#limit! + this.#reached * (idle ? INCREASE_IDLE : INCREASE);
    if (this.#limit < this.#wanted()) {
      this.#idleSince = undefined;
      return;
    }
    this.#idleSince ??= now;
    if (now - this.#idleSince >= this.#settings.settleMs) {
      this.#limit = undefined;
      this.#idleSince = undefined;
    }
  }

  /** Requests a millisecond, of all classes. */
  #wanted(): number {
    const { renew, read, put, grant, list } = this.#demand;
    return renew + read + put + grant + list;
  }

  #handOut(): void {
    let left = (this.#limit ?? Number.POSITIVE_INFINITY) - this.#demand.renew;
    for (const kind of SHEDDABLE) {
      const wanted = this.#demand[kind];
      const share = wanted <= left ? 1 : Math.max(0, left) / wanted;
      this.#shares[kind] = share;
      if (share === 1) this.#credits[kind] = 0;
      left -= wanted;
    }
  }

  /**
   * How bad it is, on the scale of the levels: elevated from where the queue is as long as it may
   * be, high while lists or grants are refused, critical while writes are, 1 when reads are.
   */
  fill(): number {
    const { elevatedFill, highFill, criticalFill, queueMs } = this.#settings;
    const { read, put, grant, list } = this.#shares;
    if (read < 1) return 1;
    if (put < 1) return criticalFill;
    if (grant < 1 || list < 1) return highFill;
    if (this.#limit !== undefined) return elevatedFill;
    return Math.min(1, this.#standingMs / queueMs) * elevatedFill;
  }

  /** Milliseconds until the limit, rising as it does, would admit what is refused now. */
  drainMs(windowMs: number): number | undefined {
    if (this.#limit === undefined) return undefined;
    const missing = Math.max(0, this.#wanted() - this.#limit);
    return (missing / Math.max(this.#reached * INCREASE, Number.MIN_VALUE)) * windowMs;
  }
}
