/** Bytes become facts here: the objects of `fact.ts`. `fact-format.ts` says what the bytes are. */
import { actorText } from './actors.ts';
import { CborReader, CborShapeError } from './cbor.ts';
import type { EndReason } from './command.ts';
import { DEFAULT_CONTENT_TYPE } from './entry-table.ts';
import {
  RECORD_HEADER_BYTES, END_REASONS, LEASE_GRANTED, LEASE_RENEWED, LEASE_TRANSFERRED, LEASE_ENDED,
  ENTRY_WRITTEN, ENTRY_REVERTED, ENTRY_ENDED, ENTRY_CONFLICT, LEASE_RESTATED, ENTRY_RESTATED,
  ENTRY_BURIED, CONTACT_RESTATED, TOMBSTONE_RESTATED, RECONCILE_REPAIRED, PRESSURE_CHANGED,
  SOURCE_CLOSED, TRACED, TRACE_FIELDS, type Restated,
} from './fact-format.ts';
import type { Counterpart, Dot, Fact } from './fact.ts';
import type { BuriedRun } from './tombstones.ts';
import { TRACE_BYTES, traceparentText } from './trace.ts';

/** Members of an ending before it could be told for another sidecar. */
const ENDING_FIELDS_BEFORE = 17;
/** Members of a repair before memory was compared with the journal. */
const REPAIRED_FIELDS_BEFORE = 10;
/** Members of a grant before leases could be adopted. */
const GRANT_FIELDS_BEFORE = 12;

function readTraces(reader: CborReader): { traceparent?: string; actingTraceparent?: string } {
  const granting = reader.byteString();
  const acting = reader.byteString();
  return {
    ...(granting.length === TRACE_BYTES ? { traceparent: traceparentText(granting) } : {}),
    ...(acting.length === TRACE_BYTES ? { actingTraceparent: traceparentText(acting) } : {}),
  };
}

function readDot(reader: CborReader): Dot {
  const actor = actorText(reader.byteString());
  return { actor, seq: reader.unsigned() };
}

function readContext(reader: CborReader): Dot[] {
  const dots: Dot[] = [];
  for (let left = reader.array(); left > 0; left -= 2) dots.push(readDot(reader));
  return dots;
}

function readRuns(reader: CborReader): BuriedRun[] {
  const runs: BuriedRun[] = [];
  for (let left = reader.array(); left > 0; left--) {
    reader.array();
    const lease = reader.text();
    const holder = reader.text();
    const dot = readDot(reader);
    const born = readDot(reader);
    const contentType = reader.text();
    runs.push({
      lease, holder, dot, born,
      contentType: contentType === '' ? DEFAULT_CONTENT_TYPE : contentType,
      size: reader.unsigned(),
      deadline: reader.double(),
      reason: readReason(reader),
      told: reader.boolean(),
    });
  }
  return runs;
}

function readReason(reader: CborReader): EndReason {
  const reason = END_REASONS[reader.unsigned()];
  if (reason === undefined) throw new CborShapeError('Cannot read an ending: unknown reason');
  return reason;
}

function readCounterpart(reader: CborReader): Counterpart {
  const against = reader.text();
  if (against !== 'ledger' && against !== 'journal') {
    throw new CborShapeError(`Cannot read a repair: unknown counterpart "${against}"`);
  }
  return against;
}

function readEntry(reader: CborReader) {
  const key = reader.text();
  const dot = readDot(reader);
  const born = readDot(reader);
  const contentType = reader.text();
  const size = reader.unsigned();
  const deadline = reader.double();
  const implicit = reader.boolean();
  return {
    key, dot, born, size, deadline, implicit,
    contentType: contentType === '' ? DEFAULT_CONTENT_TYPE : contentType,
  };
}

/**
 * Reads the fact of the record in `bytes[start, end)` back. Throws `CborShapeError` on bytes that
 * are not one. Byte fields are views.
 */
export function decodeFact(bytes: Uint8Array, start = 0, end = bytes.length): Fact | Restated {
  const reader = new CborReader(bytes, start + RECORD_HEADER_BYTES, end);
  const length = reader.array();
  const kind = reader.unsigned();
  const traced = kind >= TRACED;
  const fields = traced ? length - TRACE_FIELDS : length;
  const code = traced ? kind - TRACED : kind;
  const at = reader.double();
  const wallMs = reader.double();
  const namespace = reader.text();
  const lease = reader.text();
  const holder = reader.text();
  const traces = traced ? readTraces(reader) : undefined;
  const common = { at, wallMs, namespace, lease, holder, ...traces };
  switch (code) {
    case LEASE_GRANTED:
      return {
        kind: 'lease.granted', ...common,
        origin: readDot(reader), ttlMs: reader.unsigned(), deadline: reader.double(),
        lifetimeEnd: reader.double(), labels: JSON.parse(reader.text()),
        adopted: fields > GRANT_FIELDS_BEFORE && reader.boolean(),
      };
    case LEASE_RENEWED:
      return {
        kind: 'lease.renewed', ...common,
        ttlMs: reader.unsigned(), deadline: reader.double(), renewedAt: reader.double(),
        renewals: reader.unsigned(), implicit: reader.boolean(),
      };
    case LEASE_TRANSFERRED:
      return { kind: 'lease.transferred', ...common, previousHolder: reader.text() };
    case LEASE_ENDED:
      return {
        kind: 'lease.ended', ...common,
        reason: readReason(reader), cause: reader.optionalText(), origin: readDot(reader),
        deadline: reader.double(), entries: reader.unsigned(),
      };
    case ENTRY_WRITTEN:
      return {
        kind: 'entry.written', ...common, ...readEntry(reader),
        created: reader.boolean(), hlc: reader.double(), context: readContext(reader),
        ttlMs: reader.unsigned(), grantedAt: reader.double(),
        previousEtag: reader.optionalText(), previousLease: reader.optionalText(),
        value: reader.byteString(),
      };
    case ENTRY_REVERTED:
      return {
        kind: 'entry.reverted', ...common, ...readEntry(reader),
        hlc: reader.double(),
        previousEtag: reader.optionalText(), previousLease: reader.optionalText(),
      };
    case ENTRY_ENDED:
      return {
        kind: 'entry.ended', ...common, ...readEntry(reader),
        reason: readReason(reader), cause: reader.optionalText(),
        // Written since a ledger can be connected.
        elsewhere: fields > ENDING_FIELDS_BEFORE && reader.boolean(),
        buried: fields > ENDING_FIELDS_BEFORE && reader.boolean(),
      };
    case ENTRY_BURIED:
      return {
        kind: 'entry.buried', ...common, ...readEntry(reader),
        reason: readReason(reader), context: readContext(reader),
      };
    case RECONCILE_REPAIRED:
      return {
        kind: 'reconcile.repaired', ...common,
        partition: reader.unsigned(), pushed: reader.unsigned(), pulled: reader.unsigned(),
        ended: reader.unsigned(),
        against: fields > REPAIRED_FIELDS_BEFORE ? readCounterpart(reader) : 'ledger',
      };
    case PRESSURE_CHANGED:
      return {
        kind: 'pressure.changed', ...common,
        level: reader.text(), previous: reader.text(), source: reader.text(),
        fill: reader.double(),
      };
    case SOURCE_CLOSED:
      return {
        kind: 'source.closed', ...common,
        actor: reader.text(),
        lastSequence: { endings: reader.unsigned(), events: reader.unsigned() },
      };
    case CONTACT_RESTATED:
      return { kind: 'contact.restated', namespace, contactAt: reader.double() };
    case TOMBSTONE_RESTATED:
      return {
        kind: 'tombstone.restated', namespace,
        key: reader.text(), context: readContext(reader), runs: readRuns(reader),
        until: reader.double(),
      };
    case ENTRY_CONFLICT:
      return {
        kind: 'entry.conflict', ...common, ...readEntry(reader),
        policy: reader.text(), siblings: reader.unsigned(),
      };
    case LEASE_RESTATED:
      return {
        kind: 'lease.restated', namespace, lease, holder, ...traces,
        implicit: reader.boolean(), ended: reader.boolean(), reason: readReason(reader),
        origin: readDot(reader), ttlMs: reader.unsigned(), deadline: reader.double(),
        grantedAt: reader.double(), touchedAt: reader.double(), renewals: reader.unsigned(),
        lifetimeEnd: reader.double(), labels: JSON.parse(reader.text()),
      };
    case ENTRY_RESTATED: {
      const entry = readEntry(reader);
      return {
        kind: 'entry.restated', namespace, lease,
        key: entry.key, dot: entry.dot, born: entry.born, contentType: entry.contentType,
        implicit: entry.implicit,
        hlc: reader.double(), context: readContext(reader), value: reader.byteString(),
        origin: readDot(reader),
      };
    }
    default:
      throw new CborShapeError(`Cannot read fact: unknown kind ${code}`);
  }
}

/** A fact of a snapshot, not of the feed. */
export function isRestated(fact: Fact | Restated): fact is Restated {
  return (
    fact.kind === 'lease.restated' || fact.kind === 'entry.restated' ||
    fact.kind === 'tombstone.restated' || fact.kind === 'contact.restated'
  );
}
