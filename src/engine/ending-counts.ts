/**
 * What has ended, and how well: counted where facts are handed on, so that what an atomic batch took
 * back is not among it. Plain numbers, because endings come by the hundred thousand.
 */
import type { EndReason } from '../core/command.ts';
import type { FactWriter } from '../core/fact-writer.ts';
import { END_REASONS } from '../core/fact-format.ts';
import { LATENESS_MS, LIFETIME_MS } from '../measure/buckets.ts';
import { Histogram } from '../measure/histogram.ts';

export class EndingCounts {
  readonly #counts = new Float64Array(END_REASONS.length);
  /** Of what expired in this run: from the deadline to the fact. */
  readonly latenessMs = new Histogram(LATENESS_MS);
  /** Of leases, implicit ones too: from the grant to the end. */
  readonly lifetimeMs = new Histogram(LIFETIME_MS);

  /** Takes the fact at `index`, where it is an ending. */
  note(facts: FactWriter, index: number): void {
    const reason = facts.reasons[index];
    if (reason === undefined) return;
    this.#counts[reason]!++;
    const lateness = facts.lateness[index] ?? Number.NaN;
    const lifetime = facts.lifetimes[index] ?? Number.NaN;
    if (lateness >= 0) this.latenessMs.add(lateness);
    if (lifetime >= 0) this.lifetimeMs.add(lifetime);
  }

  /** By reason: leases that were asked for, and entries. */
  of(reason: EndReason): number {
    return this.#counts[END_REASONS.indexOf(reason)]!;
  }
}
