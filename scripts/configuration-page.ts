/** What is generated from the table of options: the reference page and the commented default file. */
import { VARIABLES } from '../src/config/environment.ts';
import { renderFile } from '../src/config/print.ts';
import { fileSchema } from '../src/config/schema.ts';
import { formatListenAddress } from '../src/config/listen.ts';
import { type OptionRow, type Row, ROWS } from '../src/config/table.ts';

/** `config/leasehold.yaml`: every option at its default; those the machine decides are commented. */
export function defaultFile(): string {
  const defaults = fileSchema.parse({ namespaces: { default: {} } });
  const file = { ...defaults, listen: defaults.listen.map(formatListenAddress) };
  return [
    '# Leasehold: every option, with what it does and why one would move it, its default and bounds.',
    '# Use it with LEASEHOLD_CONFIG=config/leasehold.yaml; environment variables override it. Write',
    '# down only what differs: what is left out has its default. `leasehold config --print` shows the',
    '# effective result. Written by `npm run docs` from src/config; change it there.',
    '',
    renderFile(file, true),
  ].join('\n');
}

const code = (text: string) => `\`${text}\``;
const cell = (text: string) => text.replaceAll('|', '\\|');

/** `docs/configuration.md`. */
export function configurationPage(): string {
  const groups = ROWS.filter((row): row is Row & { kind: 'group' } => row.kind === 'group');
  const sections = groups.flatMap((group) => {
    const options = ROWS.filter(
      (row): row is OptionRow =>
        row.kind === 'option' &&
        row.path.length === group.path.length + 1 &&
        group.path.every((part, index) => row.path[index] === part),
    );
    return options.length === 0 ? [] : [section(group.path, group.meaning, options)];
  });
  return [
    '# Configuration',
    '',
    '<!-- Written by `npm run docs` from src/config. Change it there. -->',
    '',
    'Defaults, then the YAML file that `LEASEHOLD_CONFIG` names, then environment variables. The whole is',
    'checked at start: every complaint is printed at once with its path and what is allowed, unknown',
    'options and unknown `LEASEHOLD_` variables are refused, and the process exits with 78. Afterwards',
    'only `flags` change: SIGHUP has the file read again, and the log names what else differs and needs',
    'a restart. `leasehold config` checks without starting; `leasehold config --print` shows the',
    'effective result, with passwords masked, and `--explain` adds the meaning of each option.',
    '',
    'Sizes are bytes, or a number with `Ki`, `Mi`, `Gi` or `Ti`. Durations are whole milliseconds. A',
    'commented file with every option is `config/leasehold.yaml`; three realistic ones are in',
    '`config/examples/`.',
    '',
    '## Environment',
    '',
    'An empty variable counts as not set. What Kubernetes injects for a Service called `leasehold` is',
    'ignored. Telemetry goes by the standard variables of OpenTelemetry, `OTEL_…`: it is off where no',
    'endpoint is named, and what it cannot take is told in the log ([tracing.md](tracing.md)).',
    '',
    '| variable | default | option | meaning |',
    '|---|---|---|---|',
    ...VARIABLES.map(({ name, path, default: standard, meaning }) => {
      const option = path === undefined ? '' : code(path.join('.'));
      return `| ${code(name)} | ${cell(standard)} | ${option} | ${cell(meaning)} |`;
    }),
    '',
    ...sections,
  ].join('\n');
}

function section(path: readonly string[], meaning: string, options: readonly OptionRow[]): string {
  return [
    `## ${path.length === 0 ? 'The process' : code(path.join('.'))}`,
    '',
    ...(meaning === '' ? [] : [meaning, '']),
    '| option | default | allowed | meaning |',
    '|---|---|---|---|',
    ...options.map((row) => {
      const standard = row.fixed ? code(row.default) : row.default;
      const name = code(row.path.join('.'));
      return `| ${name} | ${cell(standard)} | ${cell(row.allowed)} | ${cell(row.meaning)} |`;
    }),
    '',
  ].join('\n');
}
