/** The shape of the whole YAML file. */
import * as z from 'zod';
import { admissionSchema, callerQuotaSchema } from './admission-options.ts';
import { busSchema } from './bus-options.ts';
import { flagsSchema } from './flag-options.ts';
import { ledgerSchema } from './ledger-options.ts';
import { LISTEN_ALLOWED, parseListen } from './listen.ts';
import { NAMESPACE_NAME } from '../core/namespaces.ts';
import { LATER_NAMESPACE_KEYS, namespaceSchema } from './namespace-options.ts';
import {
  choice, derivedFlag, derivedSize, derivedText, filePath, special, text, whole,
} from './option.ts';
import { httpSchema, journalSchema, limitsSchema } from './process-options.ts';

const MEBIBYTE = 1024 ** 2;
const DEFAULT_LISTEN = '127.0.0.1:7117';

/** An issue raised with `params: {sentence}` is told in that sentence instead of the usual one. */
const listenSchema = z
  .union([z.string(), z.array(z.string())])
  .transform((written, context) => {
    const parsed = parseListen(written);
    if ('addresses' in parsed) return parsed.addresses;
    context.addIssue({ code: 'custom', params: { sentence: parsed.wrong.join('; ') } });
    return z.NEVER;
  })
  .prefault(DEFAULT_LISTEN);

export const fileSchema = z.strictObject({
  listen: special(listenSchema, {
    allowed: LISTEN_ALLOWED,
    default: DEFAULT_LISTEN,
    meaning:
      'Where the sidecar listens, a list or comma-separated: host:port or unix:/path. Beyond loopback ' +
      'and sockets only with a tokensFile, since without one whoever can connect can read and write ' +
      'everything.',
  }),
  tokensFile: filePath(
    'The bearer tokens, and the namespaces and verbs that each may use (SECURITY.md). Read again when ' +
      'it changes and on SIGHUP. Without one no token is asked for.',
  ),
  name: derivedText({
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    allowed: 'a name of 1 to 128 characters from A-Z, a-z, 0-9, ., _ and -',
    default: 'the host name',
    meaning:
      'The name this replica is shown under in status and events. Never its identity: every run ' +
      'has a new one of those.',
  }),
  dataDir: text({
    pattern: /^[^\0]{1,4096}$/,
    allowed: 'the path of a directory',
    default: '.leasehold',
    meaning: 'Where the journal is, relative to the working directory. One process at a time.',
  }),
  memoryLimitBytes: derivedSize({
    min: 64 * MEBIBYTE,
    max: 16 * 1024 ** 4,
    default: 'the cgroup limit, else the lesser of half the memory and 1Gi (1280Mi with telemetry on)',
    meaning:
      'What the worst case of everything below is checked against; above it the process refuses ' +
      'to start.',
  }),
  drainMs: whole({
    unit: 'ms',
    min: 0,
    max: 600_000,
    default: 25_000,
    meaning:
      'Grace for a graceful stop. Less than what the supervisor waits before it kills (30 s in ' +
      'Kubernetes).',
  }),
  logLevel: choice({
    values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    meaning: 'Which log lines are written to stderr.',
  }),
  autoCreateNamespaces: derivedFlag({
    default: 'true without a file, false with one',
    meaning:
      'Whether an unknown namespace comes into being as a copy of default on first use. Pleasant ' +
      'at first; later a typing error makes a namespace.',
  }),
  namespaces: z
    .record(z.string().regex(NAMESPACE_NAME), namespaceSchema)
    .prefault({})
    .describe(
      'The contracts, by name. A namespace called default always exists; the file may say what it ' +
        'is like. What a namespace leaves out has the default given here, not that of default.',
    ),
  limits: limitsSchema,
  ledger: ledgerSchema,
  bus: busSchema,
  admission: admissionSchema,
  callerQuota: callerQuotaSchema,
  flags: flagsSchema,
  journal: journalSchema,
  http: httpSchema,
});

export type ParsedFile = z.output<typeof fileSchema>;
export type ParsedNamespace = ParsedFile['namespaces'][string];

/** Whether what stands at a path, or its absence, has no complaint of its own. */
export type Sound = (...path: string[]) => boolean;

/** Keys that belong to a later version, by path, with the sentence that refuses them. */
export function laterKey(path: readonly PropertyKey[], key: string): string | undefined {
  return path.length === 2 && path[0] === 'namespaces' ? LATER_NAMESPACE_KEYS[key] : undefined;
}
