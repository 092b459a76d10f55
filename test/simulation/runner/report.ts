/** What came of a campaign, as text: one line while it runs, figures and coverage when it is over. */
import { spoken } from '../../../src/cli/printable.ts';
import type { Fault } from '../faults/fault.ts';
import type { Progress } from './campaign.ts';
import { missing } from './coverage.ts';

export function progressLine(progress: Progress): string {
  const { seeds, seedsAsked, failures } = progress;
  return (
    `${grouped(seeds)} of ${grouped(seedsAsked)} seeds, ${grouped(perSecond(progress))}/s, ` +
    `virtual to real ${grouped(ratioOf(progress))}:1, ${failures.length} found`
  );
}

/** Virtual time for each unit of real time. */
export function ratioOf({ virtualMs, realMs }: Progress): number {
  return Math.round(virtualMs / Math.max(1, realMs));
}

function perSecond({ seeds, realMs }: Progress): number {
  return Math.round((seeds / Math.max(1, realMs)) * 1_000);
}

/** What all of it came by; of a campaign that was cut short it says little. */
export function coverageLines({ coverage }: Progress, faults: readonly Fault[]): string[] {
  const never = missing(coverage, faults);
  return [
    ...table('fault', 'struck', coverage.faults),
    ...table('failpoint', 'killed at', coverage.failpoints),
    ...table('asked, answered', 'times', coverage.answers),
    ...table('told', 'times', coverage.told),
    ...(never.faults.length === 0 ? [] : [`Never struck: ${never.faults.join(', ')}`]),
    ...(never.failpoints.length === 0 ? [] : [`Never killed at: ${never.failpoints.join(', ')}`]),
  ];
}

export function summaryLines(progress: Progress): string[] {
  const { seeds, seedsAsked, events, virtualMs, realMs, failures } = progress;
  const run = seeds === seedsAsked ? grouped(seeds) : `${grouped(seeds)} of ${grouped(seedsAsked)}`;
  return [
    `${run} seed${seedsAsked === 1 ? '' : 's'}: ${grouped(events)} events, ` +
      `${spoken(Math.round(virtualMs))} of virtual time in ${spoken(Math.round(realMs))} ` +
      `(${grouped(ratioOf(progress))}:1)`,
    failures.length === 0
      ? 'Every invariant held'
      : `${failures.length} found: ${failures.map(({ plan, found }) => `${found.invariant} (seed ${plan.seed})`).join(', ')}`,
  ];
}

function table(name: string, counted: string, counts: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(counts).sort(([one], [other]) => (one < other ? -1 : 1));
  if (rows.length === 0) return [];
  const width = Math.max(name.length, ...rows.map(([one]) => one.length));
  return [
    `${name.padEnd(width)}  ${counted.padStart(9)}`,
    ...rows.map(([one, count]) => `${one.padEnd(width)}  ${grouped(count).padStart(9)}`),
    '',
  ];
}

/** With a space between thousands. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}
