/**
 * From journal to running state: every record is read back, checked, and applied by the code that
 * made it; then time goes on. What could not be read stops the process, with the reason: serving
 * wrong data is worse than not serving.
 */
import { Core } from '../core/core.ts';
import type { CoreOptions } from '../core/contract.ts';
import type { RecoveredRecord, RecoveryReport } from '../journal/journal.ts';
import type { Feed } from './feed.ts';
import type { IdempotencyMemory } from './idempotency.ts';
import {
  ANSWER_RECORD, FACT_RECORD, readAnswer, readRun, recordKind, recordSequence, RESTATED_RECORD,
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
  const { timeline, feed, idempotency } = parts;
  const startedAt = timeline.monotonicMs();
  let core: Core | undefined;
  let actor = '';
  let records = 0;
  let answers = 0;
  let inSnapshot = false;

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
          return;
        }
        case FACT_RECORD: {
          const fact = core.restore(bytes);
          const size = fact.kind === 'entry.written' ? fact.size : -1;
          feed.restore(actor, recordSequence(bytes), bytes, size, record.nowMs);
          return;
        }
        case RESTATED_RECORD:
          core.restore(bytes);
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
      namespacesRemoved: core.state.namespaces.unconfigured.map(({ contract }) => contract.name),
      downtimeMs: Math.round(downtimeMs),
      durationMs: Math.round(timeline.monotonicMs() - startedAt),
    },
  };
}
