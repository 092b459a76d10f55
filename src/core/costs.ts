/** What a row of each table costs, for the worst case computed at start. */
import { EntryTable } from './entry-table.ts';
import { LeaseTable } from './lease-table.ts';

export const SLOT_COSTS = {
  entrySlotBytes: EntryTable.slotBytes,
  leaseSlotBytes: LeaseTable.slotBytes,
} as const;
