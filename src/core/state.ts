/**
 * The state of one sidecar and every way it can change: tables, then the primitive changes to
 * leases, then those to entries. Commands decide, these act.
 */
import { EntryRows } from './entry-rows.ts';

export class State extends EntryRows {}
