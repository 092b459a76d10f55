/** The table of instruments, the page about it, and the names that others rely on. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { metricsPage } from '../../scripts/metrics-page.ts';
import type { Instrument } from '../../src/metrics/instrument.ts';
import { INSTRUMENTS } from '../../src/metrics/instruments.ts';
import { prometheusName } from '../../src/metrics/prometheus-name.ts';
import { read, ROOT } from '../house/repository.ts';

const instruments: [string, Instrument][] = Object.entries(INSTRUMENTS);

/** Dashboards and alerts of others are written against these; they do not change within a version. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  leasehold_leases_live: [],
  leasehold_entries_live: [],
  leasehold_capacity_used_ratio: [],
  leasehold_requests_total: ['route', 'code'],
  leasehold_request_duration_seconds: ['route'],
  leasehold_refusals_total: ['class', 'code'],
  leasehold_expiry_lateness_seconds: [],
  leasehold_lease_lifetime_seconds: [],
  leasehold_endings_total: ['reason'],
  leasehold_evictions_total: [],
  leasehold_outbox_depth: [],
  leasehold_outbox_capacity: [],
  leasehold_outbox_oldest_age_seconds: [],
  leasehold_event_delivery_seconds: [],
  leasehold_watchers: [],
  leasehold_watcher_resyncs_total: [],
  leasehold_ledger_contact_age_seconds: [],
  leasehold_ledger_unpushed: [],
  leasehold_rounds_total: ['outcome'],
  leasehold_repairs_total: ['kind'],
  leasehold_conflicts_total: ['policy'],
  leasehold_journal_append_seconds: [],
  leasehold_recovery_seconds: [],
  leasehold_recovery_replayed_total: [],
  leasehold_rollbacks_total: [],
  leasehold_pressure_level: [],
  leasehold_loop_delay_seconds: [],
  leasehold_clock_gaps_total: [],
};

describe('the table of instruments', () => {
  test('has every name of the contract, with its labels', () => {
    const named = Object.fromEntries(
      instruments.map(([name, row]) => [prometheusName(name, row), Object.keys(row.labels ?? {})]),
    );
    expect(named).toMatchObject(CONTRACT);
    expect(Object.keys(CONTRACT)).toHaveLength(28);
  });

  test.each(instruments)('%s is well-formed', (name, row) => {
    expect(name).toMatch(/^(leasehold|process)(\.[a-z][a-z_]*)+$/);
    expect(row.unit).toMatch(/^(s|By|1|\{[a-z]+\})$/);
    expect(row.description).toMatch(/^[0-9A-Z].*\.$/);
    expect(row.bucketsMs !== undefined).toBe(row.kind === 'histogram');
    for (const label of Object.keys(row.labels ?? {})) expect(label).toMatch(/^[a-z]+$/);
    expect(existsSync(join(ROOT, row.countedIn)), row.countedIn).toBe(true);
  });

  test('gives each a Prometheus name of its own', () => {
    const names = instruments.map(([name, row]) => prometheusName(name, row));
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('docs/metrics.md', () => {
  const page = read('docs/metrics.md');

  test('is what `npm run docs` would write now', () => {
    expect(page).toBe(metricsPage());
  });

  test('has a row for every instrument, and no other', () => {
    const table = /## Instruments\n([\s\S]*?)\n## /.exec(page)![1]!;
    const rows = [...table.matchAll(/^\| `([^`]+)` \| `([^`]+)`/gm)].map((match) => match[2]);
    expect(rows).toEqual(instruments.map(([name]) => name));
  });

  test('asks for nothing that does not exist', () => {
    const asked = [...page.matchAll(/\b(leasehold_[a-z_]+)/g)].map((match) => match[1]!);
    const known = new Set(instruments.map(([name, row]) => prometheusName(name, row)));
    const unknown = asked.filter((name) => !known.has(name.replace(/_(bucket|count|sum)$/, '')) && !known.has(name));
    expect(unknown).toEqual([]);
  });
});
