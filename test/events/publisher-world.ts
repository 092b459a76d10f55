/** A publisher between an outbox and a bus that the test leads, on simulated time. */
import { STREAMS } from '../../src/events/bus.ts';
import {
  createPublisher, type BusReason, type Publisher, type PublisherSettings,
} from '../../src/events/publisher.ts';
import { chance, SimulatedTime } from '../reconcile/simulated-time.ts';
import { FakeBus } from './fake-bus.ts';
import { encode, FakeOutbox } from './fake-outbox.ts';

export const START_MS = 1_000_000;

export interface Logged {
  readonly level: 'info' | 'warn';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export class PublisherWorld {
  readonly time = new SimulatedTime(START_MS);
  readonly scheduler;
  readonly bus: FakeBus;
  readonly outbox = { endings: new FakeOutbox('endings'), events: new FakeOutbox('events') };
  readonly logged: Logged[] = [];
  readonly reasons: (readonly BusReason[])[] = [];
  readonly #settings: PublisherSettings;
  publisher: Publisher;

  constructor(options: {
    readonly settings?: Partial<PublisherSettings>;
    readonly mode?: 'jetstream' | 'core';
    readonly connected?: boolean;
    readonly seed?: number;
  } = {}) {
    const { seed, connected = true } = options;
    this.#settings = { window: 16, checkMs: 10_000, retryCapMs: 2_000, ...options.settings };
    this.scheduler = this.time.clock(seed === undefined ? () => 0.5 : chance(seed));
    this.bus = new FakeBus(this.scheduler, options.mode, connected ? 'connected' : 'connecting');
    for (const name of STREAMS) this.#watch(this.outbox[name]);
    this.publisher = this.#start();
  }

  /** Another run: it knows what was journalled, and the bus is as it is. */
  readonly crash = (): void => {
    this.publisher.close();
    for (const name of STREAMS) this.outbox[name].restart();
    this.publisher = this.#start();
  };

  readonly pass = (ms: number): Promise<void> => this.time.pass(ms);

  readonly warnings = (): string[] =>
    this.logged.filter(({ level }) => level === 'warn').map(({ message }) => message);

  #start(): Publisher {
    const note = (level: Logged['level']) => (fields: object, message: string) =>
      void this.logged.push({ level, fields: { ...fields }, message });
    return createPublisher({
      bus: this.bus, outbox: this.outbox, encode, scheduler: this.scheduler,
      settings: this.#settings,
      log: { info: note('info'), warn: note('warn') },
      onChange: (reasons) => this.reasons.push(reasons),
      onLost: () => {
        for (const name of STREAMS) this.outbox[name].journal();
      },
    });
  }

  /** Nothing leaves an outbox that the bus has not stored. */
  #watch(outbox: FakeOutbox): void {
    outbox.leaving = (index) => {
      for (const id of outbox.ids(outbox.first, index)) {
        if (!this.bus.everStored.has(id)) throw new Error(`${id} leaves, and is not stored`);
      }
    };
  }
}
