import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { printConfig } from '../../src/config/print.ts';
import { load } from './loading.ts';

const YAML = `
listen: [127.0.0.1:0, "unix:/tmp/a b.sock", "[::1]:1"]
name: printer
namespaces:
  jobs: { owner: "team: jobs", class: local, onExpire: revert, events: { publish: [] } }
  rates: { conflict: counter, capacity: { bytes: 1000000 } }
limits: { entries: 300000, valueBytes: 64Ki }
http: { hosts: [sidecar.internal] }
`;

describe('printing the configuration', () => {
  test.each([
    ['as YAML', {}],
    ['as explained YAML', { explain: true }],
    ['as JSON', { json: true }],
  ])('%s gives a file that loads to the same configuration', (_, options) => {
    const config = load(YAML);
    expect(load(printConfig(config, options))).toEqual(config);
  });

  test('shows what was worked out, in units people use', () => {
    const printed = parse(printConfig(load()));
    expect(printed.limits).toMatchObject({ leases: 100_000, bytes: '64Mi' });
    expect(printed).toMatchObject({ name: 'host-1', memoryLimitBytes: '1Gi' });
  });

  test('explains each option with its default and bounds when asked, and not otherwise', () => {
    const explained = printConfig(load(), { explain: true });
    expect(explained).toContain('# Default: 25000 ms. Allowed: an integer from 0 to 600000.');
    expect(Math.max(...explained.split('\n').map((line) => line.length))).toBeLessThanOrEqual(140);
    expect(printConfig(load())).not.toContain('#');
  });
});
