/** What the simulated sidecars are configured with: one file, read as production reads its own. */
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { SLOT_COSTS } from '../../../src/core/costs.ts';
import type { LedgerAck } from '../../../src/ledger/ledger.ts';

const FILE = new URL('./simulated.yaml', import.meta.url).pathname;

/** Smaller than a configuration may ask for: so that short runs rotate, compact and fill up. */
const FEED = { facts: 24 };
const JOURNAL = { segmentBytes: 6_000, reserveBytes: 24_000, snapshotAfterBytes: 24_000 };

let loaded: Config | undefined;

function baseConfig(): Config {
  loaded ??= loadConfig({
    environment: { LEASEHOLD_CONFIG: FILE },
    costs: SLOT_COSTS,
    machine: { hostName: 'simulated', memoryBytes: 8 * 1024 ** 3, groupMemoryBytes: undefined },
  });
  return loaded;
}

/** What a change of the configuration may change, since everything else must agree everywhere. */
export interface ConfigChanges {
  /** Of every namespace that is shared. */
  readonly mirror?: 'none' | 'all';
  /** Factor on the capacities of all namespaces. */
  readonly capacity?: number;
  readonly pullMs?: number;
  readonly truthCheckMs?: number;
  /** The same at every sidecar. */
  readonly partitions?: number;
  readonly snapshotAfterBytes?: number;
  readonly reserveBytes?: number;
  /** Of every namespace that waits for the ledger. */
  readonly ledgerAck?: LedgerAck;
}

/** The configuration of the sidecar of this name. It listens nowhere: it is asked by hand. */
export function configOf(name: string, changes: ConfigChanges = {}): Config {
  const base = baseConfig();
  const { mirror, capacity = 1, ledgerAck } = changes;
  const { pullMs, truthCheckMs, partitions, snapshotAfterBytes, reserveBytes } = changes;
  return {
    ...base,
    name,
    listen: [],
    namespaces: base.namespaces.map((namespace) => ({
      ...namespace,
      ledgerAck: ledgerAck ?? namespace.ledgerAck,
      mirror: mirror !== undefined && namespace.class === 'shared' ? mirror : namespace.mirror,
      capacity: {
        ...namespace.capacity,
        leases: Math.ceil(namespace.capacity.leases * capacity),
        entries: Math.ceil(namespace.capacity.entries * capacity),
      },
    })),
    ledger: {
      ...base.ledger!,
      pullMs: pullMs ?? base.ledger!.pullMs,
      truthCheckMs: truthCheckMs ?? base.ledger!.truthCheckMs,
      partitions: partitions ?? base.ledger!.partitions,
    },
    limits: { ...base.limits, feed: { ...base.limits.feed, ...FEED } },
    journal: {
      ...base.journal, ...JOURNAL,
      ...(snapshotAfterBytes === undefined ? {} : { snapshotAfterBytes }),
      ...(reserveBytes === undefined ? {} : { reserveBytes }),
    },
  };
}
