/**
 * What has to be remembered of an answer so that it can be given again: for each command the ids,
 * versions and outcomes, never values and never what remains.
 */
import { BatchReads } from '../core/batch.ts';
import type {
  Asked, BatchCommand, BatchOperation, BatchResult, Command, GetReply, RenewReply, ReplyOf,
} from '../core/command.ts';
import type { Core } from '../core/core.ts';
import { isRefusal, type Refusal } from '../core/refusal.ts';

type LeaseEssence = { readonly lease: string };

/** Positional and small; written to the journal as JSON. */
export type Essence =
  | { readonly refused: Refusal }
  | ({ readonly op: 'grant'; readonly created: boolean } & LeaseEssence)
  | ({ readonly op: 'renew'; readonly capped: boolean } & LeaseEssence)
  | ({ readonly op: 'transfer' } & LeaseEssence)
  | { readonly op: 'release' }
  | { readonly op: 'delete'; readonly existed: boolean }
  | ({
      readonly op: 'put';
      readonly created: boolean;
      readonly etag: string;
      readonly context?: string;
    } & LeaseEssence)
  | ({
      readonly op: 'increment';
      readonly created: boolean;
      readonly etag: string;
      readonly value: number;
    } & LeaseEssence)
  | { readonly op: 'renew-many'; readonly results: readonly (readonly [string, Essence])[] }
  | { readonly op: 'get' }
  | { readonly op: 'batch'; readonly applied: number; readonly results: readonly Essence[] };

export function essenceOf(command: Command, reply: object): Essence | undefined {
  if (isRefusal(reply)) return { refused: reply };
  switch (command.op) {
    case 'grant': {
      const { lease, created } = reply as ReplyOf['grant'];
      return { op: 'grant', lease: lease.id, created };
    }
    case 'renew': {
      const { lease, capped } = reply as RenewReply;
      return { op: 'renew', lease: lease.id, capped };
    }
    case 'transfer':
      return { op: 'transfer', lease: (reply as ReplyOf['transfer']).lease.id };
    case 'release':
      return { op: 'release' };
    case 'delete':
      return { op: 'delete', existed: (reply as ReplyOf['delete']).existed };
    case 'put': {
      const { lease, created, etag, context } = reply as ReplyOf['put'];
      return { op: 'put', lease, created, etag, ...(context === undefined ? {} : { context }) };
    }
    case 'increment': {
      const { lease, created, etag, value } = reply as ReplyOf['increment'];
      return { op: 'increment', lease, created, etag, value };
    }
    case 'renew-many': {
      const { results } = reply as ReplyOf['renew-many'];
      return {
        op: 'renew-many',
        results: results.map(({ id, reply: each }) => [
          id,
          isRefusal(each)
            ? { refused: each }
            : { op: 'renew', lease: id, capped: each.capped },
        ]),
      };
    }
    case 'batch': {
      const { applied, results } = reply as ReplyOf['batch'];
      return {
        op: 'batch',
        applied,
        results: results.map((result, index) => batchEssence(command.operations[index]!, result)),
      };
    }
    default:
      return undefined;
  }
}

function batchEssence(operation: BatchOperation, result: BatchResult): Essence {
  if (operation.op === 'refused') return { refused: operation.refusal };
  return essenceOf(operation, result) ?? { op: 'get' };
}

/**
 * The answer again. Leases are looked up as they are now: one that has ended since is answered
 * `lease-ended`, because a deadline from the past would be a promise nobody keeps.
 */
export function replay(
  core: Core,
  command: Command,
  essence: Essence,
  now: number,
): ReplyOf[Command['op']] | Refusal {
  if ('refused' in essence) return essence.refused;
  const { bearer } = command;
  const asked = bearer === undefined ? {} : { bearer };
  switch (essence.op) {
    case 'grant':
    case 'renew':
    case 'transfer': {
      const view = core.step({ op: 'get-lease', id: essence.lease, ...asked }, now);
      if (isRefusal(view)) return view;
      if (view.lease.state === 'ended') {
        // Answered by the refusal that a renewal of it gets.
        return core.step({ op: 'renew', id: essence.lease, ...asked }, now);
      }
      if (essence.op === 'grant') return { lease: view.lease, created: essence.created };
      if (essence.op === 'renew') return { lease: view.lease, capped: essence.capped };
      return { lease: view.lease };
    }
    case 'release':
      return { done: true };
    case 'delete':
      return { existed: essence.existed };
    case 'put':
      return {
        created: essence.created, etag: essence.etag,
        lease: essence.lease, remainingMs: remainingMs(core, essence.lease, now, asked),
        ...(essence.context === undefined ? {} : { context: essence.context }),
      };
    case 'increment':
      return {
        created: essence.created, etag: essence.etag, value: essence.value,
        lease: essence.lease, remainingMs: remainingMs(core, essence.lease, now, asked),
      };
    case 'renew-many':
      return {
        results: essence.results.map(([id, each]) => ({
          id,
          reply: replay(core, { op: 'renew', id, ...asked }, each, now) as RenewReply | Refusal,
        })),
      };
    case 'batch': {
      const { operations } = command as BatchCommand;
      const reads = new BatchReads();
      return {
        applied: essence.applied,
        results: essence.results.map((each, index) => {
          const operation = operations[index]!;
          // What the token allows now counts, not what it allowed then.
          if (operation.op === 'refused') return operation.refusal;
          const again = () => replay(core, operation, each, now) as BatchResult;
          return operation.op === 'get' ? reads.read(again as () => GetReply | Refusal) : again();
        }),
      };
    }
    case 'get':
      return core.step(command, now) as ReplyOf['get'] | Refusal;
  }
}

function remainingMs(core: Core, lease: string, now: number, asked: Asked): number {
  const view = core.step({ op: 'get-lease', id: lease, ...asked }, now);
  return isRefusal(view) ? 0 : view.lease.remainingMs;
}
