/** What is there when everything has come to rest: at each sidecar, and in the ledger. */
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import type { LedgerRecord } from '../../../src/ledger/record.ts';
import type { Span } from '../crash/span.ts';

/** One value of a key, as a sidecar shows it. */
export interface Shown {
  readonly value: Buffer;
  /** Its dot, without quotes; of a counter: all its dots. */
  readonly etag: string;
  readonly contentType: string;
  readonly lease: string;
}

/** Everything a sidecar shows: by place (namespace/key). */
export type SidecarView = ReadonlyMap<string, readonly Shown[]>;

export interface LedgerView {
  /** Its clock when it was read, Unix milliseconds. */
  readonly nowMs: number;
  /** By place (namespace/key). */
  readonly records: ReadonlyMap<string, LedgerRecord>;
  /** The stored digests of each partition, and what they are for. */
  readonly partitions: readonly PartitionView[];
}

export interface PartitionView {
  readonly namespace: string;
  readonly partition: number;
  readonly keys: readonly string[];
  /** `buckets` x (count, high, low), each u32 big-endian; trailing zeros may be missing. */
  readonly cells: Buffer;
}

export interface Rest {
  /** Within this all of it was read. */
  readonly span: Span;
  readonly policies: ReadonlyMap<string, ConflictPolicy>;
  readonly sidecars: readonly SidecarView[];
  readonly ledger: LedgerView;
}
