/** Calls of the ledger as spans: a part of what asks, or for the sake of a recorded grant; or none. */
import { describe, expect, test } from 'vitest';
import { EmbeddedLedger } from '../../src/ledger/embedded/embedded-ledger.ts';
import { encodeLabel } from '../../src/ledger/label.ts';
import { NO_CURSOR, type PushedRecord } from '../../src/ledger/ledger.ts';
import { faultOf } from '../../src/ledger/redis/faults.ts';
import { TracedLedger } from '../../src/ledger/traced-ledger.ts';
import { recordedTrace, RecordingTracing } from '../tracing/recording-tracing.ts';
import { A, caller, START, TERMS, value } from './fixtures.ts';

const AT = { namespace: 'sessions', partition: 3 };
const SYSTEM = { name: 'redis', operation: 'EVALSHA', address: 'ledger', port: 6379 };

function world() {
  const tracing = new RecordingTracing();
  const inner = new EmbeddedLedger({ now: () => START });
  return { tracing, inner, ledger: new TracedLedger(inner, tracing, SYSTEM, () => START) };
}

function recordOf(seq: number, trace: Uint8Array | undefined): PushedRecord {
  const label = encodeLabel({ lease: 'l', holder: 'h', contentType: 'text/plain', size: 1, trace });
  const sibling = { ...value(A, seq, { deadline: START + 60_000 }), label };
  return {
    id: `key${seq}`, bucket: 0, siblings: [sibling], ends: [],
    context: [{ actor: A, seq, until: START + 60_000 }],
  };
}

function pushOf(records: readonly PushedRecord[]) {
  return { caller: caller(A), terms: TERMS, batch: 1, records, version: 2, rejoining: false };
}

function pullOf(ids: readonly string[]) {
  return { caller: caller(A), cursor: NO_CURSOR, limit: 0, records: true, ids };
}

describe('a call of the ledger', () => {
  test('that concerns no recorded request leaves no span', async () => {
    const { tracing, ledger } = world();
    const reply = await ledger.push(AT, pushOf([recordOf(1, undefined)]));
    expect(reply.results.map(({ code }) => code)).toEqual(['applied']);
    await ledger.pull(AT, pullOf(['key1']));
    expect(tracing.spans).toEqual([]);
  });

  test('is a part of what is under way', async () => {
    const { tracing, ledger } = world();
    const round = tracing.start('round');
    await tracing.within(round, () => ledger.pull(AT, pullOf(['key1'])));
    expect(tracing.spans[1]).toMatchObject({
      name: 'EVALSHA leasehold_pull', parent: round, ends: 1,
      attributes: {
        'db.system.name': 'redis', 'db.operation.name': 'EVALSHA',
        'db.stored_procedure.name': 'leasehold_pull', 'server.address': 'ledger', 'server.port': 6379,
        'leasehold.namespace': 'sessions', 'leasehold.partition': 3,
      },
    });
  });

  test('that pushes or reads what a recorded request granted is linked with it, each request once', async () => {
    const { tracing, ledger } = world();
    const [one, other] = [recordedTrace(), recordedTrace()];
    await ledger.push(AT, pushOf([recordOf(1, one), recordOf(2, one), recordOf(3, other), recordOf(4, undefined)]));
    await ledger.pull(AT, pullOf(['key1', 'key4']));
    await ledger.pull(AT, pullOf(['key4']));
    expect(tracing.spans).toMatchObject([
      {
        name: 'EVALSHA leasehold_push', parent: undefined, ends: 1,
        links: [{ trace: one, kind: 'granted' }, { trace: other, kind: 'granted' }],
        attributes: { 'leasehold.batch.records': 4 },
      },
      { name: 'EVALSHA leasehold_pull', parent: undefined, ends: 1, links: [{ trace: one, kind: 'granted' }] },
    ]);
  });

  test('has 128 links and no more', async () => {
    const { tracing, ledger } = world();
    const records = Array.from({ length: 200 }, (_, index) => recordOf(index + 1, recordedTrace()));
    await ledger.push(AT, pushOf(records));
    expect(tracing.spans[0]!.links).toHaveLength(128);
  });

  test('that fails says how, and fails as it would', async () => {
    const { tracing, inner, ledger } = world();
    const reply = new Error("OOM command not allowed when used memory > 'maxmemory'.");
    // As Redis's client calls what the server itself says.
    reply.name = 'ReplyError';
    const error = faultOf(reply);
    inner.push = () => Promise.reject(error);
    await expect(ledger.push(AT, pushOf([recordOf(1, recordedTrace())]))).rejects.toBe(error);
    expect(tracing.spans[0]).toMatchObject({
      failure: 'full', ends: 1, attributes: { 'db.response.status_code': 'OOM' },
    });
  });
});
