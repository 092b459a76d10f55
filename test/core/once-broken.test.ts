/**
 * Lives in which the core once went wrong, found by the property test and kept short: each would
 * take that test some luck to find again.
 */
import { expect, test } from 'vitest';
import type { PutCommand } from '../../src/core/command.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';
import { Lockstep } from './lockstep.ts';

const namespaces = [contractOf('default'), contractOf('siblings', { conflict: 'siblings' })];

function begin(): Lockstep {
  return new Lockstep(optionsWith(namespaces), START);
}

function putting(key: string, more: Partial<PutCommand> = {}): PutCommand {
  return {
    op: 'put', namespace: 'default', key, value: Buffer.from('1'), contentType: 'text/plain', ...more,
  };
}

/** A lease with more entries than end in one step. */
function crowd(sidecar: Lockstep, id: string): void {
  sidecar.step({ op: 'grant', namespace: 'default', holder: 'ann', id });
  for (let index = 0; index < 40; index += 1) sidecar.step(putting(`k${index}`, { lease: id }));
}

test('entries of a released lease do not come back under a new lease of its id', () => {
  const sidecar = begin();
  crowd(sidecar, 'a');
  sidecar.step({ op: 'release', id: 'a' });
  sidecar.step({ op: 'grant', namespace: 'default', holder: 'ann', id: 'a' });
  sidecar.snapshot(1000);
  sidecar.crash(1);
  sidecar.inspect();
  expect(sidecar.step({ op: 'list-entries', namespace: 'default', prefix: '', limit: 9, values: false }))
    .toEqual({ entries: [] });
  sidecar.tick();
});

test('a lease that a batch renewed and ended, and then did not, still ends on time', () => {
  const sidecar = begin();
  const { lease } = sidecar.step(putting('k')) as { lease: string };
  sidecar.now += 2000;
  const reply = sidecar.step({
    op: 'batch',
    atomic: true,
    operations: [
      { op: 'renew', id: lease },
      { op: 'delete', namespace: 'default', key: 'k' },
      { op: 'get', namespace: 'default', key: 'nothing' },
    ],
  });
  expect(reply).toMatchObject({ refused: 'batch-refused' });
  sidecar.now += 1001;
  sidecar.tick();
  expect(sidecar.core.usage().entries).toBe(0);
});

test('a sweep that has crowded leases to end says that there is more to do', () => {
  const sidecar = begin();
  crowd(sidecar, 'a');
  sidecar.now += 3001;
  expect(sidecar.core.tick(sidecar.now, 1000)).toBe(true);
  expect(sidecar.core.tick(sidecar.now, 1000)).toBe(false);
  expect(sidecar.core.usage().entries).toBe(0);
});

test('what a crowded lease left to the sweep has the reason of its lease, and no downtime', () => {
  const sidecar = begin();
  crowd(sidecar, 'a');
  sidecar.step({ op: 'release', id: 'a' });
  sidecar.crash(20_000);
  sidecar.step(putting('k7'));
  sidecar.tick();
});

test('a renewal that was not told before its lease ended is in the ending after a restart', () => {
  const sidecar = begin();
  sidecar.step({ op: 'grant', namespace: 'default', holder: 'ann', id: 'a' });
  sidecar.endGroup();
  sidecar.now += 500;
  sidecar.step({ op: 'renew', id: 'a' });
  sidecar.step({ op: 'release', id: 'a' });
  sidecar.crash(1);
  sidecar.step({ op: 'get-lease', id: 'a' });
});

test('a write beside others names the lease of the value that it replaced', () => {
  const sidecar = begin();
  const siblings = { namespace: 'siblings' };
  const first = sidecar.step(putting('k', siblings)) as { context: string };
  sidecar.step(putting('k', { ...siblings, ttlMs: 9000 }));
  sidecar.step(putting('k', { ...siblings, ttlMs: 5000, context: first.context }));
  sidecar.inspect();
});

test('of two endings of one id the later is shown, also after a snapshot was read back', () => {
  const sidecar = begin();
  for (const holder of ['ann', 'bob']) {
    sidecar.step({ op: 'grant', namespace: 'default', holder, id: 'a' });
    if (holder === 'ann') crowd(sidecar, 'a');
    sidecar.step({ op: 'release', id: 'a' });
    sidecar.now += 10;
  }
  sidecar.snapshot(1000);
  sidecar.crash(1);
  sidecar.inspect();
  expect(sidecar.step({ op: 'get-lease', id: 'a' })).toMatchObject({ lease: { holder: 'bob' } });
});
