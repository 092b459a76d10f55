/**
 * Leases between two sidecars. One that leaves writes each lease it hands over into the ledger, as
 * a record of its own beside the entries; one that is asked for such a lease takes the record
 * away, and only who took it goes on with the lease.
 */
import { CborReader, CborWriter } from '../core/cbor.ts';
import type { HandedOver } from '../core/adoption.ts';
import { forbiddenLease, isOwn } from '../core/bearer.ts';
import type { GrantCommand, GrantReply } from '../core/command.ts';
import type { NamespaceContract } from '../core/contract.ts';
import { type Refusal, refuse } from '../core/refusal.ts';
import { encodeLabel, fingerprint, traceOfLabel } from '../ledger/label.ts';
import type { Caller, PartitionName, PulledRecord } from '../ledger/ledger.ts';
import { NO_CURSOR } from '../ledger/ledger.ts';
import { murmur3, placementOf } from '../ledger/placement.ts';
import type { LedgerRecord, Sibling } from '../ledger/record.ts';
import type { Room } from './room.ts';
import { termsOf } from './settings.ts';

const encoder = new TextEncoder();
/** Keys asked for in one request. */
const KEYS_PER_REQUEST = 64;
const FORMAT_VERSION = 1;
const CONTENT_TYPE = 'application/cbor';

/** The record's id: no key begins like this. */
function idOf(lease: string): string {
  return `\u0000lease ${lease}`;
}

function placeOf(room: Room, namespace: string, id: string): PartitionName & { bucket: number } {
  const { partitions, buckets } = room.settings;
  return { namespace, ...placementOf(murmur3(encoder.encode(id)), partitions, buckets) };
}

function callerFor({ replica, epoch }: Room): Caller {
  return { actor: replica.actor, predecessors: [], epoch };
}

/** Writes every lease that is to be handed over; how many are there. Rejects with `LedgerError`. */
export async function handOver(room: Room, withinMs: number): Promise<number> {
  const leases: { contract: NamespaceContract; lease: HandedOver }[] = [];
  room.replica.leasesToHandOver((contract, lease) => leases.push({ contract, lease }));
  const until = room.scheduler.now() + withinMs;
  let written = 0;
  for (const { contract, lease } of leases) {
    if (room.scheduler.now() >= until) break;
    await writeLease(room, contract, lease);
    written++;
  }
  return written;
}

async function writeLease(room: Room, contract: NamespaceContract, lease: HandedOver) {
  const offsetMs = room.clock.upper(room.scheduler.now());
  const id = idOf(lease.id);
  const at = placeOf(room, contract.name, id);
  const { dot, hlc } = room.replica.mint();
  const value = encodeLease(lease, offsetMs);
  const { high, low } = fingerprint(encoder.encode(id), dot, CONTENT_TYPE, value);
  const sibling: Sibling = {
    dot, hlc, value,
    born: dot,
    rank: 0,
    deadline: Math.ceil(lease.deadline + offsetMs),
    ttlMs: lease.ttlMs,
    session: false,
    hashHigh: high,
    hashLow: low,
    label: encodeLabel({
      lease: lease.id, holder: lease.holder, contentType: CONTENT_TYPE, size: value.length,
      trace: lease.trace,
    }),
  };
  const context = [{ actor: dot.actor, seq: dot.seq, until: 0 }];
  await pushOne(room, contract, at, { siblings: [sibling], context }, id);
}

async function pushOne(
  room: Room,
  contract: NamespaceContract,
  at: PartitionName & { readonly bucket: number },
  record: Pick<LedgerRecord, 'siblings' | 'context'>,
  id: string,
) {
  const { reply } = await room.gate.ask(room.settings.timeoutMs, (ledger) =>
    ledger.push(at, {
      caller: callerFor(room),
      terms: termsOf(contract, room.settings),
      batch: 0,
      records: [{ id, bucket: at.bucket, ends: [], ...record }],
      version: room.membership.version,
      rejoining: false,
    }),
  );
  return reply.results[0]?.code;
}

/**
 * The lease that was asked for, if another sidecar has handed it over: taken up here, or refused
 * to another holder. undefined: there is none. Rejects with `LedgerError`.
 */
export async function takeUp(
  room: Room,
  contract: NamespaceContract,
  command: GrantCommand & { readonly id: string },
): Promise<GrantReply | Refusal | undefined> {
  const id = idOf(command.id);
  const at = placeOf(room, contract.name, id);
  const [found] = await pullIds(room, at, [id]);
  const record = found?.record;
  const sibling = record?.siblings[0];
  if (record === undefined || sibling === undefined) return undefined;
  const offsetMs = room.clock.upper(room.scheduler.now());
  const lease = {
    ...decodeLease(command.id, sibling.value, offsetMs),
    trace: traceOfLabel(sibling.label),
  };
  if (lease.deadline <= room.scheduler.now()) return undefined;
  // Its namespace is the one asked for, which the edge has judged.
  if (command.bearer !== undefined && !isOwn(lease.labels, command.bearer)) {
    return forbiddenLease(command.id, 'grant');
  }
  if (lease.holder !== command.holder) {
    return refuse('lease-held', `Cannot grant lease "${command.id}": another holder has it`, {
      remainingMs: Math.floor(lease.deadline - room.scheduler.now()),
    });
  }
  const records = new Map<string, LedgerRecord>();
  for (const [place, keys] of byPartition(room, contract.name, lease.keys)) {
    for (let from = 0; from < keys.length; from += KEYS_PER_REQUEST) {
      const pulled = await pullIds(room, place, keys.slice(from, from + KEYS_PER_REQUEST));
      for (const { id: key, record: held } of pulled) {
        if (held !== undefined) records.set(key, held);
      }
    }
  }
  if (room.flags().adoption === 'shadow') {
    room.tally.withheld.adoptions += 1;
    return undefined;
  }
  // Of two that ask at once, the ledger lets one take it.
  const code = await pushOne(room, contract, at, { siblings: [], context: record.context }, id);
  if (code !== 'applied') return undefined;
  return room.replica.adopt(contract.name, lease, records, offsetMs);
}

function byPartition(
  room: Room,
  namespace: string,
  keys: readonly string[],
): Map<PartitionName, string[]> {
  const places: PartitionName[] = [];
  const groups = new Map<PartitionName, string[]>();
  for (const key of keys) {
    const { partition } = placeOf(room, namespace, key);
    places[partition] ??= { namespace, partition };
    const place = places[partition];
    const group = groups.get(place) ?? [];
    group.push(key);
    groups.set(place, group);
  }
  return groups;
}

async function pullIds(
  room: Room,
  at: PartitionName,
  ids: readonly string[],
): Promise<readonly PulledRecord[]> {
  const { reply } = await room.gate.ask(room.settings.timeoutMs, (ledger) =>
    ledger.pull(at, { caller: callerFor(room), cursor: NO_CURSOR, limit: 0, records: true, ids }),
  );
  return reply.wanted;
}

/** `[1, holder, ttlMs, deadline, lifetimeEnd, labels as JSON, keys]`; instants of the ledger. */
function encodeLease(lease: HandedOver, offsetMs: number): Uint8Array {
  const out = new CborWriter(256);
  out.array(7);
  out.unsigned(FORMAT_VERSION);
  out.text(lease.holder);
  out.unsigned(lease.ttlMs);
  out.double(lease.deadline + offsetMs);
  out.double(lease.lifetimeEnd + offsetMs);
  out.text(JSON.stringify(lease.labels));
  out.array(lease.keys.length);
  for (const key of lease.keys) out.text(key);
  return out.bytes.slice(0, out.end);
}

function decodeLease(id: string, bytes: Uint8Array, offsetMs: number): HandedOver {
  const reader = new CborReader(bytes, 0, bytes.length);
  reader.array();
  reader.unsigned();
  const holder = reader.text();
  const ttlMs = reader.unsigned();
  const deadline = reader.double() - offsetMs;
  const lifetimeEnd = reader.double() - offsetMs;
  const labels = JSON.parse(reader.text());
  const keys: string[] = [];
  for (let left = reader.array(); left > 0; left--) keys.push(reader.text());
  return { id, holder, ttlMs, deadline, lifetimeEnd, labels, keys };
}
