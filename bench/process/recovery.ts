/**
 * A million entries written over HTTP, the process killed, started again on the same directory:
 * the time to ready is the recovery, kill to last entry readable.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLoadGenerator } from '../http/processes.ts';
import { entryText, manyPutTexts } from '../http/variants.ts';
import { startSidecar } from '../replay/sidecar-process.ts';
import { atMost } from '../row.ts';
import { printRows, quick } from '../script.ts';

const ENTRIES = quick ? 20_000 : 1_000_000;
const BATCH = 1_000;
/** Requests are made in portions, so that their texts are never all in memory. */
const PORTION = 50 * BATCH;
const CONFIGURATION = `namespaces:
  journal: { owner: bench, durability: journal, capacity: { leases: ${ENTRIES}, entries: ${ENTRIES}, bytes: ${ENTRIES * 160} } }
`;

const directory = mkdtempSync(join(tmpdir(), 'leasehold-bench-'));
const options = { configuration: CONFIGURATION, memoryLimitMb: 2048, dataDirectory: join(directory, 'data') };
const load = startLoadGenerator();
try {
  const first = await startSidecar(options);
  for (let from = 0; from < ENTRIES; from += PORTION) {
    const requestTexts = manyPutTexts('journal', from, Math.min(from + PORTION, ENTRIES), BATCH);
    await accepted({ url: first.url, connections: 4, requests: requestTexts.length, requestTexts });
  }
  await first.kill();
  const again = await startSidecar(options);
  await accepted({ url: again.url, connections: 1, requests: 1, requestTexts: [entryText('journal', ENTRIES - 1)] });
  await again.stop();
  printRows([
    {
      what: `recovery of ${ENTRIES / 1000} 000 entries after a kill, start of the process included`,
      value: again.readyMs / 1_000,
      unit: 's',
      bar: atMost(8, 3),
    },
  ]);
} finally {
  load.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function accepted(order: Parameters<typeof load.run>[0]): Promise<void> {
  const { failed, firstFailure } = await load.run(order);
  if (failed > 0) throw new Error(`Cannot measure: ${failed} requests failed: ${firstFailure}`);
}
