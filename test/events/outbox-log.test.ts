import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CborWriter } from '../../src/core/cbor.ts';
import { OutboxLog } from '../../src/events/outbox-log.ts';

/** `source.closed` of a run: the shortest fact there is. */
function fact(actor: string, padding = 0) {
  const writer = new CborWriter(256);
  writer.array(9);
  writer.unsigned(16);
  writer.double(1);
  writer.double(1);
  for (const text of ['', '', 'h'.repeat(padding), actor]) writer.text(text);
  writer.unsigned(1);
  writer.unsigned(2);
  return {
    bytes: writer.bytes, start: 0, end: writer.end, valueAt: 0, namespace: 'n', ofLease: false,
  };
}

function log(options: { keptBytes?: number; keptMs?: number } = {}) {
  const clock = { now: 0 };
  const settled: number[] = [];
  const outbox = new OutboxLog({
    stream: 'endings', keptBytes: 1 << 20, keptMs: 1000, ...options,
    now: () => clock.now,
    onSettled: (_namespace, _ofLease, bytes) => settled.push(bytes),
  });
  outbox.beginRun('aaaaaaaaaaaaaaaa');
  const tell = (count: number) => {
    for (let index = 0; index < count; index++) outbox.append(fact(`${outbox.head}`));
    outbox.commit(outbox.head);
  };
  return { outbox, clock, settled, tell };
}

describe('a stream of the outbox', () => {
  it('shows facts when they are committed, numbered from 1 in each run', () => {
    const { outbox } = log();
    let woken = 0;
    outbox.onVisible = () => woken++;
    expect(outbox.append(fact('x'))).toBe(1);
    expect([outbox.visible, outbox.pending, woken]).toEqual([0, 1, 0]);
    outbox.commit(outbox.head);
    expect([outbox.visible, woken]).toEqual([1, 1]);
    outbox.beginRun('bbbbbbbbbbbbbbbb');
    expect(outbox.append(fact('y'))).toBe(1);
    outbox.commit(outbox.head);
    expect(outbox.at(0)).toMatchObject({
      actor: 'aaaaaaaaaaaaaaaa', sequence: 1, fact: { actor: 'x' },
    });
    expect(outbox.at(1)).toMatchObject({
      actor: 'bbbbbbbbbbbbbbbb', sequence: 1, fact: { actor: 'y' },
    });
  });

  it('settles each fact once, when it is acknowledged', () => {
    const { outbox, settled, tell } = log();
    tell(3);
    outbox.acknowledge(2);
    outbox.acknowledge(2);
    expect(settled).toHaveLength(2);
    expect([outbox.first, outbox.pending]).toEqual([2, 1]);
    expect(outbox.pendingBytes).toBe(fact('2').end);
    expect(() => outbox.acknowledge(4)).toThrow(/never published/);
  });

  it('holds what is acknowledged for its time, and not longer', () => {
    const { outbox, clock, tell } = log({ keptMs: 5000 });
    tell(2);
    outbox.acknowledge(1);
    clock.now = 1500;
    outbox.acknowledge(2);
    expect(outbox.kept).toBe(0);
    clock.now = 5100;
    tell(1);
    outbox.acknowledge(3);
    expect(outbox.kept).toBe(1);
    expect(outbox.at(1).sequence).toBe(2);
    expect(() => outbox.at(0)).toThrow(/not in the outbox/);
    expect(outbox.keptMs).toBe(3600);
  });

  it('holds no more of what is acknowledged than its bytes', () => {
    const { outbox, tell } = log({ keptBytes: 3 * fact('0').end });
    tell(10);
    outbox.acknowledge(8);
    expect([outbox.kept, outbox.first]).toEqual([5, 8]);
    expect(outbox.heldBytes).toBe(5 * fact('0').end);
  });

  it('gives its memory back', () => {
    const { outbox } = log({ keptBytes: 0 });
    const large = fact('x', 100_000);
    for (let index = 0; index < 20; index++) outbox.append(large);
    outbox.commit(outbox.head);
    outbox.acknowledge(20);
    expect([outbox.heldBytes, outbox.kept, outbox.pendingBytes]).toEqual([0, 20, 0]);
  });

  it('leaves a number out for what it drops', () => {
    const { outbox, tell } = log();
    tell(1);
    expect(outbox.drop()).toBe(2);
    expect(outbox.drop()).toBe(3);
    tell(1);
    expect(outbox.at(1).sequence).toBe(4);
    expect(outbox.dropped).toBe(2);
  });

  it('leaves values out where they are not told', () => {
    const { outbox } = log();
    const writer = new CborWriter(64);
    writer.text('before');
    const valueAt = writer.end;
    writer.byteString(new Uint8Array([1, 2, 3]), 0, 3);
    outbox.append({
      bytes: writer.bytes, start: 0, end: writer.end, valueAt, namespace: '', ofLease: false,
    });
    expect([...outbox.factBytes(0)].slice(valueAt)).toEqual([0x40]);
  });

  it('notes for the journal what has changed, once', () => {
    const { outbox, tell } = log();
    tell(3);
    expect(outbox.takeNote()).toBeUndefined();
    outbox.acknowledge(2);
    expect(outbox.takeNote()).toEqual({ actor: 'aaaaaaaaaaaaaaaa', sequence: 2 });
    expect(outbox.takeNote()).toBeUndefined();
    outbox.noteStream({ created: 'c', sequence: 7 });
    expect(outbox.takeNote()).toEqual({
      actor: 'aaaaaaaaaaaaaaaa', sequence: 2, seen: { created: 'c', sequence: 7 },
    });
  });

  it('comes back with the same numbers, and forgets what was acknowledged before', () => {
    const { outbox, clock, settled } = log({ keptMs: 1000 });
    const before = new OutboxLog({
      stream: 'endings', keptBytes: 1 << 20, keptMs: 1000, now: () => clock.now,
      onSettled: (_namespace, _ofLease, bytes) => settled.push(bytes),
    });
    before.restore('aaaaaaaaaaaaaaaa', 4, fact('4'));
    before.restore('aaaaaaaaaaaaaaaa', 5, fact('5'));
    before.restore('bbbbbbbbbbbbbbbb', 1, fact('6'));
    before.restore('bbbbbbbbbbbbbbbb', 2, fact('7'));
    before.restoreAcknowledged('aaaaaaaaaaaaaaaa', 4, 100, undefined);
    before.restoreAcknowledged('bbbbbbbbbbbbbbbb', 1, 900, { created: 'c', sequence: 9 });
    expect([before.kept, before.first, before.visible]).toEqual([0, 3, 4]);
    expect(before.at(3)).toMatchObject({ actor: 'bbbbbbbbbbbbbbbb', sequence: 2 });
    expect(before.lastSeen).toEqual({ created: 'c', sequence: 9 });
    // Nothing was counted as owed in this run yet.
    expect(settled).toEqual([]);
    expect(before.position()).toMatchObject({ actor: 'bbbbbbbbbbbbbbbb', sequence: 1 });
    expect(outbox.head).toBe(0);
  });
});

const step = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), size: fc.integer({ min: 0, max: 120_000 }) }),
  fc.record({ kind: fc.constant('commit' as const) }),
  fc.record({ kind: fc.constant('acknowledge' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant('drop' as const) }),
  fc.record({ kind: fc.constant('run' as const) }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 700 }) }),
);

describe('whatever happens to it', () => {
  it('every fact held is the one that was appended, under its number', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { outbox, clock } = log({ keptBytes: 300_000, keptMs: 1000 });
        let run = 0;
        let sequence = 0;
        const appended: { actor: string; sequence: number; name: string; bytes: number }[] = [];
        for (const each of steps) {
          if (each.kind === 'append') {
            const name = `f${appended.length}`;
            const told = fact(name, each.size);
            expect(outbox.append(told)).toBe(++sequence);
            const actor = outbox.actor!;
            appended.push({ actor, sequence, name, bytes: told.end });
          } else if (each.kind === 'commit') {
            outbox.commit(outbox.head);
          } else if (each.kind === 'acknowledge') {
            outbox.acknowledge(
              outbox.first + Math.floor(each.share * (outbox.visible - outbox.first)),
            );
          } else if (each.kind === 'drop') {
            expect(outbox.drop()).toBe(++sequence);
          } else if (each.kind === 'run') {
            outbox.beginRun(`run${run++}`);
            sequence = 0;
          } else {
            clock.now += each.ms;
          }
          expect(outbox.head).toBe(appended.length);
          const pending = appended.slice(outbox.first);
          expect(outbox.pendingBytes).toBe(pending.reduce((sum, { bytes }) => sum + bytes, 0));
          for (let index = outbox.kept; index < outbox.visible; index++) {
            const { actor, sequence: number, name } = appended[index]!;
            expect(outbox.at(index)).toMatchObject({ actor, sequence: number, fact: { actor: name } });
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
