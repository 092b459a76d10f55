/**
 * How the tests run. Forked processes, because the sidecar owns signals, file locks and exit codes;
 * two at a time, because that is what a small build machine has. No retries: a test that passes at
 * the second attempt has found something.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    retry: 0,
    // Guards against a hang, not a measure of speed: property tests and real processes need room.
    testTimeout: 60_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
  },
});
