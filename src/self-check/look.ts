/**
 * One look at one share: memory as it is at an instant, and what the journal says up to that instant.
 * Memory comes first, row by row, while each row that changes meanwhile is handed out before it does
 * (`core/tables.ts`); then the files are read, and nothing needs to stand still for them.
 */
import { CborShapeError } from '../core/cbor.ts';
import { RECORD_HEADER_BYTES, type Restated } from '../core/fact-format.ts';
import { decodeFact } from '../core/fact-reader.ts';
import type { Fact } from '../core/fact.ts';
import { FACT_RECORD, payloadStart, recordKind, RESTATED_RECORD } from '../engine/records.ts';
import type { Journal } from '../journal/journal.ts';
import { differences, type Difference } from './compare.ts';
import { Inventory } from './inventory.ts';
import type { Pace } from './pace.ts';
import { type Share, NamespaceNumbers, Stocktaking } from './stocktaking.ts';

/** Every row of memory as it is now; `Snapshotter.capture`. */
export type Capture = (
  take: (bytes: Uint8Array, start: number, end: number) => void,
  restWhenDue: () => Promise<void> | undefined,
) => Promise<void>;

export interface LookParts {
  readonly journal: Pick<Journal, 'extent' | 'readBack'>;
  readonly capture: Capture;
  readonly isJournalled: (namespace: string) => boolean;
  /** Of each of the two inventories. */
  readonly rowsMax: number;
}

export type Finding =
  | { readonly outcome: 'same'; readonly rows: number }
  | {
      readonly outcome: 'differs';
      readonly differences: readonly Difference[];
      /** Facts in the journal about what it does not have. */
      readonly misfits: number;
    }
  | { readonly outcome: 'damaged'; readonly file: string; readonly offset: number }
  /** A snapshot took the files away. */
  | { readonly outcome: 'overtaken' };

/**
 * To be called at an instant at which the journal has everything that is in memory. Throws
 * `InventoryFullError`, what the pace throws, and what the disk says.
 */
export async function look(parts: LookParts, share: Share, pace: Pace): Promise<Finding> {
  const { journal, isJournalled, rowsMax } = parts;
  const extent = journal.extent();
  if (extent === undefined) throw new Error('Cannot look at the journal: a group is on its way');
  const restWhenDue = () => pace.restWhenDue();
  const numbers = new NamespaceNumbers();
  const stocktaking = (inventory: Inventory) => new Stocktaking({ inventory, share, numbers, isJournalled });

  const memory = new Inventory(rowsMax);
  const held = stocktaking(memory);
  await parts.capture((bytes, start, end) => held.take(decodeFact(bytes, start, end)), restWhenDue);

  const recorded = new Inventory(rowsMax);
  const told = stocktaking(recorded);
  let unreadable = 0;
  const read = await journal.readBack(
    extent,
    (bytes) => {
      const fact = factOf(bytes);
      if (fact === 'unreadable') unreadable++;
      else if (fact !== undefined) told.take(fact);
    },
    pace,
  );
  if (read.outcome !== 'whole') return read;
  const found = await differences(memory, recorded, numbers.names, restWhenDue);
  const misfits = told.misfits + unreadable;
  if (found.length === 0 && misfits === 0) return { outcome: 'same', rows: memory.size };
  return { outcome: 'differs', differences: found, misfits };
}

/** undefined: a record that changes no lease and no entry. */
function factOf(bytes: Uint8Array): Fact | Restated | 'unreadable' | undefined {
  const kind = recordKind(bytes);
  if (kind !== FACT_RECORD && kind !== RESTATED_RECORD) return undefined;
  try {
    return decodeFact(bytes, payloadStart(bytes) - RECORD_HEADER_BYTES);
  } catch (error) {
    if (error instanceof CborShapeError) return 'unreadable';
    throw error;
  }
}
