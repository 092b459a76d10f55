/**
 * The engine's service with spans for recorded requests: how long a reply waited for the journal. And
 * it notes which recorded request renewed a lease last, for whoever tells of its ending.
 */
import type { Command, Reply } from '../core/command.ts';
import { isImplicitId } from '../core/lease-table.ts';
import { isRefusal } from '../core/refusal.ts';
import { isSampled } from '../core/trace.ts';
import type { LeaseStory } from '../tracing/lease-story.ts';
import { ATTRIBUTES, SPANS } from '../tracing/names.ts';
import type { Span } from '../tracing/tracing.ts';
import type { IdempotencyRequest, Outcome, Service } from './service.ts';

type Respond = (outcome: Outcome, replayed: boolean) => void;

export class TracedService implements Service {
  readonly #inner: Service;
  readonly #story: LeaseStory;

  constructor(inner: Service, story: LeaseStory) {
    this.#inner = inner;
    this.#story = story;
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
    const trace = 'trace' in command ? command.trace : undefined;
    if (trace === undefined || !isSampled(trace)) {
      this.#inner.submit(command, respond, idempotency);
      return;
    }
    let answered = false;
    let span: Span | undefined;
    this.#inner.submit(
      command,
      (outcome, replayed) => {
        answered = true;
        span?.end();
        if (!isRefusal(outcome)) this.#noteRenewals(command, outcome as Reply, trace);
        respond(outcome, replayed);
      },
      idempotency,
    );
    // What is answered within the call has waited for nothing.
    if (answered) return;
    span = this.#story.tracing.start(SPANS.journalCommit, {
      parent: trace, attributes: { [ATTRIBUTES.operation]: command.op },
    });
  }

  #noteRenewals(command: Command, reply: Reply, trace: Uint8Array): void {
    for (const lease of renewedBy(command, reply)) this.#story.renewed.set(lease, trace);
  }
}

/** Leases that go on for longer after this; `reply` is no refusal. */
function renewedBy(command: Command, reply: Reply): readonly string[] {
  switch (command.op) {
    case 'renew':
      return [command.id];
    case 'renew-many':
      return command.ids;
    case 'put':
    case 'increment': {
      // A write is what renews an entry that has a lease of its own.
      const { created, lease } = reply as { readonly created: boolean; readonly lease: string };
      return !created && isImplicitId(lease) ? [lease] : [];
    }
    case 'batch':
      return command.operations.flatMap((operation) => (operation.op === 'renew' ? [operation.id] : []));
    default:
      return [];
  }
}
