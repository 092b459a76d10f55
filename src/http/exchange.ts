/**
 * One request and its answer. Handlers speak in outcomes; this file knows how they are sent, that
 * it happens once, and what is given back then: the place in the gate, the bytes of the body.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Token } from '../access/token.ts';
import type { LoadRefusal } from '../admission/admission.ts';
import type { RequestClass } from '../admission/classes.ts';
import type { Caller } from '../admission/quotas.ts';
import type { PressureSource } from '../admission/signals.ts';
import type { Command, ReplyOf } from '../core/command.ts';
import { isRefusal } from '../core/refusal.ts';
import type { IdempotencyRequest } from '../engine/service.ts';
import { reject, type Rejection } from '../errors.ts';
import { faultFields } from '../log/exception-fields.ts';
import { traceFields } from '../log/trace-fields.ts';
import { commandRefusal } from './access.ts';
import type { Connection } from './connections.ts';
import { encodeDocument, type Format, mediaTypeOf } from './content.ts';
import type { Edge } from './edge.ts';
import type { ByteBudget, Gate } from './gate.ts';
import { problemHeaders, problemOf, saysWhen } from './problem.ts';
import { callerTrace, type RequestSpan, traceRequest } from './request-span.ts';
import type { Route } from './route.ts';
import type { Found } from './router.ts';

/** Smaller replies fit the room every connection has anyway. */
const LARGE_REPLY_BYTES = 16 * 1024;
/** A request and its answer, as long as others are before it in line. */
const QUEUED_REPLY_BYTES = 4 * 1024;

export class Exchange {
  readonly edge: Edge;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #connection: Connection | undefined;
  route: Route | undefined;
  /** Who asks; undefined where there are no tokens, or none is needed. */
  bearer: Token | undefined;
  /** From the path, as far as the route has them. */
  id = '';
  namespace = '';
  key = '';
  /** How documents are answered, and how the body was written. */
  format: Format = 'json';
  bodyFormat: Format = 'json';
  body: Buffer = NO_BODY;
  idempotency: IdempotencyRequest | undefined;
  /** Where the request is recorded. */
  span: RequestSpan | undefined;
  /** What its commands remember, once `record` has been called. */
  #trace: Uint8Array | undefined;
  #gate: Gate | undefined;
  #cursor: string | undefined;
  #heldBytes = 0;
  #budget: ByteBudget | undefined;
  #answered = false;
  readonly #beganMs: number;
  /** The connection ends with this answer. */
  #isLast = false;

  constructor(
    edge: Edge,
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection | undefined,
  ) {
    this.edge = edge;
    this.request = request;
    this.response = response;
    this.#connection = connection;
    this.#beganMs = edge.monotonicMs();
    if (connection === undefined) return;
    connection.pending++;
    connection.newest = response;
  }

  /**
   * Events after it are all those the reply's state did not hold yet: so it is taken before the
   * command is submitted, not when its reply may go, by when later commands may have been written.
   */
  get cursor(): string {
    return this.#cursor ?? this.edge.feed.cursor;
  }

  /** Records the request from here on, if it is to be. `found` undefined: its path leads nowhere. */
  record(found: Found | undefined): void {
    const { story } = this.edge;
    if (story === undefined) return;
    const traced = traceRequest(story, this.request, found);
    if (traced === undefined || traced instanceof Uint8Array) {
      this.#trace = traced;
      return;
    }
    this.span = traced;
    this.#trace = traced.trace;
  }

  /** Takes a place in the gate until this is answered; false: there is none. */
  enter(gate: Gate): boolean {
    if (!gate.enter()) return false;
    this.#gate = gate;
    return true;
  }

  /** Takes over bytes of the budget, to be given back when this is answered. */
  hold(body: Buffer, bytes: number, budget: ByteBudget): void {
    this.#budget = budget;
    this.body = body;
    this.#heldBytes = bytes;
  }

  /**
   * Asks the service, and answers a refusal itself. `respond` is called with anything else, now or
   * once it is as durable as its namespace promises.
   */
  submit<C extends Command>(
    command: C,
    respond: (reply: ReplyOf[C['op']]) => void,
    refused: (rejection: Rejection) => void = this.#refuseIt,
  ): void {
    const { bearer } = this;
    const forbidden = bearer === undefined ? undefined : commandRefusal(bearer, command);
    if (forbidden !== undefined) return this.refuse(forbidden);
    if (this.edge.admission.hasNamespaceQuotas && !this.#isWithinQuota(command)) return;
    this.#cursor = this.edge.feed.cursor;
    this.edge.service.submit(
      this.#asked(command),
      (outcome) => {
        try {
          this.span?.answered(outcome);
          if (isRefusal(outcome)) refused(outcome as Rejection);
          else respond(outcome as ReplyOf[C['op']]);
        } catch (error) {
          this.fail(error);
        }
      },
      this.idempotency,
    );
  }

  /** Whom quotas count the request for. */
  get caller(): Caller {
    return this.bearer ?? this.request.socket;
  }

  /** With who asks, and the trace that the request belongs to: what it grants remembers both. */
  #asked<C extends Command>(command: C): C {
    const { bearer } = this;
    const trace = this.trace;
    if (trace === undefined) return bearer === undefined ? command : { ...command, bearer };
    return bearer === undefined ? { ...command, trace } : { ...command, trace, bearer };
  }

  /** Of its span where it is recorded, else its caller's. */
  get trace(): Uint8Array | undefined {
    return this.edge.story === undefined ? callerTrace(this.request) : this.#trace;
  }

  /** false: it was refused. */
  #isWithinQuota(command: Command): boolean {
    // What the body said; the path had none.
    if ('namespace' in command && command.namespace !== undefined) this.namespace = command.namespace;
    const refusal = this.edge.admission.quotaRefusal(command);
    if (refusal === undefined) return true;
    this.namespace = refusal.namespace;
    this.refuseInTime(refusal);
    return false;
  }

  /** Whoever has no class of its own is judged by nobody. */
  get #class(): RequestClass {
    const kind = this.route?.class;
    return kind === undefined || kind === 'health' ? 'renew' : kind;
  }

  readonly #refuseIt = (rejection: Rejection): void => this.refuse(rejection);

  /**
   * `headers` are names and values in turn, without the length, which is added. `code` is that of the
   * problem, where it is one.
   */
  send(status: number, headers: string[], body?: Buffer, code?: string): void {
    if (body !== undefined && body.length > LARGE_REPLY_BYTES && !this.#holdReply(body)) return;
    if (this.#answered) return;
    this.#queue(body?.length ?? 0);
    const { response } = this;
    if (this.#endsConnection()) headers.push('Connection', 'close');
    this.#announcePressure(headers);
    if (body !== undefined) headers.push('Content-Length', String(body.length));
    // Before anything is given up: should a header be refused, a fault can still be answered.
    response.writeHead(status, headers);
    this.#finish();
    this.#count(status);
    response.end(body);
    this.span?.end(status, code);
  }

  #endsConnection(): boolean {
    const connection = this.#connection;
    // Announced but not asked for: the client may or may not send it, so nothing can follow it.
    const unasked = this.request.headers.expect !== undefined && !this.request.readableEnded;
    // What was pipelined behind this one has been taken, and is answered too.
    const isOver = this.edge.draining || connection?.takesNoMore === true;
    const isNewest = (connection?.newest ?? this.response) === this.response;
    if (!this.#isLast && !unasked && !(isOver && isNewest)) return false;
    if (connection !== undefined) {
      connection.takesNoMore = true;
      connection.hasSaidLast = true;
    }
    return true;
  }

  /**
   * A large reply is held until it is sent. Without room a read is refused. What has changed
   * something cannot be refused any more: its client is cut off, and asks again with its key.
   */
  #holdReply({ length }: Buffer): boolean {
    const { edge } = this;
    if (this.request.method === 'HEAD' || this.#answered) return true;
    // Who asks how things are has a bound of its own, and must learn it when they are bad.
    if (this.route?.class === 'health') return true;
    const budgets = this.route?.class === 'renew' ? [edge.bytes, edge.renewalBytes] : [edge.bytes];
    if (budgets.some((budget) => this.#holdUntilSent(budget, length))) return true;
    if (this.route?.mutates === false) {
      this.refuse(reject('under-pressure', 'Cannot send the reply: too many are in flight'));
    } else {
      this.abandon();
      this.request.socket.destroy();
    }
    return false;
  }

  /**
   * What cannot be sent because answers before it have not been read is held like a large reply.
   * Where there is no room for that, nothing more is taken on the connection.
   */
  #queue(bodyBytes: number): void {
    const { edge, response } = this;
    const connection = this.#connection;
    if (connection === undefined || response.socket !== null) return;
    const bytes = bodyBytes > LARGE_REPLY_BYTES ? QUEUED_REPLY_BYTES : bodyBytes + QUEUED_REPLY_BYTES;
    if (!this.#holdUntilSent(edge.bytes, bytes)) connection.takesNoMore = true;
  }

  /** false: there is no room for so many. */
  #holdUntilSent(budget: ByteBudget, bytes: number): boolean {
    const { response } = this;
    // Its client has gone: nothing is sent, and nothing would say when that is over.
    if (response.closed) return true;
    if (!budget.take(bytes)) return false;
    response.once('close', () => budget.give(bytes));
    return true;
  }

  sendDocument(status: number, headers: string[], document: object): void {
    headers.push('Content-Type', mediaTypeOf(this.format));
    this.send(status, headers, encodeDocument(this.format, document));
  }

  /** `headers` beside those every problem has. */
  refuse(rejection: Rejection, headers: readonly string[] = []): void {
    const { admission, counts } = this.edge;
    if (!this.#answered) counts.refused(this.route, rejection.refused);
    const full = rejection.members?.['source'] as PressureSource | undefined;
    const problem = problemOf(rejection, (code) => admission.retryAfterMs(code, full));
    const body = Buffer.from(JSON.stringify(problem));
    const all = [...problemHeaders(problem), ...headers];
    if (saysWhen(problem)) {
      all.push(...admission.rateLimitFields(this.#class, this.namespace, this.caller));
    }
    this.send(problem.status, all, body, rejection.refused);
  }

  /**
   * Refuses for load or quota: now, or later where admission holds answers back, or calls `admit`
   * when there is room after all. Returns what ends the wait. Nothing is kept meanwhile but the
   * request itself.
   */
  refuseInTime(
    refusal: LoadRefusal,
    admit?: () => void,
    refuse: () => void = () => this.refuse(refusal),
  ): () => void {
    this.#leaveGate();
    return this.edge.admission.pace({
      kind: this.#class,
      connection: this.request.socket,
      refusal, refuse,
      ...(admit === undefined ? {} : { admit }),
    });
  }

  /** Refuses, and ends the connection: what follows on it cannot be told apart any more. */
  refuseAndClose(rejection: Rejection): void {
    this.#isLast = true;
    this.refuse(rejection);
  }

  /** Something threw: a fault of ours. */
  fail(error: unknown): void {
    this.edge.log.error(
      { 'http.route': this.route?.path, ...traceFields(this.trace), ...faultFields(error) },
      'Cannot answer a request',
    );
    this.refuse(reject('internal', 'Cannot answer: a fault of this sidecar, which is in its log'));
  }

  /** There will be no answer: the client went away before its request was whole, or is cut off. */
  abandon(): void {
    if (!this.#answered) this.span?.abandon();
    this.#finish();
  }

  /** For a reply that goes on: the head is sent, the rest is the caller's. */
  sendHead(status: number, headers: string[]): void {
    this.#announcePressure(headers);
    this.response.writeHead(status, headers);
    this.#count(status);
    // How long somebody then listens is not what the request took.
    this.span?.end(status, undefined);
    this.#leaveGate();
    this.#answered = true;
    const connection = this.#connection;
    if (connection !== undefined) this.response.once('close', () => connection.pending--);
  }

  #count(status: number): void {
    const { counts, monotonicMs } = this.edge;
    counts.answered(this.route, status, monotonicMs() - this.#beganMs);
  }

  #announcePressure(headers: string[]): void {
    const { pressureField } = this.edge.admission;
    if (pressureField !== undefined) headers.push('Leasehold-Pressure', pressureField);
  }

  #finish(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#leaveGate();
    const connection = this.#connection;
    if (connection === undefined) return;
    connection.pending--;
    const isOver = this.edge.draining || connection.takesNoMore;
    if (isOver && connection.pending === 0 && !connection.hasSaidLast) connection.closeWhenSent();
  }

  #leaveGate(): void {
    this.#gate?.leave();
    this.#gate = undefined;
    // An answer in line behind another keeps its request, and with it the exchange.
    this.body = NO_BODY;
    if (this.#heldBytes > 0) this.#budget?.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}

const NO_BODY = Buffer.alloc(0);
