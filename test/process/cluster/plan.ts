/**
 * Which faults come when: a pure function of the seed. Two sequences run beside each other, one of
 * faults of the ledger, one of faults of single sidecars and their links, so that they meet each
 * other in ever new ways, but never two of one kind.
 */
import { type Random, seededRandom } from '../../../bench/replay/random.ts';

export const LEDGER_FAULTS = [
  /** Killed, and back with nothing in it. */
  'emptied',
  /** Killed, and back as it was when it was last copied. */
  'rolled-back',
  /** Stopped by a signal; its connections stay open. */
  'paused',
] as const;

export const CLUSTER_FAULTS = [
  /** A master is killed for good; its replica takes over what it has got by then. */
  'failed-over',
  /** A master is stopped for longer than the others wait for it. */
  'paused',
] as const;

export const SIDECAR_FAULTS = [
  /** SIGKILL, and started again on its journal. */
  'killed',
  /** SIGTERM, and started again. */
  'stopped',
  /** SIGSTOP: its clients wait, its leases go on. */
  'frozen',
] as const;

/** What only a link through a proxy can have. */
export const LINK_FAULTS = [
  /** For longer than the autonomy of its namespaces. */
  'cut-off',
  /** Everything is swallowed; nobody is told. */
  'silenced',
  /** Connections lose every reply from now on, and neither end knows. */
  'half-open',
  'slow',
] as const;

export type LedgerFault = (typeof LEDGER_FAULTS)[number] | (typeof CLUSTER_FAULTS)[number];
export type SidecarFault = (typeof SIDECAR_FAULTS)[number] | (typeof LINK_FAULTS)[number];

export interface Step<Fault> {
  /** After the step before has healed. */
  readonly afterMs: number;
  readonly fault: Fault;
  readonly forMs: number;
}
export type LedgerStep = Step<LedgerFault>;
export interface SidecarStep extends Step<SidecarFault> {
  readonly sidecar: number;
}

export interface Plan {
  readonly ledger: readonly LedgerStep[];
  readonly sidecars: readonly SidecarStep[];
  /** How long clients work: until both sequences are over, and a little longer. */
  readonly workMs: number;
}

export interface PlanSettings {
  readonly sidecars: number;
  readonly ledger: 'single' | 'cluster';
  /** How often each fault of a sidecar comes; those of the ledger come for as long. */
  readonly rounds: number;
  readonly pauseMs: Range;
  readonly forMs: Range;
  /** Of `cut-off`: longer than the autonomy bound. */
  readonly cutOffMs: number;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

const LAST_WORK_MS = 500;

export function planOf(seed: number, settings: PlanSettings): Plan {
  const { ledger: kind, rounds, pauseMs, forMs, cutOffMs } = settings;
  const random = seededRandom(seed);
  const within = ({ min, max }: Range): number => Math.round(min + random.next() * (max - min));
  const ledgerFaults = kind === 'single' ? LEDGER_FAULTS : CLUSTER_FAULTS;
  const sidecarFaults = kind === 'single' ? [...SIDECAR_FAULTS, ...LINK_FAULTS] : SIDECAR_FAULTS;

  const sidecars = Array.from({ length: rounds }, () => shuffled(sidecarFaults, random))
    .flat()
    .map((fault) => ({
      fault,
      afterMs: within(pauseMs),
      forMs: fault === 'cut-off' ? cutOffMs : within(forMs),
      sidecar: Math.floor(random.next() * settings.sidecars),
    }));
  const ledger: LedgerStep[] = [];
  while (lengthOf(ledger) < lengthOf(sidecars)) {
    for (const fault of shuffled(ledgerFaults, random)) {
      ledger.push({ fault, afterMs: within(pauseMs), forMs: within(forMs) });
    }
  }
  const workMs = Math.max(lengthOf(ledger), lengthOf(sidecars)) + LAST_WORK_MS;
  return { ledger, sidecars, workMs };
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random.next() * left.length), 1)[0]!);
}

function lengthOf(steps: readonly Step<unknown>[]): number {
  return steps.reduce((sum, { afterMs, forMs }) => sum + afterMs + forMs, 0);
}
