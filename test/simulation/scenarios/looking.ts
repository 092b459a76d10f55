/** What a scenario looks at from outside: the ledger's records, the events, and every sidecar. */
import type { LedgerRecord } from '../../../src/ledger/record.ts';
import { type Document, textOf, toldOf } from '../checkers/reading.ts';
import type { LedgerStep } from '../network/ledger-server.ts';
import type { World } from '../world.ts';
import { hand } from './hand.ts';

/** What the ledger holds of a key; undefined: it has forgotten it, or never heard of it. */
export function recordOf({ ledger }: World, namespace: string, key: string): LedgerRecord | undefined {
  for (const [name, { records }] of ledger.partitions()) {
    const record = records.get(key);
    if (name.slice(name.indexOf(':') + 1) === namespace && record !== undefined) return record;
  }
  return undefined;
}

/** The values the ledger holds of a key, in order. */
export function valuesInLedger(world: World, namespace: string, key: string): readonly string[] {
  const siblings = recordOf(world, namespace, key)?.siblings ?? [];
  return siblings.map(({ value }) => Buffer.from(value).toString()).sort();
}

/** What each sidecar shows of a key, by its name; nothing where there is no entry. */
export async function valuesEverywhere(
  world: World, namespace: string, key: string,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const shown: Record<string, readonly string[]> = {};
  for (const { name } of world.sidecars) {
    const { values = [] } = await hand(world, name).get(namespace, key);
    shown[name] = [...values].sort();
  }
  return shown;
}

/** The same for every sidecar. */
export function everywhere(world: World, values: readonly string[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(world.sidecars.map(({ name }) => [name, values]));
}

/** An event, as a consumer keeps it. */
export interface Heard {
  /** `entry.ended` */
  readonly what: string;
  readonly place: string;
  readonly actor: string;
  readonly atMs: number;
  readonly reason: string | undefined;
  readonly endingId: string | undefined;
  readonly data: Document;
}

/** Of a key, in the order the bus took them; everything the bus was sent twice is there twice. */
export function toldOfKey(world: World, namespace: string, key: string): readonly Heard[] {
  return heard(world).filter(({ data }) => data['namespace'] === namespace && data['key'] === key);
}

/** Of a lease itself, and of nothing that was under it. */
export function toldOfLease(world: World, lease: string): readonly Heard[] {
  return heard(world).filter(({ what, data }) => what.startsWith('lease.') && data['lease'] === lease);
}

export function heard({ history }: World): readonly Heard[] {
  return history.told.map(toldOf).map(({ what, place, actor, atMs, data }) => ({
    what, place, actor, atMs, data,
    reason: textOf(data, 'reason'),
    endingId: textOf(data, 'endingId'),
  }));
}

/** Endings as a consumer is left with that drops those whose `endingId` it has had. */
export function endings(events: readonly Heard[]): readonly Heard[] {
  const known = new Set<string | undefined>();
  return events.filter(({ what, endingId }) => {
    if (!what.endsWith('.ended') || known.has(endingId)) return false;
    known.add(endingId);
    return true;
  });
}

/** Everything the ledger does from now on. */
export function watchLedger({ ledger }: World): readonly LedgerStep[] {
  const steps: LedgerStep[] = [];
  const before = ledger.onOperation;
  ledger.onOperation = (step) => {
    before(step);
    steps.push(step);
  };
  return steps;
}
