/**
 * How many requests the loop takes on in one turn. While they wait for their turn no longer than
 * they should, everybody is admitted and nothing is counted but who came. When a queue stands, a
 * limit on what is admitted per turn begins with what would fit into the time that requests may
 * wait, and from then on it is led by additive increase and multiplicative decrease, window by
 * window.
 *
 * Per turn, because that is where requests are in flight: what comes in a turn is done in it, and
 * whoever waits has come meanwhile. So the limit bounds the wait of everybody from its first turn
 * on, and needs no clock. Within a turn what is left goes by the order of classes: a request is
 * admitted if there is room for it beside all those of higher classes that are still to come in
 * this turn, judged by the last windows. What room is left at the end of a turn is offered to those
 * who found none at once, so the loop never stands idle while somebody waits. As DAGOR does it
 * (Zhou et al., SoCC 2018), with classes for its priorities, and a limit on concurrency in place of
 * one on the rate.
 */
import { type RequestClass, SHEDDABLE, type Sheddable } from './classes.ts';
import type { LoopWindow } from './loop-delay.ts';
import type { AdmissionSettings } from './settings.ts';

/** In a window in which a queue stands the limit falls by a tenth. */
const DECREASE = 0.9;
/** In any other it rises by this share of its highest: five windows make up for a decrease. */
const INCREASE = 0.02;
/** Turns are so short that the limit is well below what the loop can do: five windows treble it. */
const GROWTH = 1.25;
/** It never falls below this share of its highest: then it is not requests that fill the turns. */
const FLOOR = 0.25;
/** How much of the last window counts beside those before it. */
const SMOOTHING = 0.5;

type PerClass = Record<RequestClass, number>;
type PerSheddable = Record<Sheddable, number>;

export class Limit {
  readonly #settings: AdmissionSettings;
  readonly #afterTurn: (work: () => void) => void;
  /** Of this window. */
  readonly #arrived: PerClass = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
  readonly #refused: PerSheddable = { read: 0, put: 0, grant: 0, list: 0 };
  /** Requests that found no room at once. */
  #over = 0;
  #turns = 0;
  /** Of this turn. */
  readonly #came: PerClass = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
  #taken = 0;
  #inTurn = false;
  /** Requests in a turn, as of the last windows. */
  readonly #demand: PerClass = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
  /** What share of each class was not refused in the last window. */
  readonly #shares: PerSheddable = { read: 1, put: 1, grant: 1, list: 1 };
  /** Requests in a turn; undefined: no limit. */
  #limit: number | undefined;
  /** The highest that it was, or would have been, since it began. */
  #reached = 0;
  /** Since when everybody has found room at once. */
  #idleSince: number | undefined;
  #standingMs = 0;

  /** Called at the end of a turn with how many more may be taken on in it. */
  onRoom: (room: number) => void = () => {};

  /** `afterTurn` calls what it is given once, at the end of the turn of the loop. */
  constructor(settings: AdmissionSettings, afterTurn: (work: () => void) => void) {
    this.#settings = settings;
    this.#afterTurn = afterTurn;
  }

  /** Requests in a turn; undefined: as many as come. */
  get perTurn(): number | undefined {
    return this.#limit === undefined ? undefined : Math.floor(this.#limit);
  }

  get shares(): Readonly<PerSheddable> {
    return this.#shares;
  }

  /** Counts a request, and tells whether it is admitted at once. */
  admits(kind: RequestClass): boolean {
    this.#arrived[kind]++;
    return this.#limit === undefined || this.#hasRoom(kind, this.#limit);
  }

  #hasRoom(kind: RequestClass, limit: number): boolean {
    this.beginTurn();
    this.#came[kind]++;
    if (kind !== 'renew' && this.#taken + this.#reserved(kind) >= limit) {
      this.#over++;
      return false;
    }
    this.#taken++;
    return true;
  }

  /** Somebody waits for room: at the end of this turn it will be told. */
  beginTurn(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    this.#turns++;
    this.#afterTurn(this.#endTurn);
  }

  /** One of those who found no room at once has not found any since. */
  noteRefused(kind: Sheddable): void {
    this.#refused[kind]++;
  }

  /** Requests of higher classes that are still to come in this turn. */
  #reserved(kind: Sheddable): number {
    let reserved = Math.max(0, this.#demand.renew - this.#came.renew);
    for (const higher of SHEDDABLE) {
      if (higher === kind) break;
      reserved += Math.max(0, this.#demand[higher] - this.#came[higher]);
    }
    return reserved;
  }

  readonly #endTurn = (): void => {
    const room = Math.floor((this.#limit ?? this.#reached) - this.#taken);
    this.#inTurn = false;
    this.#taken = 0;
    clear(this.#came);
    if (room > 0) this.onRoom(room);
  };

  sample(window: LoopWindow, now: number): void {
    this.#standingMs = window.standingMs;
    const arrived = total(this.#arrived);
    const turns = Math.max(1, this.#limit === undefined ? window.turns : this.#turns);
    for (const kind of ['renew', ...SHEDDABLE] as const) {
      const weight = this.#limit === undefined ? 1 : SMOOTHING;
      this.#demand[kind] += (this.#arrived[kind] / turns - this.#demand[kind]) * weight;
    }
    if (window.standingMs > this.#settings.queueMs) this.#decrease(arrived / turns, window);
    else if (this.#limit !== undefined) this.#increase(window, now);
    this.#share();
    clear(this.#arrived);
    clear(this.#refused);
    this.#over = 0;
    this.#turns = 0;
  }

  #decrease(perTurn: number, { turnMs }: LoopWindow): void {
    this.#idleSince = undefined;
    if (this.#limit === undefined) {
      this.#limit = Math.max(1, (perTurn * this.#settings.queueMs) / turnMs);
      this.#reached = this.#limit;
    } else {
      this.#limit = Math.max(1, this.#limit * DECREASE, this.#reached * FLOOR);
    }
  }

  #increase({ turnMs }: LoopWindow, now: number): void {
    const short = turnMs < this.#settings.queueMs / 2;
    if (this.#over > 0) {
      this.#idleSince = undefined;
      this.#limit = short ? this.#limit! * GROWTH : this.#limit! + this.#reached * INCREASE;
      this.#reached = Math.max(this.#reached, this.#limit);
      return;
    }
    this.#idleSince ??= now;
    if (now - this.#idleSince < this.#settings.settleMs) return;
    this.#limit = undefined;
    this.#idleSince = undefined;
  }

  #share(): void {
    for (const kind of SHEDDABLE) {
      const refused = this.#refused[kind];
      this.#shares[kind] = refused === 0 ? 1 : Math.max(0, 1 - refused / this.#arrived[kind]);
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

  /** Milliseconds until the limit, rising as it does, would admit all that comes. */
  drainMs(windowMs: number): number | undefined {
    if (this.#limit === undefined) return undefined;
    const missing = Math.max(0, total(this.#demand) - this.#limit);
    return (missing / (this.#reached * INCREASE)) * windowMs;
  }
}

function total(counts: Readonly<Partial<PerClass>>): number {
  const { renew = 0, read = 0, put = 0, grant = 0, list = 0 } = counts;
  return renew + read + put + grant + list;
}

function clear(counts: Partial<PerClass>): void {
  for (const kind of Object.keys(counts) as RequestClass[]) counts[kind] = 0;
}
