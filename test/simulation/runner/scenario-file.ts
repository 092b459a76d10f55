/**
 * A plan as a file that people write, save and hand on. What is left out is drawn from the seed, as
 * in a run without a file; what a shrunk plan is written to leaves out nothing.
 */
import { type Document, isNode, LineCounter, parseDocument, stringify } from 'yaml';
import * as z from 'zod';
import { nearest } from '../../../src/config/nearest.ts';
import type { Fault, Strike } from '../faults/fault.ts';
import type { NeighbourPlan, Plan } from '../faults/plan.ts';
import { Chance } from '../kernel/chance.ts';
import { BEHAVIOURS, type BehaviourName } from '../neighbours/neighbour.ts';
import { DURATION_ALLOWED, durationText, parseDuration } from './duration.ts';

export class ScenarioError extends Error {
  /** `line 3, strikes[0].kind: …` */
  readonly complaints: readonly string[];

  constructor(complaints: readonly string[]) {
    super(`The scenario is refused:\n${complaints.map((one) => `  ${one}`).join('\n')}`);
    this.name = 'ScenarioError';
    this.complaints = complaints;
  }
}

const SIDECARS_MAX = 9;
const NEIGHBOURS_MAX = 50;
const STRIKES_MAX = 10_000;
const SEED_MAX = 2 ** 32 - 1;
const NAME = /^[a-z][a-z0-9-]*$/;
const BEHAVIOUR_NAMES = Object.keys(BEHAVIOURS) as BehaviourName[];
/** Chaos goes on so long after the last strike is over, where the file does not say. */
const AFTERMATH_MS = 1_000;

const duration = z.union([z.number(), z.string()]).transform((written, context) => {
  const durationMs = parseDuration(written);
  if (durationMs !== undefined) return durationMs;
  context.addIssue({ code: 'custom' });
  return z.NEVER;
});

const detail = z.union([z.number(), z.string(), z.boolean()]);

const strike = z
  .object({ at: duration, kind: z.string(), where: z.string().optional(), for: duration.optional() })
  .catchall(detail);

const neighbour = z.strictObject({
  name: z.string().regex(NAME),
  behaviour: z.enum(BEHAVIOUR_NAMES),
  sidecar: z.string(),
});

const file = z.strictObject({
  seed: z.int().min(0).max(SEED_MAX).optional(),
  sidecars: z
    .union([z.int().min(1).max(SIDECARS_MAX), z.array(z.string().regex(NAME)).min(1).max(SIDECARS_MAX)])
    .optional(),
  neighbours: z
    .union([z.int().min(0).max(NEIGHBOURS_MAX), z.array(neighbour).max(NEIGHBOURS_MAX)])
    .optional(),
  chaosMs: duration.optional(),
  changes: z
    .strictObject({
      mirror: z.enum(['none', 'all']).optional(),
      capacity: z.number().positive().optional(),
      pullMs: z.number().positive().optional(),
      truthCheckMs: z.number().positive().optional(),
      partitions: z.number().int().positive().optional(),
      reserveBytes: z.number().positive().optional(),
      snapshotAfterBytes: z.number().positive().optional(),
    })
    .optional(),
  strikes: z.array(strike).max(STRIKES_MAX),
});

export type Scenario = z.output<typeof file>;
type WrittenStrike = Scenario['strikes'][number];

const ALLOWED: Readonly<Record<string, string>> = {
  seed: `a whole number from 0 to ${SEED_MAX}`,
  sidecars: `a number from 1 to ${SIDECARS_MAX}, or a list of names`,
  neighbours:
    `a number from 0 to ${NEIGHBOURS_MAX}, or a list of { name, behaviour, sidecar } with one of the ` +
    `behaviours ${BEHAVIOUR_NAMES.join(', ')}`,
  chaosMs: DURATION_ALLOWED,
  changes:
    'a mapping of mirror (none or all), capacity, pullMs, truthCheckMs, partitions, ' +
    'snapshotAfterBytes and reserveBytes (above 0)',
  strikes: `a list of at most ${STRIKES_MAX} strikes: { at, kind, where, for, and its details }`,
  at: DURATION_ALLOWED,
  for: DURATION_ALLOWED,
  kind: 'the kind of a fault',
  where: 'whom it strikes: the name of a sidecar, ledger, bus or all',
};

type Path = readonly (string | number)[];

interface Complaint {
  readonly path: Path;
  readonly message: string;
}

export interface Surroundings {
  readonly faults: readonly Fault[];
  /** How many there are where the file does not say. */
  readonly sidecars: number;
}

/** @throws ScenarioError with everything that is wrong */
export function parseScenario(text: string, surroundings: Surroundings): Scenario {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const malformed = [...document.errors, ...document.warnings];
  if (malformed.length > 0) {
    throw new ScenarioError(
      malformed.map(({ pos, message }) => {
        const [sentence] = message.split('\n');
        return `line ${lines.linePos(pos[0]).line}: ${sentence!.replace(/ at line \d+, column \d+:$/, '')}`;
      }),
    );
  }
  const raw: unknown = document.toJS();
  const parsed = file.safeParse(raw ?? {});
  const complaints: readonly Complaint[] = parsed.success
    ? misfits(parsed.data, surroundings)
    : parsed.error.issues.flatMap((issue) => complaintsOf(issue, raw));
  if (parsed.success && complaints.length === 0) return parsed.data;
  throw new ScenarioError(
    complaints.map(({ path, message }) => `${placeOf(document, lines, path)}: ${message}`),
  );
}

function placeOf(document: Document, lines: LineCounter, path: Path): string {
  let known = path;
  let node = document.getIn(known, true);
  while (!isNode(node) && known.length > 0) {
    known = known.slice(0, -1);
    node = known.length === 0 ? document.contents : document.getIn(known, true);
  }
  const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  const field = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
  return `line ${lines.linePos(offset).line}${field === '' ? '' : `, ${field.replace(/^\./, '')}`}`;
}

/* ---- judging ----------------------------------------------------------------------------- */

const SHOWN_MAX = 60;

function complaintsOf(issue: z.core.$ZodIssue, raw: unknown, within: Path = []): Complaint[] {
  const path = [...within, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  if (issue.code === 'invalid_union') {
    // Of several shapes it may have, the one that is meant is the one that fits furthest.
    const inside = issue.errors.find((issues) => issues.some((one) => one.path.length > 0));
    if (inside !== undefined) return inside.flatMap((one) => complaintsOf(one, raw, path));
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `is not known here${meant(key, Object.keys(ALLOWED))}`,
    }));
  }
  // What is said of the list as a whole holds for what is in it; what is not there has no value.
  const named = path.findLast((part) => typeof part === 'string' && Object.hasOwn(ALLOWED, part));
  const inStrike = path[0] === 'strikes' && path.length === 3;
  const allowed =
    inStrike && !Object.hasOwn(ALLOWED, path[2]!)
      ? 'a number, a text, true or false'
      : (ALLOWED[named ?? ''] ?? 'a mapping with a list of strikes');
  const value = path.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], raw);
  return [{ path, message: `must be ${allowed}${value === undefined ? '' : `, got ${shown(value)}`}` }];
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/** What has the right shape and fits nothing. */
function misfits(scenario: Scenario, surroundings: Surroundings): Complaint[] {
  const { faults } = surroundings;
  const sidecars =
    typeof scenario.sidecars === 'object'
      ? scenario.sidecars
      : numbered(scenario.sidecars ?? surroundings.sidecars);
  const { neighbours } = scenario;
  const homeless = (Array.isArray(neighbours) ? neighbours : []).flatMap(({ sidecar }, index) =>
    sidecars.includes(sidecar)
      ? []
      : [{ path: ['neighbours', index, 'sidecar'], message: noSuch('sidecar', sidecar, sidecars) }],
  );
  return [
    ...homeless,
    ...scenario.strikes.flatMap((one, index) =>
      strikeMisfits(one, faults, sidecars).map(({ path, message }) => ({
        path: ['strikes', index, ...path], message,
      })),
    ),
  ];
}

function strikeMisfits(
  { at: _at, for: forMs, kind, where, ...details }: WrittenStrike,
  faults: readonly Fault[],
  sidecars: readonly string[],
): Complaint[] {
  const fault = faults.find((one) => one.kind === kind);
  if (fault === undefined) {
    return [{ path: ['kind'], message: noSuch('fault', kind, faults.map((one) => one.kind)) }];
  }
  const complaints: Complaint[] = [];
  if (where !== undefined) {
    const possible = fault.strikes === 'sidecar' ? sidecars : [fault.strikes];
    if (!possible.includes(where)) {
      complaints.push({ path: ['where'], message: `must be ${possible.join(' or ')}, got "${where}"` });
    }
  }
  if (fault.end === undefined && forMs !== undefined && forMs > 0) {
    complaints.push({ path: ['for'], message: `must be left out: ${kind} happens at once` });
  }
  const known = detailsOf(fault);
  for (const [name, value] of Object.entries(details)) {
    const values = known.get(name);
    if (values === undefined) {
      complaints.push({ path: [name], message: noSuch(`detail of ${kind}`, name, [...known.keys()]) });
    } else if (![...values].some((one) => typeof one === typeof value)) {
      complaints.push({ path: [name], message: `must be a ${typeof [...values][0]}, got ${shown(value)}` });
    } else if (typeof value === 'string' && !values.has(value)) {
      complaints.push({ path: [name], message: noSuch(name, value, [...values].map(String)) });
    }
  }
  return complaints;
}

/** Enough for everything that is picked from a list to have come up. */
const DRAWS = 1_000;

/** The names of a fault's details, each with values that it can have. */
function detailsOf(fault: Fault): Map<string, Set<Strike['detail'][string]>> {
  const chance = new Chance(0);
  const known = new Map<string, Set<Strike['detail'][string]>>();
  for (let draw = 0; draw < DRAWS; draw++) {
    for (const [name, value] of Object.entries(fault.draw(chance).detail)) {
      known.set(name, (known.get(name) ?? new Set()).add(value));
    }
  }
  return known;
}

function noSuch(what: string, written: string, known: readonly string[]): string {
  return `there is no ${what} "${written}"${meant(written, known)}`;
}

function meant(written: string, known: readonly string[]): string {
  const one = nearest(written, known);
  if (one !== undefined) return `; did you mean ${one}?`;
  return known.length === 0 ? '; there are none' : `; known: ${known.join(', ')}`;
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `s${index + 1}`);
}

/* ---- to a plan and back ------------------------------------------------------------------ */

/** `drawn`: the plan that the seed has for as many sidecars. */
export function planOfScenario(scenario: Scenario, drawn: Plan, faults: readonly Fault[]): Plan {
  const sidecars = typeof scenario.sidecars === 'object' ? scenario.sidecars : drawn.sidecars;
  const chance = new Chance(drawn.seed).fork('scenario');
  const strikes = scenario.strikes
    .map((one, index) => strikeOf(one, faults, sidecars, chance.fork(`strike ${index}`)))
    .sort((one, other) => one.atMs - other.atMs);
  const overMs = strikes.map(({ atMs, forMs }) => atMs + forMs);
  return {
    seed: drawn.seed,
    sidecars,
    neighbours: neighboursOf(scenario.neighbours, drawn, sidecars),
    changes: scenario.changes === undefined ? drawn.changes : (scenario.changes as Plan['changes']),
    chaosMs: scenario.chaosMs ?? Math.max(0, ...overMs) + AFTERMATH_MS,
    strikes,
  };
}

export function sidecarsOf({ sidecars }: Scenario): number | undefined {
  return typeof sidecars === 'object' ? sidecars.length : sidecars;
}

function neighboursOf(
  written: Scenario['neighbours'],
  drawn: Plan,
  sidecars: readonly string[],
): readonly NeighbourPlan[] {
  if (typeof written === 'object') return written;
  if (written === undefined) {
    return drawn.neighbours.map((one) => ({
      ...one, sidecar: sidecars[drawn.sidecars.indexOf(one.sidecar)]!,
    }));
  }
  return Array.from({ length: written }, (_, index) => ({
    name: `c${index + 1}`,
    behaviour: BEHAVIOUR_NAMES[index % BEHAVIOUR_NAMES.length]!,
    sidecar: sidecars[index % sidecars.length]!,
  }));
}

function strikeOf(
  { at, for: forMs, kind, where, ...details }: WrittenStrike,
  faults: readonly Fault[],
  sidecars: readonly string[],
  chance: Chance,
): Strike {
  const fault = faults.find((one) => one.kind === kind)!;
  const drawn = fault.draw(chance);
  return {
    kind, atMs: at,
    forMs: forMs ?? Math.round(drawn.forMs),
    where: where ?? (fault.strikes === 'sidecar' ? chance.pick(sidecars) : fault.strikes),
    detail: { ...drawn.detail, ...details },
  };
}

/** A file that stands for this plan and no other. */
export function scenarioText(
  { seed, sidecars, neighbours, chaosMs, changes, strikes }: Plan,
  faults: readonly Fault[],
): string {
  const isAtOnce = (kind: string): boolean => faults.find((fault) => fault.kind === kind)?.end === undefined;
  const inOneLine = (value: unknown): string =>
    stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd();
  const list = (name: string, items: readonly unknown[]): string[] =>
    items.length === 0 ? [`${name}: []`] : [`${name}:`, ...items.map((item) => `  - ${inOneLine(item)}`)];
  return [
    `seed: ${seed}`,
    `sidecars: ${inOneLine(sidecars)}`,
    ...list('neighbours', neighbours),
    `chaosMs: ${durationText(chaosMs)}`,
    `changes: ${inOneLine(changes)}`,
    ...list(
      'strikes',
      strikes.map(({ atMs, kind, where, forMs, detail: details }) => ({
        at: durationText(atMs), kind, where,
        ...(isAtOnce(kind) ? {} : { for: durationText(forMs) }),
        ...details,
      })),
    ),
    '',
  ].join('\n');
}
