/** The span of a recovery, with what the journal held. */
import { ATTRIBUTES, SPANS } from '../tracing/names.ts';
import type { Tracing } from '../tracing/tracing.ts';
import type { RecoverySummary } from './recovery.ts';

export async function traceRecovery<T extends { readonly summary: RecoverySummary }>(
  tracing: Tracing | undefined,
  recover: () => Promise<T>,
): Promise<T> {
  if (tracing?.samples() !== true) return recover();
  const span = tracing.start(SPANS.recovery, { parent: 'none' });
  try {
    const recovered = await recover();
    const { summary } = recovered;
    span.set({
      [ATTRIBUTES.replayedRecords]: summary.snapshotRecords + summary.replayedRecords,
      [ATTRIBUTES.tornBytes]: summary.tornBytes,
      [ATTRIBUTES.leases]: summary.leases,
      [ATTRIBUTES.entries]: summary.entries,
      [ATTRIBUTES.downtimeMs]: summary.downtimeMs,
    });
    return recovered;
  } catch (error) {
    span.fail((error as Error).name);
    throw error;
  } finally {
    span.end();
  }
}
