/**
 * The schedules that broke earlier designs, as regressions: R1 to R5 (PROTOCOL §2.3) against
 * leased identities, S1 to S12 (§3.5) against the text around the join. Ticks are seconds; TTL 3,
 * autonomy 4, slack 1. Where a rule of the sidecar is what saves it, the schedule is played once
 * without the rule, and then something is lost.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { EmbeddedLedger } from '../../src/ledger/embedded/embedded-ledger.ts';
import type { Terms } from '../../src/ledger/ledger.ts';
import type { Sibling } from '../../src/ledger/record.ts';
import {
  A, A2, Asker, B, C, caller, dotsOf, ending, START, TERMS, TICK, type ValueOptions, value,
} from './fixtures.ts';
import { drain } from './model/drain.ts';
import { play } from './model/explore.ts';
import { ALL_RULES, type Rules } from './model/rules.ts';
import { recordOf, type Setting, type World } from './model/world.ts';

const clock = { now: START };
let ledger: EmbeddedLedger;

beforeEach(() => {
  clock.now = START;
  ledger = new EmbeddedLedger({ now: () => clock.now });
});

function ask(actor: string, policy: Terms['policy'] = 'siblings', before: string[] = []): Asker {
  const at = { namespace: 'n', partition: 0 };
  return new Asker(ledger, at, caller(actor, before), { ...TERMS, policy });
}
function tick(ticks = 1): void {
  clock.now += ticks * TICK;
}
/** Deadline in ticks from now. */
function lasting(
  actor: string, seq: number, ticks: number, options: Partial<ValueOptions> = {},
): Sibling {
  return value(actor, seq, { deadline: clock.now + ticks * TICK, ...options });
}

/* ---- R: leased identities -------------------------------------------------------------- */

describe('R1: the push of a holder whose identity was given to another meanwhile', () => {
  /** e0's push is on its way when `second` begins, which writes e1 without having read. */
  const schedule = async (first: string, second: string, secondSeq: number) => {
    await ask(first).push([lasting(first, 1, 3, { text: 'e0' })]);
    await ask(second).push([lasting(second, secondSeq, 3, { text: 'e1' })]);
    return (await ask(C).record())!.siblings.map((one) => Buffer.from(one.value).toString());
  };

  test('leaves both values', async () => {
    expect(await schedule(A, B, 1)).toEqual(['e0', 'e1']);
  });

  test('would lose an acknowledged one if both were one slot', async () => {
    expect(await schedule(A, A, 2)).toEqual(['e1']);
  });
});

describe('R2: a write that is compared with the ledger after another has used its identity', () => {
  const schedule = async (first: string, second: string, secondSeq: number) => {
    const e0 = lasting(first, 1, 3);
    await ask(second).push([lasting(second, secondSeq, 3)]);
    return (await ask(first).push([e0])).code;
  };

  test('is joined', async () => {
    expect(await schedule(A, B, 1)).toBe('joined');
  });

  test('would be judged superseded if both were one slot', async () => {
    expect(await schedule(A, A, 2)).toBe('closed');
  });
});

describe('R3: a context that has only the other\'s own earlier write in it', () => {
  const schedule = async (first: string, second: string, firstSeq: number) => {
    await ask(first).push([lasting(first, 1, 3)]);
    // e1 was never pushed; e2 has seen it.
    await ask(second).push([lasting(second, firstSeq + 1, 3)], { seen: { [second]: firstSeq } });
    return (await ask(C).record())!.siblings.length;
  };

  test('covers nothing of somebody else', async () => {
    expect(await schedule(A, B, 1)).toBe(2);
  });

  test('would cover the former holder\'s write if both were one slot', async () => {
    expect(await schedule(A, A, 2)).toBe(1);
  });
});

describe('R4: a ledger that goes back to before it knew of anybody', () => {
  test('is told again, and nothing is lost', async () => {
    const image = ledger.image();
    const [a1, b1] = [lasting(A, 1, 3), lasting(B, 1, 3)];
    await ask(A).push([a1]);
    ledger.restore(image);
    expect((await ask(B).push([b1])).code).toBe('applied');
    const reply = await ask(A).push([a1]);
    expect(dotsOf(reply.record)).toEqual(['a1', 'b1']);
  });

  test('would give out one identity twice, which is at least noticed', async () => {
    const image = ledger.image();
    await ask(A).push([lasting(A, 1, 3, { text: 'e0' })]);
    ledger.restore(image);
    await ask(A).push([lasting(A, 1, 3, { text: 'e1' })]);
    expect((await ask(A).push([lasting(A, 1, 3, { text: 'e0' })])).code).toBe('duplicate-dot');
  });
});

describe('R5: a process whose journal lost its tail', () => {
  /** The first run's write was replaced by B; the second run writes without having read. */
  const schedule = async (second: string) => {
    await ask(A).push([lasting(A, 1, 3, { text: 'lost from the journal' })]);
    await ask(B).push([lasting(B, 1, 3)], { seen: { [A]: 1 } });
    return (await ask(second).push([lasting(second, 1, 3, { text: 'new' })])).code;
  };

  test('writes as a new actor', async () => {
    expect(await schedule(A2)).toBe('joined');
  });

  test('would be told that its write is an old one under the old actor', async () => {
    expect(await schedule(A)).toBe('closed');
  });
});

/* ---- S: found by model checking -------------------------------------------------------- */

const SESSION: Setting = {
  policy: 'siblings', rules: ALL_RULES, session: { A: true, B: true },
};
const FIXED: Setting = { ...SESSION, session: { A: false, B: false } };

function without(rule: keyof Rules, setting: Setting = SESSION): Setting {
  return { ...setting, rules: { ...setting.rules, [rule]: false } };
}
function outcome(schedule: string, setting: Setting): string | undefined {
  const world = play(schedule, setting);
  return world.violation ?? drain(world, setting);
}
function thereOf(world: World): string[] {
  const siblings = recordOf(world)?.siblings ?? [];
  return siblings.map(({ dot }) => `${dot.actor.at(0)}${dot.actor.at(-1)}.${dot.seq}`);
}

describe('S1: a renewal far from the last contact', () => {
  const schedule =
    'A write; A push; 2 tick; A renew; 2 tick; A renew?; 2 tick; B sweep-orphans; A beat?';

  test('promises nothing that a sweep may take away (rule 4)', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would be undone without the bound', () => {
    expect(outcome(schedule, without('renewalCap'))).toContain('a000000000000001.1 is over');
  });
});

describe('S2: bytes from before a renewal that arrive after the deadline they tell of', () => {
  const schedule = 'A write; 2 tick; A push-delayed; A beat; A renew; 2 tick; A push';

  test('change nothing, and are encoded again (rule 3)', () => {
    for (const setting of [SESSION, FIXED]) {
      const world = play(schedule, setting);
      expect(recordOf(world)).toBeUndefined();
      expect(thereOf(play(`${schedule}; A push`, setting))).toEqual(['a1.1']);
      expect(outcome(schedule, setting)).toBeUndefined();
    }
  });

  test('would close a renewed value if the answer were taken for an end', () => {
    expect(outcome(schedule, without('encodesAgain'))).toContain('is held by nobody');
  });

  // Keeping the context while dropping the values would cover what was never there.
  test('leave no trace in the context either', async () => {
    const reply = await ask(A).push([lasting(A, 1, -1)], { seen: { [B]: 3 } });
    expect(reply.record!.context.map(({ actor }) => actor)).toEqual([B]);
  });
});

describe('S3: a restart that only beats for itself', () => {
  const schedule =
    'A write; A push; A crash; A restart; A push; A truth-check; 2 tick; A pull; A beat; A renew; ' +
    '2 tick; A pull; A beat; A renew; 2 tick; B sweep-orphans';

  test('beats for its predecessor too (rule 5)', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
    expect(thereOf(play(schedule, SESSION))).toEqual(['a1.1']);
  });

  test('would have its inherited value swept', () => {
    expect(outcome(schedule, without('heirs'))).toContain('a000000000000001.1 is over');
  });
});

describe('S4: a restart without the ledger', () => {
  const schedule =
    'A write; A push; 2 tick; A renew; A crash; tick; A restart; A renew?; tick; A renew?; ' +
    '2 tick; B sweep-orphans';

  test('is as far from its last contact as it was before (rule 4)', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would promise too much if contact began at the start', () => {
    expect(outcome(schedule, without('contactKept'))).toContain('a000000000000001.1 is over');
  });
});

describe('S5: what was seen, without what it was', () => {
  const schedule = 'A write; A push; B pull; B crash; B restart; B push?';

  test('is not journalled: a context travels with its values (rule 8)', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would delete a value that nobody has replaced', () => {
    expect(outcome(schedule, without('contextWithValues'))).toContain('a000000000000001.1 is over');
  });
});

describe('S5: a ledger that goes back to an old heartbeat', () => {
  const schedule =
    'A write; A push; save; 2 tick; A pull; A beat; A renew; 2 tick; A pull; A beat; A renew; ' +
    '2 tick; rollback; B sweep-orphans';

  test('gives everybody time to be heard of again (rule 6)', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would let a value be swept whose owner has just beaten', () => {
    expect(outcome(schedule, without('epochs'))).toContain('a000000000000001.1 is over');
  });
});

describe('S6: a duplicate of a value whose successor has ended before it', () => {
  test('is covered as long as any covered value could live (rule 7)', async () => {
    const a1 = lasting(A, 1, 6);
    await ask(A).push([a1]);
    await ask(B).push([lasting(B, 1, 1)], { seen: { [A]: 1 } });
    tick();
    await ask(B).push([], { seen: { [A]: 1, [B]: 1 } });
    tick();
    expect((await ask(C).sweep('orphans')).forgotten).toBe(0);
    tick();
    expect((await ask(A).push([a1])).code).toBe('closed');
    // Not 1 + slack, which is what the last value to be there would need.
    expect((await ask(C).record())!.forgetAt).toBeGreaterThanOrEqual(a1.deadline + TERMS.slackMs);
  });

  // Found by the search beside it: the owner's own earlier write may be in the network still.
  const schedule = 'A write; A push-delayed; A crash; A restart; A end; A push; A late-push';

  test('is covered too when only its owner knows how long it could live', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would come back if the owner did not say', () => {
    expect(outcome(schedule, without('tellsDeadlines'))).toContain('has come back to life');
  });
});

describe('S7: an end that everybody has forgotten, and a ledger that goes back before it', () => {
  const schedule = 'A write; A push; save; A end; A push; A forget; rollback';

  test('is told again by the owner, whose digest does not match (rule 5)', () => {
    expect(thereOf(play(schedule, SESSION))).toEqual(['a1.1']);
    expect(outcome(schedule, SESSION)).toBeUndefined();
    expect(thereOf(play(`${schedule}; A truth-check; A push`, SESSION))).toEqual([]);
  });

  test('ends at its deadline when only an heir is left to ask', () => {
    const heir = 'A write; A push; save; A end; A push; A forget; A crash; A restart; rollback';
    expect(outcome(heir, SESSION)).toBeUndefined();
  });

  test('would live for ever if a heartbeat vouched for what it does not know', () => {
    const heir = 'A write; A push; save; A end; A push; A forget; A crash; A restart; rollback';
    expect(outcome(heir, without('vouching'))).toContain('the ledger still holds');
  });
});

describe('S8: a policy that is applied apart', () => {
  const stamped = (actor: string, hybrid: number) =>
    lasting(actor, 1, 3, { wall: START + hybrid });
  const [a, b, c] = [stamped(A, 9), stamped(B, 1), stamped(C, 5)];
  const pushes = [
    { siblings: [a], seen: {} },
    // Written through a context that covers a, with a stamp from before it.
    { siblings: [b], seen: { [A]: 1 } },
    { siblings: [c], seen: {} },
  ];
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

  test.each(orders.map((order) => ({ order })))(
    'in the ledger, in the order $order: one lives, and every other one has an end (rule 2)',
    async ({ order }) => {
      for (const index of order) {
        const { siblings, seen } = pushes[index]!;
        await ask(siblings[0]!.dot.actor, 'lww').push(siblings, { seen });
      }
      const record = (await ask(A).record())!;
      expect(record.siblings).toHaveLength(1);
      const named = [...record.siblings, ...record.ends].map(({ born }) => born);
      // b has replaced a, which needs no end of its own where it was never seen.
      expect(new Set([A, ...named.map(({ actor }) => actor)])).toEqual(new Set([A, B, C]));
    },
  );

  test('at the sidecars would lose both, and end nothing', async () => {
    // One has {a, c} and keeps a; the other has {b, c} and keeps c.
    await ask(A, 'siblings').push([a], { seen: { [C]: 1 } });
    await ask(C, 'siblings').push([c], { seen: { [A]: 1, [B]: 1 } });
    expect((await ask(A).record())!.siblings).toEqual([]);
  });
});

describe('S9: a sidecar that drops the loser of a policy before it has pushed', () => {
  const schedule = 'A write; A push; B write; B pull; B end; B push';
  const lww: Setting = { ...SESSION, policy: 'lww' };

  test('deletes nothing: it selects on reading (rule 2)', () => {
    expect(outcome(schedule, lww)).toBeUndefined();
    expect(thereOf(play(schedule, lww))).toEqual(['a1.1']);
  });

  test('would delete a live value where its own never was', () => {
    expect(outcome(schedule, without('selectsOnRead', lww))).toContain('a000000000000001.1 is over');
  });
});

describe('S10: counters across the end of a contributor', () => {
  const amount = (one: Sibling) => Number(Buffer.from(one.value).toString());
  const total = async () =>
    (await ask(C).record())!.siblings.reduce((sum, one) => sum + amount(one), 0);
  const counted = (actor: string, seq: number, sum: number) =>
    lasting(actor, seq, 3, { text: String(sum) });

  test('are the sum over what lives: one write for each actor and lease (rule 2)', async () => {
    const [a, b] = [ask(A, 'counter'), ask(B, 'counter')];
    await a.push([counted(A, 1, 3)]);
    await b.push([counted(B, 1, 1)]);
    expect(await total()).toBe(4);
    // Its own next amount replaces its own last one, and nobody else's.
    await a.push([counted(A, 2, 5)]);
    expect(await total()).toBe(6);
    // The end takes away exactly what it had given; afterwards it begins at nothing.
    await a.push([], { seen: { [A]: 2 } });
    expect(await total()).toBe(1);
    await a.push([counted(A, 3, 1)]);
    expect(await total()).toBe(2);
    // An amount from before the end changes nothing.
    expect((await a.push([counted(A, 2, 5)])).code).toBe('closed');
    expect(await total()).toBe(2);
  });

  test('would count 6 for 2 as maps of maxima, which know no end', () => {
    const maxima = new Map<string, number>();
    for (const [actor, sum] of [[A, 3], [B, 1], [A, 5], [A, 1]] as const) {
      maxima.set(actor, Math.max(maxima.get(actor) ?? 0, sum));
    }
    expect([...maxima.values()].reduce((sum, one) => sum + one, 0)).toBe(6);
  });
});

describe('S11: writing again after an answer that was lost', () => {
  // The ledger has the second write; A, silent for too long, does not know, and goes on as another.
  const schedule =
    'A write; A push; 2 tick; A renew; 2 tick; A write; A push-unanswered; 2 tick; A push; A push';

  test('covers the old write, so that one of them lives (§2.5)', () => {
    expect(thereOf(play(schedule, SESSION))).toEqual(['a2.1']);
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would leave both alive under the old context alone', () => {
    expect(thereOf(play(schedule, without('restampCovers')))).toEqual(['a1.2', 'a2.1']);
  });
});

describe('S12: an owner that has overwritten what a sweeper ends', () => {
  test('shares one ending with it, and is told (rule 1)', async () => {
    const a1 = lasting(A, 1, 1);
    const a2 = lasting(A, 2, 20, { born: a1.born });
    await ask(A).push([a1]);
    tick(6);
    const { ended } = await ask(B).sweep('orphans');
    expect(ended).toMatchObject([{ ending: { born: a1.born, dot: a1.dot, reason: 'expired' } }]);
    // Not stale, as a rejoining heir is not; and what it pushes is of the run that was ended.
    const heir = ask(A2, 'siblings', [A]);
    const reply = await heir.push([a2], {}, { rejoining: true });
    expect(reply.code).toBe('closed');
    expect(reply.record!.ends).toMatchObject([{ born: a2.born, told: true, by: B }]);
    // A repetition does not hide it either.
    expect((await heir.push([a2], {}, { rejoining: true })).code).toBe('closed');
    // It ends the run: the ending that was published stands, and nobody has to tell another.
    const told = ending(a2, A2, { reason: 'released', told: true });
    await heir.push([], { seen: { [A]: 2 }, ends: [told] }, { rejoining: true });
    const record = await ask(B).record();
    expect([record!.siblings, record!.ends]).toEqual([[], []]);
  });
});

/* ---- found by the search beside this file ---------------------------------------------- */

describe('a value past its final deadline at the ledger, renewed by its owner a moment ago', () => {
  const FAR = { wall: START + 4 * TICK };

  test('is not taken away for a concurrent one that it would beat', async () => {
    const a1 = lasting(A, 1, 3, FAR);
    await ask(A, 'lww').push([a1]);
    tick(2);
    await ask(A, 'lww').vouch();
    tick(3);
    // Renewed to 6 within the autonomy bound, and not pushed yet.
    expect((await ask(B, 'lww').push([lasting(B, 1, 3)])).code).toBe('joined');
    const renewed = { ...a1, deadline: START + 6 * TICK };
    expect((await ask(A, 'lww').push([renewed])).code).toBe('applied');
    expect(dotsOf(await ask(A).record())).toEqual(['a1']);
  });

  test('keeps the key it was first to have', async () => {
    await ask(A, 'firstWins').push([lasting(A, 1, 3)]);
    tick(2);
    await ask(A, 'firstWins').vouch();
    tick(3);
    expect((await ask(B, 'firstWins').push([lasting(B, 1, 3)])).code).toBe('held');
  });
});

describe('a value deleted by another while its owner renews it unheard', () => {
  // Known there until 3, promised until 6; deleted at 2, and the owner says so at 5.
  const schedule = 'A write; A push; 2 tick; A pull; A beat; A renew; B pull; B delete; B push; ' +
    '2 tick; A renew?; tick; B sweep-orphans; A push';

  test('stays deleted, though its deadline there was final', () => {
    expect(outcome(schedule, FIXED)).toBeUndefined();
    expect(thereOf(play(schedule, FIXED))).toEqual([]);
  });

  test('is remembered as long as the owner may go on alone', async () => {
    const a1 = lasting(A, 1, 3);
    await ask(A).push([a1]);
    tick(2);
    await ask(B).push([], { seen: { [A]: 1 }, ends: [ending(a1, B)] });
    const [covered] = (await ask(C).record())!.context;
    expect(covered!.until).toBe(clock.now + TERMS.autonomyMs + TERMS.slackMs);
  });
});

describe('a loser whose owner did not hear of it', () => {
  test('is told by a sweeper in the end', async () => {
    const b1 = lasting(B, 1, 3, { wall: START - TICK });
    await ask(A, 'lww').push([lasting(A, 1, 3)]);
    // The answer is lost, and B never comes back.
    expect((await ask(B, 'lww').push([b1])).code).toBe('closed');
    tick(6);
    expect((await ask(C, 'lww').sweep('orphans')).ended).toContainEqual(
      expect.objectContaining({
        ending: expect.objectContaining({ born: b1.born, conflict: true, told: true, by: C }),
      }),
    );
  });
});

describe('what one sweep has looked at in vain', () => {
  test('is in sight of the owner, however often others have looked', async () => {
    const a1 = lasting(A, 1, 3);
    await ask(A).push([a1]);
    for (let half = 0; half < 12; half += 1) {
      tick(0.5);
      if (half === 6) await ask(A).vouch();
      expect((await ask(B).sweep('orphans')).ended).toEqual([]);
    }
    expect((await ask(A).sweep('own')).removed).toMatchObject([{ actor: A, count: 1 }]);
  });
});

describe('a sweep of its own that comes late', () => {
  const schedule =
    'A write; A push; 3 tick; A sweep-own-delayed; A beat; A write; A push; 2 tick; A beat; ' +
    'A pull; A beat; A renew; 2 tick; A late-request';

  test('leaves alone what fell due after it was asked for', () => {
    expect(outcome(schedule, FIXED)).toBeUndefined();
  });

  test('would take away what was renewed meanwhile', () => {
    expect(outcome(schedule, without('sweepsAsOf', FIXED))).toContain('a000000000000001.2 is over');
  });

  test('has some time anyway', async () => {
    await ask(A).push([lasting(A, 1, 3)]);
    tick(3.5);
    expect((await ask(A).sweep('own')).removed).toEqual([]);
    tick(0.5);
    expect((await ask(A).sweep('own')).removed).toHaveLength(1);
  });
});

describe('a goodbye that comes late', () => {
  const schedule =
    'A write; A push; A retire-delayed; A restart; A push; A truth-check; 2 tick; A pull; ' +
    'A beat; A renew; 2 tick; A pull; A beat; A renew; A late-request; tick; A renew; 2 tick; ' +
    'B sweep-orphans';

  test('is none when an heir keeps the values alive', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
    expect(thereOf(play(schedule, SESSION))).toEqual(['a1.1']);
  });

  test('leaves the heir alone, but an heir may say its own', async () => {
    await ask(A).push([lasting(A, 1, 1)]);
    const heir = ask(A2, 'siblings', [A]);
    await heir.vouch();
    await ask(A).beat(undefined, { retire: true });
    tick(3);
    expect((await ask(B).sweep('orphans')).ended).toEqual([]);
    await heir.beat(undefined, { retire: true });
    expect((await ask(B).sweep('orphans')).ended).toHaveLength(1);
  });
});

describe('a goodbye that a ledger going back brings back', () => {
  const schedule =
    'A write; A push; A retire; save; A restart; A push; A truth-check; 2 tick; A pull; A beat; ' +
    'A renew; 2 tick; A pull; A beat; A renew; 2 tick; rollback; B sweep-orphans';

  test('gives the heir as much time as anybody', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
    expect(thereOf(play(schedule, SESSION))).toEqual(['a1.1']);
  });
});

describe('a restart after a goodbye', () => {
  const schedule =
    'A write; A push; 2 tick; A pull; A beat; A retire; A restart; A renew?; tick; A renew?; ' +
    '2 tick; B sweep-orphans';

  test('promises nothing before it has been heard of again', () => {
    expect(outcome(schedule, SESSION)).toBeUndefined();
  });

  test('would promise what may be swept at once', () => {
    expect(outcome(schedule, without('retireEndsContact'))).toContain('a000000000000001.1 is over');
  });
});
