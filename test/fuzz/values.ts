/** Values by a schema, and values that no schema asks for. */
import type { Chance } from '../simulation/kernel/chance.ts';
import type { Caller, Gossip } from './caller.ts';
import type { Contract, Schema } from './contract.ts';

export interface Surroundings {
  readonly chance: Chance;
  readonly caller: Caller;
  readonly others: readonly string[];
  readonly gossip: Gossip;
  readonly contract: Contract;
}

const NOBODYS_NAMESPACES = ['default', 'no-such', 'Upper', '', '..', '%', 'a b', '*', 'x'.repeat(64), '__proto__'];
const STRANGE_TEXTS = [
  '', ' ', '\u0000', '\uFEFF', '\uD800', 'é', '💥', '../..', '%2e%2e', '%00', 'renew', '__proto__', 'constructor',
  'x'.repeat(129), 'x'.repeat(5000), '-1', '0', '1e309', 'NaN', 'null', '\r\nX-Injected: 1', '"', '\\', '{{7*7}}',
];
const STRANGE_NUMBERS = [-1, 0, 1, 0.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, -0, 5e-324];

export function anything({ chance, caller }: Surroundings, depth = 0): unknown {
  const kinds = depth > 3 ? 4 : 6;
  switch (chance.integer(kinds)) {
    case 0: return null;
    case 1: return chance.happens(0.5);
    case 2: return chance.pick(STRANGE_NUMBERS);
    case 3: return chance.happens(0.2) ? caller.marker : chance.pick(STRANGE_TEXTS);
    case 4: return several(chance, () => anything({ chance, caller } as Surroundings, depth + 1));
    default: {
      const pairs = several(chance, () => [
        chance.pick([...STRANGE_TEXTS, 'id', 'op', 'key', 'namespace', 'value']),
        anything({ chance, caller } as Surroundings, depth + 1),
      ]);
      return Object.fromEntries(pairs as [string, unknown][]);
    }
  }
}

function several<T>(chance: Chance, make: () => T): T[] {
  return Array.from({ length: chance.integer(4) }, make);
}

export function namespace({ chance, caller, others }: Surroundings): string {
  return chance.weighted([
    [chance.pick(caller.namespaces), 6], [chance.pick(others), 3], [chance.pick(NOBODYS_NAMESPACES), 1],
  ]);
}

export function strangeText(chance: Chance): string {
  return chance.pick(STRANGE_TEXTS);
}

/** `name`: of the member it is for, by which some have a meaning. Now and then something else. */
export function valueFor(around: Surroundings, written: Schema, name = ''): unknown {
  const { chance, contract } = around;
  if (chance.happens(0.04)) return anything(around);
  const schema = contract.resolve(written);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return chance.pick(schema['enum']);
  const choices = (schema['oneOf'] ?? schema['anyOf']) as readonly Schema[] | undefined;
  if (choices !== undefined) return valueFor(around, chance.pick(choices), name);
  switch (schema['type']) {
    case 'object': return objectFor(around, schema);
    case 'array': {
      const items = schema['items'] as Schema;
      return Array.from({ length: chance.integer(6) }, () => valueFor(around, items, name));
    }
    case 'boolean': return chance.happens(0.5);
    case 'integer':
    case 'number':
      return chance.happens(0.8) ? chance.integer(60_000) : chance.pick(STRANGE_NUMBERS);
    case 'string': return textFor(around, name);
    default: return anything(around);
  }
}

function objectFor(around: Surroundings, schema: Schema): object {
  const { chance } = around;
  const members = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Schema>>);
  const required = new Set((schema['required'] ?? []) as readonly string[]);
  const made: Record<string, unknown> = {};
  for (const [name, each] of members) {
    // `lease` and `ttlMs` together are refused, which is soon learnt enough of.
    if (chance.happens(required.has(name) ? 0.98 : 0.35)) made[name] = valueFor(around, each, name);
  }
  if (members.length === 0) for (const name of ['zone', 'shift']) made[name] = around.caller.marker;
  if (chance.happens(0.03)) made[strangeText(chance)] = anything(around);
  return made;
}

function textFor(around: Surroundings, name: string): string {
  const { chance, caller, gossip } = around;
  if (chance.happens(0.03)) return strangeText(chance);
  switch (name) {
    case 'namespace': return namespace(around);
    case 'id': case 'ids': case 'lease': return gossip.id(chance);
    case 'key': return gossip.key(chance, caller);
    case 'holder': return chance.happens(0.5) ? `${caller.marker}-holder` : 'holder';
    case 'value': return Buffer.from(`${caller.marker} ${chance.bits()}`).toString('base64');
    case 'ifMatch': case 'ifNoneMatch': return gossip.etag(chance);
    case 'contentType': return `text/plain; x=${caller.marker}`;
    default: return caller.marker;
  }
}
