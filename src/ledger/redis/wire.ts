/**
 * How requests become arguments of the scripts, and their replies answers of the port. Everything
 * is binary and big-endian, as in records; the header of each script lists its side.
 */
import type { ConflictPolicy } from '../../core/contract.ts';
import type {
  BeatReply, BeatRequest, Caller, Cursor, DiffItem, DiffReply, DiffRequest, Digest, JoinReply,
  JoinRequest, LedgerState, PulledRecord, PullReply, PullRequest, PushCode, PushReply, PushRequest,
  PushResult, SweepReply, SweepRequest, Terms,
} from '../ledger.ts';
import { decodeRecord, encodeRecord, RECORD_VERSION } from '../record.ts';

export const POLICIES: readonly ConflictPolicy[] = [
  'lww', 'siblings', 'ownerWins', 'firstWins', 'counter',
];
export const PUSH_CODES: readonly PushCode[] = [
  'applied', 'duplicate', 'joined', 'closed', 'expired', 'held', 'clock-ahead', 'duplicate-dot',
  'unreadable',
];
const CODES_WITH_RECORD: ReadonlySet<PushCode> = new Set(['joined', 'closed', 'expired', 'held']);
const PULL_STATUSES = ['ok', 'gap', 'diverged'] as const;
const HISTORIES = ['current', 'behind', 'lost'] as const;
const CELL_BYTES = 12;

/* ---- arguments ------------------------------------------------------------------------- */

class Out {
  #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  get done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  u8(value: number): this {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
    return this;
  }

  u16(value: number): this {
    this.#at = this.#bytes.writeUInt16BE(value, this.#at);
    return this;
  }

  f64(value: number): this {
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
    return this;
  }

  actor(actor: string): this {
    this.#at += this.#bytes.write(actor, this.#at, 'hex');
    return this;
  }

  chain(chain: string): this {
    this.#at += this.#bytes.write(chain, this.#at, 'latin1');
    return this;
  }

  digest({ count, high, low }: Digest): this {
    for (const value of [count, high, low]) {
      this.#at = this.#bytes.writeUInt32BE(value >>> 0, this.#at);
    }
    return this;
  }
}

export function callerArgument({ actor, predecessors, epoch }: Caller): Buffer {
  const out = new Out(16 + 8 * predecessors.length).actor(actor).f64(epoch);
  for (const predecessor of predecessors) out.actor(predecessor);
  return out.done;
}

function termsArgument(terms: Terms): Buffer {
  const { autonomyMs, silenceMs, slackMs, horizonMs, maxSkewMs, logEntries, policy } = terms;
  const out = new Out(49);
  for (const value of [autonomyMs, silenceMs, slackMs, horizonMs, maxSkewMs, logEntries]) {
    out.f64(value);
  }
  return out.u8(POLICIES.indexOf(policy)).done;
}

export function pushArguments({ terms, batch, version, rejoining, records }: PushRequest): Buffer[] {
  const head = new Out(10).f64(batch).u8(version).u8(rejoining ? 1 : 0).done;
  const result = [termsArgument(terms), head];
  for (const { id, siblings, context, ends, bucket } of records) {
    const record = encodeRecord({ siblings, context, ends, bucket, forgetAt: 0 }, RECORD_VERSION);
    result.push(Buffer.from(id), bufferOf(record));
  }
  return result;
}

export function pullArguments({ cursor, limit, records, ids }: PullRequest): Buffer[] {
  const head = new Out(33).f64(cursor.seq).chain(cursor.chain).f64(limit).u8(records ? 1 : 0);
  return [head.done, ...ids.map((id) => Buffer.from(id))];
}

export function diffArguments({ cells = [], buckets, actors, after, limit }: DiffRequest): Buffer[] {
  const compared = new Out(CELL_BYTES * cells.length);
  for (const cell of cells) compared.digest(cell);
  const listed = new Out(1 + 2 * (buckets?.length ?? 0) + 8 * (actors?.length ?? 0));
  listed.u8(buckets !== undefined ? 1 : actors !== undefined ? 2 : 0);
  if (buckets !== undefined) for (const bucket of buckets) listed.u16(bucket);
  else for (const actor of actors ?? []) listed.actor(actor);
  return [compared.done, listed.done, Buffer.from(after), new Out(8).f64(limit).done];
}

export function beatArguments({ cursor, owned, batch, retire }: BeatRequest): Buffer[] {
  const head = new Out(34).f64(cursor.seq).chain(cursor.chain).f64(batch);
  head.u8(retire === true ? 1 : 0).u8(owned === undefined ? 0 : 1);
  const digests = new Out(20 * (owned?.length ?? 0));
  for (const { actor, ...digest } of owned ?? []) digests.actor(actor).digest(digest);
  return [head.done, digests.done];
}

export function sweepArguments(request: SweepRequest): Buffer[] {
  const { terms, scope, dryRun, limit, asOf = Infinity } = request;
  const head = new Out(18).u8(scope === 'own' ? 0 : 1).u8(dryRun ? 1 : 0).f64(limit).f64(asOf);
  return [termsArgument(terms), head.done];
}

export function joinArguments(request: JoinRequest): Buffer[] {
  const { partitions, buckets, versionMin, versionMax, instance, name } = request;
  const head = new Out(18).f64(partitions).f64(buckets).u8(versionMin).u8(versionMax);
  return [head.done, Buffer.from(instance), Buffer.from(name)];
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/* ---- replies --------------------------------------------------------------------------- */

/** A reply that no script gives. */
export class ReplyShapeError extends Error {
  override readonly name = 'ReplyShapeError';
}

class In {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(part: unknown) {
    this.#bytes = bytesOf(part);
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  u16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  u32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  f64(): number {
    this.#at += 8;
    return this.#bytes.readDoubleBE(this.#at - 8);
  }

  actor(): string {
    this.#at += 8;
    return this.#bytes.toString('hex', this.#at - 8, this.#at);
  }

  chain(): string {
    this.#at += 16;
    return this.#bytes.toString('latin1', this.#at - 16, this.#at);
  }

  digest(): Digest {
    return { count: this.u32(), high: this.u32(), low: this.u32() };
  }

  /** One of `names`, by its number. */
  name<Name>(names: readonly Name[]): Name {
    const name = names[this.u8()];
    if (name === undefined) throw new ReplyShapeError('unknown number for a name');
    return name;
  }
}

function bytesOf(part: unknown): Buffer {
  if (!Buffer.isBuffer(part)) throw new ReplyShapeError('something else than bytes');
  return part;
}

export function partsOf(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new ReplyShapeError('no list');
  return reply;
}

function stateOf(part: unknown): LedgerState {
  const from = new In(part);
  const now = from.f64();
  const epoch = from.f64();
  const epochStartedAt = from.f64();
  const chain = from.chain();
  return { now, epoch, epochStartedAt, tail: { epoch, seq: from.f64(), chain } };
}

export function pushReply(reply: unknown): PushReply {
  const parts = partsOf(reply);
  const stale = new In(parts[1]).u8() === 1;
  const codes = new In(parts[2]);
  const results: PushResult[] = [];
  let at = 3;
  while (!codes.atEnd) {
    const code = codes.name(PUSH_CODES);
    const bytes = CODES_WITH_RECORD.has(code) ? bytesOf(parts[at++]) : undefined;
    if (bytes === undefined || bytes.length === 0) results.push({ code });
    else results.push({ code, record: decodeRecord(bytes) });
  }
  return { ...stateOf(parts[0]), status: stale ? 'stale' : 'ok', results };
}

export function pullReply(reply: unknown, { records, ids }: PullRequest): PullReply {
  const parts = partsOf(reply);
  const head = new In(parts[1]);
  const status = head.name(PULL_STATUSES);
  const cursor: Cursor = { epoch: head.f64(), seq: head.f64(), chain: head.chain() };
  const changed = partsOf(parts[2]);
  const changes: PulledRecord[] = [];
  for (let at = 0; at < changed.length; at += 2) {
    const id = bytesOf(changed[at]).toString();
    changes.push(pulled(id, records ? changed[at + 1] : undefined));
  }
  const found = partsOf(parts[3]);
  if (found.length !== ids.length) throw new ReplyShapeError('not as many records as asked for');
  const heard = new In(parts[4]);
  const owners: { actor: string; seen: number }[] = [];
  while (!heard.atEnd) owners.push({ actor: heard.actor(), seen: heard.f64() });
  owners.sort((left, right) => (left.actor < right.actor ? -1 : 1));
  const wanted = ids.map((id, at) => pulled(id, found[at]));
  return { ...stateOf(parts[0]), status, changes, cursor, wanted, owners };
}

function pulled(id: string, part: unknown): PulledRecord {
  if (part === undefined || bytesOf(part).length === 0) return { id };
  return { id, record: decodeRecord(bytesOf(part)) };
}

export function diffReply(reply: unknown): DiffReply {
  const parts = partsOf(reply);
  const buckets = new In(parts[2]);
  const differing: number[] = [];
  while (!buckets.atEnd) differing.push(buckets.u16());
  const listed = partsOf(parts[4]);
  const items: DiffItem[] = [];
  for (let at = 0; at < listed.length; at += 2) {
    const from = new In(listed[at + 1]);
    const dots: DiffItem['dots'][number][] = [];
    while (!from.atEnd) {
      dots.push({
        actor: from.actor(), seq: from.f64(), hashHigh: from.u32(), hashLow: from.u32(),
      });
    }
    items.push({ id: bytesOf(listed[at]).toString(), dots });
  }
  const next = bytesOf(parts[3]).toString();
  return { ...stateOf(parts[0]), root: new In(parts[1]).digest(), differing, items, next };
}

function digestsOf(part: unknown): ({ actor: string } & Digest)[] {
  const from = new In(part);
  const digests: ({ actor: string } & Digest)[] = [];
  while (!from.atEnd) digests.push({ actor: from.actor(), ...from.digest() });
  return digests;
}

export function beatReply(reply: unknown): BeatReply {
  const parts = partsOf(reply);
  const head = new In(parts[1]);
  const history = head.name(HISTORIES);
  const corrupt = head.u8() === 1;
  const forgotBatch = head.u8() === 1;
  const records = head.u32();
  const tombstones = head.u32();
  const root = head.digest();
  const heard = new In(parts[2]);
  const vouched: string[] = [];
  while (!heard.atEnd) vouched.push(heard.actor());
  const owned = digestsOf(parts[3]);
  return {
    ...stateOf(parts[0]), history, vouched, owned, root, corrupt, forgotBatch, records, tombstones,
  };
}

export function sweepReply(reply: unknown): SweepReply {
  const parts = partsOf(reply);
  const head = new In(parts[1]);
  const more = head.u8() === 1;
  const forgotten = head.u32();
  const removed = digestsOf(parts[2]);
  removed.sort((left, right) => (left.actor < right.actor ? -1 : 1));
  const told = partsOf(parts[3]);
  const ended: SweepReply['ended'][number][] = [];
  for (let at = 0; at < told.length; at += 2) {
    const id = bytesOf(told[at]).toString();
    for (const ending of decodeRecord(bytesOf(told[at + 1])).ends) ended.push({ id, ending });
  }
  return { ...stateOf(parts[0]), ended, removed, forgotten, more };
}

export function joinReply(reply: unknown): JoinReply {
  const parts = partsOf(reply);
  const status = new In(parts[0]).name(['joined', 'actor-clash', 'layout', 'version'] as const);
  const body = new In(parts[1]);
  switch (status) {
    case 'joined': {
      const now = body.f64();
      const version = body.u8();
      const names = parts.slice(2).map((name) => bytesOf(name).toString());
      return { status, now, version, members: [...new Set(names)].sort() };
    }
    case 'actor-clash':
      return { status };
    case 'layout':
      return { status, partitions: body.f64(), buckets: body.f64() };
    case 'version':
      return { status, versionMin: body.u8(), versionMax: body.u8() };
  }
}
