/**
 * Every schedule of a small world, breadth first, and many of a larger one by chance (PROTOCOL
 * §3.5). The ledger in it is the real specification. What is looked for: a promised renewal that is
 * swept, an acknowledged write that is lost without a word, an end that is undone, and a world that
 * does not come to rest when everything is healed.
 *
 * `LEDGER_SEARCH_STATES` (states of each search) and `LEDGER_SEARCH_WALKS` (walks of each kind) go
 * deeper; `LEDGER_SEARCH_SEED` walks elsewhere.
 */
import { describe, expect, test } from 'vitest';
import { SEARCHED, WALKED } from './model/budgets.ts';
import { search, walk } from './model/explore.ts';
import { ALL_RULES, type Rules } from './model/rules.ts';
import type { Setting } from './model/world.ts';

const STATES = Number(process.env['LEDGER_SEARCH_STATES'] ?? 6_000);
const WALKS = Number(process.env['LEDGER_SEARCH_WALKS'] ?? 60);
const SEED = Number(process.env['LEDGER_SEARCH_SEED'] ?? 1);
const TIMEOUT_MS = 60_000 + 2 * STATES + 200 * WALKS;
const DEEP = 60;

const rules = ALL_RULES;
const SETTINGS: Readonly<Record<string, Setting>> = {
  'siblings, a session and a fixed lease': {
    policy: 'siblings', rules, session: { A: true, B: false },
  },
  'lww, a fixed lease and a session': { policy: 'lww', rules, session: { A: false, B: true } },
};
const MORE_SETTINGS: Readonly<Record<string, Setting>> = {
  ...SETTINGS,
  'ownerWins, two sessions': { policy: 'ownerWins', rules, session: { A: true, B: true } },
  'siblings, two fixed leases': { policy: 'siblings', rules, session: { A: false, B: false } },
};

describe.each(Object.entries(SETTINGS))('all schedules: %s', (_name, setting) => {
  test.each(Object.entries(SEARCHED))('%s', { timeout: TIMEOUT_MS }, (_danger, budget) => {
    const { found, states, depth } = search({
      setting, budget, depthMax: DEEP, statesMax: STATES, drainEvery: 20,
    });
    expect(found).toBeUndefined();
    expect(states).toBe(STATES);
    // So many states are not got together near the beginning.
    expect(depth).toBeGreaterThanOrEqual(5);
    if (process.env['LEDGER_SEARCH_STATES'] !== undefined) console.log({ states, depth });
  });
});

describe.each(Object.entries(MORE_SETTINGS))('walks: %s', (_name, setting) => {
  test.each(Object.entries(WALKED))('%s', { timeout: TIMEOUT_MS }, (_danger, budget) => {
    for (let seed = SEED; seed < SEED + WALKS; seed++) {
      const found = walk({ setting, budget, steps: 40, seed });
      expect(found, `seed ${seed}`).toBeUndefined();
    }
  });
});

/** Otherwise silence would prove nothing. */
describe('the search finds', () => {
  const broken = (rule: keyof Rules, setting: Setting): Setting => ({
    ...setting, rules: { ...rules, [rule]: false },
  });
  const [sessions] = Object.values(SETTINGS) as [Setting];

  test('the shortest way to lose a value that a sidecar selects away', () => {
    const { found } = search({
      setting: broken('selectsOnRead', sessions), budget: SEARCHED.writers,
      depthMax: DEEP, statesMax: 50_000, drainEvery: 20,
    });
    expect(found?.schedule.split('; ').length).toBeLessThanOrEqual(6);
    expect(found?.violation).toContain('is over at the ledger');
  });

  test('what comes back when owners do not tell the deadlines they knew', () => {
    const { found } = search({
      setting: broken('tellsDeadlines', sessions), budget: SEARCHED.renewals,
      depthMax: DEEP, statesMax: 50_000, drainEvery: 20,
    });
    expect(found?.violation).toContain('has come back to life at the ledger');
  });

  test.each<[keyof Rules, keyof typeof WALKED]>([
    ['renewalCap', 'renewals'], ['heirs', 'renewals'],
  ])('by chance what goes wrong without %s', (rule, danger) => {
    const setting = broken(rule, sessions);
    let found: ReturnType<typeof walk>;
    for (let seed = 1; found === undefined && seed <= 4_000; seed++) {
      found = walk({ setting, budget: WALKED[danger], steps: 40, seed });
    }
    expect(found?.violation).toContain('is over at the ledger');
  });
});
