/**
 * What the ledger must be told survives a crash: after any commands and joins, a core restored from
 * the facts, or from a snapshot and the facts after it, would tell the ledger the same.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConflictPolicy } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { type HeldValue, ownRecord } from '../../src/core/ledger-view.ts';
import { merge, withdraw } from '../../src/core/merge.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';

const KEYS = ['a', 'b', 'c', 'd'];
const OTHERS = ['bbbbbbbbbbbbbbb2', 'ccccccccccccccc3'];
const POLICIES: readonly ConflictPolicy[] = ['lww', 'siblings', 'counter'];
const bytes = new Uint8Array([1, 2, 3]);

function coreOf(conflict: ConflictPolicy, mirror: 'none' | 'all', actor: string): Core {
  const base = optionsWith([contractOf('default', { conflict, mirror })]);
  return new Core(
    {
      ...base, actor,
      ledger: { partitions: 2, buckets: 4 },
      limits: { ...base.limits, copies: 50, copyBytes: 1 << 14, tombstones: 500 },
    },
    START,
  );
}

/** One thing that happens; numbers choose what exactly. */
type Happening = readonly [kind: number, key: number, choice: number, passed: number];

function happen(core: Core, conflict: ConflictPolicy, at: number, [kind, key, choice]: Happening) {
  const { state } = core;
  const namespace = state.namespaces.find('default')!;
  const name = KEYS[key % KEYS.length]!;
  const lease = ['x', 'y'][choice % 2]!;
  switch (kind % 10) {
    case 0:
      core.step({ op: 'grant', namespace: 'default', holder: 'h', id: lease, ttlMs: 400 }, at);
      return;
    case 1:
      core.step({ op: 'renew', id: lease }, at);
      return;
    case 2:
      core.step({ op: 'release', id: lease }, at);
      return;
    case 3:
    case 4: {
      const under = choice % 3 === 0 ? {} : choice % 3 === 1 ? { lease } : { ttlMs: 300 };
      if (conflict === 'counter') {
        core.step({ op: 'increment', namespace: 'default', key: name, by: 1, ...under }, at);
      } else {
        const put = { op: 'put', namespace: 'default', key: name, value: bytes } as const;
        core.step({ ...put, contentType: 'text/plain', ...under }, at);
      }
      return;
    }
    case 9: {
      // Half of them are refused, and must leave nothing behind.
      const entry = { namespace: 'default', key: name };
      const put = { op: 'put', ...entry, value: bytes, contentType: 'text/plain' } as const;
      const doubtful = { ...put, key: 'zz', ...(choice % 2 === 0 ? { lease: 'nobody' } : {}) };
      const change = conflict === 'counter' ? ({ op: 'increment', ...entry, by: 2 } as const) : put;
      const operations = choice % 3 === 0
        ? [{ op: 'delete', ...entry } as const, change, doubtful]
        : [change, { op: 'delete', ...entry } as const, doubtful];
      core.step({ op: 'batch', atomic: true, operations }, at);
      return;
    }
    case 5:
      core.step({ op: 'delete', namespace: 'default', key: name }, at);
      return;
    case 6:
    case 7:
      core.reconcile(at, () => {
        const own = ownRecord(state, namespace, name);
        const actor = OTHERS[choice % 2]!;
        const seq = 1 + (choice % 5);
        const foreign: HeldValue = {
          dot: { actor, seq }, born: { actor, seq }, hlc: choice, rank: START, ttlMs: 500,
          deadline: at + 500, session: choice % 4 === 0, lease: `of-${actor}`, holder: 'o',
          contentType: 'text/plain',
          value: conflict === 'counter' ? new TextEncoder().encode('5') : bytes,
        };
        const context = [{ actor, seq }];
        // Now and then the ledger covers what is held here.
        if (choice % 3 === 0 && own !== undefined) {
          for (const [of, upTo] of own.context) if (of !== actor) context.push({ actor: of, seq: upTo });
        }
        const ends = (own?.values ?? []).map(({ born }) => ({
          born, reason: 'expired' as const, conflict: false, told: false,
        }));
        merge(state, namespace, name, {
          context, values: choice % 2 === 0 ? [foreign] : [], ends: choice % 5 === 0 ? ends : [],
        }, choice % 7 === 0 ? 'beside-own' : 'all');
      });
      return;
    default:
      core.reconcile(at, () => {
        const own = ownRecord(state, namespace, name);
        if (choice % 4 === 0) withdraw(state, namespace, name, own?.values.map(({ dot }) => dot) ?? []);
      });
      core.tick(at, 50);
  }
}

/** All that would be pushed. */
function toldBy(core: Core, at: number) {
  const namespace = core.state.namespaces.find('default')!;
  return KEYS.map((key) => {
    const own = core.reconcile(at, (state) => ownRecord(state, namespace, key));
    return {
      key,
      values: (own?.values ?? []).map(({ row, ...value }) => ({ ...value, rank: 0 }))
        .sort((left, right) => left.dot.seq - right.dot.seq),
      context: [...(own?.context ?? [])].sort(),
      until: own?.until ?? 0,
      // That an ending has been told may be forgotten: then it is told twice, under one id.
      runs: (own?.tombstone?.runs ?? [])
        .filter(({ told }) => !told)
        .map(({ born, reason }) => ({ born, reason }))
        .sort((left, right) => left.born.seq - right.born.seq),
    };
  });
}

describe('a core with a ledger', () => {
  it('tells the ledger the same after a crash, from facts or from a snapshot', () => {
    const happening = fc.tuple(fc.nat(9), fc.nat(3), fc.nat(60), fc.nat(120));
    fc.assert(
      fc.property(
        fc.constantFrom(...POLICIES),
        fc.constantFrom('none' as const, 'all' as const),
        fc.array(happening, { minLength: 5, maxLength: 60 }),
        fc.nat(60),
        (conflict, mirror, happenings, snapshotAt) => {
          const live = coreOf(conflict, mirror, 'aaaaaaaaaaaaaaa1');
          const whole: Uint8Array[] = [];
          let since: Uint8Array[] | undefined;
          let at = START;
          happenings.forEach((one, index) => {
            at += one[3];
            if (index === snapshotAt) {
              since = [];
              live.beginSnapshot();
              const take = (from: Uint8Array, start: number, end: number) => {
                since!.push(from.slice(start, end));
              };
              while (!live.snapshotNext(2, take));
            }
            happen(live, conflict, at, one);
            live.tellRenewals();
            const { facts } = live;
            for (let fact = 0; fact < facts.count; fact++) {
              const record = facts.bytes.slice(facts.starts[fact]!, facts.starts[fact + 1]!);
              whole.push(record);
              since?.push(record);
            }
            facts.reset();
            checkInvariants(live);
          });
          const expected = toldBy(live, at);
          for (const records of [whole, since]) {
            if (records === undefined) continue;
            const again = coreOf(conflict, mirror, 'aaaaaaaaaaaaaaa1');
            for (const record of records) again.restore(record);
            again.snapshotRestored();
            again.resume(at);
            checkInvariants(again);
            expect(toldBy(again, at)).toEqual(expected);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
