/**
 * Whether all sidecars and the ledger hold the same, byte for byte. Nothing that anybody has summed
 * up is believed: fingerprints and digests are computed again from the values themselves.
 */
import type { ConflictPolicy } from '../../../src/core/contract.ts';
import { decodeLabel, fingerprint } from '../../../src/ledger/label.ts';
import type { LedgerRecord, Sibling } from '../../../src/ledger/record.ts';
import type { LedgerView, PartitionView, Rest, Shown, SidecarView } from './view.ts';

/** What differs, in sentences; empty when they agree. */
export function disagreements(rest: Rest): string[] {
  const { sidecars, ledger } = rest;
  const inLedger = viewOfLedger(rest);
  return [
    ...sidecars.flatMap((view, index) => differences(`sidecar ${index}`, view, inLedger)),
    ...unsettled(ledger, policiesOf(rest)),
    ...miscounted(ledger),
  ];
}

/** What every sidecar should show that has taken in all that the ledger holds. */
export function viewOfLedger(rest: Rest): SidecarView {
  const { records, nowMs } = rest.ledger;
  const policyOf = policiesOf(rest);
  return new Map(
    [...records]
      .map(([place, record]) => [place, shownOf(record, policyOf(place), nowMs)] as const)
      .filter(([, shown]) => shown.length > 0),
  );
}

function policiesOf({ policies }: Rest): (place: string) => ConflictPolicy {
  return (place) => policies.get(place.split('/')[0]!)!;
}

function shownOf(record: LedgerRecord, policy: ConflictPolicy, nowMs: number): Shown[] {
  const live = record.siblings.filter((sibling) => sibling.session || sibling.deadline > nowMs);
  const values = live.map((sibling) => {
    const { contentType, lease } = decodeLabel(sibling.label);
    return { value: Buffer.from(sibling.value), etag: dotOf(sibling), contentType, lease };
  });
  if (policy !== 'counter' || values.length < 2) return values;
  const sum = values.reduce((total, { value }) => total + Number(value.toString()), 0);
  const etag = values.map((shown) => shown.etag).sort().join('+');
  return [{ ...values[0]!, value: Buffer.from(String(sum)), etag }];
}

function dotOf({ dot }: Sibling): string {
  return `${dot.actor}.${dot.seq}`;
}

function differences(who: string, view: SidecarView, ledger: SidecarView): string[] {
  const wrong: string[] = [];
  for (const place of new Set([...view.keys(), ...ledger.keys()])) {
    const here = (view.get(place) ?? []).map(textOf).sort();
    const there = (ledger.get(place) ?? []).map(textOf).sort();
    if (here.join() === there.join()) continue;
    wrong.push(`${who} and the ledger differ in ${place}: ${listed(here)} here, ${listed(there)} there`);
  }
  return wrong;
}

/** A counter's lease is that of any of its values. */
function textOf({ value, etag, contentType, lease }: Shown): string {
  const under = etag.includes('+') ? '' : ` under ${lease}`;
  return `${etag} ${contentType} ${value.length} bytes ${value.toString('latin1').slice(0, 24)} ${hexOf(value)}${under}`;
}

function hexOf(value: Buffer): string {
  return value.toString('base64url');
}

function listed(texts: readonly string[]): string {
  return texts.length === 0 ? 'nothing' : texts.map((text) => `[${text}]`).join(' ');
}

/** Records that should have come to rest and have not, and values that are not what they say. */
function unsettled({ records, nowMs }: LedgerView, policyOf: (place: string) => ConflictPolicy): string[] {
  const wrong: string[] = [];
  for (const [place, { siblings }] of records) {
    const key = Buffer.from(place.slice(place.indexOf('/') + 1));
    const keepsAll = policyOf(place) === 'siblings' || policyOf(place) === 'counter';
    if (!keepsAll && siblings.length > 1) {
      wrong.push(`the ledger holds ${siblings.length} values of ${place}`);
    }
    for (const sibling of siblings) {
      if (!sibling.session && sibling.deadline <= nowMs) {
        wrong.push(`the ledger still holds ${place} ${dotOf(sibling)}, over for ${Math.round(nowMs - sibling.deadline)} ms`);
      }
      const { contentType, size } = decodeLabel(sibling.label);
      const { high, low } = fingerprint(key, sibling.dot, contentType, sibling.value);
      if (high !== sibling.hashHigh || low !== sibling.hashLow || size !== sibling.value.length) {
        wrong.push(`the ledger holds ${place} ${dotOf(sibling)} with a fingerprint that is not its own`);
      }
    }
  }
  return wrong;
}

const CELL_BYTES = 12;

/** Stored digest cells that are not the sum of the values in their bucket. */
function miscounted({ partitions, records }: LedgerView): string[] {
  return partitions.flatMap((partition) => {
    const wrong = wrongBuckets(partition, records);
    if (wrong.length === 0) return [];
    const { namespace, partition: number } = partition;
    return [`the digests of ${namespace}:${number} do not add up in buckets ${wrong.join(', ')}`];
  });
}

function wrongBuckets({ namespace, keys, cells }: PartitionView, records: LedgerView['records']): number[] {
  const sums = new Map<number, [count: number, high: number, low: number]>();
  for (const key of keys) {
    const { siblings, bucket } = records.get(`${namespace}/${key}`)!;
    for (const { hashHigh, hashLow } of siblings) {
      const [count, high, low] = sums.get(bucket) ?? [0, 0, 0];
      sums.set(bucket, [count + 1, (high + hashHigh) >>> 0, (low + hashLow) >>> 0]);
    }
  }
  const stored = Math.ceil(cells.length / CELL_BYTES);
  const buckets = Math.max(stored, ...[...sums.keys()].map((bucket) => bucket + 1));
  const padded = Buffer.concat([cells, Buffer.alloc(buckets * CELL_BYTES - cells.length)]);
  return Array.from({ length: buckets }, (_, bucket) => bucket).filter((bucket) => {
    const sum = sums.get(bucket) ?? [0, 0, 0];
    return sum.some((part, index) => part !== padded.readUInt32BE(bucket * CELL_BYTES + 4 * index));
  });
}
