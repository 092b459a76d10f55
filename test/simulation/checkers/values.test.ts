import { describe, expect, test } from 'vitest';
import { acknowledgedIsKept } from './acknowledged-is-kept.ts';
import { atomicBatch } from './atomic-batch.ts';
import { capacity } from './capacity.ts';
import { contextTruth } from './context-truth.ts';
import { counters } from './counters.ts';
import { factPrecedesReply } from './fact-precedes-reply.ts';
import { honestRefusal } from './honest-refusal.ts';
import { idempotentRetry } from './idempotent-retry.ts';
import { monotoneDeadline } from './monotone-deadline.ts';
import { monotoneSession } from './monotone-session.ts';
import { ACTOR, OTHER, sibling, ToldWorld } from './told-world.ts';

const A = (seq: number): string => `${ACTOR}.${seq}`;
const B = (seq: number): string => `${OTHER}.${seq}`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('acknowledged-is-kept', () => {
  test('takes a value until it is replaced, deleted, released or over', () => {
    const world = new ToldWorld(acknowledgedIsKept);
    world.put('k', 'v', A(1));
    world.get('k', { [A(1)]: 'v' });
    world.put('k', 'w', A(2));
    world.get('k', { [A(2)]: 'w' });
    world.ask({ kind: 'delete', namespace: 'jobs', key: 'k' }, { status: 204 });
    world.get('k', {});
    world.put('k', 'x', A(3), { remainingMs: 500 });
    world.pass(500);
    world.get('k', {});
  });

  test('catches a value that is not there, or an older one in its place', () => {
    const world = new ToldWorld(acknowledgedIsKept);
    world.put('k', 'v', A(1));
    expect(() => world.get('k', {})).toThrow('no longer shows');
    const older = new ToldWorld(acknowledgedIsKept);
    older.put('k', 'v', A(1));
    older.put('k', 'w', A(2));
    expect(() => older.get('k', { [A(1)]: 'v' })).toThrow('no longer shows');
  });

  test('forgives what an unanswered write may have replaced, and no refused one', () => {
    for (const answer of [undefined, { status: 412, code: 'version-mismatch' }]) {
      const world = new ToldWorld(acknowledgedIsKept);
      world.put('k', 'v', A(1));
      world.ask({ kind: 'put', namespace: 'jobs', key: 'k', value: 'w' }, answer);
      if (answer === undefined) world.get('k', {});
      else expect(() => world.get('k', {})).toThrow('no longer shows');
    }
  });

  test('the last writer wins: an earlier stamp elsewhere explains nothing', () => {
    for (const theirs of [1, 9]) {
      const world = new ToldWorld(acknowledgedIsKept);
      world.put('k', 'other', B(1), { given: { sidecar: 's2' } });
      world.put('k', 'v', A(1));
      world.store('k', [sibling('k', B(1), 'other', theirs)]);
      world.store('k', [sibling('k', A(1), 'v', 5)]);
      if (theirs === 9) world.get('k', { [B(1)]: 'other' });
      else expect(() => world.get('k', { [B(1)]: 'other' })).toThrow('no longer shows');
    }
  });

  test('what is asked again is still the same write: replaced before, or lost', () => {
    const replaced = new ToldWorld(acknowledgedIsKept);
    replaced.put('k', 'v', A(1), { idempotencyKey: 'once' });
    replaced.put('k', 'w', A(2));
    replaced.put('k', 'v', A(1), { idempotencyKey: 'once' });
    replaced.get('k', { [A(2)]: 'w' });
    const lost = new ToldWorld(acknowledgedIsKept);
    lost.put('k', 'v', A(1), { idempotencyKey: 'once' });
    lost.put('k', 'v', A(1), { idempotencyKey: 'once' });
    expect(() => lost.get('k', {})).toThrow('no longer shows');
  });

  test('a crash costs what the namespace says, and no more', () => {
    const lost = { memory: true, journal: false } as const;
    for (const durability of ['memory', 'journal'] as const) {
      const world = new ToldWorld(acknowledgedIsKept, { durability });
      world.put('k', 'v', A(1));
      world.pass(1);
      world.restart(world.s1);
      if (lost[durability]) world.get('k', {});
      else expect(() => world.get('k', {})).toThrow('no longer shows');
    }
    const cut = new ToldWorld(acknowledgedIsKept);
    cut.put('k', 'v', A(1));
    cut.incident('power-cut', 's1');
    cut.get('k', {});
    const synced = new ToldWorld(acknowledgedIsKept, { durability: 'fsync' });
    synced.put('k', 'v', A(1));
    synced.incident('power-cut', 's1');
    expect(() => synced.get('k', {})).toThrow('no longer shows');
  });

  test('where the first writer wins in the ledger, nobody else takes the place', () => {
    const claims = { name: 'jobs', conflict: 'firstWins', durability: 'ledger' } as const;
    const world = new ToldWorld(acknowledgedIsKept, claims);
    world.put('k', 'v', A(1));
    world.put('k', 'w', B(1), { given: { sidecar: 's2' } });
    expect(() => world.get('k', { [B(1)]: 'w' })).toThrow('no longer shows');
  });

  test('catches a version that is not matched, though it must be there', () => {
    const world = new ToldWorld(acknowledgedIsKept);
    world.put('k', 'v', A(1));
    const asked = { kind: 'delete', namespace: 'jobs', key: 'k', ifMatch: `"${A(1)}"` } as const;
    const document = { detail: `Cannot change "k": its version is ${A(2)}` };
    expect(() => world.ask(asked, { status: 412, code: 'version-mismatch', document })).toThrow('does not match');
  });

  test('catches a loss that only shows at rest, and a lease that is not known any more', () => {
    const world = new ToldWorld(acknowledgedIsKept);
    world.put('k', 'v', A(1), { remainingMs: 60_000 });
    expect(() => world.rest()).toThrow('no longer shows');
    const lease = new ToldWorld(acknowledgedIsKept);
    lease.grant('l', 5_000);
    expect(() => lease.ask({ kind: 'renew', lease: 'l' }, { status: 404, code: 'lease-not-found' })).toThrow('does not know');
  });
});

describe('context-truth', () => {
  const siblings = { conflict: 'siblings' } as const;

  test('takes values side by side that nobody had seen, and one that settles them', () => {
    const world = new ToldWorld(contextTruth, siblings);
    world.put('k', 'v', A(1));
    world.put('k', 'w', B(1), { given: { sidecar: 's2' } });
    world.store('k', [sibling('k', A(1), 'v'), sibling('k', B(1), 'w')]);
    const context = `1;${A(1)},${B(1)}`;
    world.get('k', { [A(1)]: 'v', [B(1)]: 'w' }, { context });
    world.put('k', 'x', A(2), { context });
    world.store('k', [sibling('k', A(2), 'x')]);
    world.get('k', { [A(2)]: 'x' }, { context: `1;${A(2)},${B(1)}` });
  });

  test('catches a value beside one whose author had seen it', () => {
    const world = new ToldWorld(contextTruth, siblings);
    world.put('k', 'v', A(1));
    world.put('k', 'w', B(1), { given: { sidecar: 's2' }, context: `1;${A(1)}` });
    const together = [sibling('k', A(1), 'v'), sibling('k', B(1), 'w')];
    expect(() => world.store('k', together)).toThrow('stands beside');
  });

  test('catches a value that leaves the ledger for a write that had not seen it', () => {
    const world = new ToldWorld(contextTruth, siblings);
    world.put('k', 'v', A(1));
    world.store('k', [sibling('k', A(1), 'v')]);
    world.put('k', 'w', B(1), { given: { sidecar: 's2' } });
    expect(() => world.store('k', [sibling('k', B(1), 'w')])).toThrow('nobody had seen it');
  });

  test('catches a context that covers what the reader was not shown', () => {
    const world = new ToldWorld(contextTruth, siblings);
    world.put('k', 'v', A(1));
    world.put('k', 'w', B(1), { given: { sidecar: 's2' } });
    const context = `1;${A(1)},${B(1)}`;
    expect(() => world.get('k', { [B(1)]: 'w' }, { sidecar: 's2', context })).toThrow('never saw it');
  });
});

describe('context-truth, where one value is shown', () => {
  const matching = (ifMatch: string) =>
    ({ kind: 'put', namespace: 'jobs', key: 'k', value: 'late', ifMatch }) as const;

  test('takes a match of what is there, and a refusal of what is not', () => {
    const world = new ToldWorld(contextTruth);
    world.put('k', 'v', A(1));
    world.put('k', 'w', A(2), { ifMatch: `"${A(1)}"` });
    world.ask(matching(`"${A(1)}"`), { status: 412, code: 'version-mismatch' });
  });

  test('catches a match of what was replaced', () => {
    const world = new ToldWorld(contextTruth);
    world.put('k', 'v', A(1));
    world.put('k', 'w', A(2));
    expect(() => world.ask(matching(`"${A(1)}"`), { status: 204, etag: `"${A(3)}"` })).toThrow('had been replaced');
  });
});

describe('monotone-session', () => {
  test('takes newer versions, and older ones of another run or client', () => {
    const world = new ToldWorld(monotoneSession);
    world.get('k', { [A(1)]: 'v' });
    world.get('k', { [A(2)]: 'w' });
    world.get('k', { [A(1)]: 'v' }, { client: 'c2' });
    world.get('k', { [B(1)]: 'x' });
  });

  test('catches a version from before the one that the session has read', () => {
    const world = new ToldWorld(monotoneSession);
    world.get('k', { [A(2)]: 'w' });
    expect(() => world.get('k', { [A(1)]: 'v' })).toThrow('went back');
  });

  test('catches what a context has replaced, where concurrent values are kept', () => {
    const world = new ToldWorld(monotoneSession, { conflict: 'siblings' });
    world.get('k', { [A(2)]: 'w' }, { context: `1;${A(2)},${B(5)}` });
    expect(() => world.get('k', { [A(2)]: 'w', [B(4)]: 'x' })).toThrow('went back');
  });
});

describe('monotone-deadline', () => {
  test('takes what passes, and what a renewal adds', () => {
    const world = new ToldWorld(monotoneDeadline);
    world.grant('l', 1_000);
    world.pass(400);
    world.ask({ kind: 'get-lease', lease: 'l' }, { document: world.lease('l', 599) });
    world.ask({ kind: 'renew', lease: 'l' }, { document: world.lease('l', 1_000) });
  });

  test('catches a deadline that moved back, and not what a power cut forgot', () => {
    for (const isCut of [true, false]) {
      const world = new ToldWorld(monotoneDeadline);
      world.grant('l', 5_000);
      if (isCut) world.incident('power-cut', 's1');
      const look = () => world.ask({ kind: 'get-lease', lease: 'l' }, { document: world.lease('l', 4_900) });
      if (isCut) look();
      else expect(look).toThrow('moved back');
    }
  });
});

describe('monotone-deadline, in the ledger', () => {
  const until = (deadline: number) => ({ ...sibling('k', A(1), 'v'), deadline });

  test('takes one that moves on, and catches one that moves back', () => {
    const world = new ToldWorld(monotoneDeadline);
    world.store('k', [until(1_000)]);
    world.store('k', [until(2_000)]);
    expect(() => world.store('k', [until(1_500)])).toThrow('back by 500 ms');
  });
});

describe('idempotent-retry', () => {
  test('takes the same answer again, and another at another sidecar', () => {
    const world = new ToldWorld(idempotentRetry);
    world.grant('l', 5_000, { intent: 7, key: 'once' });
    world.grant('l', 4_999, { intent: 7, key: 'once' });
    world.grant('m', 5_000, { intent: 7, key: 'once', sidecar: 's2' });
  });

  test('catches a second effect', () => {
    const world = new ToldWorld(idempotentRetry);
    world.grant('l', 5_000, { intent: 7, key: 'once' });
    expect(() => world.grant('m', 5_000, { intent: 7, key: 'once' })).toThrow('took effect twice');
    const writes = new ToldWorld(idempotentRetry);
    writes.put('k', 'v', A(1), { idempotencyKey: 'once', given: { intent: 7 } });
    const again = () => writes.put('k', 'v', A(2), { idempotencyKey: 'once', given: { intent: 7 } });
    expect(again).toThrow('took effect twice');
  });
});

describe('honest-refusal', () => {
  const refused = { status: 503, code: 'under-pressure' };
  const put = { kind: 'put', namespace: 'jobs', key: 'k', value: 'v' } as const;

  test('takes a refused write that nobody saw, and one that was done at the second attempt', () => {
    const world = new ToldWorld(honestRefusal);
    world.ask(put, refused);
    world.rest();
    const retried = new ToldWorld(honestRefusal);
    retried.ask(put, refused, { intent: 7 });
    retried.put('k', 'v', A(1), { given: { intent: 7 } });
    retried.get('k', { [A(1)]: 'v' });
    retried.rest();
  });

  test('catches its value in an answer or in the ledger', () => {
    const world = new ToldWorld(honestRefusal);
    world.ask(put, refused);
    world.get('k', { [A(1)]: 'v' });
    expect(() => world.rest()).toThrow('refused, and its value was seen');
    const early = new ToldWorld(honestRefusal);
    early.store('k', [sibling('k', A(1), 'v')]);
    expect(() => early.ask(put, refused)).toThrow('refused, and its value was seen');
  });
});

describe('fact-precedes-reply', () => {
  test('takes what is told of what was done', () => {
    const world = new ToldWorld(factPrecedesReply);
    world.grant('l', 5_000);
    world.put('k', 'v', A(1));
    world.tell('lease.granted', 1, { lease: 'l' });
    world.tell('entry.created', 2, { key: 'k', etag: `"${A(1)}"`, value: base64('v') });
    world.rest();
  });

  test('catches a write and a grant that were acknowledged and never told', () => {
    const world = new ToldWorld(factPrecedesReply);
    world.put('k', 'v', A(1));
    expect(() => world.rest()).toThrow('acknowledged, and never told');
    const grant = new ToldWorld(factPrecedesReply);
    grant.grant('l', 5_000);
    expect(() => grant.rest()).toThrow('granted, and never told');
    const chosen = new ToldWorld(factPrecedesReply, { publish: [] });
    chosen.put('k', 'v', A(1));
    chosen.rest();
  });

  test('catches an event of what its author is told did not happen', () => {
    const world = new ToldWorld(factPrecedesReply);
    world.tell('entry.created', 1, { key: 'k', etag: `"${A(1)}"`, value: base64('v') });
    const put = { kind: 'put', namespace: 'jobs', key: 'k', value: 'v' } as const;
    expect(() => world.ask(put, { status: 503, code: 'journal-full' })).toThrow('did not happen');
  });
});

describe('atomic-batch', () => {
  const put = (key: string, value: string) => ({ kind: 'put', namespace: 'jobs', key, value }) as const;
  const batch = { kind: 'batch', operations: [put('k', 'v2'), put('l', 'w2')] } as const;
  const done = { document: { applied: 2, results: [{ status: 204, etag: `"${A(3)}"` }, { status: 204, etag: `"${A(4)}"` }] } };

  test('takes one that was done whole, and one that was refused whole', () => {
    const world = new ToldWorld(atomicBatch);
    world.put('k', 'v1', A(1));
    world.put('l', 'w1', A(2));
    world.ask(batch, done);
    world.get('k', { [A(3)]: 'v2' });
    world.get('l', { [A(4)]: 'w2' });
    world.ask(batch, { status: 409, code: 'batch-refused' });
  });

  test('catches an answer that tells of a part that failed', () => {
    const world = new ToldWorld(atomicBatch);
    const half = { document: { applied: 1, results: [{ status: 204 }, { status: 412 }] } };
    expect(() => world.ask(batch, half)).toThrow('but for operation 1');
  });

  test('catches a key as it was before, after another part has been read', () => {
    const world = new ToldWorld(atomicBatch);
    world.put('k', 'v1', A(1));
    world.put('l', 'w1', A(2));
    world.ask(batch, undefined);
    world.get('k', { [A(3)]: 'v2' });
    expect(() => world.get('l', { [A(2)]: 'w1' })).toThrow('still as it was before');
  });
});

describe('capacity', () => {
  test('takes as many as there is room for, and more when endings were told', () => {
    const world = new ToldWorld(capacity);
    for (const id of ['a', 'b', 'c']) world.grant(id, 5_000);
    world.tellEnding('lease.ended', 1, { lease: 'a' });
    world.grant('d', 5_000);
    world.rest();
  });

  test('catches a grant while endings hold the room and nobody has been told of them', () => {
    const world = new ToldWorld(capacity);
    for (const id of ['a', 'b', 'c']) world.grant(id, 5_000);
    world.ask({ kind: 'release', lease: 'a' }, { status: 204 });
    expect(() => world.grant('d', 5_000)).toThrow('holds 4 leases');
  });

  test('catches a status page that says so itself', () => {
    const world = new ToldWorld(capacity);
    const namespaces = [{ name: 'jobs', leases: 0, entries: 4 }];
    world.s2.answers.set('/v1/status', { status: 200, headers: {}, document: { namespaces } });
    expect(() => world.rest()).toThrow('s2 holds 4 entries');
  });
});

describe('counters', () => {
  const add = (world: ToldWorld, by: number, answered: boolean, intent: number): void => {
    const headers = { 'leasehold-lease': 'i', 'leasehold-remaining-ms': '60000', 'leasehold-cursor': `${ACTOR}.1` };
    const asked = { kind: 'increment', namespace: 'jobs', key: 'k', by, idempotencyKey: `once ${intent}` } as const;
    world.ask(asked, answered ? { headers, etag: `"${A(1)}"`, document: { value: by } } : undefined, { intent });
  };
  const show = (world: ToldWorld, value: string): void => {
    for (const { answers } of world.sidecars) {
      answers.set('/v1/entries/jobs/k', { status: 200, headers: { etag: `"${A(1)}"` }, document: value });
    }
  };

  test('takes the sum, with or without what nobody answered, and a retry once', () => {
    for (const value of ['5', '7']) {
      const world = new ToldWorld(counters, { conflict: 'counter' });
      add(world, 2, true, 1);
      add(world, 3, false, 2);
      add(world, 3, true, 2);
      add(world, 2, false, 3);
      show(world, value);
      world.rest();
    }
  });

  test('catches an increment that is missing, and one that counts twice', () => {
    for (const value of ['2', '8']) {
      const world = new ToldWorld(counters, { conflict: 'counter' });
      add(world, 2, true, 1);
      add(world, 3, false, 2);
      add(world, 3, true, 2);
      show(world, value);
      expect(() => world.rest()).toThrow(`jobs/k counts ${value}`);
    }
  });
});
