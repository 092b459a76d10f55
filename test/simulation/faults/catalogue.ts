/** Every fault there is. */
import { busFaults } from './bus.ts';
import { clockFaults } from './clock.ts';
import { diskFaults } from './disk.ts';
import type { Fault } from './fault.ts';
import { ledgerFaults } from './ledger.ts';
import { machineFaults } from './machine.ts';
import { networkFaults } from './network.ts';
import { peopleFaults } from './people.ts';

export const FAULTS: readonly Fault[] = [
  ...machineFaults, ...clockFaults, ...diskFaults, ...networkFaults, ...ledgerFaults, ...busFaults,
  ...peopleFaults,
];

const byKind = new Map(FAULTS.map((fault) => [fault.kind, fault]));

/** @throws Error when there is no fault of this kind */
export function faultOf(kind: string): Fault {
  const fault = byKind.get(kind);
  if (fault === undefined) throw new Error(`There is no fault "${kind}"`);
  return fault;
}

export function isFault(kind: string): boolean {
  return byKind.has(kind);
}
