/**
 * The configuration as a file again: YAML that can be loaded, or JSON that can be read by machines.
 * Explained, every option carries its meaning, default and bounds as a comment; the commented default
 * file in `config/` is this page printed for the defaults.
 */
import { stringify } from 'yaml';
import { callerQuotaSchema, quotaSchema } from './admission-options.ts';
import { busSchema } from './bus-options.ts';
import { maskedBusUrl } from './bus-url.ts';
import type { Config } from './config.ts';
import { ledgerSchema } from './ledger-options.ts';
import { maskedUrl } from './ledger-url.ts';
import { formatListenAddress } from './listen.ts';
import { reconstituteSchema } from './namespace-options.ts';
import { outboxSchema } from './process-options.ts';
import { formatSize } from './sizes.ts';
import { type OptionRow, rowOf } from './table.ts';

export interface PrintOptions {
  readonly json?: boolean;
  readonly explain?: boolean;
}

type Mapping = Readonly<Record<string, unknown>>;

const WIDTH = 100;

/** The effective configuration in the shape of the file, ending in a newline. */
export function printConfig(config: Config, options: PrintOptions = {}): string {
  const file = asFile(config, options.explain === true);
  if (options.json === true) return `${JSON.stringify(file, null, 2)}\n`;
  return renderFile(file, options.explain === true);
}

function asFile(config: Config, explain: boolean): Mapping {
  const { ledger, bus, limits, callerQuota, telemetry: _, ...rest } = config;
  /** Explained, a group that is not in use stands there with its defaults. */
  const unused = (defaults: object) => (explain ? defaults : undefined);
  return {
    ...rest,
    listen: config.listen.map(formatListenAddress),
    namespaces: Object.fromEntries(
      config.namespaces.map(({ name, quota, reconstitute, ...contract }) => [
        name,
        {
          ...contract,
          quota: quota ?? unused(NO_QUOTA),
          reconstitute: reconstitute ?? unused(NO_HOOK),
        },
      ]),
    ),
    // What is 0 without a ledger would stay 0 when the file is given one.
    limits: {
      ...limits,
      ...(ledger === undefined ? NO_LEDGER_ROOM : {}),
      outbox: limits.outbox ?? unused(NO_OUTBOX),
    },
    ledger:
      ledger === undefined ? unused(NO_LEDGER) : { ...ledger, url: maskedUrl(ledger.url) },
    bus: bus === undefined ? unused(NO_BUS) : { ...bus, url: maskedBusUrl(bus.url) },
    callerQuota: callerQuota ?? unused(NO_CALLER_QUOTA),
  };
}

const NO_LEDGER = ledgerSchema.parse({});
const NO_BUS = busSchema.parse({});
const NO_OUTBOX = outboxSchema.parse({});
const NO_QUOTA = quotaSchema.parse({});
const NO_CALLER_QUOTA = callerQuotaSchema.parse({});
const NO_HOOK = reconstituteSchema.parse({});
const NO_LEDGER_ROOM = { copies: undefined, copyBytes: undefined, tombstones: undefined };

/** `file` as YAML. An option without a value is left out; explained, it is there as a comment. */
export function renderFile(file: Mapping, explain: boolean): string {
  return `${group([], file, explain).join('\n')}\n`;
}

function group(path: readonly string[], values: Mapping, explain: boolean): string[] {
  const row = rowOf(path);
  const keys = (row?.kind === 'group' ? row.keys : undefined) ?? Object.keys(values);
  return keys.flatMap((key, index) => {
    if (values[key] === undefined && !explain) return [];
    const lines = member([...path, key], values[key], explain);
    return explain && index > 0 ? ['', ...lines] : lines;
  });
}

function member(path: readonly string[], value: unknown, explain: boolean): string[] {
  const row = rowOf(path);
  const indent = '  '.repeat(path.length - 1);
  const key = path.at(-1)!;
  if (row === undefined) throw new Error(`There is no option ${path.join('.')} to print`);
  if (row.kind === 'option') {
    const comment = explain
      ? [...wrapped(row.meaning, indent), ...wrapped(facts(row), indent)]
      : [];
    const line = value === undefined ? `# ${key}:` : `${key}: ${scalar(row, value)}`;
    return [...comment, indent + line];
  }
  const comment = explain ? wrapped(row.meaning, indent) : [];
  return [...comment, `${indent}${key}:`, ...group(path, value as Mapping, explain)];
}

function facts(row: OptionRow): string {
  const unit = row.unit === 'ms' ? ' ms' : '';
  const standard = row.fixed ? `${row.default}${unit}` : row.default;
  return `Default: ${standard}. Allowed: ${row.allowed}.`;
}

function scalar(row: OptionRow, value: unknown): string {
  if (row.unit === 'bytes' && typeof value === 'number') return formatSize(value);
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd();
}

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = `${indent}#`;
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${indent}#`;
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
