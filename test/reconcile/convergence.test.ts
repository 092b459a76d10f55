/**
 * Random commands at several sidecars, over a way to the ledger that loses, delays and repeats,
 * and a ledger that loses data. After that all is well again, everybody must hold the same, and
 * the ledger exactly that. A seed that fails is replayed by its number.
 */
import { describe, expect, test } from 'vitest';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { contractOf } from '../core/fixtures.ts';
import { NO_FAULTS } from './faulty-ledger.ts';
import { chance, settled } from './simulated-time.ts';
import { type Sidecar, World } from './world.ts';

const KEYS = Array.from({ length: 24 }, (_, index) => `key-${index}`);
const TTL = { defaultMs: 20_000, minMs: 100, maxMs: 60_000, maxLifetimeMs: 600_000 };

const text = new TextEncoder();

interface Plan {
  readonly contract: Partial<NamespaceContract>;
  readonly losses: boolean;
}

export class Campaign {
  readonly world = new World();
  readonly random: () => number;
  readonly contract: NamespaceContract;
  readonly plan: Plan;
  #names = 0;
  #writes = 0;

  constructor(seed: number, plan: Plan) {
    this.random = chance(seed);
    this.plan = plan;
    this.contract = contractOf('default', { ttl: TTL, autonomyMs: 8000, ...plan.contract });
    for (let count = 0; count < 3; count++) this.#add(seed);
  }

  #add(seed: number): void {
    const name = String.fromCharCode(97 + this.#names++);
    this.world.add(name, {
      contracts: [this.contract],
      seed: seed + this.#names,
      aheadMs: Math.floor(this.random() * 2000) - 1000,
      rate: 1 + (this.random() - 0.5) * 0.001,
      settings: { beatMs: 1000, sweepMs: 300, truthCheckMs: 10_000 },
    });
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  async run(turns: number): Promise<void> {
    await this.world.pass(50);
    for (let turn = 0; turn < turns; turn++) {
      this.#misfortune();
      this.#command(this.pick(this.world.sidecars));
      await this.world.pass(Math.floor(this.random() * 400));
    }
  }

  #misfortune(): void {
    const dice = this.random();
    const sidecar = this.pick(this.world.sidecars);
    if (dice < 0.04) {
      sidecar.link.faults = {
        lostRequests: this.random() * 0.2,
        lostAnswers: this.random() * 0.2,
        duplicates: this.random() * 0.3,
        delayMs: this.random() * 150,
      };
    } else if (dice < 0.08) {
      sidecar.link.away = true;
    } else if (dice < 0.16) {
      sidecar.link.away = false;
      sidecar.link.faults = NO_FAULTS;
    } else if (this.plan.losses && dice < 0.17) {
      this.world.ledger.clear();
    } else if (this.plan.losses && dice < 0.19) {
      const image = this.world.ledger.image();
      this.world.time.after(this.random() * 3000, () => this.world.ledger.restore(image));
    }
  }

  #command(sidecar: Sidecar): void {
    const key = this.pick(KEYS);
    const dice = this.random();
    const ttlMs = 1000 + Math.floor(this.random() * 30_000);
    if (this.contract.conflict === 'counter' && dice < 0.7) {
      sidecar.ask({ op: 'increment', namespace: 'default', key, by: 1, ttlMs });
    } else if (dice < 0.55) {
      sidecar.ask({
        op: 'put', namespace: 'default', key, contentType: 'text/plain', ttlMs,
        value: text.encode(`${++this.#writes}`),
      });
    } else if (dice < 0.7) {
      sidecar.ask({ op: 'delete', namespace: 'default', key });
    } else if (dice < 0.8) {
      const granted = sidecar.step({ op: 'grant', namespace: 'default', holder: 'h', ttlMs });
      if ('refused' in granted) return;
      const lease = granted.lease.id;
      for (let count = 0; count < 3; count++) {
        sidecar.ask({
          op: this.contract.conflict === 'counter' ? 'increment' : 'put',
          namespace: 'default', key: this.pick(KEYS), lease,
          ...(this.contract.conflict === 'counter'
            ? { by: 1 }
            : { value: text.encode(`${++this.#writes}`), contentType: 'text/plain' }),
        } as never);
      }
    } else if (dice < 0.9) {
      const page = sidecar.step({ op: 'list-leases', namespace: 'default', limit: 20 });
      if ('refused' in page || page.leases.length === 0) return;
      const { id } = this.pick(page.leases);
      sidecar.ask(this.random() < 0.5 ? { op: 'renew', id } : { op: 'release', id });
    } else {
      sidecar.ask({ op: 'get', namespace: 'default', key });
    }
  }

  async heal(): Promise<void> {
    for (const { link } of this.world.sidecars) {
      link.away = false;
      link.faults = NO_FAULTS;
    }
    await this.world.pass(25_000);
  }

  /** Live values by key, as the ledger has them. */
  ledgerValues(): Record<string, string[]> {
    const values: Record<string, string[]> = {};
    for (const partition of this.world.ledger.image().partitions.values()) {
      for (const [id, { siblings }] of partition.records) {
        if (siblings.length === 0) continue;
        values[id] = siblings.map(({ value }) => Buffer.from(value).toString()).sort();
      }
    }
    return values;
  }

  async verify(): Promise<void> {
    this.world.check();
    for (const { reconciliation, link } of this.world.sidecars) {
      const { ledger } = reconciliation.status();
      expect({ unpushed: ledger.unpushed, state: ledger.state }).toEqual({
        unpushed: 0, state: 'connected',
      });
      expect(reconciliation.reasons()).toEqual([]);
      expect(link.faults).toBe(NO_FAULTS);
    }
    await this.#verifyDigests();
    if (this.plan.contract.mirror === 'all') await this.#verifyMirrors();
    await this.#verifyReads();
  }

  /** Each sidecar and the ledger agree to the last bit on what is whose. */
  async #verifyDigests(): Promise<void> {
    const image = this.world.ledger.image();
    for (const { replica } of this.world.sidecars) {
      replica.takeChanged(() => {});
      for (let number = 0; number < 4; number++) {
        const digests = replica.digests('default', number, false)!;
        const partition = image.partitions.get(`${number}:default`);
        const owned = partition?.owners.get(replica.actor)?.owned;
        expect(digests.owned.get(replica.actor) ?? { count: 0, high: 0, low: 0 }).toEqual(
          owned ?? { count: 0, high: 0, low: 0 },
        );
        if (this.plan.contract.mirror === 'all') expect(digests.root).toEqual(partition?.root);
      }
    }
  }

  async #verifyMirrors(): Promise<void> {
    for (const key of KEYS) {
      const held = this.world.sidecars.map((sidecar) => sidecar.held(key));
      expect(held.every((one) => JSON.stringify(one) === JSON.stringify(held[0]))).toBe(true);
    }
  }

  async #verifyReads(): Promise<void> {
    for (const key of KEYS) {
      const asked = this.world.sidecars.map((sidecar) =>
        sidecar.ask({ op: 'get', namespace: 'default', key, consistency: 'ledger' }),
      );
      await settled();
      const read = asked.map(({ outcome }) =>
        outcome === undefined ? 'nothing' : 'refused' in outcome ? outcome.refused
          : Buffer.from(outcome.value).toString() +
            (outcome.siblings ?? []).map(({ value }) => Buffer.from(value).toString()).sort(),
      );
      expect(new Set(read).size, `${key}: ${read}`).toBe(1);
    }
  }
}

export const PLANS: readonly (readonly [string, Plan])[] = [
  ['last writer wins, own values only', { contract: {}, losses: false }],
  ['last writer wins, own values only, losing data', { contract: {}, losses: true }],
  ['last writer wins, copies of everything', { contract: { mirror: 'all' }, losses: false }],
  ['last writer wins, copies of everything, losing data', { contract: { mirror: 'all' }, losses: true }],
  ['siblings', { contract: { conflict: 'siblings' }, losses: true }],
  ['siblings, copies of everything', { contract: { conflict: 'siblings', mirror: 'all' }, losses: true }],
  ['counters', { contract: { conflict: 'counter' }, losses: true }],
  ['the owner wins, copies of everything', { contract: { conflict: 'ownerWins', mirror: 'all' }, losses: true }],
];

const SEEDS = (process.env['SEEDS'] ?? '1,2,3').split(',').map(Number);

describe.each(PLANS)('%s', (_name, plan) => {
  test.each(SEEDS)('comes together again, seed %i', async (seed) => {
    const campaign = new Campaign(seed, plan);
    await campaign.run(120);
    await campaign.heal();
    await campaign.verify();
  });
});
