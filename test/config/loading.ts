/** Loading configurations from text, on a machine of the test's choosing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Complaint, ConfigurationError } from '../../src/config/complaint.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Machine } from '../../src/config/machine.ts';

export const COSTS = { entrySlotBytes: 110, leaseSlotBytes: 90, ledgerSlotBytes: 30 };
export const MACHINE: Machine = {
  hostName: 'host-1',
  memoryBytes: 8 * 1024 ** 3,
  groupMemoryBytes: undefined,
};

type Environment = Readonly<Record<string, string>>;

/** Loads `yaml` as the file, or no file when it is undefined. */
export function load(yaml?: string, environment: Environment = {}, machine = MACHINE): Config {
  if (yaml === undefined) return loadConfig({ environment, costs: COSTS, machine });
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-config-'));
  try {
    const file = join(directory, 'leasehold.yaml');
    writeFileSync(file, yaml);
    return loadConfig({
      environment: { LEASEHOLD_CONFIG: file, ...environment },
      costs: COSTS,
      machine,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The complaints about a configuration that must be refused. */
export function complaintsOf(
  yaml?: string,
  environment: Environment = {},
  machine = MACHINE,
): readonly Complaint[] {
  try {
    load(yaml, environment, machine);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.complaints;
    throw error;
  }
  throw new Error('It was not refused');
}

/** `path: message` of each complaint. */
export function told(yaml?: string, environment: Environment = {}, machine = MACHINE): string[] {
  return complaintsOf(yaml, environment, machine).map(({ path, message }) => `${path}: ${message}`);
}
