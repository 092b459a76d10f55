/** The trace of a grant goes with its values to whoever ends them in its owner's place. */
import { expect, test } from 'vitest';
import { parseTraceparent } from '../../src/core/trace.ts';
import { traceOfLabel } from '../../src/ledger/label.ts';
import { contractOf } from '../core/fixtures.ts';
import { settled } from './simulated-time.ts';
import { World } from './world.ts';
import { worldOf } from './world-of.ts';

const GRANT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01';
const UNRECORDED = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
const traced = (header: string) => ({ trace: parseTraceparent(header)! });

function traceInLedger(world: World, key: string): Uint8Array | undefined {
  return traceOfLabel(world.record(key)!.siblings[0]!.label);
}

test('whoever sweeps for a sidecar that is gone tells which request had granted', async () => {
  const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'none' });
  a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 4000, ...traced(GRANT) });
  a.put('session', 'v', { lease: 'l', ...traced(OTHER) });
  a.put('fixed', 'v', { ttlMs: 3000, ...traced(OTHER) });
  a.put('unrecorded', 'v', { ttlMs: 3000, ...traced(UNRECORDED) });
  await world.pass(1000);
  expect(traceInLedger(world, 'session')).toEqual(parseTraceparent(GRANT));
  expect(traceInLedger(world, 'fixed')).toEqual(parseTraceparent(OTHER));
  expect(traceInLedger(world, 'unrecorded')).toBeUndefined();
  await a.kill();
  await world.pass(30_000);
  const told = b.facts.filter((fact) => fact.kind === 'entry.ended');
  const traces = new Map(told.map(({ key, traceparent }) => [key, traceparent]));
  expect(traces).toEqual(new Map([
    ['session', GRANT], ['fixed', OTHER], ['unrecorded', undefined],
  ]));
});

test('what is ended at a copy carries the trace of its grant to a third, when the owner is gone', async () => {
  const { world, sidecars: [a, b, c] } = await worldOf(['a', 'b', 'c'], { mirror: 'all' });
  a.put('k', 'v', { ttlMs: 20_000, ...traced(GRANT) });
  await world.pass(1000);
  await a.kill();
  b.delete('k');
  await world.pass(60_000);
  const told = [...b.facts, ...c!.facts].filter((fact) => fact.kind === 'entry.ended');
  expect(told.map(({ key, reason, traceparent }) => ({ key, reason, traceparent })))
    .toEqual([{ key: 'k', reason: 'deleted', traceparent: GRANT }]);
  // The ledger goes by the value it has; should it have lost it, by what the copy says.
  const ends = b.link.pushes().flatMap(({ records }) => records.flatMap((record) => record.ends));
  expect(ends.map(({ label }) => traceOfLabel(label))).toEqual([parseTraceparent(GRANT)]);
});

test('a lease that is handed over keeps the trace of its grant, and its values too', async () => {
  const world = new World();
  const contracts = [contractOf('default', { onDrain: 'handover' })];
  const leaving = world.add('a', { contracts });
  const staying = world.add('b', { contracts });
  await world.pass(100);
  leaving.ask({ op: 'grant', namespace: 'default', holder: 'h', id: 'job', ...traced(GRANT) });
  await settled();
  leaving.put('one', 'v', { lease: 'job' });
  await world.pass(500);
  void leaving.reconciliation.drain(5000);
  await world.pass(1000);
  await leaving.kill();
  staying.ask({ op: 'grant', namespace: 'default', holder: 'h', id: 'job', ...traced(OTHER) });
  await settled();
  const told = staying.facts.map(({ kind, traceparent }) => ({ kind, traceparent }));
  expect(told).toEqual([
    { kind: 'lease.granted', traceparent: GRANT }, { kind: 'entry.written', traceparent: GRANT },
  ]);
});
