/** The world as its checkers see it. */
import type { NamespaceConfig } from '../../src/config/config.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  CheckedLedger, CheckedNamespace, CheckedSidecar, CheckedWorld, Seen, TouchedPartition,
} from './checkers/checker.ts';
import type { SimulatedSidecar } from './cluster/simulated-sidecar.ts';
import { SimulatedRequest, SimulatedResponse } from './neighbours/messages.ts';
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
    sidecars: world.sidecars.map(checkedSidecar),
    ledger: checkedLedger(world),
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

function checkedSidecar(sidecar: SimulatedSidecar): CheckedSidecar {
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
    lookUp: (path) => lookUp(sidecar, path),
  };
}

/** Answered from what is held, within the call: nobody asks anything else at rest. */
function lookUp({ handler, process }: SimulatedSidecar, path: string): Seen | undefined {
  if (handler === undefined || process === undefined) return undefined;
  let status = 0;
  let headers: Seen['headers'] = {};
  let body = '';
  let answered = false;
  const response = new SimulatedResponse(process, {
    head: (itsStatus, itsHeaders) => {
      status = itsStatus;
      headers = itsHeaders;
    },
    data: (piece) => {
      body += piece.toString();
      return true;
    },
    end: () => {
      answered = true;
    },
  });
  const request = new SimulatedRequest({ method: 'GET', path, headers: {} }, {}, (deliver) => deliver());
  handler(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  if (!answered) return undefined;
  const isJson = (headers['content-type'] ?? '').includes('json');
  return { status, headers, document: isJson ? JSON.parse(body) : body };
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
