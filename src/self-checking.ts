/** The memory of a running sidecar, as the self-check asks for it. */
import type { Core } from './core/core.ts';
import type { Engine } from './engine/engine.ts';
import type { CheckedMemory } from './self-check/self-check.ts';

export function checkedMemory(core: Core, engine: Engine): CheckedMemory {
  const { state } = core;
  const isJournalled = (name: string): boolean =>
    state.namespaces.find(name)?.contract.durability !== 'memory';
  return {
    rows: () => state.liveLeases + state.entries.slots.used - state.copies,
    // Renewals are told when their group closes; everything else at once.
    isToldOf: () => core.facts.count === 0 && state.renewed.length === 0,
    isJournalled,
    holding: () =>
      state.namespaces
        .all()
        .map(({ contract, leases, entries }) => ({ namespace: contract.name, rows: leases + entries }))
        .filter(({ namespace, rows }) => rows > 0 && isJournalled(namespace)),
    tellRepaired: (name, restated, ended) => {
      const namespace = state.namespaces.find(name);
      if (namespace === undefined) return;
      const repairs = { pushed: restated, pulled: 0, ended };
      engine.apply(({ facts }) => facts.reconcileRepaired(namespace, 0, repairs, 'journal'));
    },
  };
}
