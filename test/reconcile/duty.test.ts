/** Rounds as spans: by lot, each a trace of its own, and never a part of whoever set them off. */
import { describe, expect, test } from 'vitest';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { asDuty, found } from '../../src/reconcile/duty.ts';
import { RecordingTracing } from '../tracing/recording-tracing.ts';

const AT = { namespace: 'n', partition: 3 };

describe('a round', () => {
  test('that a lot falls on has a trace of its own, with what it found', async () => {
    const tracing = new RecordingTracing();
    const request = tracing.start('request');
    await tracing.within(request, () =>
      asDuty({ tracing }, 'round', AT, async () => {
        await Promise.resolve();
        found({ tracing }, { 'leasehold.outcome': 'in-step' });
      }),
    );
    expect(tracing.spans[1]).toMatchObject({
      name: 'round', parent: undefined, ends: 1, failure: undefined,
      attributes: { 'leasehold.namespace': 'n', 'leasehold.partition': 3, 'leasehold.outcome': 'in-step' },
    });
    expect(request.attributes).toEqual({});
  });

  test('that none falls on leaves nothing, also not at the request that set it off', async () => {
    const tracing = new RecordingTracing();
    tracing.recordsRoots = false;
    const request = tracing.start('request');
    const outcome = await tracing.within(request, () =>
      asDuty({ tracing }, 'round', AT, async () => {
        await Promise.resolve();
        found({ tracing }, { 'leasehold.outcome': 'in-step' });
        return tracing.active;
      }),
    );
    expect(outcome).toBeUndefined();
    expect([tracing.spans.length, request.attributes]).toEqual([1, {}]);
  });

  test('that breaks off says why, and breaks off', async () => {
    const tracing = new RecordingTracing();
    const fails = () => Promise.reject(new LedgerError('timeout', 'no answer'));
    await expect(asDuty({ tracing }, 'round', undefined, fails)).rejects.toThrow('no answer');
    expect(tracing.spans).toMatchObject([{ failure: 'timeout', ends: 1, attributes: {} }]);
  });

  test('is just done where nothing is traced', async () => {
    expect(await asDuty({}, 'round', AT, async () => 'done')).toBe('done');
    found({}, { 'leasehold.outcome': 'in-step' });
  });
});
