/**
 * Every way a row of the entry table can change, with its places in the indexes, its lease and its
 * key's chain. Shared by live commands and by recovery.
 */
import type { NumberedDot } from './entry-table.ts';
import { COPIED, DRAINING } from './lease-table.ts';
import { LeaseRows } from './lease-rows.ts';
import type { Namespace } from './namespaces.ts';
import { entryReserve } from './owed.ts';

export interface EntryFields {
  readonly namespace: Namespace;
  readonly lease: number;
  readonly cell: number;
  readonly dotActor: number;
  readonly dotSeq: number;
  readonly bornActor: number;
  readonly bornSeq: number;
  readonly hlc: number;
}
export class EntryRows extends LeaseRows {
  /**
   * Adds a value to a key: the first (`head` 0), under the head as one more sibling, or on top of
   * it. The probe must hold the key. Returns the row, 0 when there is none left.
   */
  addEntry(fields: EntryFields, head: number, onTop: boolean): number {
    const { entries } = this;
    const { namespace } = fields;
    const slot = entries.slots.take();
    if (slot === 0) return 0;
    this.markCaptured(entries.captured, slot);
    entries.namespace[slot] = namespace.number;
    entries.cell[slot] = fields.cell;
    entries.dotActor[slot] = fields.dotActor;
    entries.dotSeq[slot] = fields.dotSeq;
    entries.bornActor[slot] = fields.bornActor;
    entries.bornSeq[slot] = fields.bornSeq;
    entries.hlc[slot] = fields.hlc;
    entries.link[slot] = 0;
    entries.leafOf[slot] = 0;
    this.ledger?.begin(slot, this.probe.bytes, this.probe.length);
    this.actors.retain(fields.dotActor);
    this.actors.retain(fields.bornActor);
    if (head === 0) {
      entries.index.insert(slot, this.probe.hash);
      namespace.order.insert(slot);
    } else if (onTop) {
      this.#replaceHead(namespace, head, slot);
      entries.link[slot] = head;
    } else {
      let last = head;
      while (entries.link[last] !== 0) last = entries.link[last]!;
      entries.link[last] = slot;
    }
    this.#linkToLease(slot, fields.lease);
    this.#count(slot, 1);
    this.undo?.push(() => {
      this.#unlink(slot);
      this.#releaseEntry(slot);
    });
    return slot;
  }

  /** Moves the last row of a chain up to where its age belongs: newest first. */
  placeByAge(head: number, row: number): void {
    const { entries } = this;
    let before = head;
    while (entries.link[before] !== row) before = entries.link[before]!;
    entries.link[before] = 0;
    let place = head;
    while (entries.link[place] !== 0 && entries.hlc[entries.link[place]!]! > entries.hlc[row]!) {
      place = entries.link[place]!;
    }
    entries.link[row] = entries.link[place]!;
    entries.link[place] = row;
  }

  #replaceHead(namespace: Namespace, head: number, by: number): void {
    this.entries.index.replace(head, by);
    namespace.order.remove(head);
    namespace.order.insert(by);
  }

  /** A later write of the same run takes the value's place; lease and `born` stay. */
  overwriteEntry(entry: number, cell: number, dotActor: number, dotSeq: number, hlc: number): void {
    const { entries } = this;
    this.captureEntry(entry);
    const namespace = this.namespaceOfEntry(entry);
    const old = {
      cell: entries.cell[entry]!,
      dotActor: entries.dotActor[entry]!,
      dotSeq: entries.dotSeq[entry]!,
      hlc: entries.hlc[entry]!,
    };
    namespace.bytes += entries.chargedBytes(cell) - entries.chargedBytes(old.cell);
    this.#rename(old.cell, cell);
    entries.cell[entry] = cell;
    entries.dotActor[entry] = dotActor;
    entries.dotSeq[entry] = dotSeq;
    entries.hlc[entry] = hlc;
    this.ledger?.touch(entry);
    this.actors.retain(dotActor);
    this.undo?.push(() => {
      this.ledger?.touch(entry);
      namespace.bytes += entries.chargedBytes(old.cell) - entries.chargedBytes(cell);
      this.#rename(cell, old.cell);
      entries.cell[entry] = old.cell;
      entries.dotActor[entry] = old.dotActor;
      entries.dotSeq[entry] = old.dotSeq;
      entries.hlc[entry] = old.hlc;
      this.freeCell(cell, namespace);
      this.actors.release(dotActor);
    });
    this.later(() => {
      this.freeCell(old.cell, namespace);
      this.actors.release(old.dotActor);
    });
  }

  /** A value of another content type: its ending will weigh that much. */
  #rename(before: number, after: number): void {
    if (this.owed === undefined) return;
    this.owed.reservedBytes += this.entries.nameBytes(after) - this.entries.nameBytes(before);
  }

  /** Another run takes the row over, under another lease: the same as removing and adding. */
  replaceEntry(entry: number, fields: EntryFields): void {
    const { entries, actors } = this;
    const old = {
      lease: entries.lease[entry]!,
      bornActor: entries.bornActor[entry]!,
      bornSeq: entries.bornSeq[entry]!,
    };
    this.overwriteEntry(entry, fields.cell, fields.dotActor, fields.dotSeq, fields.hlc);
    this.#unlinkFromLease(entry);
    this.#linkToLease(entry, fields.lease);
    entries.bornActor[entry] = fields.bornActor;
    entries.bornSeq[entry] = fields.bornSeq;
    actors.retain(fields.bornActor);
    this.undo?.push(() => {
      this.#unlinkFromLease(entry);
      this.#linkToLease(entry, old.lease);
      entries.bornActor[entry] = old.bornActor;
      entries.bornSeq[entry] = old.bornSeq;
      actors.release(fields.bornActor);
    });
    this.later(() => actors.release(old.bornActor));
  }

  /** The value stays, its version does not: a value under another came back to the top. */
  restampEntry(entry: number, dotActor: number, dotSeq: number, hlc: number): void {
    const { entries } = this;
    this.captureEntry(entry);
    const old = {
      dotActor: entries.dotActor[entry]!,
      dotSeq: entries.dotSeq[entry]!,
      hlc: entries.hlc[entry]!,
    };
    entries.dotActor[entry] = dotActor;
    entries.dotSeq[entry] = dotSeq;
    entries.hlc[entry] = hlc;
    this.actors.retain(dotActor);
    this.undo?.push(() => {
      entries.dotActor[entry] = old.dotActor;
      entries.dotSeq[entry] = old.dotSeq;
      entries.hlc[entry] = old.hlc;
      this.actors.release(dotActor);
    });
    this.later(() => this.actors.release(old.dotActor));
  }

  /** Takes a value away. Ending its lease, where that was implicit, is the caller's. */
  removeEntry(entry: number): void {
    this.captureEntry(entry);
    const { entries } = this;
    const lease = entries.lease[entry]!;
    const position = this.#unlink(entry);
    const isLast = this.leases.state[lease] === DRAINING && this.leases.entryCount[lease] === 0;
    if (this.undo === undefined) {
      this.#releaseEntry(entry);
      if (isLast) this.settleLease(lease);
      return;
    }
    this.undo.push(() => this.#relink(entry, position));
    this.later(() => this.#releaseEntry(entry));
    if (isLast) this.later(() => this.settleLease(lease));
  }

  /** The row before this one in its key's chain; 0 for a head. */
  #before(entry: number): number {
    const { entries } = this;
    if (entries.leafOf[entry] !== 0) return 0;
    const namespace = entries.namespace[entry]!;
    this.chainProbe.set(namespace, entries.keyText(entry));
    let row = entries.find(namespace, this.chainProbe);
    while (entries.link[row] !== entry) {
      row = entries.link[row]!;
      if (row === 0) throw new Error(`Entry chain broken: row ${entry} is not in it`);
    }
    return row;
  }

  #unlink(entry: number): number {
    const { entries } = this;
    const namespace = this.namespaceOfEntry(entry);
    const before = this.#before(entry);
    if (before !== 0) {
      entries.link[before] = entries.link[entry]!;
    } else if (entries.link[entry] !== 0) {
      this.#replaceHead(namespace, entry, entries.link[entry]!);
    } else {
      entries.index.remove(entry);
      namespace.order.remove(entry);
    }
    this.#count(entry, -1);
    this.#unlinkFromLease(entry);
    return before;
  }

  /** Rows come and go: what they hold is counted, and the ledger's lists follow. */
  #count(entry: number, change: 1 | -1): void {
    const namespace = this.namespaceOfEntry(entry);
    const bytes = this.entries.chargedBytes(this.entries.cell[entry]!) * change;
    if (this.isCopy(entry)) {
      this.copies += change;
      this.copyBytes += bytes;
    } else {
      namespace.entries += change;
      namespace.bytes += bytes;
      if (this.owed !== undefined) {
        const names = this.entries.nameBytes(this.entries.cell[entry]!);
        this.owed.reservedBytes += change * entryReserve(namespace, names);
      }
    }
    if (this.ledger === undefined || !namespace.reconciles) return;
    if (change === 1) this.ledger.link(entry, namespace.number);
    else this.ledger.unlink(entry, namespace.number);
  }

  #relink(entry: number, before: number): void {
    const { entries } = this;
    const namespace = this.namespaceOfEntry(entry);
    if (before !== 0) {
      entries.link[before] = entry;
    } else if (entries.link[entry] !== 0) {
      this.#replaceHead(namespace, entries.link[entry]!, entry);
    } else {
      this.chainProbe.set(namespace.number, entries.keyText(entry));
      entries.index.insert(entry, this.chainProbe.hash);
      namespace.order.insert(entry);
    }
    this.#linkToLease(entry, entries.lease[entry]!);
    this.#count(entry, 1);
  }

  #linkToLease(entry: number, lease: number): void {
    const { entries, leases } = this;
    const head = leases.entryHead[lease]!;
    entries.lease[entry] = lease;
    entries.leasePrevious[entry] = 0;
    entries.leaseNext[entry] = head;
    if (head !== 0) entries.leasePrevious[head] = entry;
    leases.entryHead[lease] = entry;
    leases.entryCount[lease]!++;
    if (this.owed !== undefined && leases.state[lease] !== COPIED) {
      this.owed.reservedBytes += this.endingShare(lease);
    }
  }

  #unlinkFromLease(entry: number): void {
    const { entries, leases } = this;
    const lease = entries.lease[entry]!;
    const next = entries.leaseNext[entry]!;
    const previous = entries.leasePrevious[entry]!;
    if (previous === 0) leases.entryHead[lease] = next;
    else entries.leaseNext[previous] = next;
    if (next !== 0) entries.leasePrevious[next] = previous;
    leases.entryCount[lease]!--;
    if (this.owed !== undefined && leases.state[lease] !== COPIED) {
      this.owed.reservedBytes -= this.endingShare(lease);
    }
  }

  #releaseEntry(entry: number): void {
    const { entries } = this;
    this.freeCell(entries.cell[entry]!, this.namespaceOfEntry(entry));
    this.actors.release(entries.dotActor[entry]!);
    this.actors.release(entries.bornActor[entry]!);
    entries.cell[entry] = 0;
    entries.slots.give(entry);
  }

  /** Gives a cell back, with what its context refers to. */
  freeCell(cell: number, namespace: Namespace): void {
    for (const dot of this.entries.contextOfCell(cell)) this.actors.release(dot.actor);
    this.slab.free(cell, namespace.contract.sensitive);
  }

  /** Writes the cell of a value for the key in the probe; 0 when the slab has no room. */
  writeCell(contentType: string, context: readonly NumberedDot[], value: Uint8Array): number {
    const cell = this.entries.writeCell(
      this.probe.bytes, 0, this.probe.length, contentType, context, value,
    );
    for (const dot of context) this.actors.retain(dot.actor);
    if (cell === 0) for (const dot of context) this.actors.release(dot.actor);
    return cell;
  }

  /** Forgets a copy; its owner's value is not touched by that. */
  dropCopy(entry: number): void {
    const lease = this.entries.lease[entry]!;
    this.removeEntry(entry);
    this.later(() => this.freeCopyLease(lease));
  }
}
