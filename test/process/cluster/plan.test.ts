import { describe, expect, it } from 'vitest';
import {
  CLUSTER_FAULTS, LEDGER_FAULTS, LINK_FAULTS, planOf, type PlanSettings, SIDECAR_FAULTS,
} from './plan.ts';

const SETTINGS: PlanSettings = {
  sidecars: 3,
  ledger: 'single',
  rounds: 2,
  pauseMs: { min: 100, max: 900 },
  forMs: { min: 200, max: 800 },
  cutOffMs: 5_000,
};

function namesOf(steps: readonly { readonly fault: string }[]): string[] {
  return steps.map(({ fault }) => fault).sort();
}

describe('a plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(7, SETTINGS)).toEqual(planOf(7, SETTINGS));
    expect(planOf(7, SETTINGS)).not.toEqual(planOf(8, SETTINGS));
  });

  it('has every fault as often as asked for, within its bounds, and the ledger’s for as long', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { ledger, sidecars, workMs } = planOf(seed, SETTINGS);
      const often = LEDGER_FAULTS.map((fault) => ledger.filter((step) => step.fault === fault).length);
      expect(new Set(often).size).toBe(1);
      const ofSidecars = [...SIDECAR_FAULTS, ...LINK_FAULTS];
      expect(namesOf(sidecars)).toEqual([...ofSidecars, ...ofSidecars].sort());
      for (const { afterMs, forMs, fault } of [...ledger, ...sidecars]) {
        expect(afterMs).toBeGreaterThanOrEqual(100);
        expect(afterMs).toBeLessThanOrEqual(900);
        if (fault === 'cut-off') expect(forMs).toBe(5_000);
        else expect(forMs).toBeLessThanOrEqual(800);
      }
      for (const { sidecar } of sidecars) expect([0, 1, 2]).toContain(sidecar);
      const [above, below] = [ledger, sidecars].map((steps) =>
        steps.reduce((total, { afterMs, forMs }) => total + afterMs + forMs, 0),
      );
      expect(workMs).toBeGreaterThan(above!);
      expect(above).toBeGreaterThanOrEqual(below!);
    }
  });

  it('hits every sidecar and comes in every order, seen over many seeds', () => {
    const plans = Array.from({ length: 50 }, (_, seed) => planOf(seed, SETTINGS));
    expect(new Set(plans.flatMap(({ sidecars }) => sidecars.map(({ sidecar }) => sidecar))).size).toBe(3);
    expect(new Set(plans.map(({ ledger }) => ledger[0]!.fault)).size).toBe(LEDGER_FAULTS.length);
  });

  it('asks of a cluster what a cluster can have, and nothing of links it cannot spoil', () => {
    const { ledger, sidecars } = planOf(1, { ...SETTINGS, ledger: 'cluster', rounds: 1 });
    expect(new Set(namesOf(ledger))).toEqual(new Set(CLUSTER_FAULTS));
    expect(namesOf(sidecars)).toEqual([...SIDECAR_FAULTS].sort());
  });
});
