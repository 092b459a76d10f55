/**
 * The composition root: builds the parts in order, closes them in reverse, and names the part that
 * hangs. Nothing else in the house knows more than its neighbours.
 */
import { createHash } from 'node:crypto';
import { BootTree } from './boot-tree.ts';
import { admissionFor, journalSignal, ledgerSignals, stretches } from './admitting.ts';
import type { Config, LedgerConfig } from './config/config.ts';
import { contractOf } from './config/contract-of.ts';
import { worstCase } from './config/derive.ts';
import type { Flags } from './config/flags.ts';
import { maskedUrl } from './config/ledger-url.ts';
import { describeWorstCase } from './config/worst-case-text.ts';
import { SLOT_COSTS } from './core/costs.ts';
import { NAMESPACE_NAME } from './core/namespaces.ts';
import { Engine } from './engine/engine.ts';
import { Feed } from './engine/feed.ts';
import { IdempotencyMemory } from './engine/idempotency.ts';
import { LateService } from './engine/late-service.ts';
import { EndingSpans } from './engine/ending-spans.ts';
import { recover } from './engine/recovery.ts';
import { traceRecovery } from './engine/recovery-span.ts';
import { TracedService } from './engine/traced-service.ts';
import { releaseOnDrain } from './engine/drain.ts';
import type { FeedFact } from './engine/service.ts';
import { Snapshotter } from './engine/snapshotter.ts';
import { Timeline } from './engine/timeline.ts';
import { type CloudEvent, cloudEvent } from './events/cloud-event.ts';
import { Outbox } from './events/outbox.ts';
import { createHttpServer, type HttpHandler } from './http/server.ts';
import { type JournalOptions, openJournal } from './journal/open-journal.ts';
import type { Core } from './core/core.ts';
import type { Ledger } from './ledger/ledger.ts';
import { TracedLedger } from './ledger/traced-ledger.ts';
import type { Machine } from './machine/machine.ts';
import { systemMachine } from './machine/system-machine.ts';
import { openBus } from './open-bus.ts';
import { openLedger, systemOf } from './open-ledger.ts';
import { openTokens } from './open-tokens.ts';
import { Publishing } from './publishing.ts';
import { createReconciliation, type Reconciliation } from './reconcile/reconciliation.ts';
import { ReconstitutingService } from './reconstitute/reconstituting-service.ts';
import { CoreReplica } from './replica/core-replica.ts';
import { schedulerOn } from './resilience/scheduler.ts';
import { SidecarOperations } from './operations.ts';
import { exceptionFields } from './log/exception-fields.ts';
import type { Log } from './log/log.ts';
import { checkedMemory } from './self-checking.ts';
import { SelfCheck } from './self-check/self-check.ts';
import type { OpenTelemetry } from './telemetry/telemetry.ts';
import { leaseStory } from './tracing/lease-story.ts';
import { outsideSpans } from './tracing/outside-spans.ts';
import { VERSION } from './version.ts';

export interface Sidecar {
  /** Where it listens, as URLs. */
  readonly urls: readonly string[];
  /** Answers one request, as if it had come over one of them. */
  readonly handler: HttpHandler;
  /** Reads the file of tokens, if there is one; one that is refused changes nothing. */
  rereadTokens(): void;
  /** Is memory what a restart would bring back? Asked by itself every so often, or now. */
  readonly selfCheck: Pick<SelfCheck, 'checkNow'>;
  /** Drains within the grace period and closes every part. */
  stop(): Promise<void>;
  /** The part that is being closed, while `stop` has not come to its end. */
  readonly closing: string | undefined;
}

export interface SidecarParts {
  readonly config: Config;
  readonly log: Log;
  /** What they are now. */
  readonly flags: () => Flags;
  /** Called once, when the sidecar must not go on: the process should end at once. */
  readonly onFatal: (error: Error) => void;
  /** Absent: nothing of it is loaded, and nothing is traced or exported. */
  readonly openTelemetry?: OpenTelemetry;
  readonly surroundings?: Surroundings;
}

/** All that a sidecar touches of the world, but for the requests it is sent. */
export interface Surroundings {
  readonly machine: Machine;
  /** The disk of the journal, and its lock. */
  readonly disk: Pick<JournalOptions, 'fileSystem' | 'failpoints' | 'lock'>;
  readonly openLedger: typeof openLedger;
  readonly openBus: typeof openBus;
}

/** The world as it is. */
const REAL: Surroundings = { machine: systemMachine, disk: {}, openLedger, openBus };

/** What the ledger is left at the end, however long the clients took. */
const DRAIN_LEAST_MS = 500;
/** For telemetry, whose collector may be away. */
const TELEMETRY_CLOSE_MS = 2000;
/** How often a long recovery says how far it is. */
const PROGRESS_MS = 1000;

export async function startSidecar(parts: SidecarParts): Promise<Sidecar> {
  const { config, log } = parts;
  const { machine, disk, openLedger, openBus } = parts.surroundings ?? REAL;
  /**
   * 64 bits, never reused: by chance, and by who asks when, since machines that were copied while
   * they ran draw the same lots.
   */
  const newActor = (): string => {
    const asking = `${config.name} ${config.dataDir} ${machine.wallMs()} ${machine.monotonicMs()}`;
    return createHash('sha256').update(machine.randomBytes(16)).update(asking).digest('hex').slice(0, 16);
  };
  const actor = newActor();
  const contract = contractOf(config);
  const boot = new BootTree(log, machine);

  const timeline = new Timeline(machine);
  const feed = new Feed(config.limits.feed);
  const idempotency = new IdempotencyMemory(config.limits.idempotency);
  // Endings are settled in the core, which exists once the journal has been read.
  const late: { core?: Core } = {};
  const outbox = outboxFor(config, timeline, late);
  const memory = worstCase(config, SLOT_COSTS);
  log.info({ worstCase: describeWorstCase(memory, config.memoryLimitBytes) }, 'memory at worst');
  const operations = new SidecarOperations({
    config, worstCase: memory, actor, feed, idempotency, machine, log,
  });
  operations.flags = parts.flags;
  const { metering } = operations;
  metering.outbox = outbox;
  boot.undo('operations', () => operations.close());

  try {
    const telemetry = await parts.openTelemetry?.({
      identity: { actor, name: config.name, version: VERSION },
      metrics: metering,
    });
    boot.undo('telemetry', () => telemetry?.close(TELEMETRY_CLOSE_MS));
    if (telemetry !== undefined) boot.mark('telemetry');
    const tracing = telemetry?.tracing;
    const story = tracing && leaseStory(tracing, (namespace) => contract(namespace).sensitive);
    const timers = tracing === undefined ? machine : outsideSpans(machine, tracing);
    const opened = await openJournal({
      directory: config.dataDir, ...config.journal, machine, ...disk,
    });
    boot.undo('data directory', () => opened.release());
    boot.mark('data directory');

    const service = new LateService();
    const admission = admissionFor(config, log, timers, () => operations.running);
    operations.admission = admission;
    metering.admission = admission;
    boot.undo('admission', () => admission.close());
    const access = openTokens(config, machine, log);
    operations.tokens = access?.file;
    boot.undo('tokens', () => access?.file.close());
    const http = createHttpServer({
      access: access?.tokens,
      service, feed, operations, admission, log, timers,
      ...(story === undefined ? {} : { story }),
      eventOf: eventsOf(config),
      options: { version: VERSION, ...config.http, ...config.limits },
    });
    metering.http = http;
    const urls = await http.listen(config.listen);
    boot.undo('http', () => http.drain(0));
    boot.mark('http');

    let toldAt = timeline.monotonicMs();
    const { core, summary } = await traceRecovery(tracing, () => recover({
      source: opened,
      timeline, feed, idempotency,
      ...(outbox === undefined ? {} : { outbox }),
      coreOptions: {
        actor,
        hashSeed: machine.randomBytes(4).readInt32LE(),
        namespaces: config.namespaces,
        autoCreateNamespaces: config.autoCreateNamespaces,
        limits: config.limits,
        ...ledgerOptions(config.ledger),
      },
      onProgress: (progress) => {
        operations.recoveryProgress = progress;
        if (timeline.monotonicMs() - toldAt < PROGRESS_MS) return;
        toldAt = timeline.monotonicMs();
        log.info({ ...progress }, 'recovering');
      },
    }));
    late.core = core;
    const journal = await opened.start({ actor });
    boot.forget('data directory');
    boot.undo('journal', () => journal.close(timeline.now(), timeline.wallMs()));
    log.info({ ...summary }, summary.found ? 'recovered' : 'started empty');
    if (summary.forgotten) log.warn({}, 'an earlier run owed events to a bus; without one nobody is told');
    boot.mark('journal');

    const snapshotter = new Snapshotter({
      core, journal, idempotency, timeline, feed, timers,
      ...(outbox === undefined ? {} : { outbox }),
      onDone: (outcome) => log.info(outcome, 'snapshot written'),
      onError: (error) => log.warn(exceptionFields(error), 'snapshot given up'),
    });
    const onFatal = (error: Error): void => {
      operations.phase = 'failed';
      parts.onFatal(error);
    };
    let reconciliation: Reconciliation | undefined;
    let publishing: Publishing | undefined;
    const endings = story && new EndingSpans(story, timers);
    const engine = new Engine({
      core, journal, feed, timeline, idempotency, timers,
      ...(endings === undefined
        ? {}
        : { observe: (bytes, start, end) => endings.observe(bytes, start, end) }),
      ...(outbox === undefined ? {} : { outbox }),
      contracts: config.namespaces,
      defaultDurability:
        config.namespaces.find(({ name }) => name === 'default')?.durability ?? 'journal',
      afterCommit: () => {
        snapshotter.considerAfterCommit();
        core.setEvicting(parts.flags().eviction);
        reconciliation?.changed();
      },
      onFatal,
    });
    engine.beginRun(actor);
    engine.start();
    const selfCheck = new SelfCheck({
      journal, machine, log, onFatal,
      memory: checkedMemory(core, engine),
      snapshots: snapshotter,
      settings: config.journal.selfCheck,
    });
    operations.running = { core, engine, journal, recovery: summary };
    metering.running = operations.running;
    operations.selfCheck = selfCheck;
    metering.selfCheck = selfCheck;
    admission.add([journalSignal(journal)]);
    core.setStretching(stretches(admission.pressure));
    const scheduler = schedulerOn(timers, timeline);
    const direct = story === undefined ? engine : new TracedService(engine, story);
    let ledger: Ledger | undefined;
    if (config.ledger !== undefined) {
      ledger = await openLedger(config.ledger, `leasehold ${config.name}`);
      if (tracing !== undefined) {
        ledger = new TracedLedger(ledger, tracing, systemOf(config.ledger), () => machine.wallMs());
      }
      reconciliation = createReconciliation({
        ledger, scheduler, log, newActor,
        ...(tracing === undefined ? {} : { tracing }),
        settings: { ...config.ledger, name: config.name, url: maskedUrl(config.ledger.url) },
        replica: new CoreReplica(core.state, {
          apply: (step) => engine.apply(step),
          restateContacts: () => engine.restateContacts(),
          becomes: (next) => engine.beginRun(next),
        }),
        flags: parts.flags,
        ackOf: (namespace) => contract(namespace).ledgerAck,
        templateOf: templateOf(config),
      });
      operations.reconciliation = reconciliation;
      metering.reconciliation = reconciliation;
      admission.add(ledgerSignals(reconciliation, core));
      reconciliation.start();
      boot.mark('ledger');
    }
    if (config.bus !== undefined && outbox !== undefined) {
      const bus = await openBus(config.bus, `leasehold ${config.name}`, scheduler, log);
      publishing = new Publishing({
        config, busConfig: config.bus, bus, outbox, engine, scheduler, log, timers,
        ...(story === undefined ? {} : { story }),
      });
      operations.publishing = publishing;
      metering.publishing = publishing;
      admission.add(publishing.signals());
      boot.mark('bus');
    }
    const reconstituting = new ReconstitutingService({
      service: reconciliation?.service(direct) ?? direct,
      namespaces: config.namespaces,
      valueBytes: config.limits.valueBytes,
      scheduler,
    });
    operations.reconstitution = reconstituting;
    operations.phase = 'ready';
    service.inner = reconstituting;
    selfCheck.start();
    boot.mark('engine');
    boot.tell();

    let closing: string | undefined;
    const close = async (part: string, action: () => unknown) => {
      closing = part;
      await action();
      closing = undefined;
    };
    return {
      urls, selfCheck,
      handler: http.handler,
      rereadTokens: () => access?.file.read(),
      get closing() {
        return closing;
      },
      stop: async () => {
        operations.phase = 'draining';
        engine.beginDraining();
        log.info({ graceMs: config.drainMs }, 'draining');
        // Those created on demand too.
        const namespaces = core.state.namespaces.all().map(({ contract }) => contract);
        const until = timeline.monotonicMs() + config.drainMs;
        await close('leases', () => releaseOnDrain(engine, namespaces));
        await close('rebuilds', () => reconstituting.close());
        await close('http', () => http.drain(config.drainMs));
        access?.file.close();
        const leftMs = () => Math.max(DRAIN_LEAST_MS, until - timeline.monotonicMs());
        await close('ledger', () => leaveLedger(reconciliation, ledger, leftMs(), log));
        await close('bus', () => leaveBus(publishing, leftMs(), log));
        await close('self-check', () => selfCheck.stop());
        await close('snapshot', () => snapshotter.stop());
        await close('engine and journal', () => engine.stop());
        admission.close();
        operations.close();
        await close('telemetry', () => telemetry?.close(TELEMETRY_CLOSE_MS));
        log.info({}, 'stopped');
      },
    };
  } catch (error) {
    await boot.unwind();
    throw error;
  }
}

/** What the core must know of the ledger. */
function ledgerOptions(config: LedgerConfig | undefined) {
  if (config === undefined) return {};
  const { partitions, buckets, maxSkewMs } = config;
  return { ledger: { partitions, buckets }, contextAheadMs: maxSkewMs };
}

/** The contract that a namespace will have that is made on demand. */
function templateOf(config: Config) {
  const template = config.namespaces.find(({ name }) => name === 'default');
  return (name: string) =>
    config.autoCreateNamespaces && template !== undefined && NAMESPACE_NAME.test(name)
      ? { ...template, name }
      : undefined;
}

async function leaveLedger(
  reconciliation: Reconciliation | undefined,
  ledger: Ledger | undefined,
  budgetMs: number,
  log: Log,
): Promise<void> {
  if (reconciliation === undefined) return;
  const { left } = await reconciliation.drain(budgetMs);
  if (left > 0) log.warn({ left }, 'the ledger was not told of everything; the journal keeps it');
  await reconciliation.close();
  await ledger?.close();
}

async function leaveBus(
  publishing: Publishing | undefined,
  budgetMs: number,
  log: Log,
): Promise<void> {
  if (publishing === undefined) return;
  const { left } = await publishing.leave(budgetMs);
  if (left > 0) log.warn({ left }, 'the bus was not told of everything; the journal keeps it');
}

/** Room for what the bus must be told; undefined without a bus. */
function outboxFor(config: Config, timeline: Timeline, late: { core?: Core }): Outbox | undefined {
  const limits = config.limits.outbox;
  if (config.bus === undefined || limits === undefined) return undefined;
  return new Outbox({
    limits: { ...limits, keptMs: config.bus.keptMs },
    now: () => timeline.now(),
    onSettled: (namespace, ofLease, bytes) => late.core?.settleEnding(namespace, ofLease, bytes),
  });
}

/** Facts as the events that watchers see, under the contract of their namespace. */
function eventsOf(config: Config): (fact: FeedFact) => CloudEvent | undefined {
  const contract = contractOf(config);
  return ({ fact, actor, sequence }) =>
    cloudEvent(
      fact,
      { name: config.name, actor, stream: 'feed', sequence },
      contract(fact.namespace),
    );
}
