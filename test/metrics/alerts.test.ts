/** The alerts that come with Leasehold: Prometheus's own tool plays what makes each speak, and what not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Instrument } from '../../src/metrics/instrument.ts';
import { INSTRUMENTS } from '../../src/metrics/instruments.ts';
import { prometheusName } from '../../src/metrics/prometheus-name.ts';
import { read, ROOT } from '../house/repository.ts';
import { requirePromtool } from '../servers/require-promtool.ts';

const FILE = 'config/prometheus/alerts.yaml';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
const rules: readonly Rule[] = parse(read(FILE)).groups[0].rules;

/** A series by name and labels, and its values minute by minute, as promtool writes them. */
type Series = Readonly<Record<string, string>>;

interface Case {
  /** Speaks after so many minutes. */
  readonly afterMinutes: number;
  readonly of: Series;
  /** Says nothing. */
  readonly notOf: Series;
}

const CASES: Readonly<Record<string, Case>> = {
  LeaseholdNotReady: {
    afterMinutes: 5, of: { leasehold_ready: '1 0x10' }, notOf: { leasehold_ready: '1 0 1x10' },
  },
  LeaseholdEndingsLate: {
    afterMinutes: 25,
    of: {
      'leasehold_expiry_lateness_seconds_bucket{le="0.25"}': '0+95x30',
      leasehold_expiry_lateness_seconds_count: '0+100x30',
    },
    notOf: {
      'leasehold_expiry_lateness_seconds_bucket{le="0.25"}': '0+995x30',
      leasehold_expiry_lateness_seconds_count: '0+1000x30',
    },
  },
  LeaseholdRefusing: {
    afterMinutes: 15,
    of: { 'leasehold_refusals_total{class="grant",code="capacity"}': '0+3x20' },
    notOf: { 'leasehold_refusals_total{class="read",code="entry-not-found"}': '0+3x20' },
  },
  LeaseholdLedgerSilent: {
    afterMinutes: 5,
    of: { leasehold_ledger_contact_age_seconds: '0+60x10' },
    notOf: { leasehold_ledger_contact_age_seconds: '5x10' },
  },
  LeaseholdIsolated: {
    afterMinutes: 5,
    of: { 'leasehold_readiness_reasons{reason="isolated"}': '1x10' },
    notOf: { 'leasehold_readiness_reasons{reason="bus-away"}': '1x10' },
  },
  LeaseholdLedgerLostData: {
    afterMinutes: 5, of: { leasehold_rollbacks_total: '0 0 1x10' }, notOf: { leasehold_rollbacks_total: '1x20' },
  },
  LeaseholdDiverged: {
    afterMinutes: 40,
    of: { 'leasehold_repairs_total{kind="pushed"}': '0+1x60' },
    notOf: { 'leasehold_repairs_total{kind="pushed"}': '0 0 0 8x60' },
  },
  LeaseholdOutboxStuck: {
    afterMinutes: 8,
    of: { leasehold_outbox_oldest_age_seconds: '0+60x10' },
    notOf: { leasehold_outbox_oldest_age_seconds: '0 60 0x10' },
  },
  LeaseholdOutboxFilling: {
    afterMinutes: 10,
    of: { leasehold_outbox_depth: '60x20', leasehold_outbox_capacity: '100x20' },
    notOf: { leasehold_outbox_depth: '0x20', leasehold_outbox_capacity: '0x20' },
  },
  LeaseholdEventsDropped: {
    afterMinutes: 5, of: { leasehold_outbox_dropped_total: '0 0 4x10' }, notOf: { leasehold_outbox_dropped_total: '4x10' },
  },
  LeaseholdCapacityShort: {
    afterMinutes: 15,
    of: { 'leasehold_namespace_capacity_used_ratio{namespace="sessions"}': '0.95x20' },
    notOf: { leasehold_capacity_used_ratio: '0.85x20' },
  },
  LeaseholdJournalFull: {
    afterMinutes: 3,
    of: { 'leasehold_readiness_reasons{reason="journal-full"}': '1x10' },
    notOf: { 'leasehold_readiness_reasons{reason="journal-full"}': '0x10' },
  },
  LeaseholdMemoryShort: {
    afterMinutes: 15,
    of: { process_resident_memory_bytes: '99x20', leasehold_memory_limit_bytes: '100x20' },
    notOf: { process_resident_memory_bytes: '80x20', leasehold_memory_limit_bytes: '100x20' },
  },
  LeaseholdLoopSlow: {
    afterMinutes: 20,
    of: {
      'leasehold_loop_delay_seconds_bucket{le="0.1"}': '0+500x30',
      'leasehold_loop_delay_seconds_bucket{le="0.25"}': '0+600x30',
      'leasehold_loop_delay_seconds_bucket{le="+Inf"}': '0+600x30',
    },
    notOf: {
      'leasehold_loop_delay_seconds_bucket{le="0.1"}': '0+599x30',
      'leasehold_loop_delay_seconds_bucket{le="0.25"}': '0+600x30',
      'leasehold_loop_delay_seconds_bucket{le="+Inf"}': '0+600x30',
    },
  },
  LeaseholdClockJumped: {
    afterMinutes: 5, of: { leasehold_clock_gaps_total: '0 0 1x10' }, notOf: { leasehold_clock_gaps_total: '0x10' },
  },
};

const FIRING = 'sum by (alertname) (ALERTS{alertstate="firing"})';

/** One play of promtool: these series, and the alerts that speak then; nobody else may. */
function play(series: Series, afterMinutes: number, speaking: readonly string[]): object {
  const placed = Object.entries(series).map(([name, values]) => {
    const [metric, labels = ''] = name.split(/\{(.*)\}/);
    const place = 'job="leasehold",instance="a"';
    return { series: `${metric}{${labels === '' ? place : `${labels},${place}`}}`, values };
  });
  const samples = speaking.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 }));
  return {
    interval: '1m',
    input_series: placed,
    promql_expr_test: [{ expr: FIRING, eval_time: `${afterMinutes}m`, exp_samples: samples }],
  };
}

let promtool: string;
let directory: string;
beforeAll(async () => {
  promtool = await requirePromtool();
  directory = mkdtempSync(join(tmpdir(), 'leasehold-alerts-'));
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function said(...args: readonly string[]): Promise<string> {
  const child = spawn(promtool, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { text += chunk; });
  const [code] = await once(child, 'close');
  return `${code}: ${text}`;
}

describe('the alerts', () => {
  test('are rules that Prometheus takes', async () => {
    expect(await said('check', 'rules', join(ROOT, FILE))).toMatch(/^0: /);
  });

  test('lead to pages that there are', () => {
    const pages = rules.flatMap(({ annotations: { runbook } }) => runbook ?? []);
    expect(pages.length).toBeGreaterThan(5);
    expect(pages.filter((page) => !existsSync(join(ROOT, page)))).toEqual([]);
  });

  test('ask for metrics that there are', () => {
    const instruments: [string, Instrument][] = Object.entries(INSTRUMENTS);
    const known = new Set(instruments.map(([name, row]) => prometheusName(name, row)));
    const asked = rules.flatMap(({ expr }) => expr.match(/\b(?:leasehold|process)_[a-z_]+/g) ?? []);
    expect(asked.length).toBeGreaterThanOrEqual(rules.length);
    expect(asked.filter((name) => !known.has(name.replace(/_(bucket|count|sum)$/, '')) && !known.has(name))).toEqual([]);
  });

  test('speak when there is something to say, and of nothing else', async () => {
    expect(Object.keys(CASES)).toEqual(rules.map(({ alert }) => alert));
    const tests = Object.entries(CASES).flatMap(([name, { afterMinutes, of, notOf }]) => [
      play(of, afterMinutes, [name]), play(notOf, afterMinutes, []),
    ]);
    const file = join(directory, 'tests.yaml');
    writeFileSync(file, stringify({ rule_files: [join(ROOT, FILE)], evaluation_interval: '1m', tests }));
    expect(await said('test', 'rules', file)).toMatch(/^0: /);
  });
});
