/** How to see a failing run again: the command for the seed, and the shrunk schedule as a file. */
import type { Fault, Strike } from '../faults/fault.ts';
import type { Plan } from '../faults/plan.ts';
import { scenarioText } from './scenario-file.ts';

/** What the seed alone does not say. */
export interface Asked {
  readonly sidecars: number;
  readonly kinds?: readonly string[] | undefined;
  readonly scenario?: string | undefined;
}

export function replayCommand(seed: number, { sidecars, kinds, scenario }: Asked): string {
  const words = ['leasehold simulate', `--seed ${seed}`, `--sidecars ${sidecars}`];
  if (kinds !== undefined) words.push(`--faults ${kinds.join(',')}`);
  if (scenario !== undefined) words.push(`--scenario ${quoted(scenario)}`);
  return words.join(' ');
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

export function replayText(
  command: string,
  { from, to }: { readonly from: Plan; readonly to: Plan },
  faults: readonly Fault[],
): string[] {
  return [
    'The same run again:',
    `  ${command}`,
    '',
    `The shortest schedule found that fails so: ${sizeOf(to)}, from ${sizeOf(from)}.`,
    ...to.strikes.map((strike) => `  ${strikeText(strike)}`),
    '',
    'As a file for `leasehold simulate --scenario FILE`:',
    ...scenarioText(to, faults)
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ];
}

function sizeOf({ strikes, neighbours, sidecars, chaosMs }: Plan): string {
  return [
    counted(strikes.length, 'fault'),
    counted(neighbours.length, 'client'),
    counted(sidecars.length, 'sidecar'),
    `${(chaosMs / 1_000).toFixed(1)} s`,
  ].join(', ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function strikeText({ atMs, forMs, kind, where, detail }: Strike): string {
  const details = Object.entries(detail).map(([name, value]) => `${name}=${value}`);
  const duration = forMs === 0 ? '' : ` for ${(forMs / 1_000).toFixed(3)} s`;
  return `${(atMs / 1_000).toFixed(3).padStart(8)}  ${[kind, where, ...details].join(' ')}${duration}`;
}
