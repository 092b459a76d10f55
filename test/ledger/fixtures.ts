/**
 * Records, callers and terms for the tests of the ledger. A tick is a second; TTL 3, autonomy 4,
 * slack 1.
 */
import {
  type Caller, type Cursor, type Ledger, NO_CURSOR, type PartitionName, type PushedRecord,
  type PushReply, type PushRequest, type PushResult, type Terms,
} from '../../src/ledger/ledger.ts';
import {
  compareDots, type CoveredActor, type Ending, type LedgerRecord, type Sibling,
} from '../../src/ledger/record.ts';
import { encodeLabel, fingerprint } from '../../src/ledger/label.ts';
import type { Dot } from '../../src/core/fact.ts';

export const TICK = 1000;
export const TTL = 3 * TICK;
/** Near enough to what real clocks say that hybrid stamps can be made from it. */
export const START = Date.UTC(2026, 0, 1);

export const A = 'a0a0a0a0a0a0a0a0';
export const B = 'b1b1b1b1b1b1b1b1';
export const C = 'c2c2c2c2c2c2c2c2';
/** A after a restart. */
export const A2 = 'a0a0a0a0ffffffff';

export const TERMS: Terms = {
  policy: 'siblings',
  autonomyMs: 4 * TICK,
  silenceMs: 5 * TICK,
  slackMs: TICK,
  horizonMs: 9 * TICK,
  maxSkewMs: 5 * TICK,
  logEntries: 1000,
};

export function caller(actor: string, predecessors: readonly string[] = [], epoch = 0): Caller {
  return { actor, predecessors, epoch };
}

const encoder = new TextEncoder();

export interface ValueOptions {
  readonly deadline: number;
  readonly session?: boolean;
  readonly ttlMs?: number;
  readonly born?: Dot;
  /** Wall clock of the write, milliseconds since 1970. */
  readonly wall?: number;
  readonly rank?: number;
  readonly text?: string;
  readonly holder?: string;
  readonly id?: string;
}

/** A write of `actor`, its `seq`th. */
export function value(actor: string, seq: number, options: ValueOptions): Sibling {
  const dot = { actor, seq };
  const { deadline, born = dot, session = false, ttlMs = TTL, text = `${actor}.${seq}` } = options;
  const { wall = START, rank = wall, holder = 'web-1', id = 'key' } = options;
  const bytes = encoder.encode(text);
  const { high, low } = fingerprint(encoder.encode(id), dot, 'text/plain', bytes);
  return {
    dot, born, rank, deadline, ttlMs, session,
    hlc: (wall - Date.UTC(2020, 0, 1)) * 4096,
    hashHigh: high, hashLow: low,
    label: encodeLabel({
      holder, lease: `${born.actor}.${born.seq}`, contentType: 'text/plain', size: bytes.length,
    }),
    value: bytes,
  };
}

/** `{a: 3}` covers the first three writes of a. */
export function context(seen: Readonly<Record<string, number>>): CoveredActor[] {
  return Object.entries(seen)
    .map(([actor, seq]) => ({ actor, seq, until: 0 }))
    .sort((left, right) => (left.actor < right.actor ? -1 : 1));
}

export interface PushedOptions {
  readonly id?: string;
  readonly bucket?: number;
  /** Beyond what the values themselves cover. */
  readonly seen?: Readonly<Record<string, number>>;
  readonly ends?: readonly Ending[];
}

export function pushed(siblings: readonly Sibling[], options: PushedOptions = {}): PushedRecord {
  const { id = 'key', bucket = 7, seen = {}, ends = [] } = options;
  const all: Record<string, number> = { ...seen };
  for (const { dot } of siblings) all[dot.actor] = Math.max(all[dot.actor] ?? 0, dot.seq);
  return {
    id, bucket, ends,
    siblings: [...siblings].sort((left, right) => compareDots(left.dot, right.dot)),
    context: context(all),
  };
}

/** The run of a value, ended by somebody. */
export function ending(of: Sibling, by: string, change: Partial<Ending> = {}): Ending {
  const { born, dot, deadline, label } = of;
  return {
    born, dot, deadline, label, by,
    reason: 'deleted', told: false, conflict: false, until: 0,
    ...change,
  };
}

/** One sidecar's dealings with one partition. */
export class Asker {
  readonly caller: Caller;
  readonly ledger: Ledger;
  readonly at: PartitionName;
  terms: Terms;
  batch = 0;

  constructor(ledger: Ledger, at: PartitionName, who: Caller, terms: Terms) {
    this.ledger = ledger;
    this.at = at;
    this.caller = who;
    this.terms = terms;
  }

  pushAll(
    records: readonly PushedRecord[], change: Partial<PushRequest> = {},
  ): Promise<PushReply> {
    this.batch += 1;
    const { caller: who, terms, batch } = this;
    return this.ledger.push(this.at, {
      caller: who, terms, batch, records, version: 2, rejoining: false, ...change,
    });
  }

  /** One record; its result. */
  async push(
    siblings: readonly Sibling[], options: PushedOptions = {}, change: Partial<PushRequest> = {},
  ): Promise<PushResult> {
    const reply = await this.pushAll([pushed(siblings, options)], change);
    if (reply.status !== 'ok') throw new Error('The push was refused as stale');
    return reply.results[0]!;
  }

  pull(cursor: Cursor = NO_CURSOR, limit = 100, records = true, ids: readonly string[] = []) {
    return this.ledger.pull(this.at, { caller: this.caller, cursor, limit, records, ids });
  }

  async record(id = 'key'): Promise<LedgerRecord | undefined> {
    return (await this.pull(NO_CURSOR, 0, false, [id])).wanted[0]!.record;
  }

  beat(
    cursor: Cursor = NO_CURSOR,
    change: Partial<Parameters<Ledger['beat']>[1]> = {},
  ) {
    const { caller: who, terms, batch } = this;
    return this.ledger.beat(this.at, { caller: who, terms, cursor, batch, ...change });
  }

  /** A heartbeat that knows what the ledger holds of its own. */
  async vouch() {
    const { owned } = await this.beat();
    return this.beat(NO_CURSOR, { owned });
  }

  sweep(scope: 'own' | 'orphans', limit = 100, dryRun = false) {
    const { caller: who, terms } = this;
    return this.ledger.sweep(this.at, { caller: who, terms, scope, limit, dryRun });
  }
}

/** With bytes as text, so that two of them compare whatever arrays they lie in. */
export function plain(record: LedgerRecord | undefined): unknown {
  if (record === undefined) return undefined;
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  return {
    ...record,
    siblings: record.siblings.map((sibling) => ({
      ...sibling, label: text(sibling.label), value: text(sibling.value),
    })),
    ends: record.ends.map((one) => ({ ...one, label: text(one.label) })),
  };
}

export function dotsOf(record: LedgerRecord | undefined): string[] {
  return (record?.siblings ?? []).map(({ dot }) => `${dot.actor.slice(0, 1)}${dot.seq}`);
}
