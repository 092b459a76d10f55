/**
 * After whatever random faults: everybody holds the same, and the ledger exactly that. A seed that
 * fails is replayed by its number (`SEEDS=7`).
 */
import { describe, test } from 'vitest';
import { Campaign, type Plan } from './campaign.ts';

const PLANS: readonly (readonly [string, Plan])[] = [
  ['last writer wins, own values only', { contract: {}, losses: false }],
  ['last writer wins, own values only, losing data', { contract: {}, losses: true }],
  ['last writer wins, copies of everything', { contract: { mirror: 'all' }, losses: false }],
  ['last writer wins, copies of everything, losing data',
    { contract: { mirror: 'all' }, losses: true }],
  ['siblings', { contract: { conflict: 'siblings' }, losses: true }],
  ['siblings, copies of everything',
    { contract: { conflict: 'siblings', mirror: 'all' }, losses: true }],
  ['counters', { contract: { conflict: 'counter' }, losses: true }],
  ['the owner wins, copies of everything',
    { contract: { conflict: 'ownerWins', mirror: 'all' }, losses: true }],
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
