/** The embedded ledger against the suite that every ledger passes, and what only it can do. */
import { describe, expect, test } from 'vitest';
import { EmbeddedLedger } from '../../src/ledger/embedded/embedded-ledger.ts';
import { describeLedger } from './conformance.ts';
import { A, Asker, B, caller, dotsOf, START, TERMS, TICK, value } from './fixtures.ts';

const AT = { namespace: 'n', partition: 0 };

function makeLedger() {
  const clock = { now: START };
  const ledger = new EmbeddedLedger({ now: () => clock.now });
  const ask = (actor: string) => new Asker(ledger, AT, caller(actor), TERMS);
  return { clock, ledger, ask };
}

describeLedger('the embedded ledger', async () => {
  const { clock, ledger } = makeLedger();
  return {
    ledger,
    advance: (ms) => {
      clock.now += ms;
    },
    lose: () => ledger.clear(),
    close: () => ledger.close(),
  };
});

describe('the embedded ledger', () => {
  test('goes back to an image under another history, as often as it is asked to', async () => {
    const { ledger, ask } = makeLedger();
    const a = ask(A);
    await a.push([value(A, 1, { deadline: START + 9 * TICK })]);
    const image = ledger.image();
    await a.push([value(A, 2, { deadline: START + 9 * TICK })]);
    const { tail } = await a.pull();
    for (const round of [1, 2]) {
      ledger.restore(image);
      expect(dotsOf(await a.record())).toEqual(['a1']);
      const reply = await a.beat(tail);
      expect([reply.history, reply.forgotBatch], `${round}`).toEqual(['lost', true]);
      expect(reply.epoch).toBe(tail.epoch + 1);
      // Longer than what was lost: the chain tells, where the number does not.
      await a.push([value(A, 3, { deadline: START + 9 * TICK })]);
      await a.push([value(A, 4, { deadline: START + 9 * TICK })]);
      expect((await a.pull(tail)).status).toBe('diverged');
    }
  });

  test('never goes back in time', async () => {
    const { clock, ask } = makeLedger();
    expect((await ask(A).pull()).now).toBe(START);
    clock.now = START - 5000;
    expect((await ask(A).pull()).now).toBe(START);
    clock.now = START + 0.9;
    expect((await ask(A).pull()).now).toBe(START);
  });

  test('keeps what it was given, whatever becomes of the array it came in', async () => {
    const { ask } = makeLedger();
    const one = value(A, 1, { deadline: START + 9 * TICK, text: 'before' });
    await ask(A).push([one]);
    one.value.fill(0);
    one.label.fill(0);
    const [kept] = (await ask(B).record())!.siblings;
    expect(Buffer.from(kept!.value).toString()).toBe('before');
    expect(kept!.label[0]).not.toBe(0);
  });

  test('answers nothing once it is closed', async () => {
    const { ledger, ask } = makeLedger();
    await ledger.close();
    await expect(ask(A).pull()).rejects.toMatchObject({ fault: 'unavailable' });
  });
});
