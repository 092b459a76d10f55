/**
 * A ledger whose calls are recorded as client spans, as OpenTelemetry names calls of a stored
 * procedure. A call is recorded as a part of what is being recorded when it is made; and whoever pushes
 * or reads what a recorded request granted is recorded in any case, linked with that request, so that
 * a value can be followed from one sidecar to the next.
 */
import { ATTRIBUTES } from '../tracing/names.ts';
import { LINKS_MAX, type Span, type SpanLink, type Tracing } from '../tracing/tracing.ts';
import { traceOfLabel } from './label.ts';
import {
  type BeatReply, type BeatRequest, type DiffReply, type DiffRequest, type JoinReply,
  type JoinRequest, type Ledger, type LedgerAck, LedgerError, type PartitionName, type PulledRecord,
  type PullReply, type PullRequest, type PushReply, type PushRequest, type SweepReply,
  type SweepRequest,
} from './ledger.ts';

/** What is behind the port, as the conventions have it. */
export interface LedgerSystem {
  /** `db.system.name`. */
  readonly name: string;
  /** The command that runs a script there. */
  readonly operation: string;
  readonly address: string;
  readonly port: number;
}

type Labelled = { readonly label: Uint8Array };
type Carrier = { readonly siblings: readonly Labelled[]; readonly ends: readonly Labelled[] };

export class TracedLedger implements Ledger {
  readonly #inner: Ledger;
  readonly #tracing: Tracing;
  readonly #system: LedgerSystem;
  readonly #wallMs: () => number;

  constructor(inner: Ledger, tracing: Tracing, system: LedgerSystem, wallMs: () => number) {
    this.#inner = inner;
    this.#tracing = tracing;
    this.#system = system;
    this.#wallMs = wallMs;
  }

  get traffic(): Ledger['traffic'] {
    return this.#inner.traffic;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  join(request: JoinRequest): Promise<JoinReply> {
    return this.#record('join', undefined, [], () => this.#inner.join(request));
  }

  push(at: PartitionName, request: PushRequest, ack?: LedgerAck): Promise<PushReply> {
    const links = linksOf(request.records);
    const send = () => this.#inner.push(at, request, ack);
    return this.#record('push', at, links, send, { [ATTRIBUTES.records]: request.records.length });
  }

  pull(at: PartitionName, request: PullRequest): Promise<PullReply> {
    const send = () => this.#inner.pull(at, request);
    return this.#recordReply('pull', at, send, ({ changes, wanted }) => [
      ...recordsOf(changes), ...recordsOf(wanted),
    ]);
  }

  diff(at: PartitionName, request: DiffRequest): Promise<DiffReply> {
    return this.#record('diff', at, [], () => this.#inner.diff(at, request));
  }

  beat(at: PartitionName, request: BeatRequest): Promise<BeatReply> {
    return this.#record('beat', at, [], () => this.#inner.beat(at, request));
  }

  sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply> {
    const send = () => this.#inner.sweep(at, request);
    // A look ends nothing, and the sweep that follows it tells the same.
    if (request.dryRun) return this.#record('sweep', at, [], send);
    return this.#recordReply('sweep', at, send, ({ ended }) =>
      ended.map(({ ending }) => ({ siblings: [], ends: [ending] })),
    );
  }

  /** Whether it concerns a recorded request is known before it is sent. */
  #record<R>(
    script: string,
    at: PartitionName | undefined,
    links: readonly SpanLink[],
    send: () => Promise<R>,
    more: object = {},
  ): Promise<R> {
    const parent = this.#tracing.active;
    if (parent === undefined && links.length === 0) return send();
    const span = this.#start(script, at, parent, links);
    span.set({ ...more });
    return this.#finish(span, send());
  }

  /** Whether it concerns a recorded request is known when it is answered. */
  async #recordReply<R>(
    script: string,
    at: PartitionName,
    send: () => Promise<R>,
    carriersOf: (reply: R) => readonly Carrier[],
  ): Promise<R> {
    const parent = this.#tracing.active;
    const startMs = this.#wallMs();
    const early = parent && this.#start(script, at, parent, []);
    const reply = await (early === undefined ? send() : this.#finish(early, send(), (answer) => {
      for (const link of linksOf(carriersOf(answer))) early.link(link);
    }));
    if (early !== undefined) return reply;
    const links = linksOf(carriersOf(reply));
    if (links.length > 0) this.#start(script, at, undefined, links, startMs).end();
    return reply;
  }

  #start(
    script: string,
    at: PartitionName | undefined,
    parent: Span | undefined,
    links: readonly SpanLink[],
    startMs?: number,
  ): Span {
    const { name, operation, address, port } = this.#system;
    const procedure = `leasehold_${script}`;
    return this.#tracing.start(`${operation} ${procedure}`, {
      links,
      kind: 'client',
      parent: parent ?? 'none',
      ...(startMs === undefined ? {} : { startMs }),
      attributes: {
        [ATTRIBUTES.dbSystem]: name,
        [ATTRIBUTES.dbOperation]: operation,
        [ATTRIBUTES.dbProcedure]: procedure,
        [ATTRIBUTES.serverAddress]: address,
        [ATTRIBUTES.serverPort]: port,
        ...(at === undefined
          ? {}
          : { [ATTRIBUTES.namespace]: at.namespace, [ATTRIBUTES.partition]: at.partition }),
      },
    });
  }

  async #finish<R>(span: Span, asked: Promise<R>, answered?: (reply: R) => void): Promise<R> {
    try {
      const reply = await asked;
      answered?.(reply);
      return reply;
    } catch (error) {
      const { fault, statusCode } =
        error instanceof LedgerError ? error : { fault: 'internal', statusCode: undefined };
      span.fail(fault);
      if (statusCode !== undefined) span.set({ [ATTRIBUTES.dbStatusCode]: statusCode });
      throw error;
    } finally {
      span.end();
    }
  }
}

function recordsOf(pulled: readonly PulledRecord[]): Carrier[] {
  return pulled.flatMap(({ record }) => (record === undefined ? [] : [record]));
}

/** The recorded requests that granted what these records hold, each once. */
function linksOf(carriers: readonly Carrier[]): SpanLink[] {
  const links = new Map<string, SpanLink>();
  for (const { siblings, ends } of carriers) {
    for (const { label } of [...siblings, ...ends]) {
      const trace = traceOfLabel(label);
      if (trace === undefined || links.size >= LINKS_MAX) continue;
      links.set(Buffer.from(trace).toString('hex'), { trace: trace.slice(), kind: 'granted' });
    }
  }
  return [...links.values()];
}
