/**
 * The last pathway for getting state back: a read that found nothing here nor in the ledger has the
 * entry rebuilt by a neighbour, and is then asked again. Sits outside everything that could still
 * find it.
 *
 * Not rebuilt: what only might be missing, because the ledger did not answer (a rebuilt value would
 * be newer than the one that is there, and win); reads that ask for the ledger's own word; and
 * operations of a batch.
 */
import type { Command, GetCommand, PutCommand } from '../core/command.ts';
import { isRefusal } from '../core/refusal.ts';
import type { IdempotencyRequest, Outcome, Service } from '../engine/service.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import { type PutOutcome, Rebuilds } from './rebuilds.ts';

/** What it must know of a namespace. */
export interface RebuildingNamespace {
  readonly name: string;
  readonly reconstitute?: {
    readonly url: string;
    readonly timeoutMs: number;
    readonly ttlMs?: number;
    readonly concurrency: number;
  };
}

export interface ReconstitutingParts {
  /** Knows journal, ledger and mirrors. */
  readonly service: Service;
  /** `default` among them: those that come into being later are copies of it. */
  readonly namespaces: readonly RebuildingNamespace[];
  /** The longest value there may be. */
  readonly valueBytes: number;
  readonly scheduler: Scheduler;
}

/** The rebuilds of a namespace, and the time to live of what they bring. */
interface Pathway {
  readonly url: string;
  readonly rebuilds: Rebuilds;
  readonly ttlMs: number | undefined;
}

type Respond = (outcome: Outcome, replayed: boolean) => void;

export class ReconstitutingService implements Service {
  readonly #service: Service;
  readonly #pathways = new Map<string, Pathway | undefined>();

  constructor({ service, namespaces, valueBytes, scheduler }: ReconstitutingParts) {
    this.#service = service;
    for (const { name, reconstitute } of namespaces) {
      if (reconstitute === undefined) {
        this.#pathways.set(name, undefined);
        continue;
      }
      const { url, ttlMs } = reconstitute;
      const rebuilds = new Rebuilds({ ...reconstitute, valueBytes }, scheduler);
      this.#pathways.set(name, { url, rebuilds, ttlMs });
    }
  }

  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: IdempotencyRequest,
  ): void;
  submit(command: Command, respond: Respond, idempotency?: IdempotencyRequest): void {
    const pathway = command.op === 'get' ? this.#pathwayOf(command) : undefined;
    if (command.op !== 'get' || pathway === undefined) {
      this.#service.submit(command, respond, idempotency);
      return;
    }
    this.#service.submit(
      command,
      (outcome, replayed) => {
        const again = () => this.#service.submit(command, respond);
        const { namespace, key } = command;
        const put = this.#putting(command, pathway);
        const begun = isMissing(outcome) && pathway.rebuilds.begin(namespace, key, put, again);
        if (!begun) respond(outcome, replayed);
      },
      idempotency,
    );
  }

  now(): number {
    return this.#service.now();
  }

  toWallMs(instant: number): number {
    return this.#service.toWallMs(instant);
  }

  /** What came of it, by namespace. */
  status(): object {
    const counted = [...this.#pathways].flatMap(([name, pathway]) => {
      if (pathway === undefined) return [];
      const { url, rebuilds } = pathway;
      const { counts, inFlight, breaker } = rebuilds;
      return [[name, { url, breaker, inFlight, ...structuredClone(counts) }]];
    });
    return Object.fromEntries(counted);
  }

  /** Breaks off what is being rebuilt; whoever waits is told that the entry is missing. */
  close(): void {
    for (const pathway of this.#pathways.values()) pathway?.rebuilds.close();
  }

  #pathwayOf({ namespace, consistency }: GetCommand): Pathway | undefined {
    if (consistency === 'ledger') return undefined;
    return this.#pathways.get(this.#pathways.has(namespace) ? namespace : 'default');
  }

  #putting({ namespace, key }: GetCommand, { ttlMs }: Pathway) {
    return (value: Uint8Array, contentType: string, done: (outcome: PutOutcome) => void): void => {
      const command: PutCommand = {
        op: 'put', namespace, key, value, contentType,
        // Whoever has put it meanwhile knows better.
        ifNoneMatch: '*',
        ...(ttlMs === undefined ? {} : { ttlMs }),
      };
      this.#service.submit(command, (outcome) => {
        if (!isRefusal(outcome)) done('rebuilt');
        else done(outcome.refused === 'version-mismatch' ? 'outrun' : 'failed');
      });
    };
  }
}

/** Nobody who was asked has it, and nobody who might have it was left out. */
function isMissing(outcome: Outcome): boolean {
  if (!isRefusal(outcome) || outcome.refused !== 'entry-not-found') return false;
  return outcome.members?.['authoritative'] !== false;
}
