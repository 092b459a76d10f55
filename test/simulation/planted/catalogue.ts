/** Every fault that the simulator must find. */
import { ENTRY_FAULTS } from './core-entries.ts';
import { LEASE_FAULTS } from './core-leases.ts';
import { ENGINE_FAULTS } from './engine.ts';
import { EVENT_FAULTS } from './events.ts';
import { JOURNAL_FAULTS } from './journal.ts';
import { LEDGER_FAULTS } from './ledger.ts';
import type { PlantedFault } from './planted-fault.ts';
import { RECONCILE_FAULTS } from './reconcile.ts';
import { TRACK_RECORD } from './track-record.ts';

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  ...LEASE_FAULTS,
  ...ENTRY_FAULTS,
  ...ENGINE_FAULTS,
  ...EVENT_FAULTS,
  ...JOURNAL_FAULTS,
  ...RECONCILE_FAULTS,
  ...LEDGER_FAULTS,
  ...TRACK_RECORD,
];

export function plantedFault(name: string): PlantedFault {
  const found = PLANTED_FAULTS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no planted fault "${name}"`);
  return found;
}
