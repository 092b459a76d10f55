import { describe, expect, test } from 'vitest';
import { type Ledger, LedgerError, type LedgerFault } from '../../src/ledger/ledger.ts';
import { GateClosedError, LedgerGate } from '../../src/reconcile/ledger-gate.ts';
import { Tally } from '../../src/reconcile/tally.ts';
import { Breaker } from '../../src/resilience/breaker.ts';
import { settled, SimulatedTime } from './simulated-time.ts';

function gateWith(failures = 2) {
  const time = new SimulatedTime(1000);
  const scheduler = time.clock(() => 0.5);
  const tally = new Tally();
  const breaker = new Breaker({ failures, openMs: 1000, maxOpenMs: 1000 }, scheduler);
  const ledger = { traffic: { sent: 7, received: 9 } } as Ledger;
  const gate = new LedgerGate({ ledger, breaker, scheduler, tally });
  const fault = async (kind: LedgerFault) =>
    gate.ask(100, () => Promise.reject(new LedgerError(kind, kind))).catch((error) => error);
  return { time, gate, tally, fault };
}

describe('the gate to the ledger', () => {
  test('hands on what it was given, with the instants around it', async () => {
    const { time, gate } = gateWith();
    const asked = gate.ask(100, async () => {
      await new Promise<void>((resolve) => time.after(30, resolve));
      return 'answer';
    });
    expect(gate.requestsInFlight).toBe(1);
    await time.pass(50);
    expect(await asked).toEqual({ reply: 'answer', sentAt: 1000, receivedAt: 1030 });
    expect([gate.requestsInFlight, gate.answeredAt]).toEqual([0, 1000]);
    expect(gate.traffic).toEqual({ sent: 7, received: 9 });
  });

  test('gives up at the deadline, and does not mind an answer after it', async () => {
    const { time, gate, tally } = gateWith();
    const asked = gate.ask(100, async () => {
      await new Promise<void>((resolve) => time.after(150, resolve));
      return 'late';
    });
    const error = asked.catch((reason) => reason);
    await time.pass(200);
    expect(await error).toMatchObject({ fault: 'timeout' });
    expect(tally.faults.timeout).toBe(1);
    expect(gate.answeredAt).toBeUndefined();
  });

  test.each<LedgerFault>(['unavailable', 'timeout', 'read-only', 'misconfigured', 'nonsense'])(
    'closes after %s in a row, lets one probe through later, and tells of the return',
    async (kind) => {
      const { time, gate, fault } = gateWith();
      let returns = 0;
      gate.onReconnect = () => {
        returns += 1;
      };
      await fault(kind);
      expect(gate.state).toBe('closed');
      await fault(kind);
      expect(gate.state).toBe('open');
      expect(gate.lastFault).toBe(kind);
      expect(await gate.ask(100, async () => 'x').catch((error) => error)).toBeInstanceOf(
        GateClosedError,
      );
      await time.pass(1000);
      expect(gate.state).toBe('half-open');
      await gate.ask(100, async () => 'x');
      expect([gate.state, gate.lastFault, returns]).toEqual(['closed', undefined, 1]);
      await gate.ask(100, async () => 'x');
      expect(returns).toBe(1);
    },
  );

  test('stays open to a ledger that answers that it has no room', async () => {
    const { gate, tally, fault } = gateWith();
    for (let times = 0; times < 5; times++) expect(await fault('full')).toMatchObject({ fault: 'full' });
    expect([gate.state, gate.lastFault, tally.faults.full]).toEqual(['closed', 'full', 5]);
  });

  test('takes an answer that makes no sense for none', async () => {
    const { gate, tally } = gateWith();
    const asked = gate.ask(100, async () => 3, (reply) => (reply > 2 ? 'too much' : undefined));
    expect(await asked.catch((error) => error)).toMatchObject({
      fault: 'nonsense', message: 'too much',
    });
    expect([tally.faults.nonsense, gate.answeredAt]).toEqual([1, undefined]);
  });

  test('takes a port that throws, or rejects with anything, for one that answers nonsense', async () => {
    const { gate } = gateWith(10);
    const thrown = gate.ask(100, () => {
      throw new TypeError('broken');
    });
    expect(await thrown.catch((error) => error)).toMatchObject({
      name: 'LedgerError', fault: 'nonsense', cause: new TypeError('broken'),
    });
    await settled();
  });
});
