import { describe, expect, it } from 'vitest';
import type { Fact } from '../../src/core/fact.ts';
import { decodeFact } from '../../src/core/fact-reader.ts';
import { FACT_RECORD, recordKind } from '../../src/engine/records.ts';
import { HeldJournal } from './held-journal.ts';
import { contract, put, START_MS, world } from './world.ts';

const get = (key: string) => ({ op: 'get' as const, namespace: 'default', key });
const grant = (id: string) => ({ op: 'grant' as const, namespace: 'default', holder: 'h', id });

describe('releasing replies', () => {
  it('holds a write back until its group is written', async () => {
    const journal = new HeldJournal(false);
    const { ask, turn } = world({ journal });
    const asked = ask(put('a'));
    await turn();
    expect(asked.outcome).toBeUndefined();
    journal.write();
    expect(asked.outcome).toMatchObject({ created: true });
  });

  it('holds a read back that has seen an unwritten change', async () => {
    const journal = new HeldJournal(false);
    const { ask, turn } = world({ journal });
    ask(put('a'));
    const read = ask(get('a'));
    await turn();
    expect(read.outcome).toBeUndefined();
    journal.write();
    expect(read.outcome).toMatchObject({ contentType: 'text/plain' });
  });

  it('answers a read at once when everything is written', async () => {
    const { ask, answer } = world();
    await answer(put('a'));
    expect(ask(get('a')).outcome).toMatchObject({ contentType: 'text/plain' });
  });

  it('does not make a memory namespace wait for the journal', () => {
    const journal = new HeldJournal(false);
    const { ask } = world({ journal, contracts: [contract({ durability: 'memory' })] });
    expect(ask(put('a')).outcome).toMatchObject({ created: true });
    expect(journal.groups).toEqual([]);
  });

  it('holds a fsync namespace back until the group is synced, reads included', async () => {
    const { ask, turn, journal } = world({ contracts: [contract({ durability: 'fsync' })] });
    const write = ask(put('a'));
    const read = ask(get('a'));
    await turn();
    expect(journal.syncRequests).toBe(1);
    expect([write.outcome, read.outcome]).toEqual([undefined, undefined]);
    journal.sync();
    expect(write.outcome).toMatchObject({ created: true });
    expect(read.outcome).toMatchObject({ contentType: 'text/plain' });
  });

  it('puts all that happened in one turn into one group', async () => {
    const { ask, turn, journal } = world();
    for (let index = 0; index < 10; index++) ask(put(`key ${index}`));
    await turn();
    expect(journal.groups.map((group) => group.length)).toEqual([10]);
  });

  it('tells a lease renewed many times in one turn once', async () => {
    const { ask, turn, answer, journal, clocks } = world();
    await answer(grant('l'));
    clocks.advance(10);
    for (let index = 0; index < 5; index++) ask({ op: 'renew', id: 'l' });
    await turn();
    const facts = journal.groups.at(-1)!.map((record) => decodeFact(record));
    expect(facts).toMatchObject([{ kind: 'lease.renewed', renewals: 5, deadline: START_MS + 30_010 }]);
  });

  it('tells the wall clock as it is when a turn begins, though it was put right in a quiet time', async () => {
    const { journal, clocks, answer } = world();
    await answer(put('a'));
    clocks.advance(1000);
    clocks.wall += 60_000;
    await answer(put('b'));
    const told = journal.groups.flatMap((group) => group.map((record) => decodeFact(record) as Fact));
    expect(told.map(({ wallMs }) => wallMs - START_MS)).toEqual([0, 61_000]);
  });

  it('stops and tells when the journal fails, and answers nobody', async () => {
    const journal = new HeldJournal(false);
    const { ask, turn, failures } = world({ journal });
    const asked = ask(put('a'));
    await turn();
    journal.onFailure(new Error('disk gone'));
    expect(failures.map(({ message }) => message)).toEqual(['disk gone']);
    expect(asked.outcome).toBeUndefined();
  });
});

describe('a full disk', () => {
  it('refuses what needs room and goes on with reads, renewals, deletes and releases', async () => {
    const { answer, journal } = world();
    await answer(grant('l'));
    await answer(put('a', 'v', { lease: 'l' }));
    await answer(put('b', 'v', { lease: 'l' }));
    journal.state = 'full';
    const refused = { refused: 'journal-full' };
    expect(await answer(put('c'))).toMatchObject(refused);
    expect(await answer(grant('m'))).toMatchObject(refused);
    expect(await answer({ op: 'increment', namespace: 'default', key: 'n', by: 1 })).toMatchObject(refused);
    expect(
      await answer({ op: 'batch', atomic: false, operations: [put('c')] }),
    ).toMatchObject(refused);
    expect(await answer(get('a'))).toMatchObject({ contentType: 'text/plain' });
    expect(await answer({ op: 'renew', id: 'l' })).toMatchObject({ capped: false });
    expect(await answer({ op: 'delete', namespace: 'default', key: 'b' })).toEqual({ existed: true });
    expect(await answer({ op: 'release', id: 'l' })).toEqual({ done: true });
  });
});

describe('Idempotency-Key', () => {
  const once = { key: 'POST /x k1', fingerprint: 'f1' };

  it('executes once and replays the answer', async () => {
    const { answer, ask } = world();
    const first = await answer({ op: 'increment', namespace: 'default', key: 'n', by: 5 }, once);
    const again = ask({ op: 'increment', namespace: 'default', key: 'n', by: 5 }, once);
    expect(again.outcome).toEqual(first);
    expect(again.replayed).toBe(true);
    expect(ask({ op: 'increment', namespace: 'default', key: 'n', by: 0 }).outcome).toBeUndefined();
  });

  it('recomputes what remains of a replayed grant', async () => {
    const { answer, clocks } = world();
    await answer(grant('l'), once);
    clocks.advance(10_000);
    expect(await answer(grant('l'), once)).toMatchObject({
      created: true, lease: { id: 'l', remainingMs: 20_000 },
    });
  });

  it('answers lease-ended to the replay of a grant that has ended', async () => {
    const { answer } = world();
    await answer(grant('l'), once);
    await answer({ op: 'release', id: 'l' });
    expect(await answer(grant('l'), once)).toMatchObject({ refused: 'lease-ended' });
  });

  it('refuses the key with another payload', async () => {
    const { answer } = world();
    await answer(grant('l'), once);
    expect(await answer(grant('m'), { ...once, fingerprint: 'f2' })).toMatchObject({
      refused: 'idempotency-key-reused',
    });
  });

  it('says that the first is still running until its group is written', async () => {
    const journal = new HeldJournal(false);
    const { ask, turn } = world({ journal });
    const first = ask(grant('l'), once);
    await turn();
    const second = ask(grant('l'), once);
    expect(second.outcome).toMatchObject({ refused: 'idempotency-in-progress' });
    journal.write();
    expect(first.outcome).toMatchObject({ created: true });
    const third = ask(grant('l'), once);
    await turn();
    expect(third.outcome).toMatchObject({ created: true });
  });

  it('is journalled in the same group as the change', async () => {
    const { answer, journal } = world();
    await answer(put('a'), once);
    const kinds = journal.groups.map((group) => group.map(recordKind));
    expect(kinds).toEqual([[FACT_RECORD, 3]]);
  });

  it('forgets the oldest when there are too many, and all after their time', async () => {
    const { answer, clocks, idempotency } = world({
      idempotency: { entries: 3, bytes: 1 << 20, ttlMs: 1000 },
    });
    for (let index = 0; index < 5; index++) {
      await answer(grant(`l${index}`), { key: `k${index}`, fingerprint: 'f' });
    }
    expect(idempotency.size).toBe(3);
    expect(await answer(grant('l0'), { key: 'k0', fingerprint: 'other' })).toMatchObject({ created: false });
    clocks.advance(1001);
    expect(await answer(grant('l4'), { key: 'k4', fingerprint: 'other' })).toMatchObject({ created: false });
  });

  it('remembers a refusal that will not change, and not one that may', async () => {
    const { answer, journal } = world();
    const renew = { op: 'renew' as const, id: 'nobody' };
    expect(await answer(renew, once)).toMatchObject({ refused: 'lease-not-found' });
    await answer(grant('nobody'));
    expect(await answer(renew, once)).toMatchObject({ refused: 'lease-not-found' });
    journal.state = 'full';
    const other = { key: 'k2', fingerprint: 'f' };
    expect(await answer(put('a'), other)).toMatchObject({ refused: 'journal-full' });
    journal.state = 'ok';
    expect(await answer(put('a'), other)).toMatchObject({ created: true });
  });
});

describe('draining', () => {
  it('refuses grants and nothing else', async () => {
    const { answer, engine } = world();
    await answer(grant('l'));
    engine.beginDraining();
    expect(await answer(grant('m'))).toMatchObject({ refused: 'draining' });
    expect(await answer({ op: 'renew', id: 'l' })).toMatchObject({ capped: false });
    expect(await answer(put('a', 'v', { lease: 'l' }))).toMatchObject({ created: true });
  });

  it('writes and syncs what is pending before it has stopped', async () => {
    const journal = new HeldJournal(false);
    const { ask, engine } = world({ journal, contracts: [contract({ durability: 'fsync' })] });
    const asked = ask(put('a'));
    await engine.stop();
    expect(asked.outcome).toMatchObject({ created: true });
    expect(journal.syncedPosition).toBe(1);
  });
});
