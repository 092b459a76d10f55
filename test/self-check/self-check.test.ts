/** What the self-check finds, what it says and does then, and what it leaves alone. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryDisk } from '../journal/memory-disk.ts';
import { afterRestart, fakeTime, INTERVAL_MS, pass, type SelfCheckWorld, turns, world } from './world.ts';

let disk: MemoryDisk;
beforeEach(() => {
  fakeTime();
  disk = new MemoryDisk();
});
afterEach(() => {
  vi.useRealTimers();
});

const ENTRIES = 60;
/** Longer than what reverts. */
const LIVED_MS = 6_000;

/** Entries under leases of both kinds, renewals, endings, several segments. */
async function lived(one: SelfCheckWorld): Promise<void> {
  await one.ask({ op: 'grant', namespace: 'default', holder: 'ann', id: 'shared', ttlMs: 3_600_000 });
  for (let number = 0; number < ENTRIES; number++) {
    await one.put(`own/${number}`, 'v'.repeat(100));
    if (number % 3 === 0) await one.put(`under/${number}`, 'w', { lease: 'shared', ttlMs: undefined });
  }
  await one.put('a-secret-key', 'a secret');
  await one.ask({ op: 'renew', id: 'shared', ttlMs: 3_500_000 });
  await one.ask({ op: 'transfer', id: 'shared', holder: 'bob' });
  await one.ask({ op: 'delete', namespace: 'default', key: 'own/1' });
  await one.put('own/2', 'another');
  await one.put('reverted', 'below', { namespace: 'kept' });
  await one.put('reverted', 'above', { namespace: 'kept', ttlMs: 5_000 });
  await one.put('volatile', 'x', { namespace: 'volatile' });
  await pass(LIVED_MS, 1_000);
}

/** A row of each: the entries and their leases, `shared`, what came back, and what none of them loses. */
const ROWS = 2 * (ENTRIES - 1) + ENTRIES / 3 + 1 + 2 + 2;

async function checked(one: SelfCheckWorld) {
  await pass(INTERVAL_MS, INTERVAL_MS);
  await pass(2_000);
  return one.selfCheck.status();
}

/** Without waiting for the next one to be due. */
async function checkedNow({ selfCheck }: SelfCheckWorld) {
  let isOver = false;
  selfCheck.checkNow().then(() => {
    isOver = true;
  });
  while (!isOver) await pass(100);
  return selfCheck.status();
}

const NONE = { same: 0, differs: 0, damaged: 0, overtaken: 0, 'given-up': 0 };
const NOTHING = { missing: 0, surplus: 0, altered: 0, misfits: 0, damaged: 0 };

function pathOf(kind: 'journal' | 'snapshot'): string {
  return [...disk.files.keys()].filter((path) => path.includes(`/${kind}-`)).sort()[0]!;
}

/** Some byte in the middle of a file, on the disk itself. */
function flip(path: string): void {
  const bytes = disk.content(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 0x40;
}

function rowOf({ core }: SelfCheckWorld, key: string): number {
  const { entries } = core.state;
  for (let row = 1; row <= entries.slots.highest; row++) {
    if (entries.cell[row] !== 0 && entries.keyText(row) === key) return row;
  }
  throw new Error(`There is no "${key}"`);
}

describe('an honest journal', () => {
  test('is the same as memory: leases, entries, what was renewed, moved, ended and came back', async () => {
    const one = await world(disk);
    await lived(one);
    expect(await checked(one)).toMatchObject({
      state: 'idle', outcomes: { ...NONE, same: 1 }, differences: NOTHING, lastRows: ROWS,
    });
    expect(one.lines).toEqual([]);
    expect(one.told).toEqual([]);
  });

  test('is the same with a snapshot before it, and after a restart', async () => {
    const first = await world(disk);
    await lived(first);
    expect(await first.snapshotter.begin()).toBe(true);
    await first.put('later');
    expect(await checked(first)).toMatchObject({ outcomes: { ...NONE, same: 1 }, differences: NOTHING, lastRows: ROWS + 2 });
    await first.selfCheck.stop();
    await first.engine.stop();
    const second = await world(disk);
    await second.put('own/2', 'after the restart');
    expect(await checked(second)).toMatchObject({ outcomes: { ...NONE, same: 1 }, differences: NOTHING, lastRows: ROWS + 2 });
  });

  test('may be written, rotated and replaced while it is read', async () => {
    const one = await world(disk);
    await lived(one);
    const goOn = disk.hold('read');
    await pass(INTERVAL_MS, INTERVAL_MS);
    for (let number = 0; number < 50; number++) await one.put(`meanwhile/${number}`, 'v'.repeat(100));
    await one.ask({ op: 'release', id: 'shared' });
    goOn();
    await pass(2_000);
    expect(one.selfCheck.status()).toMatchObject({ outcomes: { ...NONE, same: 1 }, differences: NOTHING, lastRows: ROWS });

    const letRead = disk.hold('open');
    await pass(INTERVAL_MS, INTERVAL_MS);
    const snapshot = one.snapshotter.begin();
    letRead();
    // Files that a snapshot has replaced are no loss: it looks again.
    const holdsStill = disk.hold('read');
    expect(await snapshot).toBe(true);
    await turns();
    holdsStill();
    await pass(3_000);
    expect(one.selfCheck.status()).toMatchObject({ outcomes: { ...NONE, same: 2, overtaken: 1 }, differences: NOTHING });
  });

  test('is compared as it was at one instant, whatever changes while memory is walked', async () => {
    const one = await world(disk);
    await lived(one);
    const capture = one.snapshotter.capture.bind(one.snapshotter);
    let changes = 0;
    one.snapshotter.capture = (take, restWhenDue) =>
      capture(take, () => {
        changes += 1;
        const resting = restWhenDue();
        const change = one.put(`own/${changes % ENTRIES}`, `changed ${changes}`);
        return Promise.all([resting, change]).then(() => {});
      });
    await pass(INTERVAL_MS, INTERVAL_MS);
    await pass(10_000, 50);
    expect(one.selfCheck.status()).toMatchObject({ outcomes: { ...NONE, same: 1 }, differences: NOTHING, lastRows: ROWS });
    expect(changes).toBeGreaterThan(3);
  });

  test('is found quiet and looked at in one step: what a promise brings next is no difference', async () => {
    const one = await world(disk);
    await lived(one);
    const extent = one.journal.extent.bind(one.journal);
    vi.spyOn(one.journal, 'extent').mockImplementationOnce(() => {
      queueMicrotask(() => {
        one.engine.apply((state) => {
          const lease = state.leases.find('shared');
          state.renewLease(lease, state.leases.deadline[lease]! + 5, state.now, 2);
          state.noteRenewal(lease);
        });
      });
      return extent();
    });
    expect(await checked(one)).toMatchObject({ outcomes: { ...NONE, same: 1 }, differences: NOTHING });
  });

  test('waits for a group that is on its way', async () => {
    const one = await world(disk);
    await lived(one);
    const extent = vi.spyOn(one.journal, 'extent').mockReturnValue(undefined);
    await pass(INTERVAL_MS, INTERVAL_MS);
    await pass(500);
    expect(one.selfCheck.status()).toMatchObject({ state: 'checking', outcomes: NONE });
    extent.mockRestore();
    await pass(2_000);
    expect(one.selfCheck.status()).toMatchObject({ outcomes: { ...NONE, same: 1 }, differences: NOTHING });
  });
});

/** Each is wrong in its own way; `kept`: a key that memory has, whatever became of the journal. */
const PLANTED: readonly {
  readonly what: string;
  readonly plant: (one: SelfCheckWorld) => Promise<void> | void;
  readonly differences: Partial<typeof NOTHING>;
}[] = [
  {
    what: 'a write that never came to the journal',
    plant: async (one) => {
      one.lost.matches = (record) => record.includes('unwritten');
      await one.put('unwritten', 'x', { lease: 'shared', ttlMs: undefined });
      one.lost.matches = () => false;
    },
    differences: { missing: 1 },
  },
  {
    what: 'an ending that never came to the journal',
    plant: async (one) => {
      one.lost.matches = (record) => record.includes('own/7');
      await one.ask({ op: 'delete', namespace: 'default', key: 'own/7' });
      one.lost.matches = () => false;
    },
    differences: { surplus: 2 },
  },
  {
    what: 'a lease that never came to the journal, and its renewal',
    plant: async (one) => {
      one.lost.matches = (record) => record.includes('ungranted');
      await one.ask({ op: 'grant', namespace: 'default', holder: 'ann', id: 'ungranted', ttlMs: 3_600_000 });
      one.lost.matches = () => false;
      await one.ask({ op: 'renew', id: 'ungranted' });
    },
    differences: { missing: 1, misfits: 1 },
  },
  {
    what: 'a value changed in memory',
    plant: (one) => {
      one.core.state.entries.valueView(rowOf(one, 'own/9'))[3]! ^= 1;
    },
    differences: { altered: 1 },
  },
  {
    what: 'a deadline moved in memory',
    plant: ({ core: { state } }) => {
      state.leases.deadline[state.leases.find('shared')]! += 1;
    },
    differences: { altered: 1 },
  },
  {
    what: 'a holder exchanged in memory',
    plant: ({ core: { state } }) => {
      state.transferLease(state.leases.find('shared'), 'eve');
    },
    differences: { altered: 1 },
  },
  {
    what: 'a version changed in memory',
    plant: (one) => {
      one.core.state.entries.dotSeq[rowOf(one, 'under/3')]! += 1000;
    },
    differences: { altered: 1 },
  },
  { what: 'a flipped bit in a closed segment', plant: () => flip(pathOf('journal')), differences: { damaged: 1 } },
  { what: 'a lost segment', plant: () => void disk.files.delete(pathOf('journal')), differences: { damaged: 1 } },
  {
    what: 'a segment cut short',
    plant: () => {
      const path = pathOf('journal');
      disk.put(path, disk.content(path).subarray(0, -200));
    },
    differences: { damaged: 1 },
  },
  {
    what: 'a flipped bit in the snapshot',
    plant: async (one) => {
      await one.snapshotter.begin();
      flip(pathOf('snapshot'));
    },
    differences: { damaged: 1 },
  },
  {
    what: 'a segment that cannot be read',
    plant: () => {
      const path = pathOf('journal');
      disk.before = (operation, at) => {
        if (operation === 'read' && at === path) throw MemoryDisk.errors('EIO');
      };
    },
    differences: { damaged: 1 },
  },
];

describe('a difference', () => {
  test.each(PLANTED)('$what is counted, told and repaired: a restart brings memory back', async ({ plant, differences }) => {
    const one = await world(disk);
    await lived(one);
    await plant(one);
    let reasons: readonly string[] = [];
    const begin = one.snapshotter.begin.bind(one.snapshotter);
    one.snapshotter.begin = () => {
      reasons = one.selfCheck.reasons();
      return begin();
    };
    expect(one.selfCheck.reasons()).toEqual([]);
    const status = await checked(one);
    expect(status).toMatchObject({ state: 'idle', outcomes: { same: 1, 'given-up': 0 }, repairs: 1, differences: { ...NOTHING, ...differences } });
    // While it lasted, and not any longer.
    expect(reasons).toEqual(['repairing']);
    expect(one.selfCheck.reasons()).toEqual([]);
    expect(one.told[0]?.namespace).toBe('default');
    expect(one.lines.join('\n')).toMatch(/error .*snapshot of memory[\s\S]*agree again/);
    expect(one.lines.join('\n')).not.toMatch(/own\/|under\/|secret|shared/);
    expect(one.failures).toEqual([]);

    disk.before = () => {};
    const { state } = await afterRestart(disk);
    expect(state.liveLeases).toBe(one.core.state.liveLeases - 1);
    const here = one.core.state.entries;
    for (const key of ['own/9', 'under/3', 'a-secret-key', 'reverted']) {
      const { number } = state.namespaces.find(key === 'reverted' ? 'kept' : 'default')!;
      state.probe.set(number, key);
      const row = state.entries.find(number, state.probe);
      expect(Buffer.from(state.entries.valueView(row))).toEqual(Buffer.from(here.valueView(rowOf(one, key))));
    }
  });

  test('is an event: of which namespace, how much was written again, and that it was the journal', async () => {
    const one = await world(disk);
    await lived(one);
    one.core.state.entries.valueView(rowOf(one, 'own/9'))[3]! ^= 1;
    const reader = one.feed.open();
    await checked(one);
    const facts = reader.read(1000) as readonly { readonly fact: object }[];
    expect(facts.map(({ fact }) => fact)).toMatchObject([
      { kind: 'reconcile.repaired', namespace: 'default', against: 'journal', partition: 0, pushed: 1, pulled: 0, ended: 0 },
    ]);
  });

  test('of what cannot be read is told for every namespace that holds something in the journal', async () => {
    const one = await world(disk);
    await lived(one);
    flip(pathOf('journal'));
    await checked(one);
    expect(one.told.map(({ namespace }) => namespace)).toEqual(['default', 'kept']);
    expect(one.told[1]).toEqual({ namespace: 'kept', restated: 2, ended: 0 });
  });

  test('from a journal just made of memory stops the process', async () => {
    const one = await world(disk);
    await lived(one);
    const row = rowOf(one, 'own/9');
    one.core.state.entries.valueView(row)[3]! ^= 1;
    const begin = one.snapshotter.begin.bind(one.snapshotter);
    one.snapshotter.begin = async () => {
      const done = await begin();
      one.core.state.entries.valueView(row)[3]! ^= 2;
      return done;
    };
    await checked(one);
    expect(one.failures.map(({ message }) => message)).toEqual([
      'Cannot go on: memory differs from a journal that was just made of it',
    ]);
  });

  test('that a disk makes again and again is repaired ever later, and stays a reason', async () => {
    const one = await world(disk);
    await lived(one);
    flip(pathOf('journal'));
    let snapshots = 0;
    const begin = one.snapshotter.begin.bind(one.snapshotter);
    one.snapshotter.begin = async () => {
      snapshots += 1;
      const done = await begin();
      if (snapshots < 4) flip(pathOf('snapshot'));
      return done;
    };
    await pass(INTERVAL_MS - LIVED_MS, INTERVAL_MS);
    const at: number[] = [];
    for (let second = 1; second <= 12; second++) {
      await pass(1_000);
      at.push(snapshots);
      if (snapshots < 4) expect(one.selfCheck.reasons()).toEqual(['repairing']);
    }
    expect(at).toEqual([1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
    expect(one.selfCheck.status()).toMatchObject({ state: 'idle', repairs: 4, differences: { damaged: 4 } });
    expect(one.failures).toEqual([]);
  });

  test('on a full disk waits for room, and does not take the sidecar out of service', async () => {
    const one = await world(disk);
    await lived(one);
    flip(pathOf('journal'));
    let state: 'ok' | 'full' = 'full';
    vi.spyOn(one.journal, 'state', 'get').mockImplementation(() => state);
    await pass(INTERVAL_MS - LIVED_MS, INTERVAL_MS);
    await pass(2_000);
    expect(one.selfCheck.status()).toMatchObject({ state: 'repairing', repairs: 0 });
    expect(one.selfCheck.reasons()).toEqual([]);
    state = 'ok';
    expect(one.selfCheck.reasons()).toEqual(['repairing']);
    await pass(5_000, 100);
    expect(one.selfCheck.status()).toMatchObject({ state: 'idle', repairs: 1 });
  });
});

describe('the budget', () => {
  test('holds what is compared at once: more is looked at in turn, or by halves', async () => {
    const one = await world(disk, { rows: 40 });
    await lived(one);
    // Memory alone says how many shares there must be.
    const first = await checkedNow(one);
    expect(first.shares).toBe(Math.ceil(ROWS / (0.8 * 40)));
    one.core.state.entries.valueView(rowOf(one, 'own/9'))[3]! ^= 1;
    for (let look = 0; look < first.shares; look++) await checkedNow(one);
    expect(one.selfCheck.status()).toMatchObject({ repairs: 1, outcomes: { differs: 1, 'given-up': 0 }, differences: { ...NOTHING, altered: 1 } });
    // What came and went since the snapshot is more than lives now.
    for (let number = 0; number < 200; number++) await one.put(`brief/${number}`);
    for (let number = 0; number < 200; number++) {
      await one.ask({ op: 'delete', namespace: 'default', key: `brief/${number}` });
    }
    const before = one.selfCheck.status();
    const after = await checkedNow(one);
    expect(after.outcomes.same - before.outcomes.same).toBeGreaterThan(1);
    expect(after).toMatchObject({ outcomes: { 'given-up': 0 }, differences: { ...NOTHING, altered: 1 } });
  });

  test('of the disk: so many bytes a second', async () => {
    const one = await world(disk, { readPerSecondBytes: 2_000 });
    await lived(one);
    await one.selfCheck.stop();
    const bytes = [...disk.files.keys()]
      .filter((path) => path.includes('/journal-'))
      .reduce((total, path) => total + disk.content(path).length, 0);
    const slow = await world(disk.copy(), { readPerSecondBytes: 2_000 });
    await pass(INTERVAL_MS, INTERVAL_MS);
    await pass(3_000, 1_000);
    expect(slow.selfCheck.status()).toMatchObject({ state: 'checking' });
    await pass((bytes / 2_000) * 1_000 + 10_000, 1_000);
    const { outcomes, lastDurationMs, lastReadBytes } = slow.selfCheck.status();
    expect(outcomes.same).toBe(1);
    expect(lastReadBytes).toBeGreaterThanOrEqual(bytes);
    expect(lastDurationMs).toBeGreaterThan((lastReadBytes / 2_000) * 1_000 - 1_000);
  });

  test('of the loop: other turns come between pieces of work', async () => {
    const one = await world(disk);
    for (let number = 0; number < 300; number++) await one.put(`own/${number}`, 'v'.repeat(30));
    // A clock that stands still while anything is worked on: pieces end by count.
    await pass(INTERVAL_MS, INTERVAL_MS);
    let steps = 0;
    while (one.selfCheck.outcomes.same === 0 && steps < 1_000) {
      steps += 1;
      await pass(1, 1);
    }
    expect(one.selfCheck.outcomes.same).toBe(1);
    expect(steps).toBeGreaterThan(5);
  });

  test('is nothing where it is turned off, and a check ends when the sidecar stops', async () => {
    const off = await world(disk, { intervalMs: 0 });
    const reads = disk.count.read;
    await pass(3 * INTERVAL_MS, INTERVAL_MS);
    expect(off.selfCheck.status()).toMatchObject({ state: 'off', outcomes: NONE });
    expect(disk.count.read).toBe(reads);
    const other = new MemoryDisk();
    const one = await world(other, { readPerSecondBytes: 1 });
    await one.put('one');
    await pass(INTERVAL_MS, INTERVAL_MS);
    expect(one.selfCheck.status().state).toBe('checking');
    await one.selfCheck.stop();
    expect(one.selfCheck.status()).toMatchObject({ state: 'idle', outcomes: NONE });
  });

  test('does not hold up a sidecar that stops, however slow the disk: a read, a snapshot', async () => {
    const stopped = async (one: SelfCheckWorld) => {
      let isStopped = false;
      one.selfCheck.stop().then(() => {
        isStopped = true;
      });
      await pass(2_000, 100);
      return isStopped;
    };
    const reading = await world(disk);
    await reading.put('one');
    const release = disk.hold('read');
    await pass(INTERVAL_MS, INTERVAL_MS);
    expect(reading.selfCheck.status().state).toBe('checking');
    expect(await stopped(reading)).toBe(true);
    flip(pathOf('journal'));
    release();
    await pass(2_000, 100);
    expect([reading.told, reading.selfCheck.outcomes]).toEqual([[], NONE]);

    const other = new MemoryDisk();
    const repairing = await world(other);
    await repairing.put('one');
    repairing.lost.matches = (record) => record.includes('two');
    await repairing.put('two');
    const openUp = other.hold('write');
    await pass(INTERVAL_MS, INTERVAL_MS);
    await pass(1_000, 100);
    expect(repairing.selfCheck.status().state).toBe('repairing');
    expect(await stopped(repairing)).toBe(true);
    const isOver = repairing.snapshotter.stop();
    openUp();
    await isOver;
    expect(repairing.failures).toEqual([]);
  });
});
