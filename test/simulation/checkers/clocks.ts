/**
 * How much time has passed for a sidecar between two instants of true time. Within a run it goes by
 * the monotonic clock of its machine; across a restart by the wall clock, from a moment of the
 * earlier run that nobody outside knows: then only bounds can be given. A wall clock that jumps
 * ahead counts as time that has passed, since the sidecar cannot tell (SPEC, Gaps).
 */
import type { CheckedSidecar, CheckedWorld } from './checker.ts';

/** From `fromMs` on everything went at these speeds. */
interface Stretch {
  readonly fromMs: number;
  readonly run: number;
  readonly rate: number;
  readonly wallOffsetMs: number;
  readonly heldUpMs: number;
  /** The monotonic clock, and the most and least that could have been counted, since the first. */
  readonly monotonicMs: number;
  readonly mostMs: number;
  readonly leastMs: number;
}

/** Offsets are differences of large numbers: less than this is their rounding, or a drift so far. */
const NOTICED_MS = 1;

/** After a suspension: by then a sidecar has heard what the others have done meanwhile. */
export const HEARD_OF_MS = 20_000;
/** What the ledger allows, less what its clock and the others may differ by. */
const SKEW_MS = 4_000;

export class Clocks {
  readonly #world: CheckedWorld;
  readonly #stretches = new Map<string, Stretch[]>();
  /** By how much the clock of the ledger was put forward, in all. */
  #ledgerOffsetMs: number;
  ledgerForwardMs = 0;

  constructor(world: CheckedWorld) {
    this.#world = world;
    this.#ledgerOffsetMs = world.ledger.clockOffsetMs;
  }

  /** After every event: no clock changes its speed at any other time. */
  look(): void {
    for (const sidecar of this.#world.sidecars) this.#lookAt(sidecar);
    const { clockOffsetMs } = this.#world.ledger;
    if (Math.abs(clockOffsetMs - this.#ledgerOffsetMs) < NOTICED_MS) return;
    this.ledgerForwardMs += Math.max(0, clockOffsetMs - this.#ledgerOffsetMs);
    this.#ledgerOffsetMs = clockOffsetMs;
  }

  #lookAt({ name, run, clock, heldUpMs }: CheckedSidecar): void {
    const stretches = this.#stretches.get(name) ?? [];
    const last = stretches.at(-1);
    const { rate, wallOffsetMs } = clock;
    if (
      last !== undefined && last.run === run && last.rate === rate &&
      last.wallOffsetMs === wallOffsetMs && last.heldUpMs === heldUpMs
    ) {
      return;
    }
    const { nowMs } = this.#world;
    const common = { fromMs: nowMs, run, rate, wallOffsetMs, heldUpMs };
    if (last === undefined) {
      this.#stretches.set(name, stretches);
      stretches.push({ ...common, monotonicMs: 0, mostMs: 0, leastMs: 0 });
      return;
    }
    const before = continued(last, nowMs);
    const stepMs = wallOffsetMs - last.wallOffsetMs;
    stretches.push({
      ...common,
      monotonicMs: before.monotonicMs,
      mostMs: before.mostMs + Math.max(0, stepMs),
      leastMs: before.leastMs + Math.min(0, stepMs),
    });
  }

  #at(place: string, atMs: number): Stretch | undefined {
    const stretches = this.#stretches.get(place);
    if (stretches === undefined) return undefined;
    let low = 0;
    let high = stretches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (stretches[middle]!.fromMs > atMs) high = middle - 1;
      else low = middle;
    }
    return continued(stretches[low]!, atMs);
  }

  /** The most that can have passed there by what its sidecar goes by. */
  mostBetween(place: string, fromMs: number, toMs: number): number {
    const from = this.#at(place, fromMs);
    const to = this.#at(place, toMs);
    if (from === undefined || to === undefined) return Infinity;
    return from.run === to.run ? to.monotonicMs - from.monotonicMs : to.mostMs - from.mostMs;
  }

  leastBetween(place: string, fromMs: number, toMs: number): number {
    const from = this.#at(place, fromMs);
    const to = this.#at(place, toMs);
    if (from === undefined || to === undefined) return 0;
    return from.run === to.run ? to.monotonicMs - from.monotonicMs : to.leastMs - from.leastMs;
  }

  /** For how long its loop was held up in between. */
  heldUpBetween(place: string, fromMs: number, toMs: number): number {
    return (this.#at(place, toMs)?.heldUpMs ?? 0) - (this.#at(place, fromMs)?.heldUpMs ?? 0);
  }

  /** Its monotonic clock stood still at some time since: its machine was suspended. */
  stoodStillSince(place: string, fromMs: number): boolean {
    const stretches = this.#stretches.get(place) ?? [];
    for (let index = stretches.length - 1; index >= 0; index--) {
      if (stretches[index]!.rate === 0) return true;
      if (stretches[index]!.fromMs <= fromMs) return false;
    }
    return false;
  }

  /**
   * Its wall clock was once so far ahead that a ledger does not take yet what was written then: it
   * refuses stamps that are more than five seconds ahead of its own clock (PROTOCOL §2.5).
   */
  wroteAhead(place: string): boolean {
    const { nowMs } = this.#world;
    const stretches = this.#stretches.get(place) ?? [];
    return stretches.some(({ wallOffsetMs }, index) => {
      const untilMs = stretches[index + 1]?.fromMs ?? nowMs;
      return untilMs + wallOffsetMs > nowMs + SKEW_MS;
    });
  }

  runAt(place: string, atMs: number): number | undefined {
    return this.#at(place, atMs)?.run;
  }

  /** True time when its wall clock showed `wallMs`, if that cannot have been but once since. */
  trueTimeOf(place: string, wallMs: number): number | undefined {
    const stretches = this.#stretches.get(place) ?? [];
    const last = stretches.at(-1);
    if (last === undefined) return undefined;
    const atMs = wallMs - last.wallOffsetMs;
    for (let index = stretches.length - 1; index >= 0; index--) {
      if (stretches[index]!.wallOffsetMs !== last.wallOffsetMs) return undefined;
      if (stretches[index]!.fromMs <= atMs) return Math.min(atMs, this.#world.nowMs);
    }
    return undefined;
  }
}

function continued(stretch: Stretch, toMs: number): Stretch {
  const passedMs = Math.max(0, toMs - stretch.fromMs);
  const { rate } = stretch;
  return {
    ...stretch,
    monotonicMs: stretch.monotonicMs + passedMs * rate,
    mostMs: stretch.mostMs + passedMs * Math.max(1, rate),
    leastMs: stretch.leastMs + passedMs * Math.min(1, rate),
  };
}
