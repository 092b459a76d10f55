/**
 * From journal to running state: every record is read back, checked, and applied by the code that
 * made it; then time goes on. What could not be read stops the process, with the reason: serving
 * wrong data is worse than not serving.
 */
import { Core } from '../core/core.ts';
import type { CoreOptions } from '../core/contract.ts';
import type { RecoveredRecord, RecoveryReport } from '../journal/journal.ts';
import { byteStringBytes } from '../core/cbor.ts';
import { RECORD_HEADER_BYTES, type Restated } from '../core/fact-format.ts';
import { decodeFact, isRestated } from '../core/fact-reader.ts';
import type { Fact } from '../core/fact.ts';
import type { Outbox } from '../events/outbox.ts';
import type { Feed } from './feed.ts';
import type { IdempotencyMemory } from './idempotency.ts';
import {
  ACKNOWLEDGED_RECORD, ANSWER_RECORD, FACT_RECORD, OWED_RECORD, payloadStart, readAcknowledged,
  readAnswer, readOwed, readRun, recordKind, recordSequence, recordTold, RESTATED_RECORD,
  JOURNAL_RECORD_VERSION, recordVersion, RUN_RECORD,
} from './records.ts';
import type { Timeline } from './timeline.ts';

/** What the recovery needs of an opened journal. */
export interface RecoverySource {
  recover(
    onRecord: (record: RecoveredRecord) => void,
    onProgress: (progress: { readonly bytesRead: number; readonly bytesTotal: number }) => void,
  ): Promise<RecoveryReport>;
}

export interface RecoveryParts {
  readonly source: RecoverySource;
  readonly coreOptions: CoreOptions;
  readonly timeline: Timeline;
  readonly feed: Feed;
  readonly idempotency: IdempotencyMemory;
  /** Absent without a bus: what an earlier run owed one is not told. */
  readonly outbox?: Outbox;
  readonly onProgress: (progress: RecoveryProgress) => void;
}

export interface RecoveryProgress {
  readonly bytesRead: number;
  readonly bytesTotal: number;
  readonly records: number;
}

/** What `/v1/status` and the log tell of a recovery. */
export interface RecoverySummary {
  readonly found: boolean;
  readonly clean: boolean;
  readonly snapshotRecords: number;
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  readonly tornBytes: number;
  readonly leases: number;
  readonly entries: number;
  readonly answers: number;
  /** Events that the bus has not acknowledged. */
  readonly owed: number;
  /** Whether an earlier run had a bus, and owed it events that nobody is told now. */
  readonly forgotten: boolean;
  /** Namespaces in the journal that are no longer configured; their leases were revoked. */
  readonly namespacesRemoved: readonly string[];
  readonly downtimeMs: number;
  readonly durationMs: number;
}

/** A record that was read back whole but does not fit: a broken invariant, not a torn write. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError';
}

export async function recover(
  parts: RecoveryParts,
): Promise<{ readonly core: Core; readonly summary: RecoverySummary }> {
  const { timeline, feed, idempotency, outbox } = parts;
  const startedAt = timeline.monotonicMs();
  let core: Core | undefined;
  let actor = '';
  let records = 0;
  let answers = 0;
  let inSnapshot = false;
  let untold = false;

  const onRecord = (record: RecoveredRecord) => {
    records++;
    core ??= new Core(parts.coreOptions, record.nowMs);
    if (inSnapshot && !record.snapshot) core.snapshotRestored();
    inSnapshot = record.snapshot;
    const version = recordVersion(record.bytes);
    if (version > JOURNAL_RECORD_VERSION) {
      throw new RecoveryError(
        `Cannot recover: the journal holds records of version ${version}, written by newer ` +
          `software; this one reads up to ${JOURNAL_RECORD_VERSION}. Start the newer one again`,
      );
    }
    try {
      const { bytes } = record;
      switch (recordKind(bytes)) {
        case RUN_RECORD: {
          const run = readRun(bytes);
          actor = run.actor;
          core.continues(actor);
          feed.restoreRun(run.actor, run.sequence);
          outbox?.restoreRun(run.actor, run.told);
          return;
        }
        case FACT_RECORD: {
          const start = payloadStart(bytes);
          const fact = core.restore(bytes, start - RECORD_HEADER_BYTES);
          const valueAt = withheldFrom(core, fact, bytes.length);
          feed.restore(actor, recordSequence(bytes), bytes, start, valueAt, record.nowMs);
          const told = recordTold(bytes);
          if (told.stream !== 0) untold = true;
          if (told.stream !== 0 && !isRestated(fact)) {
            outbox?.restore(told, actor, fact, { bytes, start, valueAt });
          }
          return;
        }
        case RESTATED_RECORD:
          core.restore(bytes, payloadStart(bytes) - RECORD_HEADER_BYTES);
          return;
        case OWED_RECORD: {
          const owed = readOwed(bytes);
          const told = recordTold(bytes);
          const fact = decodeFact(owed.fact, -RECORD_HEADER_BYTES) as Fact;
          outbox?.restore(told, owed.actor, fact, { bytes: owed.fact, start: 0, valueAt: 0 });
          return;
        }
        case ACKNOWLEDGED_RECORD:
          outbox?.restoreAcknowledged(readAcknowledged(bytes));
          untold = false;
          return;
        case ANSWER_RECORD: {
          const { key, fingerprint, essence, at } = readAnswer(bytes);
          idempotency.restore(key, fingerprint, essence, bytes.length, at);
          answers++;
          return;
        }
        default:
          throw new Error(`unknown record kind ${recordKind(bytes)}`);
      }
    } catch (cause) {
      throw new RecoveryError(
        `Cannot recover: record ${records} of the journal does not follow from those before it`,
        { cause },
      );
    }
  };

  const report = await parts.source.recover(onRecord, (progress) =>
    parts.onProgress({ ...progress, records }),
  );
  let downtimeMs = 0;
  if (report.lastNowMs !== undefined && report.lastWallMs !== undefined) {
    timeline.continueFrom(report.lastNowMs, report.lastWallMs);
    downtimeMs = timeline.now() - report.lastNowMs;
  }
  core ??= new Core(parts.coreOptions, timeline.now());
  core.setWallOffset(timeline.wallMs() - timeline.now());
  for (const { namespace, ofLease, bytes } of outbox?.owed() ?? []) {
    core.oweEnding(namespace, ofLease, bytes);
  }
  core.resume(timeline.now());
  const usage = core.usage();
  return {
    core,
    summary: {
      found: report.found,
      clean: report.clean,
      snapshotRecords: report.snapshotRecords,
      replayedRecords: report.records,
      replayedBytes: report.bytes,
      tornBytes: report.tornBytes,
      leases: usage.leases,
      entries: usage.entries,
      answers,
      forgotten: outbox === undefined && untold,
      owed: (outbox?.endings.pending ?? 0) + (outbox?.events.pending ?? 0),
      namespacesRemoved: core.state.namespaces.unconfigured.map(({ contract }) => contract.name),
      downtimeMs: Math.round(downtimeMs),
      durationMs: Math.round(timeline.monotonicMs() - startedAt),
    },
  };
}

/** Where the value begins that readers are not shown; 0: the fact is told as it is. */
function withheldFrom(core: Core, fact: Fact | Restated, end: number): number {
  if (fact.kind !== 'entry.written') return 0;
  const namespace = core.state.namespaces.find(fact.namespace);
  if (namespace?.contract.events.values !== 'none') return 0;
  return end - byteStringBytes(fact.size);
}
