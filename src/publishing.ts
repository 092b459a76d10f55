/**
 * Everything between the outbox and the bus, put together: the bus is opened, a publisher moves what
 * is committed, and how far it has come is kept in the journal now and then.
 */
import type { Signal } from './admission/signals.ts';
import type { BusConfig, Config } from './config/config.ts';
import { contractOf } from './config/contract-of.ts';
import type { Engine } from './engine/engine.ts';
import type { Bus, StreamName } from './events/bus.ts';
import { encodeEvent } from './events/message.ts';
import type { Outbox } from './events/outbox.ts';
import { PublishSpans } from './events/publish-spans.ts';
import { createPublisher, type Publisher } from './events/publisher.ts';
import type { Timers } from './machine/machine.ts';
import type { DegradedReason } from './readiness.ts';
import type { Scheduler } from './resilience/scheduler.ts';
import type { Log } from './log/log.ts';
import type { LeaseStory } from './tracing/lease-story.ts';

/** How far the bus has come is journalled this often: after a crash as much is told twice. */
const NOTE_MS = 500;
/** A bus that is away when the sidecar leaves is not waited for as long as one that takes events. */
const DRAIN_AWAY_MS = 2_000;
/** Of what is left of the grace, to let the connection go. */
const CLOSE_MS = 500;

export interface PublishingParts {
  readonly config: Config;
  readonly busConfig: BusConfig;
  readonly bus: Bus;
  readonly outbox: Outbox;
  readonly engine: Engine;
  readonly scheduler: Scheduler;
  readonly timers: Timers;
  readonly log: Log;
  /** Absent: nothing is traced. */
  readonly story?: LeaseStory;
}

export class Publishing {
  readonly #parts: PublishingParts;
  readonly publisher: Publisher;
  #cancelNote: () => void;

  constructor(parts: PublishingParts) {
    const { config, busConfig, bus, outbox, scheduler, log } = parts;
    this.#parts = parts;
    const context = { name: config.name, contractOf: contractOf(config) };
    this.publisher = createPublisher({
      bus, outbox, scheduler, log,
      encode: (event, publishing) => encodeEvent(event, context, busConfig.encoding, publishing),
      ...(parts.story === undefined
        ? {}
        : { tracing: new PublishSpans(parts.story, bus.kind, config.name) }),
      soon: (work) => parts.timers.soon(work),
      settings: busConfig,
      // Should the process die before all is told again, the next one must know that it was lost.
      onLost: () => parts.engine.noteAcknowledged(),
      onChange: (reasons) => log.info({ reasons }, reasons.length === 0 ? 'bus in step' : 'bus'),
    });
    this.#cancelNote = scheduler.after(NOTE_MS, () => this.#note());
  }

  #note(): void {
    const { engine, scheduler } = this.#parts;
    engine.noteAcknowledged();
    this.#cancelNote = scheduler.after(NOTE_MS, () => this.#note());
  }

  /** Why the sidecar is degraded. */
  reasons(): readonly DegradedReason[] {
    return this.publisher.reasons();
  }

  /** How full the outbox is, and until when it has room again. */
  signals(): Signal[] {
    const { outbox } = this.#parts;
    return [
      {
        source: 'outbox', what: 'endings',
        fill: () => outbox.endingsFill,
        drainMs: () => this.#drainMs('endings'),
      },
      {
        source: 'outbox', what: 'events',
        fill: () => outbox.eventsFill,
        drainMs: () => this.#drainMs('events'),
      },
    ];
  }

  /** Until a stream's backlog is gone at the rate of late; undefined: it does not move. */
  #drainMs(stream: StreamName): number | undefined {
    // What it did before it stood still says nothing about when it goes on.
    if (!this.publisher.healthy) return undefined;
    const rate = this.publisher.drainRate(stream);
    return rate > 0 ? (this.#parts.outbox[stream].pending / rate) * 1000 : undefined;
  }

  status(): { readonly bus: object; readonly outbox: object } {
    const { bus, outbox } = this.#parts;
    return {
      bus: { kind: bus.kind, mode: bus.mode, ...bus.status() },
      outbox: { ...outbox.status(), publisher: this.publisher.status() },
    };
  }

  /** Tells what there is and that this run is over, within `budgetMs`; how much stays untold. */
  async leave(budgetMs: number): Promise<{ readonly left: number }> {
    const { bus, engine } = this.#parts;
    engine.closeSource();
    const reachable = bus.state === 'connected';
    const outcome = await this.publisher.drain(reachable ? budgetMs : Math.min(budgetMs, DRAIN_AWAY_MS));
    this.publisher.close();
    this.#cancelNote();
    engine.noteAcknowledged();
    await bus.close(CLOSE_MS);
    return outcome;
  }
}
