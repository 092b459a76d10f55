/**
 * The ledger of the simulated world: the embedded one, on a server with a clock of its own, and with
 * what goes wrong with such servers. Histories are told apart by number, as replication identities
 * do: a failover and a restart begin another, an old copy may or may not.
 *
 * In a split there are two primaries: the one from before, for those who do not see that it was
 * replaced, and the promoted one, for all others. Healing throws away what only the old one has.
 */
import { EmbeddedLedger, type LedgerImage } from '../../../src/ledger/embedded/embedded-ledger.ts';
import type {
  BeatRequest, DiffRequest, JoinRequest, LedgerAck, LedgerFault, PartitionName, PullRequest,
  PushRequest, SweepRequest,
} from '../../../src/ledger/ledger.ts';
import type { Partition } from '../../../src/ledger/specification/partition.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { Host } from './host.ts';
import { type ImagePace, LedgerImages } from './ledger-images.ts';
import type { Network } from './network.ts';
import { ServerClock } from './server-clock.ts';

/** One request, as it comes from `from`. */
export type AskedOfLedger = { readonly from: string } & (
  | { readonly operation: 'join'; readonly request: JoinRequest }
  | {
      readonly operation: 'push'; readonly at: PartitionName; readonly request: PushRequest;
      readonly ack: LedgerAck;
    }
  | { readonly operation: 'pull'; readonly at: PartitionName; readonly request: PullRequest }
  | { readonly operation: 'diff'; readonly at: PartitionName; readonly request: DiffRequest }
  | { readonly operation: 'beat'; readonly at: PartitionName; readonly request: BeatRequest }
  | { readonly operation: 'sweep'; readonly at: PartitionName; readonly request: SweepRequest }
);

export type LedgerAnswer =
  | { readonly ok: true; readonly reply: unknown }
  | { readonly ok: false; readonly fault: LedgerFault; readonly message: string };

/** One operation that took place; that its answer arrives is not said. */
export type LedgerStep = AskedOfLedger & {
  readonly reply: unknown;
  /** True time. */
  readonly atMs: number;
  /** The history of the primary that took it: different numbers, different histories. */
  readonly history: number;
  /** By the primary from before a split, whose data will be lost. */
  readonly isDoomed: boolean;
  /** As it is now, itself and not a copy; of `join` there is none. */
  readonly partition: Partition | undefined;
};

export interface LedgerServerOptions {
  readonly place?: string;
  readonly images?: ImagePace;
}

const IMAGES: ImagePace = { everyMs: 50, keptMs: 60_000 };

/** One of them at most times. */
interface Primary {
  readonly ledger: EmbeddedLedger;
  readonly history: number;
  readonly clock: ServerClock;
}

export class LedgerServer {
  readonly host: Host;
  /** Values are refused; what only ends things is taken. */
  outOfMemory = false;
  /** Everything is refused: every operation writes, if only the time. */
  readOnly = false;
  /** No replica, no disk follows: pushes that wait for one are applied and get no answer. */
  holdsAcknowledgements = false;
  /** Needed to go back; costs a copy of what changed, now and then. */
  keepsImages = false;
  /** Called after each operation. */
  onOperation: (step: LedgerStep) => void = () => {};
  readonly #kernel: Kernel;
  readonly #images: LedgerImages;
  #primary: Primary;
  /** Only in a split. */
  #old: { readonly primary: Primary; readonly callers: ReadonlySet<string> } | undefined;
  #histories = 1;
  /** No failover loses what came before. */
  #replicatedAtMs = -Infinity;

  constructor(network: Network, { place = 'ledger', images = IMAGES }: LedgerServerOptions = {}) {
    this.host = new Host(network, place);
    this.#kernel = network.kernel;
    this.#images = new LedgerImages(images);
    this.#primary = this.#serve(emptyImage(), ++this.#histories, new ServerClock(network.kernel));
  }

  get clock(): ServerClock {
    return this.#primary.clock;
  }

  get history(): number {
    return this.#primary.history;
  }

  get isSplit(): boolean {
    return this.#old !== undefined;
  }

  /** Of the primary that will last, by `<partition>:<namespace>`; not copies. */
  partitions(): ReadonlyMap<string, Partition> {
    return this.#primary.ledger.holdings.partitions;
  }

  /** Restarted, with nothing left. */
  clear(): void {
    this.#primary = this.#serve(emptyImage(), ++this.#histories, this.clock);
    this.#images.changed(undefined, this.#kernel.nowMs);
    this.host.breakConnections();
  }

  /**
   * A replica that is behind by about `lagMs` takes over, on a clock that differs by `stepMs`.
   * Returns the true time from which on everything is lost; without images nothing is.
   */
  failover(lagMs: number, stepMs = 0): number {
    const lostFromMs = this.#goBack(lagMs, ++this.#histories, this.#replicatedAtMs);
    this.clock.step(stepMs);
    this.host.breakConnections();
    return lostFromMs;
  }

  /**
   * A copy that is about `ageMs` old is put back. A server that is started on one has another
   * history than before; where servers do not tell their histories apart, it has the same. Returns
   * what `failover` does.
   */
  rollback(ageMs: number, sameHistory = false): number {
    const history = sameHistory ? this.#primary.history : ++this.#histories;
    const lostFromMs = this.#goBack(ageMs, history);
    this.host.breakConnections();
    return lostFromMs;
  }

  /**
   * `callers` go on with the primary there is; all others go over to a replica behind by `lagMs`.
   * Returns what `failover` does.
   */
  split(callers: readonly string[], lagMs: number, stepMs = 0): number {
    if (this.#old !== undefined) throw new Error('The ledger is split already');
    const primary = this.#primary;
    this.#old = { primary, callers: new Set(callers) };
    const clock = new ServerClock(this.#kernel);
    clock.step(primary.clock.offsetMs + stepMs);
    const lostFromMs = this.#goBack(lagMs, ++this.#histories, this.#replicatedAtMs, clock);
    this.host.breakConnections((place) => !callers.includes(place));
    return lostFromMs;
  }

  /** What only the old primary took is lost. */
  healSplit(): void {
    const { callers } = this.#old ?? {};
    if (callers === undefined) return;
    this.#old = undefined;
    this.host.breakConnections((place) => callers.has(place));
  }

  /** Called where a request has arrived; `answer` not at all or once, within the same event. */
  take(asked: AskedOfLedger, answer: (answer: LedgerAnswer) => void): void {
    const refused = this.#refusal(asked);
    if (refused !== undefined) {
      answer(refused);
      return;
    }
    const isDoomed = this.#old?.callers.has(asked.from) ?? false;
    const primary = isDoomed ? this.#old!.primary : this.#primary;
    if (!isDoomed) this.#keepImage();
    const done = (reply: unknown): void => this.#done(asked, primary, isDoomed, reply, answer);
    perform(primary.ledger, asked)
      .then(done)
      .catch((error: unknown) => this.#kernel.fail(error));
  }

  #done(
    asked: AskedOfLedger, { ledger, history }: Primary, isDoomed: boolean, reply: unknown,
    answer: (answer: LedgerAnswer) => void,
  ): void {
    const partition =
      asked.operation === 'join'
        ? undefined
        : ledger.holdings.partitions.get(`${asked.at.partition}:${asked.at.namespace}`);
    const atMs = this.#kernel.nowMs;
    if (!isDoomed) this.#images.changed(partition, atMs);
    this.onOperation({ ...asked, reply, atMs, history, isDoomed, partition });
    if (asked.operation === 'push' && asked.ack !== 'applied') {
      // The primary of a split has lost its replica.
      if (this.holdsAcknowledgements || isDoomed) return;
      this.#replicatedAtMs = atMs;
      if (this.keepsImages) this.#images.take(ledger, atMs);
    }
    answer({ ok: true, reply });
  }

  #refusal(asked: AskedOfLedger): LedgerAnswer | undefined {
    if (this.readOnly) {
      const message = "READONLY You can't write against a read only replica.";
      return { ok: false, fault: 'read-only', message };
    }
    if (!this.outOfMemory || asked.operation !== 'push') return undefined;
    if (asked.request.records.every(({ siblings }) => siblings.length === 0)) return undefined;
    const message = "OOM command not allowed when used memory > 'maxmemory'.";
    return { ok: false, fault: 'full', message };
  }

  #keepImage(): void {
    const { nowMs } = this.#kernel;
    if (this.keepsImages && this.#images.isDue(nowMs)) {
      this.#images.take(this.#primary.ledger, nowMs);
    }
  }

  #goBack(byMs: number, history: number, notBeforeMs = -Infinity, clock = this.clock): number {
    const { nowMs } = this.#kernel;
    const { ledger } = this.#primary;
    if (this.keepsImages) this.#images.take(ledger, nowMs);
    const found = this.#images.asOf(Math.max(nowMs - byMs, notBeforeMs));
    this.#primary = this.#serve(found?.image ?? ledger.image(), history, clock);
    if (found === undefined) return nowMs;
    this.#images.wentBackTo(found);
    return found.upToMs;
  }

  /** The embedded ledger counts its histories: it is led to the one that is wanted. */
  #serve(image: LedgerImage, history: number, clock: ServerClock): Primary {
    const ledger = new EmbeddedLedger({ now: clock.now });
    for (let count = 2; count < history; count++) ledger.clear();
    ledger.restore(image);
    return { ledger, history, clock };
  }
}

function perform(ledger: EmbeddedLedger, asked: AskedOfLedger): Promise<unknown> {
  switch (asked.operation) {
    case 'join':
      return ledger.join(asked.request);
    case 'push':
      return ledger.push(asked.at, asked.request);
    case 'pull':
      return ledger.pull(asked.at, asked.request);
    case 'diff':
      return ledger.diff(asked.at, asked.request);
    case 'beat':
      return ledger.beat(asked.at, asked.request);
    case 'sweep':
      return ledger.sweep(asked.at, asked.request);
  }
}

function emptyImage(): LedgerImage {
  return new EmbeddedLedger({ now: () => 0 }).image();
}
