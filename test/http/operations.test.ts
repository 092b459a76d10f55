/** The process as its operators see it: readiness, rounds with the ledger, the status page. */
import { afterEach, describe, expect, test } from 'vitest';
import { worstCase } from '../../src/config/derive.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import { reject } from '../../src/errors.ts';
import { type Reconciliation, type RunningParts, SidecarOperations } from '../../src/operations.ts';
import type { DegradedReason } from '../../src/readiness.ts';
import { COSTS, load } from '../config/loading.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { FakeMachine } from '../log/fake-machine.ts';
import { ACTOR, edge, type Edge } from './edge.ts';

const LEDGER = {
  LEASEHOLD_LEDGER_URL: 'redis://:hunter2@127.0.0.1:6379',
  LEASEHOLD_MEMORY_LIMIT_MB: '4096',
};

let made: { close(): void }[] = [];
let opened: Edge[] = [];
let lines: string[] = [];
afterEach(async () => {
  for (const one of made) one.close();
  for (const one of opened) await one.stop();
  made = [];
  opened = [];
  lines = [];
});

function operations(yaml?: string, environment = {}, timed: Partial<Machine> = {}): SidecarOperations {
  const config = load(yaml, environment);
  const one = new SidecarOperations({
    config,
    worstCase: worstCase(config, COSTS),
    actor: ACTOR,
    feed: new Feed(config.limits.feed),
    idempotency: new IdempotencyMemory(config.limits.idempotency),
    machine: { ...systemMachine, ...timed },
    log: {
      info: ({ reasons }: { reasons?: readonly string[] }, message) => void lines.push(`info ${message} ${reasons?.join()}`),
      warn: ({ reasons }: { reasons?: readonly string[] }, message) => void lines.push(`warn ${message} ${reasons?.join()}`),
    },
  });
  one.phase = 'ready';
  made.push(one);
  return one;
}

class Rounds implements Reconciliation {
  codes: readonly DegradedReason[] = [];
  readonly asked: object[] = [];

  status() {
    return {
      ledger: { kind: 'redis', state: 'away' },
      rounds: { pushed: 3 },
      pathways: { ledger: { entries: 2 }, mirrors: { entries: 1 } },
    };
  }

  reasons(): readonly DegradedReason[] {
    return this.codes;
  }

  async reconcile(request: { readonly dryRun: boolean }): Promise<object> {
    this.asked.push(request);
    return { wouldPush: 4 };
  }
}

describe('readiness', () => {
  test('is degraded, and ready all the same, for every reason of the rounds', () => {
    const one = operations();
    const rounds = new Rounds();
    one.reconciliation = rounds;
    expect(one.readiness()).toEqual({ ready: true, state: 'ready', reasons: [] });
    rounds.codes = ['ledger-unavailable', 'isolated'];
    expect(one.readiness()).toEqual({
      ready: true, state: 'degraded', reasons: ['ledger-unavailable', 'isolated'],
    });
  });

  test('is gone while a divergence is repaired, and says why', () => {
    const one = operations();
    const rounds = new Rounds();
    one.reconciliation = rounds;
    rounds.codes = ['repairing', 'clock-ahead'];
    expect(one.readiness()).toEqual({
      ready: false, state: 'degraded', reasons: ['clock-ahead', 'repairing'],
    });
  });

  test('counts a full disk beside the ledger', () => {
    const one = operations();
    const rounds = new Rounds();
    rounds.codes = ['ledger-unavailable'];
    one.reconciliation = rounds;
    one.running = { journal: { state: 'full' } } as RunningParts;
    expect(one.readiness().reasons).toEqual(['journal-full', 'ledger-unavailable']);
  });

  test('of a sidecar that drains, recovers or failed has that reason alone', () => {
    const one = operations();
    const rounds = new Rounds();
    rounds.codes = ['repairing'];
    one.reconciliation = rounds;
    for (const phase of ['recovering', 'draining'] as const) {
      one.phase = phase;
      expect(one.readiness()).toEqual({ ready: false, state: phase, reasons: [phase] });
    }
    one.phase = 'failed';
    expect(one.readiness().reasons).toEqual(['journal-failed']);
  });

  test('is logged when it has changed and stands, and not for a moment', () => {
    const machine = new FakeMachine();
    const one = operations(undefined, {}, { after: machine.after, monotonicMs: machine.monotonicMs });
    const rounds = new Rounds();
    one.reconciliation = rounds;
    const standFor = (ms: number, ...codes: readonly DegradedReason[]): void => {
      rounds.codes = codes;
      machine.pass(ms);
    };
    standFor(500, 'ledger-unavailable');
    standFor(5_000);
    expect(lines).toEqual([]);
    standFor(5_000, 'ledger-unavailable');
    standFor(5_000, 'isolated', 'ledger-unavailable');
    standFor(5_000);
    one.phase = 'draining';
    standFor(5_000, 'ledger-unavailable');
    expect(lines).toEqual([
      'warn degraded ledger-unavailable', 'warn degraded ledger-unavailable,isolated', 'info ready again ',
    ]);
  });

  test('of a sidecar that repairs is a 503 with state and reasons', async () => {
    const where = edge();
    opened.push(where);
    where.operations.state = 'degraded';
    where.operations.isRepairing = true;
    const { status, json } = await where.ask('GET', '/readyz');
    expect([status, json.ready, json.state, json.reasons]).toEqual([503, false, 'degraded', ['repairing']]);
  });
});

describe('a round', () => {
  test('with the embedded ledger finds everything in step', async () => {
    expect(await operations().reconcile({ dryRun: true })).toEqual({
      dryRun: true, ledger: 'embedded', outcome: 'in-step', repairs: [],
    });
  });

  test('is made by whoever reconciles, and its outcome is theirs', async () => {
    const one = operations();
    const rounds = new Rounds();
    one.reconciliation = rounds;
    expect(await one.reconcile({ dryRun: true })).toEqual({ wouldPush: 4 });
    expect(rounds.asked).toEqual([{ dryRun: true }]);
  });

  test('answers over HTTP once it is over', async () => {
    const where = edge();
    opened.push(where);
    const done = await where.ask('POST', '/v1/reconcile', { document: { dryRun: true } });
    expect([done.status, done.json]).toEqual([200, { dryRun: true }]);
    where.operations.roundRefused = reject('ledger-unavailable', 'Cannot make a round: no ledger');
    const refused = await where.ask('POST', '/v1/reconcile');
    expect([refused.status, refused.json.code]).toEqual([503, 'ledger-unavailable']);
    // A second, times a chance of one half more.
    expect(refused.headers['retry-after']).toBe('2');
    where.operations.roundRefused = new Error('provoked');
    const broken = await where.ask('POST', '/v1/reconcile', {
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' },
    });
    expect([broken.status, broken.json.code]).toEqual([500, 'internal']);
    // The trace is the caller's, whether somebody records it or not.
    expect(where.logged).toEqual([{
      message: 'Cannot answer a request',
      fields: {
        'http.route': '/v1/reconcile',
        trace_id: '0af7651916cd43dd8448eb211c80319c',
        span_id: 'b7ad6b7169203331',
        'exception.type': 'Error',
        'exception.message': 'provoked',
        'exception.stacktrace': expect.stringMatching(/^at /),
      },
    }]);
  });
});

describe('the status page', () => {
  test('tells of the ledger, the rounds and the pathways what those parts tell', () => {
    const one = operations();
    expect(one.status()).toMatchObject({
      ledger: { kind: 'embedded', state: 'connected' },
      rounds: [],
      pathways: { journal: { entries: 0 }, ledger: null, mirrors: null, reconstitute: null },
    });
    one.reconciliation = new Rounds();
    one.reconstitution = { status: () => ({ sessions: { rebuilt: 7 } }) };
    expect(one.status()).toMatchObject({
      ledger: { kind: 'redis', state: 'away' },
      rounds: { pushed: 3 },
      pathways: {
        ledger: { entries: 2 }, mirrors: { entries: 1 },
        reconstitute: { sessions: { rebuilt: 7 } },
      },
    });
  });

  test('shows the flags as they are now', () => {
    const one = operations('flags: { sweep: shadow }');
    expect(one.status()).toMatchObject({ flags: { sweep: 'shadow', merge: 'on' } });
    one.flags = () => ({ sweep: 'off', adoption: 'on', merge: 'on', eviction: 'on' });
    expect(one.status()).toMatchObject({ flags: { sweep: 'off' } });
  });

  test('says what each namespace risks, and never a password', () => {
    const yaml = `
      namespaces:
        a: { durability: memory }
        b: { durability: ledger }
        c: { durability: ledger, ledgerAck: fsynced }
    `;
    const status = operations(yaml, LEDGER).status() as {
      namespaces: { name: string; atRisk: string; mirror: string }[];
    };
    const risks = new Map(status.namespaces.map(({ name, atRisk }) => [name, atRisk]));
    expect(risks.get('a')).toMatch(/^everything/);
    expect(risks.get('b')).toMatch(/while the ledger fails over$/);
    expect(risks.get('c')).toMatch(/^nothing/);
    expect(new Set(risks.values()).size).toBe(4);
    expect(JSON.stringify(status)).not.toContain('hunter2');
  });
});
