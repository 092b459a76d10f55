import { beforeEach, describe, expect, test } from 'vitest';
import { History } from '../history/history.ts';
import type { Asked, Operation } from '../history/operation.ts';
import { BEHAVIOURS, type BehaviourName, Neighbour, neighboursOf } from './neighbour.ts';
import { kernelOf, NAMESPACES, OneSidecar } from './one-sidecar.ts';
import type { Neighbourhood } from './session.ts';
import type { WatchedEvent } from './watched.ts';

const NAMES = Object.keys(BEHAVIOURS) as BehaviourName[];

interface Town extends Neighbourhood {
  readonly history: History;
  readonly sidecar: OneSidecar;
}

async function town(seed: number): Promise<Town> {
  const sidecar = new OneSidecar(kernelOf(seed));
  await sidecar.start();
  const { kernel } = sidecar;
  return { kernel, sidecar, history: new History(), sidecars: [sidecar], namespaces: NAMESPACES, keys: 6 };
}

function one(neighbourhood: Town, behaviour: BehaviourName, name = 'c1'): Neighbour {
  return new Neighbour({ neighbourhood, name, behaviour, sidecar: neighbourhood.sidecar });
}

type OfKind<K extends Asked['kind']> = Operation & { readonly asked: Extract<Asked, { kind: K }> };

function ofKind<K extends Asked['kind']>({ operations }: History, kind: K): OfKind<K>[] {
  return operations.filter((each): each is OfKind<K> => each.asked.kind === kind);
}

/** What a lease was answered to be. */
function leaseIn({ answer }: Operation): { readonly id?: string; readonly reason?: string } {
  return (answer?.document ?? {}) as object;
}

let here: Town;

beforeEach(async () => {
  here = await town(1);
});

describe('a neighbour of any kind', () => {
  test.each(NAMES)('%s asks nothing that a sidecar cannot read, and is always answered', async (behaviour) => {
    const client = one(here, behaviour);
    client.start();
    await here.kernel.run(120_000);
    client.stop();
    await here.kernel.run(5_000);
    const { operations, answered } = here.history;
    expect(operations.length + client.watched.length).toBeGreaterThan(behaviour === 'watcher' ? 0 : 30);
    expect(answered.length).toBe(operations.length);
    expect(operations.filter(({ answer }) => answer!.status === 400 || answer!.status >= 413)).toEqual([]);
  });

  test('writes no value twice, whoever it is', async () => {
    const clients = neighboursOf(here, 20);
    for (const client of clients) client.start();
    await here.kernel.run(10_000);
    for (const client of clients) client.crash();
    for (const client of clients) client.comeBack();
    await here.kernel.run(10_000);
    const values = ofKind(here.history, 'put').map(({ intent, asked }) => `${intent} ${asked.value}`);
    const distinct = new Set(values.map((each) => each.split(' ')[1]));
    expect(distinct.size).toBe(new Set(values).size);
    expect(distinct.size).toBeGreaterThan(100);
  });

  test('asks nothing more when it is stopped', async () => {
    const client = one(here, 'editor');
    client.start();
    await here.kernel.run(10_000);
    client.stop();
    const asked = here.history.operations.length;
    await here.kernel.run(60_000);
    expect(here.history.operations.length).toBe(asked);
  });

  test('hears nothing more when it crashes, and is somebody new when it comes back', async () => {
    const client = one(here, 'editor');
    client.start();
    await here.kernel.run(10_000);
    here.sidecar.process!.pause();
    await here.kernel.run(250);
    // Whatever it thinks of, it comes to ask for something.
    while (here.history.operations.length === here.history.answered.length) await here.kernel.run(10);
    const underWay = here.history.operations.at(-1)!;
    client.crash();
    here.sidecar.process!.goOn();
    const { length } = here.history.operations;
    await here.kernel.run(10_000);
    expect([underWay.answer, here.history.operations.length]).toEqual([undefined, length]);
    client.comeBack();
    await here.kernel.run(10_000);
    expect(here.history.operations.slice(length).map(({ session }) => session)).toContain('c1.2');
    expect(here.history.operations.slice(length).map(({ session }) => session)).not.toContain('c1.1');
  });

  test('does the same again on the same seed, and something else on another', async () => {
    const hashes: string[] = [];
    for (const seed of [7, 7, 8]) {
      const again = await town(seed);
      for (const client of neighboursOf(again, 10)) client.start();
      await again.kernel.run(15_000);
      hashes.push(again.kernel.trace.hash);
    }
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[2]).not.toBe(hashes[0]);
  });

  test('has its pod moved now and then, and asks there from then on', async () => {
    const other = new OneSidecar(here.kernel, 's2');
    await other.start();
    const client = one({ ...here, sidecars: [here.sidecar, other] }, 'editor');
    client.start();
    await here.kernel.run(300_000);
    const asked = here.history.operations.map(({ sidecar }) => sidecar);
    const moves = asked.filter((sidecar, index) => index > 0 && sidecar !== asked[index - 1]).length;
    expect(moves).toBeGreaterThan(0);
    expect(moves).toBeLessThan(asked.length / 20);
    expect(new Set(here.history.operations.map(({ session }) => session)).size).toBe(1);
  });

  test('is of every kind in some seed', async () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 10; seed++) {
      for (const { behaviour } of neighboursOf({ ...here, kernel: kernelOf(seed) }, 10)) kinds.add(behaviour);
    }
    expect([...kinds].sort()).toEqual([...NAMES].sort());
  });
});

describe('a holder of sessions', () => {
  test('renews at about a third, and loses no lease that it wants to keep', async () => {
    const client = one(here, 'session-holder');
    client.start();
    await here.kernel.run(240_000);
    const renewals = ofKind(here.history, 'renew');
    expect(renewals.length).toBeGreaterThan(20);
    expect(renewals.filter(({ answer }) => answer?.status !== 200)).toEqual([]);
    const grants = ofKind(here.history, 'grant');
    const ttls = new Map(grants.map((each) => [leaseIn(each).id, each.asked.ttlMs]));
    for (const [index, { asked, askedAtMs }] of renewals.entries()) {
      const next = renewals[index + 1];
      if (next?.asked.lease !== asked.lease) continue;
      const share = (next.askedAtMs - askedAtMs) / ttls.get(asked.lease)!;
      expect(share).toBeGreaterThan(0.25);
      expect(share).toBeLessThan(0.4);
    }
  });

  test('falls silent now and then, and its lease expires', async () => {
    const client = one(here, 'session-holder');
    client.start();
    await here.kernel.run(300_000);
    const looked = ofKind(here.history, 'get-lease').map((each) => leaseIn(each).reason);
    expect(looked).toContain('expired');
    expect(ofKind(here.history, 'release').length).toBeGreaterThan(0);
  });

  test('stops using a lease that has been lost with the sidecar’s memory', async () => {
    const namespaces = NAMESPACES.filter(({ name }) => name === 'presence');
    for (const name of ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8']) {
      one({ ...here, namespaces }, 'session-holder', name).start();
    }
    await here.kernel.run(20_000);
    here.sidecar.process!.kill();
    const before = new Set(ofKind(here.history, 'grant').map((each) => leaseIn(each).id));
    await here.sidecar.start();
    await here.kernel.run(60_000);
    const uses = [...ofKind(here.history, 'put'), ...ofKind(here.history, 'renew')];
    const refused = uses.filter(({ answer }) => answer?.code === 'lease-not-found');
    expect(refused.length).toBeGreaterThan(0);
    for (const { asked, answer } of refused) {
      expect(before).toContain(asked.lease);
      const later = uses.filter(({ askedAtMs }) => askedAtMs > answer!.atMs);
      expect(later.map((each) => each.asked.lease)).not.toContain(asked.lease);
    }
    expect(ofKind(here.history, 'grant').length).toBeGreaterThan(before.size);
  });
});

describe('who counts', () => {
  test('asks again with the same key and the same intent', async () => {
    const namespaces = NAMESPACES.filter(({ name }) => name === 'hits');
    const client = one({ ...here, namespaces }, 'counter');
    client.start();
    for (let times = 0; times < 30; times++) {
      await here.kernel.run(2_000);
      here.sidecar.process!.kill();
      await here.sidecar.start();
    }
    here.sidecar.process!.pause();
    await here.kernel.run(4_000);
    here.sidecar.process!.goOn();
    await here.kernel.run(10_000);
    const attempts = Map.groupBy(ofKind(here.history, 'increment'), ({ intent }) => intent);
    const repeated = [...attempts.values()].filter(({ length }) => length > 1);
    expect(repeated.length).toBeGreaterThan(0);
    for (const each of repeated) {
      expect(new Set(each.map(({ asked }) => asked.idempotencyKey)).size).toBe(1);
    }
  });
});

describe('an editor', () => {
  test('sees several values at once, and settles them with what it has seen', async () => {
    const namespaces = NAMESPACES.filter(({ name }) => name === 'notes');
    const crowd = { ...here, namespaces, keys: 2 };
    const clients = [one(crowd, 'editor', 'c1'), one(crowd, 'editor', 'c2'), one(crowd, 'editor', 'c3')];
    for (const client of clients) client.start();
    await here.kernel.run(60_000);
    const several = ofKind(here.history, 'get').filter(({ answer }) => answer?.status === 300);
    expect(several.length).toBeGreaterThan(0);
    const settled = several.filter(({ answer }) =>
      ofKind(here.history, 'put').some(
        ({ asked, answer: written }) => asked.context === answer!.context && written?.status === 204,
      ),
    );
    expect(settled.length).toBeGreaterThan(0);
  });
});

describe('a watcher', () => {
  test('sees every event, in order and once in a connection, over restarts of its sidecar', async () => {
    const place = { ...here, namespaces: NAMESPACES.filter(({ name }) => name === 'sessions') };
    const watchers = ['c1', 'c2', 'c3', 'c4', 'c5'].map((name) => one(place, 'watcher', name));
    for (const watcher of watchers) watcher.start();
    await here.kernel.run(3_000);
    const writer = one(place, 'presence', 'c9');
    writer.start();
    for (let times = 0; times < 3; times++) {
      await here.kernel.run(20_000);
      here.sidecar.process!.kill();
      await here.sidecar.start();
    }
    writer.stop();
    await here.kernel.run(60_000);
    const seen = watchers.map(({ watched }) => [...new Set(cursorsOf(watched))]);
    expect(seen[0]!.length).toBeGreaterThan(30);
    for (const each of seen) expect(each).toEqual(seen[0]);
    for (const { watched } of watchers) {
      const connections = Map.groupBy(watched, ({ connection }) => connection);
      for (const each of connections.values()) {
        expect(new Set(cursorsOf(each)).size).toBe(cursorsOf(each).length);
      }
      // One who reads slowly has a second pair of eyes.
      const opened = watched.filter(({ kind }) => kind === 'opened').length;
      expect([4, 8]).toContain(opened);
      expect(connections.size).toBeGreaterThanOrEqual(opened);
    }
  });
});

function cursorsOf(watched: readonly WatchedEvent[]): string[] {
  return watched.flatMap((each) => (each.kind === 'event' ? [each.cursor] : []));
}
