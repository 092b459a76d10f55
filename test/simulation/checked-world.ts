/** The world as its checkers see it. */
import type { NamespaceConfig } from '../../src/config/config.ts';
import type {
  CheckedLedger, CheckedNamespace, CheckedSidecar, CheckedWorld, TouchedPartition,
} from './checkers/checker.ts';
import type { SimulatedSidecar } from './cluster/simulated-sidecar.ts';
import type { World } from './world.ts';

export function checkedWorld(world: World): CheckedWorld {
  const { kernel, history } = world;
  const { namespaces, limits } = world.sidecars[0]!.config;
  return {
    get nowMs() {
      return kernel.nowMs;
    },
    history,
    namespaces: namespaces.map((namespace) => checkedNamespace(world, namespace)),
    sidecars: world.sidecars.map((sidecar) => checkedSidecar(world, sidecar)),
    ledger: checkedLedger(world),
    bus: {
      // What the stream recognises as repeated stands behind the id.
      endings: () => new Set(world.bus.messages('endings').map(({ id }) => id.split(' ')[0]!)),
      get endingsCreated() {
        return world.bus.state('endings')?.created;
      },
    },
    watched: world.neighbours.map(({ watched }) => watched),
    idempotencyMs: limits.idempotency.ttlMs,
  };
}

function checkedNamespace(world: World, namespace: NamespaceConfig): CheckedNamespace {
  const { ttl, capacity, events } = namespace;
  return {
    ...namespace,
    maxTtlMs: ttl.maxMs,
    values: events.values,
    publish: events.publish,
    capacity: {
      get leases() {
        return world.largestCapacity(namespace.name).leases;
      },
      get entries() {
        return world.largestCapacity(namespace.name).entries;
      },
      evicts: capacity.eviction !== 'refuse',
    },
  };
}

function checkedSidecar(world: World, sidecar: SimulatedSidecar): CheckedSidecar {
  const { machine } = sidecar;
  return {
    name: sidecar.name,
    get running() {
      return sidecar.running;
    },
    get run() {
      return sidecar.run;
    },
    clock: {
      monotonicMs: () => machine.monotonicMs(),
      get rate() {
        return machine.suspended ? 0 : machine.rate;
      },
      get wallOffsetMs() {
        return machine.wallOffsetMs;
      },
    },
    get heldUpMs() {
      return sidecar.process?.heldUpMs ?? 0;
    },
    lookUp: (path) => world.seen(sidecar.name, path),
  };
}

function checkedLedger({ ledger, kernel }: World): CheckedLedger {
  const touched = (name: string, raw: TouchedPartition['raw']): TouchedPartition => {
    const colon = name.indexOf(':');
    return { partition: Number(name.slice(0, colon)), namespace: name.slice(colon + 1), raw };
  };
  const taps: ((touched: TouchedPartition) => void)[] = [];
  ledger.onOperation = (step) => {
    if (step.operation === 'join' || step.partition === undefined || step.isDoomed) return;
    const { namespace, partition } = step.at;
    for (const tap of taps) tap({ namespace, partition, raw: step.partition });
  };
  return {
    onOperation: (tap) => void taps.push(tap),
    *partitions() {
      for (const [name, raw] of ledger.partitions()) yield touched(name, raw);
    },
    get clockOffsetMs() {
      return ledger.clock.now() - kernel.nowMs;
    },
  };
}
