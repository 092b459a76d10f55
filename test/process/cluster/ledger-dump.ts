/** What a Redis really holds, read past every adapter and script. */
import { decodeRecord, type LedgerRecord } from '../../../src/ledger/record.ts';
import type { RedisServer } from '../../servers/redis.ts';
import { placeName } from './history.ts';
import type { LedgerView, PartitionView } from './view.ts';

const RECORDS = /^lh:\{([a-z0-9_-]+):(\d+)\}:r$/;

/** Reads every partition of every namespace from these servers, which serve all slots together. */
export async function dumpLedger(masters: readonly RedisServer[]): Promise<LedgerView> {
  const records = new Map<string, LedgerRecord>();
  const partitions: PartitionView[] = [];
  for (const master of masters) {
    for (const hash of (await master.command('KEYS', 'lh:{*}:r')) as string[]) {
      const [, namespace, number] = RECORDS.exec(hash) ?? [];
      if (namespace === undefined) continue;
      // Both by one script, so that they are of one instant.
      const script = "return {redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2])}";
      const cellsKey = hash.replace(/:r$/, ':d');
      const [fields, cells] = (await master.commandBytes('EVAL', script, 2, hash, cellsKey)) as [Buffer[], Buffer | null];
      const keys: string[] = [];
      for (let at = 0; at < fields.length; at += 2) {
        const key = fields[at]!.toString();
        keys.push(key);
        records.set(placeName(namespace, key), decodeRecord(fields[at + 1]!));
      }
      partitions.push({ namespace, partition: Number(number), keys, cells: cells ?? Buffer.alloc(0) });
    }
  }
  const [seconds, micros] = (await masters[0]!.command('TIME')) as [string, string];
  return { nowMs: Number(seconds) * 1_000 + Number(micros) / 1_000, records, partitions };
}
