/**
 * The engine, with the ledger behind it: what is not held here is asked for, and what counts only
 * in the ledger is answered when the ledger has it. Everything else goes straight through.
 */
import type {
  Command, GetCommand, GetReply, GrantCommand, GrantReply,
} from '../core/command.ts';
import type { NamespaceContract } from '../core/contract.ts';
import { isRefusal, type Refusal } from '../core/refusal.ts';
import type { IdempotencyRequest, Outcome, Service } from '../engine/service.ts';
import { reject } from '../errors.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { type Acknowledgement, type Answering, durableKeys, type KeyName } from './acknowledgement.ts';
import { takeUp } from './handover.ts';
import type { Fetched, ReadThrough } from './read-through.ts';
import type { Room } from './room.ts';

type Respond = (outcome: Outcome, replayed: boolean) => void;

/** Keys of one batch that are asked for; the others are as they are here. */
const BATCH_KEYS_MAX = 64;

export class ReconciledService implements Service {
  readonly #inner: Service;
  readonly #room: Room;
  readonly #readThrough: ReadThrough;
  readonly #acknowledgement: Acknowledgement;

  constructor(
    inner: Service,
    room: Room,
    readThrough: ReadThrough,
    acknowledgement: Acknowledgement,
  ) {
    this.#inner = inner;
    this.#room = room;
    this.#readThrough = readThrough;
    this.#acknowledgement = acknowledgement;
  }

  now(): number {
    return this.#inner.now();
  }

  toWallMs(instant: number): number {
    return this.#inner.toWallMs(instant);
  }

  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: IdempotencyRequest,
  ): void;
  submit(command: Command, respond: Respond, idempotency?: IdempotencyRequest): void {
    if (command.op === 'get') {
      this.#get(command, respond);
      return;
    }
    if (command.op === 'grant' && this.#mayBeAdopted(command)) {
      this.#adoptOrGrant(command, respond, idempotency);
      return;
    }
    if (durableKeys(this.#room, command).length > 0) {
      this.#submitDurable(command, respond, idempotency);
      return;
    }
    this.#submitInformed(command, respond, idempotency);
  }

  /* ---- reads --------------------------------------------------------------------------- */

  #get(command: GetCommand, respond: Respond): void {
    if (!this.#reconciles(command.namespace)) {
      this.#inner.submit(command, respond);
      return;
    }
    if (command.consistency === 'ledger') {
      void this.#readThrough.fetch(command.namespace, command.key).then((fetched) => {
        if (fetched !== undefined) this.#getFetched(command, fetched, respond);
        else respond(reject('ledger-unavailable', 'Cannot ask the ledger: no answer'), false);
      });
      return;
    }
    this.#inner.submit(command, (outcome, replayed) => {
      // What is left of an own value says nothing of others': they are asked for all the same.
      if (!isMiss(outcome)) {
        respond(outcome, replayed);
        return;
      }
      void this.#readThrough.fetch(command.namespace, command.key).then((fetched) => {
        if (fetched !== undefined) this.#getFetched(command, fetched, respond);
        else respond(asFound(outcome, { source: 'local', authoritative: false }), replayed);
      });
    });
  }

  #getFetched(command: GetCommand, fetched: Fetched, respond: Respond): void {
    this.#readThrough.show([fetched], () => {
      this.#inner.submit(command, (outcome, replayed) => {
        respond(asFound(outcome, { source: 'ledger' }), replayed);
      });
    });
  }

  /* ---- leases -------------------------------------------------------------------------- */

  #mayBeAdopted(command: GrantCommand): command is GrantCommand & { readonly id: string } {
    const contract = this.#room.partitions.contractFor(command.namespace);
    if (command.id === undefined || contract?.onDrain !== 'handover') return false;
    return this.#readThrough.available && this.#room.flags().adoption !== 'off';
  }

  /** A lease that is not known here may have been left by a sidecar that is gone. */
  #adoptOrGrant(
    command: GrantCommand & { readonly id: string },
    respond: Respond,
    idempotency?: IdempotencyRequest,
  ): void {
    const grant = () => this.#inner.submit(command, respond, idempotency);
    this.#inner.submit({ op: 'get-lease', id: command.id }, (known) => {
      if ('lease' in known && known.lease.state === 'live') return grant();
      const contract = this.#room.partitions.contractFor(command.namespace)!;
      void adoptable(this.#room, contract, command).then((outcome) => {
        if (outcome === undefined) grant();
        else respond(outcome, false);
      });
    });
  }

  /* ---- writes -------------------------------------------------------------------------- */

  #submitDurable(command: Command, respond: Respond, idempotency?: IdempotencyRequest): void {
    const known = this.#acknowledgement.remembered(idempotency);
    if (known !== undefined) {
      respond(known, true);
      return;
    }
    const refused = this.#acknowledgement.refusal(command);
    if (refused !== undefined) {
      respond(refused, false);
      return;
    }
    let answering: Answering | undefined;
    let early: (() => void) | undefined;
    this.#submitInformed(
      command,
      (outcome, replayed) => {
        const last = (): void =>
          answering!(outcome, (told) => respond(told, replayed), idempotency);
        if (answering === undefined) early = last;
        else last();
      },
      idempotency,
      () => {
        answering = this.#acknowledgement.stand(command);
        early?.();
      },
    );
  }

  /** With what the ledger has of those keys that decide the outcome and are not held here. */
  #submitInformed(
    command: Command,
    respond: Respond,
    idempotency?: IdempotencyRequest,
    /** Within the turn in which it was submitted. */
    onSubmitted: () => void = () => {},
  ): void {
    const submit = (): void => {
      this.#inner.submit(command, respond, idempotency);
      onSubmitted();
    };
    const wanted = this.#wanted(command);
    if (wanted.length === 0 || !this.#readThrough.available) {
      submit();
      return;
    }
    void Promise.all(
      wanted.map(({ namespace, key }) => this.#readThrough.fetch(namespace, key)),
    ).then((fetched) => {
      const found = fetched.filter((one) => one !== undefined);
      this.#readThrough.show(found, submit);
    });
  }

  #wanted(command: Command): readonly KeyName[] {
    switch (command.op) {
      case 'put':
      case 'delete':
      case 'increment':
        return this.#isWanted(command) ? [command] : [];
      case 'batch': {
        const names = new Map<string, KeyName>();
        for (const operation of command.operations) {
          if (!('namespace' in operation) || !this.#isWanted(operation)) continue;
          names.set(`${operation.namespace} ${operation.key}`, operation);
          if (names.size === BATCH_KEYS_MAX) break;
        }
        return [...names.values()];
      }
      default:
        return [];
    }
  }

  #isWanted(command: Command & KeyName): boolean {
    const contract = this.#room.partitions.contractFor(command.namespace);
    if (contract === undefined) return false;
    // A write without a condition is the same whatever was there, but where the first one wins.
    const blind =
      command.op === 'put' &&
      command.ifMatch === undefined &&
      command.ifNoneMatch === undefined &&
      contract.conflict !== 'firstWins';
    return !blind && !this.#room.replica.holdsValue(command.namespace, command.key);
  }

  #reconciles(namespace: string): boolean {
    return this.#room.partitions.contractFor(namespace) !== undefined;
  }
}

/** What was handed over under this id, taken up; undefined: nothing, or nobody could say. */
async function adoptable(
  room: Room,
  contract: NamespaceContract,
  command: GrantCommand & { readonly id: string },
): Promise<GrantReply | Refusal | undefined> {
  try {
    return await takeUp(room, contract, command);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

function isMiss(outcome: Outcome): boolean {
  return isRefusal(outcome) && outcome.refused === 'entry-not-found';
}

/** Where the answer to a read comes from, in the answer. */
function asFound(
  outcome: Outcome,
  found: { readonly source: 'local' | 'ledger'; readonly authoritative?: false },
): Outcome {
  if (!('refused' in outcome)) return { ...(outcome as GetReply), source: found.source } as GetReply;
  if (outcome.refused !== 'entry-not-found') return outcome;
  return { ...outcome, members: { ...outcome.members, ...found } };
}
