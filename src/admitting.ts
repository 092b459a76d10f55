/**
 * Admission, put together with the parts it protects: each says how full it is, and what is told of
 * pressure goes to the log, to whoever follows the events, and to namespaces that stretch.
 */
import { Admission } from './admission/admission.ts';
import { memorySignal } from './admission/memory.ts';
import type { QuotaSettings } from './admission/settings.ts';
import type { Pressure, Signal } from './admission/signals.ts';
import type { Config } from './config/config.ts';
import type { Core } from './core/core.ts';
import type { Engine } from './engine/engine.ts';
import type { Journal } from './journal/journal.ts';
import type { Machine } from './machine/machine.ts';
import { schedulerOn } from './resilience/scheduler.ts';
import type { Log } from './log/log.ts';

/** What a level means for the rest, once there is a rest. */
export interface Pressed {
  readonly engine: Engine;
  readonly core: Core;
}

/**
 * `pressed` is asked at each crossing; undefined while the sidecar recovers. Its time is the
 * process's own: the timeline jumps when a recovery ends.
 */
export function admissionFor(
  config: Config,
  log: Log,
  machine: Machine,
  pressed: () => Pressed | undefined,
): Admission {
  const admission = new Admission({
    settings: config.admission,
    quotas: quotasOf(config),
    scheduler: schedulerOn(machine, { now: () => machine.monotonicMs() }),
    readLoop: () => machine.loop(),
    afterTurn: (work) => machine.soon(work),
    wallMs: () => machine.wallMs(),
    onChange: (pressure, previous) => {
      const fill = Math.round(pressure.fill * 100) / 100;
      const reading = { ...pressure, fill, previous: previous.level };
      log.info({ pressure: pressure.level, previous: previous.level, source: pressure.source, fill }, 'pressure');
      const rest = pressed();
      rest?.core.setStretching(stretches(pressure));
      rest?.engine.tellPressure(reading);
    },
  });
  admission.add([memorySignal(config.memoryLimitBytes, () => machine.residentBytes())]);
  return admission;
}

/** Whether TTLs are stretched at such a level, where namespaces want it. */
export function stretches({ level }: Pressure): boolean {
  return level === 'high' || level === 'critical';
}

function quotasOf({ namespaces, autoCreateNamespaces, callerQuota }: Config): QuotaSettings {
  const limited = namespaces.flatMap(({ name, quota }) => (quota === undefined ? [] : [[name, quota] as const]));
  const template = namespaces.find(({ name }) => name === 'default')?.quota;
  return {
    namespaces: new Map(limited),
    configured: new Set(namespaces.map(({ name }) => name)),
    ...(autoCreateNamespaces && template !== undefined ? { onDemand: template } : {}),
    ...(callerQuota === undefined ? {} : { caller: callerQuota }),
  };
}

/**
 * How far the disk is behind. A full one is announced; whom it refuses the engine knows better, and
 * says so by name.
 */
export function journalSignal(journal: Journal): Signal {
  return {
    source: 'journal', what: 'waiting',
    fill: () => (journal.state === 'full' ? Math.max(FULL_DISK_FILL, journal.lag) : journal.lag),
  };
}

/** Elevated, at the usual thresholds. */
const FULL_DISK_FILL = 0.5;

/** What the ledger has yet to be told of. */
export interface LedgerBacklog {
  /** Changed keys known by name, as a share of their bound: beyond it partitions are walked. */
  readonly unpushedShare: number;
}

/**
 * Local traffic goes on without the ledger, whatever waits to be told: changes beyond their bound
 * are found again by a walk, so a full list is announced (half of a bound) and refuses nobody.
 * Tombstones have no such way out.
 */
export function ledgerSignals(backlog: LedgerBacklog, core: Core): Signal[] {
  const { tombstones } = core.state;
  return [
    { source: 'ledger', what: 'unpushed', fill: () => Math.min(1, backlog.unpushedShare) / 2 },
    { source: 'ledger', what: 'tombstones', fill: () => tombstones.size / Math.max(1, tombstones.limit) },
  ];
}
