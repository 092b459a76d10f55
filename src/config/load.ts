/**
 * From defaults, the YAML file and the environment to one frozen `Config`, or to every complaint at
 * once. What is refused in one place does not hide the next: values with a complaint of their own
 * are taken out and the rest is judged as if they had been left to their defaults.
 */
import { readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type * as z from 'zod';
import { isAnyOn, type TelemetrySettings, telemetrySettings } from '../telemetry/settings.ts';
import { type Complaint, ConfigurationError } from './complaint.ts';
import type { BusConfig, CallerQuota, Config, LedgerConfig, NamespaceConfig } from './config.ts';
import { defaultBeatMs, ledgerRoom, type SlotCosts, sumCapacities } from './derive.ts';
import { type Override, readEnvironment } from './environment.ts';
import { lastChecks } from './last-checks.ts';
import { defaultMemoryLimitBytes, type Machine, thisMachine } from './machine.ts';
import { NAMESPACE_ALLOWED } from './namespace-options.ts';
import { nearest } from './nearest.ts';
import { outboxRoom } from './outbox-room.ts';
import { contradictions } from './relations.ts';
import { fileSchema, laterKey, type ParsedFile, type ParsedNamespace } from './schema.ts';
import { rowOf } from './table.ts';

export interface Sources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly costs: SlotCosts;
  /** The machine this runs on, unless a test brings one. */
  readonly machine?: Machine;
}

/** A configuration is a page or ten; anything above this is another file by mistake. */
const FILE_BYTES_MAX = 1024 ** 2;
const SHOWN_MAX = 60;

type Mapping = Record<string, unknown>;

/**
 * The effective configuration. Reads the file that `LEASEHOLD_CONFIG` names, if it names one.
 * Throws `ConfigurationError` with all complaints; nothing else about a bad configuration throws.
 */
export function loadConfig(sources: Sources): Config {
  const machine = sources.machine ?? thisMachine();
  const { file, overrides, complaints } = readEnvironment(sources.environment);
  const read = file === undefined ? { raw: {}, complaints: [] } : readFile(file);
  const judged = judge(overlay(read.raw, overrides), overrides);
  const all = [...complaints, ...read.complaints, ...judged.complaints];
  if (judged.file !== undefined) {
    const telemetry = telemetrySettings(sources.environment);
    const config = complete(judged.file, machine, file !== undefined, telemetry);
    if (all.length === 0) all.push(...lastChecks(config, judged.file, sources.costs));
    if (all.length === 0) return deepFreeze(config);
  }
  throw new ConfigurationError(all.map((complaint) => asGiven(complaint, overrides)));
}

/** Under the name of the variable, where that gave the value. */
function asGiven(complaint: Complaint, overrides: readonly Override[]): Complaint {
  const given = overrides.find(({ path }) => path.join('.') === complaint.path);
  return given === undefined ? complaint : { ...complaint, path: given.variable.name };
}

/* ---- reading ----------------------------------------------------------------------------- */

function readFile(path: string): { raw: Mapping; complaints: readonly Complaint[] } {
  const refused = (message: string, allowed: string) => ({
    raw: {},
    complaints: [{ path: 'LEASEHOLD_CONFIG', message, allowed }],
  });
  let text: string;
  try {
    const bytes = statSync(path).size;
    if (bytes > FILE_BYTES_MAX) {
      return refused(
        `"${path}" is ${bytes} bytes long`,
        `a file of at most ${FILE_BYTES_MAX} bytes`,
      );
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refused(`cannot be read: ${reason}`, 'the path of a readable YAML file');
  }
  const document = parseDocument(text, { prettyErrors: true });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    const allowed = 'well-formed YAML 1.2';
    const complaints = problems.map(({ message }) => ({
      path,
      message: message.split('\n')[0]!.replace(/:$/, ''),
      allowed,
    }));
    return { raw: {}, complaints };
  }
  let raw: unknown;
  let strange = false;
  try {
    // An alias may stand for something large; the limit keeps a small file from becoming a huge one.
    raw = document.toJS({
      maxAliasCount: 100,
      reviver: (key, value) => {
        strange ||= key === '__proto__';
        return value;
      },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { raw: {}, complaints: [{ path, message, allowed: 'at most 100 aliases' }] };
  }
  if (strange) {
    // The validator passes over this key without a word, so it is refused here.
    return {
      raw: {},
      complaints: [{ path, message: 'holds the key __proto__', allowed: 'no such key' }],
    };
  }
  if (raw === null || raw === undefined) return { raw: {}, complaints: [] };
  if (isMapping(raw)) return { raw, complaints: [] };
  const allowed = 'a mapping of options';
  return { raw: {}, complaints: [{ path, message: `must hold ${allowed}`, allowed }] };
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function overlay(raw: Mapping, overrides: readonly Override[]): Mapping {
  const whole: Mapping = { ...raw };
  for (const { path, value } of overrides) setAt(whole, path, value);
  return withDefaultNamespace(whole);
}

/** A group that is none is left as it is: the complaint about it comes first. */
function setAt(whole: Mapping, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) {
    whole[key!] = value;
    return;
  }
  const group = whole[key!] ?? {};
  if (!isMapping(group)) return;
  const copy = { ...group };
  setAt(copy, rest, value);
  whole[key!] = copy;
}

/** `default` always exists, and a key without a value (`sessions:`) means all defaults. */
function withDefaultNamespace(whole: Mapping): Mapping {
  const namespaces = whole['namespaces'] ?? {};
  if (!isMapping(namespaces)) return whole;
  if (Object.hasOwn(namespaces, 'default')) return whole;
  return { ...whole, namespaces: { default: {}, ...namespaces } };
}

/* ---- judging ----------------------------------------------------------------------------- */

function judge(
  raw: Mapping,
  overrides: readonly Override[],
): { file: ParsedFile | undefined; complaints: Complaint[] } {
  const whole = withoutEmptyGroups(raw, []) as Mapping;
  const first = fileSchema.safeParse(whole);
  if (first.success)
    return { file: first.data, complaints: contradictions(first.data, () => true) };

  const told = new Map<string, Complaint>();
  const bad: (readonly PropertyKey[])[] = [];
  for (const issue of first.error.issues) {
    for (const { path, complaint } of complaintsOf(issue, whole, overrides)) {
      bad.push(path);
      if (!told.has(path.join('.'))) told.set(path.join('.'), complaint);
    }
  }
  const rest = structuredClone(whole);
  for (const path of bad) removeAt(rest, path);
  const second = fileSchema.safeParse(withDefaultNamespace(rest));
  const sound = (...path: string[]) =>
    !bad.some((one) => one.every((part, index) => String(part) === path[index]));
  const related = second.success ? contradictions(second.data, sound) : [];
  return { file: undefined, complaints: [...told.values(), ...related] };
}

/** `ttl:` with nothing under it is how YAML writes an empty group; it means the defaults. */
function withoutEmptyGroups(value: unknown, path: readonly string[]): unknown {
  const row = rowOf(path);
  if (row?.kind !== 'group') return value;
  if (value === null) return {};
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, withoutEmptyGroups(one, [...path, key])]),
  );
}

interface Located {
  readonly path: readonly PropertyKey[];
  readonly complaint: Complaint;
}

function complaintsOf(
  issue: z.core.$ZodIssue,
  whole: Mapping,
  overrides: readonly Override[],
): Located[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      complaint: unknownKey(issue.path, key),
    }));
  }
  if (issue.code === 'invalid_key') {
    const allowed = NAMESPACE_ALLOWED;
    const path = issue.path.join('.');
    return [{ path: issue.path, complaint: { path, message: `must be ${allowed}`, allowed } }];
  }
  // A complaint about one item of a list is one about the option that holds the list.
  let path: readonly PropertyKey[] = issue.path;
  while (rowOf(path) === undefined) path = path.slice(0, -1);
  const row = rowOf(path)!;
  const value = valueAt(whole, path);
  const override = overrides.find((one) => one.path.join('.') === path.join('.'));
  const sentence = issue.code === 'custom' ? issue.params?.['sentence'] : undefined;
  const later = row.kind === 'option' ? row.later[String(value)] : undefined;
  const got = row.kind === 'option' && row.secret ? '' : `, got ${shown(value)}`;
  const message = later ?? sentence ?? `must be ${row.allowed}${got}`;
  const place = override?.variable.name ?? (path.join('.') || 'the file');
  return [{ path, complaint: { path: place, message, allowed: row.allowed } }];
}

function unknownKey(path: readonly PropertyKey[], key: string): Complaint {
  const place = [...path, key].join('.');
  const row = rowOf(path);
  const keys = row?.kind === 'group' ? (row.keys ?? []) : [];
  const allowed = `one of ${keys.join(', ')}`;
  const later = laterKey(path, key);
  if (later !== undefined) return { path: place, message: later, allowed };
  const meant = nearest(key, keys);
  const hint =
    meant === undefined ? `; known here: ${keys.join(', ')}` : `; did you mean ${meant}?`;
  return { path: place, message: `is not an option${hint}`, allowed };
}

function valueAt(whole: Mapping, path: readonly PropertyKey[]): unknown {
  let value: unknown = whole;
  for (const part of path) value = isMapping(value) ? value[String(part)] : undefined;
  return value;
}

function removeAt(whole: Mapping, path: readonly PropertyKey[]): void {
  const parent = valueAt(whole, path.slice(0, -1));
  const last = path.at(-1);
  if (isMapping(parent) && last !== undefined) delete parent[String(last)];
}

/** As it was written, but for what may be a password: a URL can stand in the wrong place too. */
function shown(value: unknown): string {
  const text = (JSON.stringify(value) ?? 'nothing').replaceAll(/\/\/[^"]*@/g, '//***@');
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/* ---- completing -------------------------------------------------------------------------- */

function complete(
  file: ParsedFile,
  machine: Machine,
  hasFile: boolean,
  telemetry: TelemetrySettings | undefined,
): Config {
  const { ledger, bus, callerQuota, ...rest } = file;
  const namespaces = Object.entries(file.namespaces).map(([name, contract]) =>
    completeNamespace(name, contract),
  );
  const pools = sumCapacities(namespaces);
  const leases = file.limits.leases ?? pools.leases;
  const entries = file.limits.entries ?? pools.entries;
  const bytes = file.limits.bytes ?? pools.bytes;
  const { outbox, ...limits } = file.limits;
  return withoutUndefined({
    ...rest,
    name: file.name ?? machine.hostName,
    memoryLimitBytes: file.memoryLimitBytes ?? defaultMemoryLimitBytes(machine, telemetry !== undefined && isAnyOn(telemetry)),
    autoCreateNamespaces: file.autoCreateNamespaces ?? !hasFile,
    namespaces,
    limits: withoutUndefined({
      ...limits,
      leases, entries, bytes,
      ...(ledger.url === undefined
        ? NO_LEDGER_ROOM
        : ledgerRoom({ entries, bytes }, namespaces, limits)),
      outbox: bus.url === undefined ? undefined : outboxRoom({ entries, leases }, outbox),
    }),
    ledger: completeLedger(ledger, namespaces),
    bus: completeBus(bus),
    telemetry,
    callerQuota: completeCallerQuota(callerQuota),
  });
}

const NO_LEDGER_ROOM = { copies: 0, copyBytes: 0, tombstones: 0 };

function completeLedger(
  { url, ...ledger }: ParsedFile['ledger'],
  namespaces: readonly NamespaceConfig[],
): LedgerConfig | undefined {
  if (url === undefined) return undefined;
  const beatMs = ledger.beatMs ?? defaultBeatMs(namespaces);
  return withoutUndefined({ ...ledger, url, tls: withoutUndefined(ledger.tls), beatMs });
}

function completeBus({ url, ...bus }: ParsedFile['bus']): BusConfig | undefined {
  if (url === undefined) return undefined;
  return withoutUndefined({ ...bus, url, tls: withoutUndefined(bus.tls) });
}

function completeCallerQuota({
  requestsPerS, burst, callers,
}: ParsedFile['callerQuota']): CallerQuota | undefined {
  if (requestsPerS === undefined) return undefined;
  return { requestsPerS, burst: burst ?? requestsPerS, callers };
}

function completeNamespace(
  name: string,
  { reconstitute, quota, ...contract }: ParsedNamespace,
): NamespaceConfig {
  const { url } = reconstitute;
  const { grantsPerS = 0, putsPerS = 0, burst = Math.max(grantsPerS, putsPerS) } = quota;
  const limited = grantsPerS > 0 || putsPerS > 0;
  return withoutUndefined({
    name,
    ...contract,
    quota: limited ? withoutUndefined({ ...quota, burst }) : undefined,
    reconstitute: url === undefined ? undefined : withoutUndefined({ ...reconstitute, url }),
  });
}

/** Where `undefined` was possible, the member itself may be missing. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** An option without a value is not there at all, rather than there as undefined. */
function withoutUndefined<T extends object>(options: T): Present<T> {
  const present = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as Present<T>;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const one of Object.values(value)) deepFreeze(one);
  }
  return value;
}
