/**
 * A machine whose timers run under no span. Node hands the active span of whoever sets a timer on to
 * what the timer does; a timer here serves everybody (the end of a turn, the next round), and would
 * take one request's span for its own, and hand it on to the timer after it, for ever.
 */
import type { Machine } from '../machine/machine.ts';
import type { Tracing } from './tracing.ts';

export function outsideSpans(machine: Machine, tracing: Tracing): Machine {
  // Nearly always there is none to be left behind, and leaving costs each turn of the loop.
  const outside = (work: () => void): (() => void) =>
    tracing.active === undefined ? work : () => tracing.outside(work);
  return {
    monotonicMs: () => machine.monotonicMs(),
    wallMs: () => machine.wallMs(),
    random: () => machine.random(),
    randomBytes: (count) => machine.randomBytes(count),
    loop: () => machine.loop(),
    residentBytes: () => machine.residentBytes(),
    after: (delayMs, work) => machine.after(delayMs, outside(work)),
    soon: (work) => machine.soon(outside(work)),
  };
}
