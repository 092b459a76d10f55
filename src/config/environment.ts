/**
 * The environment variables, in one table. Those with a `path` override that option of the file; an
 * empty one counts as not set, since shells and orchestrators write empty ones freely.
 */
import type { Complaint } from './complaint.ts';
import { nearest } from './nearest.ts';

export interface Variable {
  readonly name: string;
  /** The option it overrides; undefined for the ones that are not options of the file. */
  readonly path?: readonly string[];
  readonly default: string;
  readonly meaning: string;
  /** Turns the text into what the file would hold; undefined: it cannot be that. */
  readonly read?: (text: string) => unknown;
  readonly allowed?: string;
}

const asText = (text: string): unknown => text;
/** Anything but digits goes on as text, and the option's own complaint says what is allowed. */
const asWhole = (text: string): unknown => (/^[+-]?\d+$/.test(text.trim()) ? Number(text) : text);
const asMebibytes = (text: string): unknown =>
  /^\d{1,9}$/.test(text.trim()) ? `${text.trim()}Mi` : undefined;

export const VARIABLES: readonly Variable[] = [
  {
    name: 'LEASEHOLD_CONFIG',
    default: 'none',
    meaning: 'The YAML file. Without one the sidecar runs on the defaults below.',
  },
  {
    name: 'LEASEHOLD_LISTEN',
    path: ['listen'],
    default: '127.0.0.1:7117',
    meaning: 'Where to listen, comma-separated: host:port or unix:/path.',
    read: asText,
  },
  {
    name: 'LEASEHOLD_NAME',
    path: ['name'],
    default: 'the host name',
    meaning: 'The name this replica is shown under.',
    read: asText,
  },
  {
    name: 'LEASEHOLD_DATA_DIR',
    path: ['dataDir'],
    default: '.leasehold',
    meaning: 'The directory of the journal.',
    read: asText,
  },
  {
    name: 'LEASEHOLD_MEMORY_LIMIT_MB',
    path: ['memoryLimitBytes'],
    default: 'the cgroup limit, else the lesser of half the memory and 1024 (1280 with telemetry on)',
    meaning: 'What the worst case is checked against, in MiB.',
    read: asMebibytes,
    allowed: 'a whole number of mebibytes, at least 64',
  },
  {
    name: 'LEASEHOLD_DRAIN_MS',
    path: ['drainMs'],
    default: '25000',
    meaning: 'Grace for draining on SIGTERM and SIGINT.',
    read: asWhole,
  },
  {
    name: 'LEASEHOLD_LOG_LEVEL',
    path: ['logLevel'],
    default: 'info',
    meaning: 'Which log lines are written to stderr.',
    read: asText,
  },
  {
    name: 'LEASEHOLD_URL',
    default: 'http://127.0.0.1:7117',
    meaning: 'Where the command line finds the sidecar: http://host:port or unix:/path.',
  },
  {
    name: 'LEASEHOLD_TOKEN_FILE',
    default: 'none',
    meaning: 'For the command line: the file whose first line is the token it shows to the sidecar.',
  },
  {
    name: 'LEASEHOLD_FAILPOINT',
    default: 'none',
    meaning: 'For crash tests only: name[:count], the place at which the process kills itself.',
  },
  {
    name: 'LEASEHOLD_LEDGER_URL',
    path: ['ledger', 'url'],
    default: 'the embedded ledger',
    meaning:
      'The central ledger: redis://, rediss://, redis+sentinel://a,b/name or redis+cluster://a,b.',
    read: asText,
  },
  {
    name: 'LEASEHOLD_BUS_URL',
    path: ['bus', 'url'],
    default: 'the embedded bus',
    meaning: 'Where events are published: nats://a,b or, over TLS, tls://a,b.',
    read: asText,
  },
  {
    name: 'LEASEHOLD_TOKENS_FILE',
    path: ['tokensFile'],
    default: 'none',
    meaning: 'The bearer tokens, and what each of them allows.',
    read: asText,
  },
];

/**
 * What Kubernetes injects for a Service whose name begins with `leasehold` (service links). Nobody
 * typed these, so they are no typing errors.
 */
const SERVICE_LINK =
  /^LEASEHOLD(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

export interface Override {
  readonly variable: Variable;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** What the environment says: overrides of options, and complaints about the rest. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): {
  file: string | undefined;
  overrides: readonly Override[];
  complaints: readonly Complaint[];
} {
  const known = new Map(VARIABLES.map((variable) => [variable.name, variable]));
  const overrides: Override[] = [];
  const complaints: Complaint[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('LEASEHOLD_') || text === undefined || text === '') continue;
    const variable = known.get(name);
    if (variable === undefined) {
      if (!SERVICE_LINK.test(name)) complaints.push(unknownVariable(name));
    } else if (variable.path !== undefined && variable.read !== undefined) {
      const value = variable.read(text);
      const allowed = variable.allowed ?? '';
      if (value !== undefined) overrides.push({ variable, path: variable.path, value });
      else complaints.push({ path: name, message: `must be ${allowed}, got "${text}"`, allowed });
    }
  }
  return { file: environment['LEASEHOLD_CONFIG'] || undefined, overrides, complaints };
}

function unknownVariable(name: string): Complaint {
  const names = VARIABLES.map((variable) => variable.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return {
    path: name,
    message: `is not a variable of the sidecar${hint}`,
    allowed: `one of ${names.join(', ')}`,
  };
}
