/**
 * What every ledger does, whatever lies behind it: one suite that each adapter passes. It uses a
 * namespace of its own for each test, moves the ledger's clock and never waits.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type JoinRequest, type Ledger, NO_CHAIN, NO_CURSOR, NO_DIGEST, type PartitionName, type Terms,
} from '../../src/ledger/ledger.ts';
import type { Sibling } from '../../src/ledger/record.ts';
import {
  A, A2, Asker, B, C, caller, dotsOf, ending, plain, pushed, START, TERMS, TICK, TTL, value,
} from './fixtures.ts';

export interface LedgerWorld {
  /** Empty at first. Its clock begins at `START` and stands still between calls of `advance`. */
  readonly ledger: Ledger;
  /** Lets the ledger's clock go on. */
  advance(ms: number): void | Promise<void>;
  /** Loses everything, as a restart without a disk does. */
  lose(): void | Promise<void>;
  close(): Promise<void>;
}

/** Runs the suite; every `makeWorld` may lead to the same server, once the last world is closed. */
export function describeLedger(name: string, makeWorld: () => Promise<LedgerWorld>): void {
  describe(name, () => {
    let world: LedgerWorld;
    let at: PartitionName;
    let now = START;
    let namespaces = 0;

    const advance = async (ms: number) => {
      now += ms;
      await world.advance(ms);
    };
    const ask = (actor: string, change: Partial<Terms> = {}, predecessors: string[] = []) =>
      new Asker(world.ledger, at, caller(actor, predecessors), { ...TERMS, ...change });
    /** A value that ends in `ticks` from now. */
    const lasting = (actor: string, seq: number, ticks: number, change: object = {}): Sibling =>
      value(actor, seq, { deadline: now + ticks * TICK, wall: now, ...change });

    beforeAll(async () => {
      world = await makeWorld();
      now = START;
    });
    afterAll(async () => {
      await world.close();
    });
    beforeEach(() => {
      namespaces += 1;
      at = { namespace: `conformance-${namespaces}`, partition: 3 };
    });

    describe('push', () => {
      test('applies a value once, and gives it back as it was', async () => {
        const a = ask(A);
        const one = lasting(A, 1, 3, { session: true, holder: 'Jürgen', text: 'x'.repeat(3000) });
        expect(await a.push([one])).toEqual({ code: 'applied' });
        expect(await a.push([one])).toEqual({ code: 'duplicate' });
        expect(plain(await a.record())).toEqual(
          plain({
            siblings: [one], context: [{ actor: A, seq: 1, until: 0 }], ends: [], bucket: 7,
            forgetAt: 0,
          }),
        );
        expect((await a.pull()).tail.seq).toBe(1);
      });

      test('answers each record of a batch for itself, in order', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)], { id: 'known' });
        const reply = await a.pushAll([
          pushed([lasting(A, 1, 3)], { id: 'known' }),
          pushed([lasting(A, 2, -1)], { id: 'late' }),
          pushed([lasting(A, 3, 3)], { id: 'new' }),
          pushed([value(A, 4, { deadline: now + TTL, wall: now + 6 * TICK })], { id: 'ahead' }),
        ]);
        expect(reply.results.map(({ code }) => code)).toEqual([
          'duplicate', 'expired', 'applied', 'clock-ahead',
        ]);
        expect(reply.tail.seq).toBe(2);
        expect(reply.now).toBe(now);
      });

      test('keeps concurrent values, and shows each side the other', async () => {
        await ask(A).push([lasting(A, 1, 3)]);
        const reply = await ask(B).push([lasting(B, 1, 3)]);
        expect(reply.code).toBe('joined');
        expect(dotsOf(reply.record)).toEqual(['a1', 'b1']);
      });

      test('replaces what a write had seen, and says so to a late duplicate', async () => {
        const [a, b] = [ask(A), ask(B)];
        const first = lasting(A, 1, 3);
        await a.push([first]);
        expect(await b.push([lasting(B, 1, 3)], { seen: { [A]: 1 } })).toEqual({ code: 'applied' });
        const late = await a.push([first]);
        expect(late.code).toBe('closed');
        expect(dotsOf(late.record)).toEqual(['b1']);
        expect(late.record!.context[0]).toEqual({
          actor: A, seq: 1, until: now + TERMS.autonomyMs + TERMS.slackMs,
        });
        expect(late.record!.ends).toMatchObject([
          {
            born: first.dot, dot: first.dot, reason: 'superseded', by: B, told: false,
            conflict: false,
          },
        ]);
      });

      test('remembers a session that others have ended for longer', async () => {
        await ask(A).push([lasting(A, 1, 3, { session: true })]);
        await ask(B).push([lasting(B, 1, 3)], { seen: { [A]: 1 } });
        const [covered] = (await ask(C).record())!.context;
        expect(covered).toEqual({ actor: A, seq: 1, until: now + TERMS.horizonMs });
      });

      test('remembers what it never saw as long as anything could live', async () => {
        await ask(B).push([lasting(B, 1, 3)], { seen: { [A]: 4 } });
        const [covered] = (await ask(C).record())!.context;
        expect(covered).toEqual({ actor: A, seq: 4, until: now + TERMS.horizonMs });
      });

      test('takes the later deadline of a value, and everything else from its owner', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)]);
        expect(await a.push([lasting(A, 1, 5, { holder: 'web-2' })])).toEqual({ code: 'applied' });
        const before = lasting(A, 1, 4, { holder: 'web-2' });
        expect((await a.push([before])).code).toBe('duplicate');
        expect(await a.push([lasting(A, 1, 4, { holder: 'web-3' })])).toEqual({ code: 'applied' });
        const [one] = (await a.record())!.siblings;
        expect(one!.deadline).toBe(now + 5 * TICK);
        expect(plain({ siblings: [one!], context: [], ends: [], bucket: 0, forgetAt: 0 })).toEqual(
          plain({
            siblings: [lasting(A, 1, 5, { holder: 'web-3' })],
            context: [], ends: [], bucket: 0, forgetAt: 0,
          }),
        );
      });

      test('reads a value that is past its deadline as if it said nothing', async () => {
        const [a, b] = [ask(A), ask(B)];
        await b.push([lasting(B, 1, 9)]);
        const reply = await a.push([lasting(A, 2, -1)], { seen: { [B]: 1 } });
        expect(reply.code).toBe('expired');
        // What the write had seen is seen; that it is over itself changes nothing about that.
        expect(reply.record!.siblings).toEqual([]);
        expect(reply.record!.context.map(({ actor }) => actor)).toEqual([B]);
        // Encoded again, renewed in the meantime: it was not taken for covered.
        expect(await a.push([lasting(A, 2, 3)])).toEqual({ code: 'applied' });
      });

      test('takes a value at the instant of its deadline', async () => {
        expect((await ask(A).push([lasting(A, 1, 0)])).code).toBe('applied');
        expect((await ask(A).push([lasting(A, 1, -0.001)], { id: 'other' })).code).toBe('expired');
      });

      test('gives no record back where there is none', async () => {
        expect(await ask(A).push([lasting(A, 1, -1)])).toEqual({ code: 'expired' });
      });

      test('refuses what is stamped too far ahead, and nothing else of the batch', async () => {
        const a = ask(A);
        const ahead = value(A, 1, { deadline: now + TTL, wall: now + 5 * TICK + 1 });
        const within = value(A, 2, { deadline: now + TTL, wall: now + 5 * TICK });
        expect(await a.push([ahead])).toEqual({ code: 'clock-ahead' });
        expect(await a.record()).toBeUndefined();
        expect(await a.push([within], { id: 'other' })).toEqual({ code: 'applied' });
      });

      test('refuses two different values under one dot', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)]);
        const other = lasting(A, 1, 3, { text: 'other' });
        expect(await a.push([other])).toEqual({ code: 'duplicate-dot' });
        expect(plain(await a.record())).toMatchObject({ siblings: [{ value: `${A}.1` }] });
      });

      test('remembers what somebody else has ended, until the owner has told it', async () => {
        const [a, b] = [ask(A), ask(B)];
        const one = lasting(A, 1, 3);
        await a.push([one]);
        const deleted = await b.push([], { seen: { [A]: 1 }, ends: [ending(one, B)] });
        expect(deleted).toEqual({ code: 'applied' });
        const reply = await a.push([one]);
        expect(reply.code).toBe('closed');
        expect(reply.record!.ends).toMatchObject([
          {
            reason: 'deleted', by: B, told: false, deadline: one.deadline,
            until: now + TERMS.horizonMs,
          },
        ]);
        expect(await a.push([], { seen: { [A]: 1 }, ends: [ending(one, A, { told: true })] }))
          .toEqual({ code: 'applied' });
        expect((await a.record())!.ends).toEqual([]);
      });

      test('lets the higher reason stand, unless the other was told', async () => {
        const [a, b, c] = [ask(A), ask(B), ask(C)];
        const one = lasting(A, 1, 3);
        await a.push([one]);
        await b.push([], { seen: { [A]: 1 }, ends: [ending(one, B)] });
        await c.push([], { seen: { [A]: 1 }, ends: [ending(one, C, { reason: 'evicted' })] });
        expect((await a.record())!.ends).toMatchObject([{ reason: 'deleted', by: B }]);
        const revoked = ending(one, C, { reason: 'revoked', told: true });
        await c.push([], { seen: { [A]: 1 }, ends: [revoked] });
        expect((await a.record())!.ends).toMatchObject([{ reason: 'revoked', by: C, told: true }]);
        await b.push([], { seen: { [A]: 1 }, ends: [ending(one, B, { reason: 'released' })] });
        expect((await a.record())!.ends).toMatchObject([{ reason: 'revoked', by: C, told: true }]);
      });

      test('ends nothing when a run goes on', async () => {
        const a = ask(A);
        const first = lasting(A, 1, 3);
        await a.push([first]);
        const heir = ask(A2);
        const second = lasting(A2, 1, 3, { born: first.born });
        expect(await heir.push([second], { seen: { [A]: 1 } })).toEqual({ code: 'applied' });
        expect((await a.record())!.ends).toEqual([]);
      });

      test('takes the word of whoever ended it that it was told', async () => {
        const one = lasting(A, 1, 3);
        await ask(A).push([one]);
        const ends = [ending(one, B, { reason: 'released', told: true })];
        await ask(B).push([], { seen: { [A]: 1 }, ends });
        expect((await ask(A).record())!.ends).toMatchObject([{ reason: 'released', told: true }]);
      });

      test('lets stand what was told when another write of the run ends', async () => {
        const [a, b] = [ask(A2, {}, [A]), ask(B)];
        const first = lasting(A, 1, 1);
        await a.push([first]);
        await advance(6 * TICK);
        await b.sweep('orphans');
        const second = lasting(A2, 1, 3, { born: first.born });
        expect((await a.push([second], {}, { rejoining: true })).code).toBe('closed');
        const deleted = ending(second, C, { reason: 'deleted' });
        await ask(C).push([], { seen: { [A2]: 1 }, ends: [deleted] });
        expect((await b.record())!.ends).toMatchObject([
          { born: first.born, dot: second.dot, reason: 'expired', by: B, told: true },
        ]);
      });

      // S12: an ending and a live value of one run may not hide from the owner.
      test('says when the run of a value was ended by somebody else', async () => {
        const [a, b] = [ask(A), ask(B)];
        const first = lasting(A, 1, 3);
        await a.push([first]);
        await b.push([], { seen: { [A]: 1 }, ends: [ending(first, B)] });
        const second = lasting(A, 2, 3, { born: first.born });
        const reply = await a.push([second]);
        expect(reply.code).toBe('closed');
        expect(dotsOf(reply.record)).toEqual(['a2']);
        expect(reply.record!.ends).toMatchObject([{ born: first.born, reason: 'deleted' }]);
        expect((await a.push([second])).code).toBe('closed');
      });

      test('is stale after too long a silence, and changes nothing; or rejoins', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 9)]);
        await advance(5 * TICK);
        expect((await a.pushAll([pushed([lasting(A, 2, 3)])])).status).toBe('ok');
        await advance(1);
        const stale = await a.pushAll([pushed([lasting(A, 3, 3)])]);
        expect(stale.status).toBe('stale');
        expect(stale.results).toEqual([]);
        expect(dotsOf(await a.record())).toEqual(['a2']);
        const again = await a.pushAll([pushed([lasting(A, 3, 3)])], { rejoining: true });
        expect(again.results).toEqual([{ code: 'applied' }]);
        // Pushing is no heartbeat.
        expect((await a.pushAll([pushed([lasting(A, 4, 3)])])).status).toBe('stale');
        expect((await a.vouch()).vouched).toEqual([A]);
        expect((await a.pushAll([pushed([lasting(A, 4, 3)])])).status).toBe('ok');
      });

      test('ends what is due before it joins', async () => {
        const a = ask(A);
        const one = lasting(A, 1, 1);
        await a.push([one]);
        await advance(5 * TICK + 1);
        const reply = await ask(B).push([lasting(B, 1, 3)]);
        expect(reply).toEqual({ code: 'applied' });
        const record = await a.record();
        expect(dotsOf(record)).toEqual(['b1']);
        expect(record!.ends).toMatchObject([
          { born: one.born, reason: 'expired', by: B, told: false },
        ]);
      });

      test('drops from the context who has been gone for long', async () => {
        const [a, b] = [ask(A), ask(B)];
        const actors = async () => (await b.record())!.context.map(({ actor }) => actor);
        await a.push([lasting(A, 1, 1)]);
        await b.push([lasting(B, 1, 99)], { seen: { [A]: 1 } });
        await advance(TERMS.autonomyMs + TERMS.slackMs);
        await b.vouch();
        const second = lasting(B, 2, 99);
        await b.push([second]);
        // Until this instant at least it must be remembered.
        expect(await actors()).toEqual([A, B]);
        await advance(1);
        expect(await b.push([second])).toEqual({ code: 'duplicate' });
        expect(await actors()).toEqual([A, B]);
        await b.push([lasting(B, 3, 99)]);
        expect(await actors()).toEqual([B]);
      });

      test('keeps in the context whoever lives, and whoever has a value there', async () => {
        const [a, b] = [ask(A), ask(B)];
        const actors = async () => (await b.record())!.context.map(({ actor }) => actor);
        await a.push([lasting(A, 1, 1)]);
        await b.push([lasting(B, 1, 99)], { seen: { [A]: 1 } });
        await ask(C).push([lasting(C, 1, 99)]);
        await advance(TERMS.autonomyMs + TERMS.slackMs);
        for (const one of [a, b]) await one.vouch();
        await advance(1);
        await b.push([lasting(B, 2, 99)]);
        expect(await actors()).toEqual([A, B, C]);
        await a.beat(NO_CURSOR, { retire: true });
        await b.push([lasting(B, 3, 99)]);
        expect(await actors()).toEqual([B, C]);
      });

      test('keeps nothing of what nobody needs to know', async () => {
        const a = ask(A);
        expect(await a.push([], { seen: { [A]: 4 } })).toEqual({ code: 'duplicate' });
        expect(await a.record()).toBeUndefined();
        expect((await a.pull()).tail.seq).toBe(0);
      });

      test('keeps the tombstone of its owner until the deadline it knew', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)]);
        await a.push([], { seen: { [A]: 1 } });
        expect(await a.record()).toMatchObject({
          siblings: [], context: [{ actor: A, seq: 1, until: now + 4 * TICK }],
          forgetAt: now + 4 * TICK,
        });
      });

      test('keeps it longer when the owner says it knew a later one', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)]);
        const record = {
          ...pushed([], { seen: { [A]: 2 } }),
          context: [{ actor: A, seq: 2, until: now + 6 * TICK }],
        };
        await a.pushAll([record]);
        expect(await a.record()).toMatchObject({ forgetAt: now + 7 * TICK });
      });

      test('stores version 1 without a rank', async () => {
        const a = ask(A);
        const one = lasting(A, 1, 3, { rank: 42 });
        expect(await a.push([one], {}, { version: 1 })).toEqual({ code: 'applied' });
        expect(await a.push([one], {}, { version: 1 })).toEqual({ code: 'duplicate' });
        expect((await a.record())!.siblings[0]!.rank).toBe(one.hlc);
      });
    });

    describe('policies', () => {
      const concurrent = async (policy: Terms['policy'], first: Sibling, second: Sibling) => {
        await ask(first.dot.actor, { policy }).push([first]);
        return ask(second.dot.actor, { policy }).push([second]);
      };
      const stamped = (actor: string, seq: number, hybridTicks: number, change: object = {}) =>
        lasting(actor, seq, 3, { wall: now + hybridTicks * TICK, ...change });

      test('lww keeps the latest, and tells the loser', async () => {
        const reply = await concurrent('lww', stamped(A, 1, 2), stamped(B, 1, 1));
        expect(reply.code).toBe('closed');
        expect(dotsOf(reply.record)).toEqual(['a1']);
        expect(reply.record!.ends).toMatchObject([
          { born: { actor: B, seq: 1 }, reason: 'superseded', by: B, conflict: true, told: false },
        ]);
      });

      test('lww takes away an earlier value that was there', async () => {
        const reply = await concurrent('lww', stamped(A, 1, 1), stamped(B, 1, 2));
        expect(reply).toEqual({ code: 'applied' });
        const record = await ask(A).record();
        expect(dotsOf(record)).toEqual(['b1']);
        expect(record!.ends).toMatchObject([{ born: { actor: A, seq: 1 }, by: B, conflict: true }]);
      });

      test('lww between equal stamps goes by actor', async () => {
        expect((await concurrent('lww', stamped(B, 1, 1), stamped(A, 1, 1))).code).toBe('closed');
      });

      test('ownerWins keeps the later grant, by its last write', async () => {
        const early = stamped(A, 1, 2, { rank: 1 });
        const late = stamped(B, 1, 1, { rank: 2 });
        expect(await concurrent('ownerWins', early, late)).toEqual({ code: 'applied' });
        expect(dotsOf(await ask(A).record())).toEqual(['b1']);
      });

      test('ownerWins goes by the last write among those of one grant', async () => {
        const born = { actor: A, seq: 1 };
        const first = stamped(A, 1, 2, { rank: 5, born });
        const second = stamped(A2, 1, 3, { rank: 5, born });
        expect(await concurrent('ownerWins', first, second)).toEqual({ code: 'applied' });
        const record = await ask(A).record();
        expect(dotsOf(record)).toEqual(['a1']);
        expect(record!.siblings[0]!.dot.actor).toBe(A2);
        // The run goes on: nothing has ended.
        expect(record!.ends).toEqual([]);
      });

      test('firstWins holds off whoever comes second, and lets the first go on', async () => {
        const first = stamped(A, 1, 1);
        const reply = await concurrent('firstWins', first, stamped(B, 1, 2));
        expect(reply.code).toBe('held');
        expect(dotsOf(reply.record)).toEqual(['a1']);
        expect(dotsOf(await ask(A).record())).toEqual(['a1']);
        const next = stamped(A, 2, 3, { born: first.born });
        expect(await ask(A, { policy: 'firstWins' }).push([next])).toEqual({ code: 'applied' });
      });

      test('siblings and counters keep everything', async () => {
        for (const policy of ['siblings', 'counter'] as const) {
          at = { ...at, partition: at.partition + 1 };
          expect((await concurrent(policy, stamped(A, 1, 1), stamped(B, 1, 2))).code).toBe('joined');
        }
      });

      const picking = ['lww', 'ownerWins'] as const;
      test.each(picking)('%s: what is past its deadline loses', async (policy) => {
        const a = ask(A, { policy });
        await a.push([lasting(A, 1, 1)]);
        await advance(2 * TICK + 1);
        await a.vouch();
        expect(await ask(B, { policy }).push([lasting(B, 1, 3)])).toEqual({ code: 'applied' });
        expect(dotsOf(await a.record())).toEqual(['b1']);
      });

      // Its owner may have renewed it a moment ago, and says so in its next push.
      test.each(picking)('%s: and beats nobody, but stays', async (policy) => {
        const a = ask(A, { policy });
        const old = lasting(A, 1, 1, { wall: now + 5 * TICK });
        await a.push([old]);
        await advance(2 * TICK + 1);
        await a.vouch();
        const reply = await ask(B, { policy }).push([lasting(B, 1, 3)]);
        expect(reply.code).toBe('joined');
        expect(dotsOf(reply.record)).toEqual(['a1', 'b1']);
        expect(await a.push([{ ...old, deadline: now + TTL }])).toEqual({ code: 'applied' });
        const record = await a.record();
        expect(dotsOf(record)).toEqual(['a1']);
        expect(record!.ends).toMatchObject([{ born: { actor: B, seq: 1 }, conflict: true }]);
      });

      test('firstWins: what is past its deadline holds until its owner is done', async () => {
        const [a, b] = [ask(A, { policy: 'firstWins' }), ask(B, { policy: 'firstWins' })];
        await a.push([lasting(A, 1, 1)]);
        await advance(2 * TICK + 1);
        await a.vouch();
        expect((await b.push([lasting(B, 1, 3)])).code).toBe('held');
        await a.sweep('own');
        expect(await b.push([lasting(B, 1, 3)])).toEqual({ code: 'applied' });
      });
    });

    describe('pull', () => {
      test('follows the log page by page, each id at its last change', async () => {
        const a = ask(A);
        const write = (id: string, seq: number) => a.push([lasting(A, seq, 3, { id })], { id });
        for (const [seq, id] of ['one', 'two', 'one', 'three'].entries()) await write(id, seq + 1);
        const first = await a.pull(NO_CURSOR, 3);
        expect(first.status).toBe('ok');
        expect(first.changes.map(({ id }) => id)).toEqual(['two', 'one']);
        expect(first.cursor.seq).toBe(3);
        expect(dotsOf(first.changes[1]!.record)).toEqual(['a3']);
        const second = await a.pull(first.cursor, 3, false);
        expect(second.changes).toEqual([{ id: 'three' }]);
        expect(second.cursor).toEqual(second.tail);
        const last = await a.pull(second.cursor);
        expect(last.changes).toEqual([]);
        expect(last.cursor).toEqual(last.tail);
      });

      test('from nothing, of nothing', async () => {
        const reply = await ask(A).pull();
        expect(reply.status).toBe('ok');
        expect(reply.tail).toEqual({ epoch: reply.epoch, seq: 0, chain: NO_CHAIN });
        expect(reply.cursor).toEqual(reply.tail);
        expect(reply.epochStartedAt).toBe(now);
      });

      test('gives wanted records whatever the cursor says', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)]);
        const { wanted, changes } = await a.pull(NO_CURSOR, 0, false, ['key', 'nothing']);
        expect(changes).toEqual([]);
        expect(wanted.map(({ id }) => id)).toEqual(['key', 'nothing']);
        expect(dotsOf(wanted[0]!.record)).toEqual(['a1']);
        expect(wanted[1]).toEqual({ id: 'nothing' });
      });

      test('tells another history from a longer one', async () => {
        const a = ask(A);
        for (const seq of [1, 2, 3]) await a.push([lasting(A, seq, 3)]);
        const { cursor, tail } = await a.pull(NO_CURSOR, 2);
        expect((await a.pull({ ...cursor, chain: '0123456789abcdef' })).status).toBe('diverged');
        expect((await a.pull({ ...tail, chain: '0123456789abcdef' })).status).toBe('diverged');
        const beyond = await a.pull({ ...tail, seq: 4 });
        expect(beyond.status).toBe('diverged');
        expect(beyond.changes).toEqual([]);
        expect(beyond.cursor).toEqual(tail);
        // The history went on under another epoch.
        expect((await a.pull({ ...cursor, epoch: cursor.epoch - 1 })).status).toBe('ok');
      });

      test('says when the log no longer reaches back', async () => {
        const a = ask(A, { logEntries: 10 });
        const first = await a.pull();
        for (let batch = 0; batch < 12; batch += 1) {
          const records = Array.from({ length: 50 }, (_, n) => {
            const seq = batch * 50 + n + 1;
            return pushed([lasting(A, seq, 3)], { id: `key-${n}` });
          });
          await a.pushAll(records);
        }
        const reply = await a.pull(first.cursor);
        expect(reply.status).toBe('gap');
        expect(reply.cursor).toEqual(reply.tail);
        expect(reply.tail.seq).toBe(600);
        expect((await a.pull(NO_CURSOR, 5)).status).toBe('gap');
      });

      test('ends a page early when records are large', async () => {
        const a = ask(A);
        const text = 'x'.repeat(400_000);
        for (const seq of [1, 2, 3, 4, 5]) {
          const id = `key-${seq}`;
          await a.push([lasting(A, seq, 3, { id, text })], { id });
        }
        const first = await a.pull();
        expect(first.changes.length).toBeGreaterThan(0);
        expect(first.changes.length).toBeLessThan(5);
        const second = await a.pull(first.cursor);
        expect(first.changes.length + second.changes.length).toBe(5);
        // Without records nothing is large.
        expect((await a.pull(NO_CURSOR, 100, false)).changes.length).toBe(5);
      });

      test('says when owners were last heard of', async () => {
        const [a, b] = [ask(A), ask(B)];
        await a.push([lasting(A, 1, 9)]);
        const pushedAt = now;
        await advance(TICK);
        await b.beat(NO_CURSOR, { owned: [{ actor: B, ...NO_DIGEST }] });
        const { owners } = await a.pull();
        const byActor = [...owners].sort((left, right) => (left.actor < right.actor ? -1 : 1));
        expect(byActor).toEqual([{ actor: A, seen: pushedAt }, { actor: B, seen: now }]);
      });
    });

    describe('diff', () => {
      const fill = async (count: number) => {
        const [a, b] = [ask(A), ask(B)];
        for (let n = 0; n < count; n += 1) {
          const by = n % 3 === 0 ? b : a;
          const id = `key-${n}`;
          await by.push([lasting(by.caller.actor, n + 1, 9, { id })], { id, bucket: n % 4 });
        }
        return a;
      };

      test('names the buckets that differ', async () => {
        const a = await fill(8);
        const request = { caller: a.caller, after: '', limit: 100 };
        const { root, differing } = await world.ledger.diff(at, {
          ...request, cells: [NO_DIGEST, NO_DIGEST, NO_DIGEST, NO_DIGEST, NO_DIGEST],
        });
        expect(differing).toEqual([0, 1, 2, 3]);
        expect(root.count).toBe(8);
        const two = [
          value(A, 3, { deadline: 0, id: 'key-2' }), value(B, 7, { deadline: 0, id: 'key-6' }),
        ];
        const sum = (side: 'hashHigh' | 'hashLow') =>
          two.reduce((all, one) => (all + one[side]) >>> 0, 0);
        const cell = { count: 2, high: sum('hashHigh'), low: sum('hashLow') };
        const reply = await world.ledger.diff(at, {
          ...request, cells: [NO_DIGEST, NO_DIGEST, cell, { ...cell, count: 1 }],
        });
        expect(reply.differing).toEqual([0, 1, 3]);
        expect(reply.items).toEqual([]);
        expect(reply.next).toBe('');
      });

      test.each([1, 7, 1000])('lists all of an actor, in pages of about %i', async (limit) => {
        const a = await fill(40);
        await ask(B).push([lasting(B, 90, 9, { id: 'key-1' })], { id: 'key-1', bucket: 1 });
        const seen = new Map<string, readonly { actor: string; seq: number }[]>();
        let after = '';
        do {
          const request = { caller: a.caller, actors: [A, C], after, limit };
          const page = await world.ledger.diff(at, request);
          for (const { id, dots } of page.items) seen.set(id, dots);
          after = page.next;
        } while (after !== '');
        const expected = Array.from({ length: 40 }, (_, n) => n).filter((n) => n % 3 !== 0);
        expect([...seen.keys()].sort()).toEqual(expected.map((n) => `key-${n}`).sort());
        expect(seen.get('key-1')).toHaveLength(1);
        const one = value(A, 2, { deadline: 0, id: 'key-1' });
        expect(seen.get('key-1')).toEqual([
          { actor: A, seq: 2, hashHigh: one.hashHigh, hashLow: one.hashLow },
        ]);
      });

      test('lists buckets with every dot in them, and no tombstones', async () => {
        const a = await fill(8);
        await ask(B).push([lasting(B, 90, 9, { id: 'key-1' })], { id: 'key-1', bucket: 1 });
        await a.push([], { id: 'key-5', bucket: 1, seen: { [A]: 6 } });
        const { items } = await world.ledger.diff(at, {
          caller: a.caller, buckets: [1, 3], after: '', limit: 1000,
        });
        const byId = new Map(items.map(({ id, dots }) => [id, dots.length]));
        expect([...byId].sort()).toEqual([['key-1', 2], ['key-3', 1], ['key-7', 1]]);
      });
    });

    describe('beat', () => {
      test('vouches for those whose digests are equal', async () => {
        const a = ask(A2, {}, [A]);
        await ask(A).push([lasting(A, 1, 9)]);
        await a.push([lasting(A2, 1, 9, { id: 'other' })], { id: 'other' });
        const { owned, vouched, root } = await a.beat(NO_CURSOR);
        expect(vouched).toEqual([]);
        const one = value(A, 1, { deadline: 0 });
        expect(owned.map(({ actor }) => actor).sort()).toEqual([A, A2]);
        expect(owned.find(({ actor }) => actor === A)).toEqual({
          actor: A, count: 1, high: one.hashHigh, low: one.hashLow,
        });
        expect(root.count).toBe(2);
        await advance(TICK);
        const wrong = { ...owned.find(({ actor }) => actor === A)!, low: 1 };
        const right = owned.find(({ actor }) => actor === A2)!;
        const reply = await a.beat(NO_CURSOR, { owned: [wrong, right] });
        expect(reply.vouched).toEqual([A2]);
        const seen = new Map((await a.pull()).owners.map((owner) => [owner.actor, owner.seen]));
        expect(seen.get(A2)).toBe(now);
        expect(seen.get(A)).toBe(now - TICK);
      });

      test('vouches for nobody else', async () => {
        const b = ask(B);
        const reply = await b.beat(NO_CURSOR, { owned: [{ actor: A, ...NO_DIGEST }] });
        expect(reply.vouched).toEqual([]);
        expect(reply.owned).toEqual([{ actor: B, ...NO_DIGEST }]);
      });

      test('without digests vouches only for whoever has seen everything', async () => {
        const a = ask(A2, {}, [A]);
        const b = ask(B);
        await a.push([lasting(A2, 1, 9)]);
        const behind = await a.beat(NO_CURSOR);
        expect(behind.history).toBe('behind');
        expect(behind.vouched).toEqual([]);
        const current = await a.beat(behind.tail);
        expect(current.history).toBe('current');
        expect([...current.vouched].sort()).toEqual([A, A2]);
        await b.push([lasting(B, 1, 9, { id: 'other' })], { id: 'other' });
        expect((await a.beat(current.tail)).history).toBe('behind');
        const lost = await a.beat({ ...current.tail, chain: '0123456789abcdef' });
        expect(lost.history).toBe('lost');
        expect(lost.vouched).toEqual([]);
      });

      test('says when a batch that was answered is not there', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 9)]);
        const { tail } = await a.pull();
        const known = await a.beat(tail);
        expect([known.forgotBatch, known.vouched]).toEqual([false, [A]]);
        const lost = await a.beat(tail, { batch: 2 });
        expect([lost.forgotBatch, lost.vouched]).toEqual([true, []]);
      });

      test('counts, and finds that the parts add up', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 9)]);
        await a.push([lasting(A, 2, 9)], { id: 'other' });
        await a.push([], { id: 'other', seen: { [A]: 2 } });
        expect(await a.beat()).toMatchObject({ corrupt: false, records: 1, tombstones: 1 });
      });

      test('that retires makes its values anybody\'s at their deadlines', async () => {
        const [a, b] = [ask(A), ask(B)];
        const one = lasting(A, 1, 1, { session: true });
        await a.push([one]);
        await a.vouch();
        await a.beat(NO_CURSOR, { retire: true });
        await advance(TICK);
        expect((await b.sweep('orphans')).ended).toEqual([]);
        await advance(TICK + 1);
        expect((await b.sweep('orphans')).ended).toMatchObject([
          { id: 'key', ending: { born: one.born, reason: 'expired', by: B, told: true } },
        ]);
      });

      test('of an heir takes a retirement back', async () => {
        const [a, b] = [ask(A), ask(B)];
        await a.push([lasting(A, 1, 1, { session: true })]);
        await a.vouch();
        await a.beat(NO_CURSOR, { retire: true });
        const heir = ask(A2, {}, [A]);
        expect([...(await heir.vouch()).vouched].sort()).toEqual([A, A2]);
        await advance(3 * TICK);
        expect((await b.sweep('orphans')).ended).toEqual([]);
      });
    });

    describe('sweep', () => {
      test('of its own takes fixed values at their deadline, and ends nothing', async () => {
        const a = ask(A);
        const one = lasting(A, 1, 1);
        await a.push([one]);
        await a.push([lasting(A, 2, 1, { session: true })], { id: 'session' });
        await ask(B).push([lasting(B, 1, 1)], { id: 'other' });
        await advance(2 * TICK);
        const reply = await a.sweep('own');
        expect(reply.ended).toEqual([]);
        expect(reply.removed).toEqual([
          { actor: A, count: 1, high: one.hashHigh, low: one.hashLow },
        ]);
        expect([reply.forgotten, reply.more]).toEqual([0, false]);
        expect(await a.record()).toBeUndefined();
        expect(dotsOf(await a.record('session'))).toEqual(['a2']);
        expect(dotsOf(await a.record('other'))).toEqual(['b1']);
        expect((await a.beat()).owned).toMatchObject([{ actor: A, count: 1 }]);
      });

      test('is logged like any other change', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 1)]);
        const { tail } = await a.pull();
        await advance(2 * TICK);
        await a.sweep('own');
        expect((await a.pull(tail)).changes).toEqual([{ id: 'key' }]);
      });

      test('for others waits out the deadline and the silence of the owner', async () => {
        const [a, b] = [ask(A), ask(B)];
        const one = lasting(A, 1, 1);
        await a.push([one]);
        await advance(3 * TICK);
        await a.vouch();
        await advance(5 * TICK);
        expect((await b.sweep('orphans')).ended).toEqual([]);
        await advance(1001);
        const reply = await b.sweep('orphans');
        expect(reply.ended).toMatchObject([{
          id: 'key',
          ending: {
            born: one.born, dot: one.dot, reason: 'expired', by: B, told: true,
            deadline: one.deadline,
          },
        }]);
        expect(await a.record()).toMatchObject({ siblings: [], forgetAt: now + TERMS.horizonMs });
        expect((await b.sweep('orphans')).ended).toEqual([]);
      });

      test('waits until the slack after a deadline is over', async () => {
        const [a, b] = [ask(A), ask(B)];
        await a.push([lasting(A, 1, 9)]);
        await a.push([lasting(A, 2, 9, { session: true })], { id: 'session' });
        await advance(10 * TICK);
        expect((await b.sweep('orphans')).ended).toEqual([]);
        const dueAt = now;
        await advance(1);
        expect((await b.sweep('orphans')).ended).toHaveLength(2);
        // A fixed deadline was final; a session's was what was last heard of it.
        expect((await a.record())!.context).toEqual([{ actor: A, seq: 1, until: dueAt }]);
        expect((await a.record('session'))!.context).toEqual([
          { actor: A, seq: 2, until: now + TERMS.horizonMs },
        ]);
      });

      test('leaves a session alone that its owner keeps alive', async () => {
        const [a, b] = [ask(A), ask(B)];
        await a.push([lasting(A, 1, 3, { session: true })]);
        for (let n = 0; n < 4; n += 1) {
          await advance(4 * TICK);
          await a.vouch();
          expect((await b.sweep('orphans')).ended).toEqual([]);
        }
        expect(dotsOf(await a.record())).toEqual(['a1']);
        await advance(5 * TICK + 1001);
        expect((await b.sweep('orphans')).ended).toHaveLength(1);
      });

      test('tells what a silent owner had no chance to tell', async () => {
        const [a, b] = [ask(A), ask(B)];
        const one = lasting(A, 1, 3);
        await a.push([one]);
        await b.push([], { seen: { [A]: 1 }, ends: [ending(one, B)] });
        await advance(5 * TICK);
        expect((await ask(C).sweep('orphans')).ended).toEqual([]);
        await advance(1001);
        const { ended } = await ask(C).sweep('orphans');
        expect(ended).toMatchObject([
          { id: 'key', ending: { born: one.born, reason: 'deleted', by: C, told: true } },
        ]);
        expect((await ask(C).sweep('orphans')).ended).toEqual([]);
      });

      test('as a rehearsal changes nothing', async () => {
        const [a, b] = [ask(A), ask(B)];
        await a.push([lasting(A, 1, 1)]);
        await advance(8 * TICK);
        const { tail } = await a.pull();
        const rehearsal = await b.sweep('orphans', 100, true);
        expect(rehearsal.ended).toHaveLength(1);
        expect((await a.pull()).tail).toEqual(tail);
        expect((await b.sweep('orphans')).ended).toEqual(rehearsal.ended);
      });

      test('forgets tombstones at their horizon, and says nothing of it', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 3)]);
        await a.push([], { seen: { [A]: 1 } });
        const { tail } = await a.pull();
        await advance(4 * TICK - 1);
        expect((await a.sweep('own')).forgotten).toBe(0);
        await advance(1);
        expect((await a.sweep('orphans', 100, true)).forgotten).toBe(1);
        expect((await a.sweep('own')).forgotten).toBe(1);
        expect(await a.record()).toBeUndefined();
        expect((await a.pull()).tail).toEqual(tail);
        expect(await a.beat()).toMatchObject({ corrupt: false, records: 0, tombstones: 0 });
      });

      test('forgets owners of nothing that were silent up to the horizon', async () => {
        const [a, b] = [ask(A), ask(B)];
        await a.push([lasting(A, 1, 99)]);
        await b.push([lasting(B, 1, 1)], { id: 'other' });
        const known = async () => (await a.pull()).owners.map(({ actor }) => actor).sort();
        await advance(2 * TICK);
        await b.sweep('own');
        await advance(TERMS.horizonMs - 2 * TICK);
        await ask(C).sweep('orphans');
        expect(await known()).toEqual([A, B]);
        await advance(1);
        await ask(C).sweep('orphans', 100, true);
        await ask(C).sweep('own');
        expect(await known()).toEqual([A, B]);
        await ask(C).sweep('orphans');
        // A still has a value there.
        expect(await known()).toEqual([A]);
      });

      test('takes so many at a time, the longest due first, and says when more is due', async () => {
        const a = ask(A);
        for (const [n, ticks] of [3, 1, 2].entries()) {
          const id = `key-${n}`;
          await a.push([lasting(A, n + 1, ticks, { id })], { id });
        }
        await advance(5 * TICK);
        const first = await a.sweep('own', 2);
        expect([first.removed[0]!.count, first.more]).toEqual([2, true]);
        expect(dotsOf(await a.record('key-0'))).toEqual(['a1']);
        const second = await a.sweep('own', 2);
        expect([second.removed[0]!.count, second.more]).toEqual([1, false]);
      });

      test('of others\' values does not stand in the way of its own', async () => {
        const [a, b] = [ask(A), ask(B)];
        for (let n = 0; n < 5; n += 1) {
          const id = `b-${n}`;
          await b.push([lasting(B, n + 1, 1, { id })], { id });
        }
        await a.push([lasting(A, 1, 2)]);
        await advance(3 * TICK);
        expect((await a.sweep('own', 5)).removed).toEqual([]);
        expect((await a.sweep('own', 5)).removed).toMatchObject([{ actor: A, count: 1 }]);
        // They are looked at again, by their owner too, and before anybody is called silent.
        await advance(TICK);
        expect((await b.sweep('own', 5)).removed).toMatchObject([{ actor: B, count: 5 }]);
      });
    });

    describe('join', () => {
      const request: JoinRequest = {
        actor: A, instance: 'one', name: 'web-1', partitions: 64, buckets: 256,
        versionMin: 1, versionMax: 2,
      };
      const join = (change: Partial<JoinRequest>) => world.ledger.join({ ...request, ...change });

      test('agrees on a layout, an actor and a version', async () => {
        await world.lose();
        expect(await join({})).toEqual({ status: 'joined', now, version: 2, members: [] });
        expect(await join({})).toMatchObject({ status: 'joined', members: [] });
        expect(await join({ actor: B, instance: 'two', partitions: 32 })).toEqual({
          status: 'layout', partitions: 64, buckets: 256,
        });
        expect(await join({ instance: 'two' })).toEqual({ status: 'actor-clash' });
        expect(await join({ actor: B, instance: 'two', name: 'web-2', versionMax: 1 })).toEqual({
          status: 'joined', now, version: 1, members: ['web-1'],
        });
        // The others read versions 1 and up, but nothing above 1.
        expect(await join({ actor: C, instance: 'three', versionMin: 2, versionMax: 3 })).toEqual({
          status: 'version', versionMin: 1, versionMax: 1,
        });
        expect(await join({ actor: C, instance: 'three' })).toEqual({
          status: 'joined', now, version: 1, members: ['web-1', 'web-2'],
        });
      });

      test('forgets members that have not joined for a day', async () => {
        await world.lose();
        await join({ versionMax: 1 });
        await advance(86_400_000);
        expect(await join({ actor: B, instance: 'two' })).toMatchObject({ version: 1 });
        await advance(1);
        expect(await join({ actor: C, instance: 'three', name: 'web-3' })).toEqual({
          status: 'joined', now, version: 2, members: ['web-1'],
        });
        // Whoever is forgotten is in nobody's way.
        expect(await join({ instance: 'other' })).toMatchObject({ status: 'joined' });
      });
    });

    describe('after the loss of everything', () => {
      test('a new epoch begins, whatever was remembered, and cursors are lost', async () => {
        const a = ask(A);
        await a.push([lasting(A, 1, 9)]);
        const { tail } = await a.pull();
        await world.lose();
        const again = new Asker(world.ledger, at, caller(A, [], tail.epoch), TERMS);
        const reply = await again.beat(tail, { batch: 1 });
        expect(reply.epoch).toBeGreaterThan(tail.epoch);
        expect(reply).toMatchObject({
          epochStartedAt: now, history: 'lost', forgotBatch: true, vouched: [], corrupt: false,
        });
        expect((await again.pull(tail)).status).toBe('diverged');
      });

      test('nobody is believed an epoch from far ahead', async () => {
        await world.lose();
        const boaster = new Asker(world.ledger, at, caller(A, [], 2 ** 40), TERMS);
        const { epoch } = await boaster.pull();
        expect(epoch).toBeLessThan(2 ** 21);
      });

      test('everybody has the time to be heard of again', async () => {
        const [a, b] = [ask(A), ask(B)];
        await world.lose();
        const one = lasting(A, 1, 1);
        await b.pull();
        // Brought back by an heir that is not the owner, as far as the ledger knows.
        await ask(A2, {}, [A]).push([one]);
        await advance(5 * TICK);
        expect((await b.sweep('orphans')).ended).toEqual([]);
        expect((await a.pushAll([])).status).toBe('ok');
        await advance(1001);
        expect((await b.sweep('orphans')).ended).toHaveLength(1);
      });
    });
  });
}
