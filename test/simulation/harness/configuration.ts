/**
 * What the sidecars of a harness are configured with: a file as production reads it, or the
 * defaults. It always has a ledger and a bus, and nothing is listened on or written to.
 */
import { fileURLToPath } from 'node:url';
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { SLOT_COSTS } from '../../../src/core/costs.ts';

/** With room for what any file may ask for: what it needs where it is meant for is judged there. */
const MEMORY_BYTES = 64 * 1024 ** 3;
const MACHINE = { hostName: 'simulated', memoryBytes: MEMORY_BYTES, groupMemoryBytes: MEMORY_BYTES };
/** Both lie in memory here, for each sidecar: of a size that tests need. */
const JOURNAL = { segmentBytes: 256 * 1024, reserveBytes: 1024 ** 2, snapshotAfterBytes: 1024 ** 2 };
/** How keys are spread cannot be seen from outside, and each partition is asked twice a second. */
const PLACEMENT = { partitions: 2, buckets: 16 };

/** Of the sidecar of a name. @throws ConfigurationError with every complaint */
export function harnessConfig(file: string | URL | undefined): (name: string) => Config {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  const load = (environment: Readonly<Record<string, string>>): Config =>
    loadConfig({
      environment: { ...(path === undefined ? {} : { LEASEHOLD_CONFIG: path }), ...environment },
      costs: SLOT_COSTS,
      machine: MACHINE,
    });
  const written = load({});
  const config = load({
    ...(written.ledger === undefined ? { LEASEHOLD_LEDGER_URL: 'redis://ledger' } : {}),
    ...(written.bus === undefined ? { LEASEHOLD_BUS_URL: 'nats://bus' } : {}),
  });
  return (name) => ({
    ...config,
    name,
    listen: [],
    journal: { ...config.journal, ...JOURNAL },
    ledger: { ...config.ledger!, ...PLACEMENT },
  });
}
