/**
 * `npm run bench -- [core|http|memory|journal|ledger|events|telemetry|overload|all]
 * [--quick] [--json] [--svg FILE]`. Every suite runs in a process of its own, one after the other, so that none measures
 * the other's garbage. Numbers are printed and not judged by exit code, for how fast a machine is, is
 * not a test; but what `overload` shows is promised on any machine, and missing it is exit code 1.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Row, tableOf, verdictOf } from './row.ts';

const SUITES = {
  core: ['core/pile-up.ts', 'core/renewal.ts', 'core/collection.ts'],
  memory: ['core/residence.ts', 'process/start.ts'],
  http: ['http/compare.ts'],
  journal: ['journal/compare.ts', 'process/recovery.ts'],
  ledger: [
    'ledger/rates.ts', 'ledger/truth-check.ts', 'ledger/expirations.ts', 'ledger/idle.ts',
    'ledger/put-path.ts',
  ],
  events: ['events/publish-rate.ts'],
  telemetry: ['telemetry/compare.ts', 'telemetry/start.ts'],
  overload: ['overload/overload.ts'],
} as const;
type Suite = keyof typeof SUITES;

const USAGE =
  `Usage: npm run bench -- [${Object.keys(SUITES).join('|')}|all] [--quick] [--json] ` +
  '[--svg FILE (of overload)]';

async function runFile(file: string, options: readonly string[]): Promise<Row[]> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--expose-gc', path, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  const rows = JSON.parse(output) as (Omit<Row, 'value'> & { readonly value: number | null })[];
  // JSON has no other way to say that there was nothing to measure.
  return rows.map((row) => ({ ...row, value: row.value ?? Number.NaN }));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      svg: { type: 'string' },
    },
  });
  const [name = 'all'] = positionals;
  if (name !== 'all' && !(name in SUITES)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const suites = name === 'all' ? (Object.keys(SUITES) as Suite[]) : [name as Suite];
  const all: Row[] = [];
  let missed = false;
  for (const suite of suites) {
    for (const file of SUITES[suite]) {
      process.stderr.write(`bench ${file}\n`);
      const rows = await runFile(file, [
        ...(values.quick ? ['--quick'] : []),
        ...(suite === 'overload' && values.svg !== undefined ? ['--svg', values.svg] : []),
      ]);
      missed ||= suite === 'overload' && rows.some((row) => verdictOf(row) === 'missed');
      all.push(...rows);
      if (!values.json) process.stdout.write(`${tableOf(rows)}\n\n`);
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  return missed ? 1 : 0;
}

process.exitCode = await main();
