/**
 * Many operations in one step. Later ones see earlier ones. An atomic batch takes effect whole or
 * not at all: it runs on the real state with an undo log, and a single refusal takes everything
 * back, facts included. Endings that are due anyway are recorded before, because what has ended
 * has ended whatever becomes of the batch.
 */
import type {
  BatchCommand, BatchOperation, BatchReply, BatchResult, GetReply,
} from './command.ts';
import { increment } from './counters.ts';
import { settleKey, settleLease } from './endings.ts';
import { get, put, remove } from './entries.ts';
import { renew } from './leases.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';

/** Values read by one batch, together, as on a page: what comes after so many is refused. */
const READ_BYTES_MAX = 4 * 1024 * 1024;

export function batch(state: State, command: BatchCommand): BatchReply | Refusal {
  if (!command.atomic) {
    const results = performAll(state, command.operations);
    return { applied: results.filter((result) => !isRefusal(result)).length, results };
  }
  for (const operation of command.operations) settleTargets(state, operation);
  const factsBefore = state.facts.count;
  state.beginAtomic();
  const results = performAll(state, command.operations);
  const refused = results.filter((result) => isRefusal(result)).length;
  if (refused === 0) {
    state.commitAtomic();
    return { applied: results.length, results };
  }
  state.rollbackAtomic();
  state.facts.truncate(factsBefore);
  return refuse(
    'batch-refused',
    `Cannot apply the batch: ${refused} of ${results.length} operations were refused, so none took effect`,
    { results },
  );
}

function performAll(state: State, operations: readonly BatchOperation[]): BatchResult[] {
  const reads = new BatchReads();
  return operations.map((operation) =>
    operation.op === 'get' ? reads.read(() => get(state, operation)) : perform(state, operation),
  );
}

/** What the gets of one batch come to; also of one that is answered again. */
export class BatchReads {
  #bytes = 0;

  read(get: () => GetReply | Refusal): GetReply | Refusal {
    if (this.#bytes > READ_BYTES_MAX) {
      const detail = `Cannot get the entry: the values that this batch has read are ${this.#bytes} bytes already`;
      return refuse('value-too-large', detail, { limit: READ_BYTES_MAX });
    }
    const result = get();
    if (!isRefusal(result)) this.#bytes += bytesOf(result);
    return result;
  }
}

function bytesOf({ value, siblings = [] }: GetReply): number {
  return siblings.reduce((sum, each) => sum + each.value.length, value.length);
}

function perform(state: State, operation: BatchOperation): BatchResult {
  switch (operation.op) {
    case 'put':
      return put(state, operation);
    case 'get':
      return get(state, operation);
    case 'delete':
      return remove(state, operation);
    case 'renew':
      return renew(state, operation);
    case 'increment':
      return increment(state, operation);
    case 'refused':
      return operation.refusal;
  }
}

function settleTargets(state: State, operation: BatchOperation): void {
  if (operation.op === 'refused') return;
  const leaseId = operation.op === 'renew' ? operation.id : 'lease' in operation ? operation.lease : undefined;
  if (leaseId !== undefined) {
    const lease = state.leases.find(leaseId);
    if (lease !== 0) settleLease(state, lease);
  }
  if (operation.op === 'renew') return;
  const namespace = state.namespaces.find(operation.namespace);
  if (namespace === undefined) return;
  state.probe.set(namespace.number, operation.key);
  settleKey(state, namespace.number);
}
