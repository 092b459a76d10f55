/** What a row of each table costs, for the worst case computed at start. */
import { EntryTable } from './entry-table.ts';
import { LeaseTable } from './lease-table.ts';
import { LedgerColumns } from './ledger-columns.ts';

export const SLOT_COSTS = {
  entrySlotBytes: EntryTable.slotBytes,
  leaseSlotBytes: LeaseTable.slotBytes,
  /** What an entry row costs more when a ledger is connected. */
  ledgerSlotBytes: LedgerColumns.slotBytes,
} as const;
