/**
 * Waiting for the ledger on behalf of a client whose write counts only there (durability
 * `ledger`): how long, how many at once, and what is answered when the ledger says no or nothing.
 */
import type { BatchReply, BatchResult, Command } from '../core/command.ts';
import { isRefusal, refuse } from '../core/refusal.ts';
import type { IdempotencyRequest, Outcome } from '../engine/service.ts';
import { type Rejection, reject } from '../errors.ts';
import { awaitPushed } from './push.ts';
import type { Room } from './room.ts';
import type { Rounds } from './rounds.ts';

export interface KeyName {
  readonly namespace: string;
  readonly key: string;
}

/** Takes the engine's answer, and gives the last one once. */
export type Answering = (
  outcome: Outcome,
  respond: (outcome: Outcome) => void,
  idempotency: IdempotencyRequest | undefined,
) => void;

/** Refusals remembered for those who ask again with the same Idempotency-Key. */
const HELD_REMEMBERED = 10_000;

export class Acknowledgement {
  readonly #room: Room;
  readonly #rounds: Rounds;
  /** What the ledger has refused after the engine had taken it, by Idempotency-Key. */
  readonly #held = new Map<string, { readonly fingerprint: string; readonly rejection: Rejection }>();
  #waiting = 0;

  constructor(room: Room, rounds: Rounds) {
    this.#room = room;
    this.#rounds = rounds;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Why the command cannot be taken, before anything has happened; undefined: it can. */
  refusal(command: Command): Rejection | undefined {
    const { membership, gate, settings, partitions } = this.#room;
    if (!membership.joined || gate.state === 'open') {
      return reject('ledger-unavailable', 'Cannot write: the ledger cannot be reached');
    }
    if (this.#waiting >= settings.waiters) {
      return reject('ledger-unavailable', 'Cannot write: too many writes wait for the ledger');
    }
    const full = durableKeys(this.#room, command).some(
      ({ namespace, key }) => partitions.findOf(namespace, key)?.full === true,
    );
    return full && command.op !== 'delete'
      ? reject('ledger-unavailable', 'Cannot write: the ledger has no room for more')
      : undefined;
  }

  /** What was found out about the same request after it had been answered. */
  remembered(idempotency: IdempotencyRequest | undefined): Rejection | undefined {
    if (idempotency === undefined) return undefined;
    const held = this.#held.get(idempotency.key);
    return held?.fingerprint === idempotency.fingerprint ? held.rejection : undefined;
  }

  /**
   * To be called in the turn in which the engine has taken `command`, before anything of it can have
   * been pushed: a disk may take longer than the ledger, whose word would be missed. What is
   * returned takes the engine's answer, and answers when the ledger has what has changed, or the
   * time is over.
   */
  stand(command: Command): Answering {
    const { scheduler, settings } = this.#room;
    const keys = durableKeys(this.#room, command);
    const held = new Set<string>();
    let left = keys.length;
    let unknown = false;
    let onTold = (): void => {};
    this.#waiting += 1;
    for (const { namespace, key } of keys) {
      const partition = awaitPushed(this.#room, namespace, key, (told) => {
        left -= 1;
        if (told === 'held') held.add(nameOf({ namespace, key }));
        if (told === 'unknown') unknown = true;
        if (left > 0) return;
        this.#waiting -= 1;
        onTold();
      });
      if (partition !== undefined) this.#rounds.hurry(partition);
    }
    return (outcome, respond, idempotency) => {
      if (isRefusal(outcome)) {
        respond(outcome);
        return;
      }
      let answered = false;
      const answer = (last: Outcome): void => {
        if (answered) return;
        answered = true;
        cancel();
        respond(last);
      };
      const cancel = scheduler.after(settings.ackMs, () => {
        answer(reject('outcome-unknown', 'Cannot tell yet whether the ledger has taken it'));
      });
      onTold = () => {
        const last = unknown
          ? reject('outcome-unknown', 'Cannot tell whether the ledger has taken it')
          : withHeld(command, outcome, held);
        if (idempotency !== undefined && isRefusal(last)) this.#remember(idempotency, last);
        answer(last);
      };
      if (left === 0) onTold();
    };
  }

  #remember({ key, fingerprint }: IdempotencyRequest, rejection: Rejection): void {
    if (this.#held.size >= HELD_REMEMBERED) {
      const oldest = this.#held.keys().next().value;
      if (oldest !== undefined) this.#held.delete(oldest);
    }
    this.#held.set(key, { fingerprint, rejection });
  }
}

/** The outcome, where the ledger has refused some of the keys. */
function withHeld(command: Command, outcome: Outcome, held: ReadonlySet<string>): Outcome {
  if (held.size === 0) return outcome;
  if (command.op !== 'batch') return heldBy(command as KeyName & Command);
  const reply = outcome as BatchReply;
  const results = reply.results.map((result, index): BatchResult => {
    const operation = command.operations[index]!;
    if (isRefusal(result) || !('namespace' in operation) || operation.op === 'get') return result;
    return held.has(nameOf(operation)) ? heldBy(operation) : result;
  });
  return { applied: results.filter((result) => !isRefusal(result)).length, results };
}

function heldBy({ namespace, key }: KeyName) {
  return refuse('entry-held', `Cannot write "${key}" in "${namespace}": another value was first`);
}

function nameOf({ namespace, key }: KeyName): string {
  return `${namespace} ${key}`;
}

/** Keys that a command is to change in namespaces with durability `ledger`. */
export function durableKeys(room: Room, command: Command): readonly KeyName[] {
  switch (command.op) {
    case 'put':
    case 'delete':
    case 'increment':
      return isDurable(room, command.namespace) ? [command] : [];
    case 'batch': {
      const names = new Map<string, KeyName>();
      for (const operation of command.operations) {
        if (!('namespace' in operation) || operation.op === 'get') continue;
        if (isDurable(room, operation.namespace)) names.set(nameOf(operation), operation);
      }
      return [...names.values()];
    }
    default:
      return [];
  }
}

function isDurable({ partitions }: Room, namespace: string): boolean {
  return partitions.contractFor(namespace)?.durability === 'ledger';
}
