import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AskedOperation, Command } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { decodeFact } from '../../src/core/fact-reader.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { ENDINGS_STREAM, EVENTS_STREAM } from '../../src/core/told.ts';
import { contract, LIMITS, put, START_MS } from '../engine/world.ts';

const OUTBOX = { endings: 1000, endingBytes: 1 << 20 };

function publishing(
  changes: Partial<NamespaceContract> = {},
  outbox: { endings: number; endingBytes: number } = OUTBOX,
): Core {
  return new Core(
    {
      actor: '00000000000000aa', hashSeed: 1, namespaces: [contract(changes)],
      autoCreateNamespaces: false, limits: { ...LIMITS, outbox },
    },
    START_MS,
  );
}

interface Ending {
  readonly ofLease: boolean;
  readonly bytes: number;
}

/** The endings of the steps since the last call, as the bus will acknowledge them. */
function endingsOf(core: Core): Ending[] {
  const { facts } = core;
  const endings: Ending[] = [];
  for (let index = 0; index < facts.count; index++) {
    if (facts.streams[index] !== ENDINGS_STREAM) continue;
    endings.push({ ofLease: facts.ofLease[index]!, bytes: facts.bytesOf(index) });
  }
  facts.reset();
  return endings;
}

function settle(core: Core, endings: readonly Ending[]): void {
  for (const { ofLease, bytes } of endings) core.settleEnding('default', ofLease, bytes);
}

const grant = (id: string): Command => ({ op: 'grant', namespace: 'default', holder: 'h', id });
const release = (id: string): Command => ({ op: 'release', id });
const capacity = { leases: 3, entries: 3, bytes: 1 << 16, eviction: 'refuse' } as const;

describe('an ending that the bus has not acknowledged', () => {
  it('keeps the place of its lease', () => {
    const core = publishing({ capacity });
    for (const id of ['a', 'b', 'c']) core.step(grant(id), START_MS);
    core.step(release('a'), START_MS);
    const owed = endingsOf(core);
    expect(core.step(grant('d'), START_MS)).toMatchObject({
      refused: 'capacity', members: { resource: 'leases' },
    });
    settle(core, owed);
    expect(core.step(grant('d'), START_MS)).toMatchObject({ created: true });
    checkInvariants(core);
  });

  it('keeps the place of its entry, also when that expired', () => {
    const core = publishing({ capacity });
    for (const key of ['a', 'b', 'c']) core.step(put(key, 'v', { ttlMs: 100 }), START_MS);
    while (core.tick(START_MS + 100, 64));
    expect(core.usage().entries).toBe(0);
    expect(core.step(put('d'), START_MS + 100)).toMatchObject({ refused: 'capacity' });
    settle(core, endingsOf(core));
    expect(core.step(put('d'), START_MS + 100)).toMatchObject({ created: true });
    checkInvariants(core);
  });

  it('is taken back with the batch that made it', () => {
    const core = publishing({ capacity });
    core.step(put('a'), START_MS);
    core.facts.reset();
    const operations: AskedOperation[] = [
      { op: 'delete', namespace: 'default', key: 'a' },
      { ...put('b'), ifMatch: ['nothing'] },
    ];
    expect(core.step({ op: 'batch', atomic: true, operations }, START_MS)).toMatchObject({
      refused: 'batch-refused',
    });
    expect(core.state.owed).toMatchObject({ pending: 0, pendingBytes: 0 });
    checkInvariants(core);
  });

  it('of a write under another lease needs room that the row does not give', () => {
    const core = publishing({ capacity }, { endings: 5, endingBytes: 1 << 16 });
    core.step(put('a', 'v', { ttlMs: 1000 }), START_MS);
    for (let time = 0; time < 4; time++) core.step(put('a', 'v', { ttlMs: 1000 }), START_MS);
    expect(core.state.owed!.pending).toBe(4);
    expect(core.step(put('a', 'v', { ttlMs: 1000 }), START_MS)).toMatchObject({
      refused: 'capacity', members: { resource: 'outbox' },
    });
    expect(core.step(put('a', 'w'), START_MS)).toMatchObject({ created: false });
    checkInvariants(core);
  });

  it('and of a holder with a longer name needs room that nobody reserved', () => {
    const core = publishing({ capacity }, { endings: 10, endingBytes: 600 });
    core.step(grant('a'), START_MS);
    core.step(put('k', 'v', { lease: 'a' }), START_MS);
    const holder = 'a-much-longer-name'.repeat(10);
    expect(core.step({ op: 'transfer', id: 'a', holder }, START_MS)).toMatchObject({
      refused: 'capacity', members: { resource: 'outbox' },
    });
    expect(core.step({ op: 'transfer', id: 'a', holder: 'other' }, START_MS)).toMatchObject({
      lease: { holder: 'other' },
    });
    const contentType = `application/${'x'.repeat(230)}`;
    expect(core.step({ ...put('k', 'w'), contentType }, START_MS)).toMatchObject({ created: false });
    expect(core.step({ ...put('j', 'w', { lease: 'a' }), contentType }, START_MS)).toMatchObject({
      refused: 'capacity',
    });
    checkInvariants(core);
  });

  it('lets a namespace evict a while, and then no more', () => {
    const core = publishing({
      capacity: { leases: 100, entries: 8, bytes: 1 << 16, eviction: 'soonestDeadline' },
    });
    for (let index = 0; index < 8; index++) core.step(put(`k${index}`), START_MS);
    expect(core.step(put('x'), START_MS)).toMatchObject({ created: true });
    expect(core.step(put('y'), START_MS)).toMatchObject({ created: true });
    expect(core.step(put('z'), START_MS)).toMatchObject({ refused: 'capacity' });
    expect(core.usage()).toMatchObject({ entries: 8, evictions: 2 });
    settle(core, endingsOf(core));
    expect(core.step(put('z'), START_MS)).toMatchObject({ created: true });
  });

  it('counts again after a restart, beyond the capacity if need be', () => {
    const core = publishing({ capacity });
    for (let index = 0; index < 5; index++) core.oweEnding('default', false, 200);
    expect(core.step(put('a'), START_MS)).toMatchObject({ refused: 'capacity' });
    for (let index = 0; index < 3; index++) core.settleEnding('default', false, 200);
    expect(core.step(put('a'), START_MS)).toMatchObject({ created: true });
  });
});

describe('what the bus is told', () => {
  const streams = (core: Core) => {
    const told: [string, number][] = [];
    for (let index = 0; index < core.facts.count; index++) {
      const record = core.facts.bytes.slice(core.facts.starts[index], core.facts.starts[index + 1]);
      told.push([decodeFact(record).kind, core.facts.streams[index]!]);
    }
    core.facts.reset();
    return told;
  };

  it('is chosen by the namespace, but for endings', () => {
    const core = publishing({ events: { values: 'none', publish: ['entry.created'] } });
    core.step(grant('a'), START_MS);
    core.step(put('k', 'v', { lease: 'a' }), START_MS);
    core.step(put('k', 'w', { lease: 'a' }), START_MS);
    core.step(release('a'), START_MS);
    expect(streams(core)).toEqual([
      ['lease.granted', 0], ['entry.written', EVENTS_STREAM], ['entry.written', 0],
      ['lease.ended', ENDINGS_STREAM], ['entry.ended', ENDINGS_STREAM],
    ]);
  });

  it('of renewals without room is the last, when there is room', () => {
    const core = publishing();
    core.step(grant('a'), START_MS);
    streams(core);
    for (const after of [10, 20, 30]) {
      core.step({ op: 'renew', id: 'a' }, START_MS + after);
      core.tellRenewals(0);
    }
    expect(streams(core)).toEqual([
      ['lease.renewed', 0], ['lease.renewed', 0], ['lease.renewed', 0],
    ]);
    core.retellRenewals(10);
    const { starts, bytes } = core.facts;
    expect(decodeFact(bytes.slice(starts[0], starts[1]))).toMatchObject({ renewals: 3 });
    expect(streams(core)).toEqual([['lease.renewed', EVENTS_STREAM]]);
    core.retellRenewals(10);
    expect(streams(core)).toEqual([]);
  });

  it('says nothing of a held renewal whose lease has ended', () => {
    const core = publishing();
    core.step(grant('a'), START_MS);
    core.step({ op: 'renew', id: 'a' }, START_MS);
    core.tellRenewals(0);
    core.step(release('a'), START_MS);
    streams(core);
    core.retellRenewals(10);
    expect(streams(core)).toEqual([]);
  });

  it('names the requests that granted and that acted', () => {
    const core = publishing();
    const granting = new Uint8Array(25).fill(1);
    const acting = new Uint8Array(25).fill(2);
    core.step({ ...grant('a'), trace: granting } as Command, START_MS);
    core.facts.reset();
    core.step({ ...release('a'), trace: acting } as Command, START_MS);
    const { starts, bytes } = core.facts;
    expect(decodeFact(bytes.slice(starts[0], starts[1]))).toMatchObject({
      traceparent: `00-${'01'.repeat(16)}-${'01'.repeat(8)}-01`,
      actingTraceparent: `00-${'02'.repeat(16)}-${'02'.repeat(8)}-02`,
    });
  });
});

const KEYS = ['a', 'b', 'c', 'a-much-longer-key-than-the-others-are'];
const LEASES = ['l1', 'l2', 'lease-of-a-longer-name'];
const LIMIT = { leases: 4, entries: 5, bytes: 1 << 16, eviction: 'refuse' } as const;

const operation: fc.Arbitrary<AskedOperation> = fc.oneof(
  fc.record({
    key: fc.constantFrom(...KEYS),
    contentType: fc.constantFrom('text/plain', 'application/octet-stream', 'x/y'),
    under: fc.oneof(
      fc.constantFrom(...LEASES).map((lease) => ({ lease })),
      fc.constantFrom(50, 500).map((ttlMs) => ({ ttlMs })),
      fc.constant({}),
    ),
  }).map(({ key, contentType, under }) => ({ ...put(key, 'v', under), contentType })),
  fc.constantFrom(...KEYS).map((key) => ({ op: 'delete' as const, namespace: 'default', key })),
);

/** Every request brings one: endings are as long as they get. */
const TRACE = new Uint8Array(25).fill(7);

type Action =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'acknowledge'; readonly count: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.oneof<fc.Arbitrary<Command>[]>(
    operation,
    fc.record({ id: fc.constantFrom(...LEASES), holder: fc.constantFrom('h', 'another-holder') })
      .map(({ id, holder }) => ({ op: 'grant' as const, namespace: 'default', id, holder })),
    fc.constantFrom(...LEASES).map((id) => ({ op: 'release' as const, id })),
    fc.constantFrom(...LEASES).map((id) => ({ op: 'renew' as const, id, ttlMs: 400 })),
    fc.record({ id: fc.constantFrom(...LEASES), holder: fc.constantFrom('x', 'somebody-else') })
      .map((each) => ({ op: 'transfer' as const, ...each })),
    fc.record({ atomic: fc.boolean(), operations: fc.array(operation, { minLength: 1, maxLength: 5 }) })
      .map((each) => ({ op: 'batch' as const, ...each })),
  ).map((command) => ({ kind: 'command' as const, command })),
  fc.constantFrom(1, 60, 600).map((ms) => ({ kind: 'time' as const, ms })),
  fc.integer({ min: 1, max: 6 }).map((count) => ({ kind: 'acknowledge' as const, count })),
);

describe('whatever is asked and however slow the bus is', () => {
  it.each(['delete', 'revert'] as const)(
    'every ending finds its room, and what lives or is owed stays within the capacity: on expiry %s',
    (onExpire) => {
      fc.assert(
        fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
          const core = publishing(
            { capacity: LIMIT, onExpire, ...(onExpire === 'revert' ? { class: 'local' } : {}) },
            { endings: 14, endingBytes: 2200 },
          );
          let now = START_MS;
          const waiting: Ending[] = [];
          for (const each of actions) {
            if (each.kind === 'command') {
              const reply = core.step({ ...each.command, trace: TRACE } as Command, now);
              if (each.command.op === 'release' && isRefusal(reply)) {
                expect(reply.refused).toBe('lease-not-found');
              }
            } else if (each.kind === 'time') {
              now += each.ms;
              while (core.tick(now, 64));
            } else {
              settle(core, waiting.splice(0, each.count));
            }
            core.tellRenewals();
            waiting.push(...endingsOf(core));
            checkInvariants(core);
            const { owed, namespaces, explicitLeases, entries } = core.state;
            const namespace = namespaces.find('default')!;
            expect(owed!.pending).toBe(waiting.length);
            expect(namespace.entries + namespace.owedEntries).toBeLessThanOrEqual(14);
            expect(explicitLeases + namespace.owedLeases).toBeLessThanOrEqual(LIMIT.leases);
            expect(explicitLeases + entries.slots.used + owed!.pending).toBeLessThanOrEqual(14);
            expect(owed!.reservedBytes + owed!.pendingBytes).toBeLessThanOrEqual(2200);
          }
        }),
        { numRuns: 300 },
      );
    },
  );
});
