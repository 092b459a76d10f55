/**
 * From a request to its route's handler: everything that is judged before a route is asked, in an
 * order that refuses cheaply first and changes nothing on the way.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Token } from '../access/token.ts';
import type { Stranger } from '../access/tokens.ts';
import { routeRefusal, strangerRefusal } from './access.ts';
import type { LoadRefusal } from '../admission/admission.ts';
import { reject, type Rejection } from '../errors.ts';
import { type BodyLimits, hasBody, readBody } from './body.ts';
import { type Checked, checked } from './checked.ts';
import type { Connection } from './connections.ts';
import { decodeDocument, formatOfBody, formatOfReply } from './content.ts';
import type { Edge } from './edge.ts';
import { Exchange } from './exchange.ts';
import { HostGuard } from './host.ts';
import { idempotencyRequest, parseIdempotencyKey } from './idempotency.ts';
import { OriginGuard } from './origin.ts';
import { parseQuery, type Query } from './query.ts';
import type { Route } from './route.ts';
import { Router } from './router.ts';
import { isMediaType } from './schemas.ts';

/** Requests that may wait behind one that waits for room; with one more, that one is refused. */
const PIPELINED_MAX = 64;

interface Target {
  /** Of an absolute target; it then stands in for `Host`. */
  readonly authority: string | undefined;
  readonly path: string;
  readonly query: string;
}

function targetOf(url: string): Target {
  let authority: string | undefined;
  let rest = url;
  if (!url.startsWith('/')) {
    const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url);
    authority = absolute?.[1];
    rest = absolute?.[2] ?? url;
  }
  const mark = rest.indexOf('?');
  return mark < 0
    ? { authority, path: rest, query: '' }
    : { authority, path: rest.slice(0, mark), query: rest.slice(mark + 1) };
}

const noHost = reject('invalid-request', 'Cannot answer: HTTP/1.1 requests have a Host header');

export class Dispatch {
  readonly #edge: Edge;
  readonly #router: Router;
  readonly #hosts: HostGuard;
  readonly #origins: OriginGuard;
  readonly #targetBytes: number;
  readonly #documentLimits: BodyLimits;
  readonly #valueLimits: BodyLimits;
  readonly #lastQuery = new Map<Route, { readonly raw: string; readonly checked: Checked<unknown> }>();
  /** Ends the wait for room on a connection. */
  readonly #hasten = new WeakMap<Connection, () => void>();
  #recovered = false;

  constructor(edge: Edge, routes: readonly Route[]) {
    const { options } = edge;
    this.#edge = edge;
    this.#router = new Router(routes, options.keyBytes);
    this.#hosts = new HostGuard(options.hosts, edge.access !== undefined);
    this.#origins = new OriginGuard(options.hosts);
    this.#targetBytes = Math.floor(options.headerBytes / 2);
    this.#documentLimits = { bytes: options.bodyBytes, tooLarge: 'body-too-large' };
    this.#valueLimits = { bytes: options.valueBytes, tooLarge: 'value-too-large' };
  }

  /** Answers one request. `anyHost`: it came by a socket no browser can reach. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection | undefined,
    anyHost: boolean,
  ): void {
    if (connection?.takesNoMore === true) return this.#ignore(connection);
    const exchange = new Exchange(this.#edge, request, response, connection);
    if (!this.#edge.draining || connection === undefined) return this.#inTurn(exchange, connection, anyHost);
    connection.takenAtLast++;
    if (connection.takenAtLast >= PIPELINED_MAX) connection.takesNoMore = true;
    // The parser has the rest of what came together first: the last of them is to say that it is.
    queueMicrotask(() => this.#inTurn(exchange, connection, anyHost));
  }

  /**
   * Nothing after the last answer is carried out. `node:http` holds each such request as long as the
   * connection is there: who leaves reads no more of them, who lacks room for answers cuts it off.
   */
  #ignore({ socket }: Connection): void {
    if (this.#edge.draining) socket.pause();
    else socket.destroy();
  }

  #inTurn(exchange: Exchange, connection: Connection | undefined, anyHost: boolean): void {
    // The parser is ahead of the bodies: what follows a PUT on its connection must see it done.
    if (connection?.failReading === undefined) return this.#start(exchange, connection, anyHost);
    connection.waiting.push(() => this.#start(exchange, connection, anyHost));
    // Who sends so much without waiting is not slowed down by having to wait.
    if (connection.waiting.length > PIPELINED_MAX) this.#hasten.get(connection)?.();
  }

  #start(exchange: Exchange, connection: Connection | undefined, anyHost: boolean): void {
    try {
      this.#begin(exchange, connection, anyHost);
    } catch (error) {
      exchange.fail(error);
    }
  }

  #begin(exchange: Exchange, connection: Connection | undefined, anyHost: boolean): void {
    const { request } = exchange;
    const url = request.url ?? '';
    if (url.length > this.#targetBytes) {
      const detail = `Cannot read the target: it is longer than ${this.#targetBytes} bytes`;
      exchange.record(undefined);
      return exchange.refuse(reject('uri-too-long', detail));
    }
    const target = targetOf(url);
    const sought = this.#router.find(request.method ?? '', target.path);
    exchange.record('route' in sought ? sought : undefined);
    const known = 'route' in sought && this.#isOpen(sought.route) ? undefined : this.#identify(request);
    if (!('route' in sought) || sought.route.fromAnywhere !== true) {
      const refusal = this.#judgePlace(request, target, anyHost, known);
      if (refusal !== undefined) return exchange.refuse(refusal);
    } else if (!anyHost && isWithoutHost(request, target)) return exchange.refuse(noHost);
    if ('refused' in sought) return exchange.refuse(sought);
    if ('allow' in sought) {
      const allow = sought.allow.join(', ');
      const detail = `Cannot ${request.method} this path: it takes ${allow}`;
      return exchange.refuse(reject('method-not-allowed', detail), ['Allow', allow]);
    }
    const { route } = sought;
    exchange.route = route;
    exchange.id = sought.id;
    exchange.namespace = sought.namespace;
    exchange.key = sought.key;
    if (typeof known === 'string') return exchange.refuse(...strangerRefusal(known));
    if (known !== undefined) {
      exchange.bearer = known;
      const forbidden = routeRefusal(known, route, sought.namespace);
      if (forbidden !== undefined) return exchange.refuse(forbidden);
    }
    if (!this.#recovered && route.whileRecovering !== true) {
      const { state } = this.#edge.operations.readiness();
      if (state === 'recovering') {
        return exchange.refuse(reject('recovering', 'Cannot answer yet: the journal is being read back'));
      }
      // A process recovers once.
      this.#recovered = true;
    }
    if (route.class !== 'health') {
      const { admission } = this.#edge;
      const refusal = admission.refusal(route.class, route.method !== 'DELETE', exchange.caller);
      if (refusal !== undefined) return this.#waitOrRefuse(exchange, route, connection, target, refusal);
    }
    this.#takeOn(exchange, route, connection, target);
  }

  /** Has a place in the loop, and needs one among those in flight. */
  #takeOn(exchange: Exchange, route: Route, connection: Connection | undefined, target: Target): void {
    const { request } = exchange;
    if (route.class !== 'health' && !exchange.enter(this.#edge.gates[route.class])) {
      const { limit } = this.#edge.gates[route.class];
      exchange.refuseInTime(this.#edge.admission.crowded(limit));
      return;
    }
    if (route.answersDocument) {
      const format = formatOfReply(request.headers.accept);
      if (typeof format !== 'string') return exchange.refuse(format);
      exchange.format = format;
    }
    const query = this.#checkQuery(route, target.query);
    if ('refusal' in query) return exchange.refuse(query.refusal);
    if (route.body === undefined) {
      this.#perform(exchange, route, target, query.value);
    } else {
      this.#readBody(exchange, route, connection, target, query.value);
    }
  }

  /**
   * Where there may be room in a moment the request waits, and with it what follows on its
   * connection: it may still take effect, and they must see that.
   */
  #waitOrRefuse(
    exchange: Exchange,
    route: Route,
    connection: Connection | undefined,
    target: Target,
    refusal: LoadRefusal,
  ): void {
    // A body in chunks may come in crumbs, of which each would be kept while it waits.
    const isChunked = exchange.request.headers['transfer-encoding'] !== undefined;
    if (isChunked) exchange.request.resume();
    if (refusal.waitsAs === undefined || isChunked) {
      exchange.refuseInTime(refusal);
      return;
    }
    let waits = true;
    const over = (goOnWith: () => void) => (): void => {
      waits = false;
      if (connection !== undefined) this.#waitIsOver(connection);
      try {
        goOnWith();
      } catch (error) {
        exchange.fail(error);
      }
      release(connection);
    };
    const hasten = exchange.refuseInTime(
      refusal,
      over(() => this.#takeOn(exchange, route, connection, target)),
      over(() => exchange.refuse(refusal)),
    );
    if (!waits || connection === undefined) return;
    this.#hasten.set(connection, hasten);
    connection.failReading = () => {
      hasten();
      return false;
    };
  }

  #waitIsOver(connection: Connection): void {
    this.#hasten.delete(connection);
    connection.failReading = undefined;
  }

  #isOpen(route: Route): boolean {
    return this.#edge.access === undefined || route.verb === 'none';
  }

  /** Whose token the request shows; undefined where there are none. */
  #identify(request: IncomingMessage): Token | Stranger | undefined {
    return this.#edge.access?.find(request.headers.authorization);
  }

  /** Where the request was sent to and where it comes from, as browsers tell it. */
  #judgePlace(
    request: IncomingMessage,
    target: Target,
    anyHost: boolean,
    known: Token | Stranger | undefined,
  ): Rejection | undefined {
    const { headers } = request;
    const host = target.authority ?? headers.host;
    if (!anyHost) {
      if (isWithoutHost(request, target)) return noHost;
      const refusal = host === undefined ? undefined : this.#hosts.refusal(host);
      if (refusal !== undefined && !this.#isNoPage(request, known)) return refusal;
    }
    return this.#origins.refusal(headers, host);
  }

  /**
   * No page has a token, so whoever shows one is no page that was rebound. One that is not taken is
   * refused as such: who sees it expire is not to look for what is wrong with the host.
   */
  #isNoPage(request: IncomingMessage, known: Token | Stranger | undefined): boolean {
    if (known !== undefined) return known !== 'missing';
    return typeof this.#identify(request) === 'object';
  }

  /** Neighbours send the same query again and again, so the last good one of a route is kept. */
  #checkQuery(route: Route, raw: string): Checked<unknown> {
    const last = this.#lastQuery.get(route);
    if (last !== undefined && last.raw === raw) return last.checked;
    const found = this.#parseAndCheck(route, raw);
    if ('value' in found) this.#lastQuery.set(route, { raw, checked: found });
    return found;
  }

  #parseAndCheck(route: Route, raw: string): Checked<unknown> {
    const parsed = parseQuery(raw);
    if ('refusal' in parsed) return parsed;
    if (route.query !== undefined) return checked(route.query, parsed.value, 'query');
    return Object.keys(parsed.value).length === 0 ? parsed : unknownQuery(parsed.value);
  }

  #readBody(
    exchange: Exchange,
    route: Route,
    connection: Connection | undefined,
    target: Target,
    query: unknown,
  ): void {
    const { request, response } = exchange;
    const unfit = fitBody(exchange, route);
    if (unfit !== undefined) return exchange.refuse(unfit);
    let over = false;
    const budget = route.class === 'renew' ? this.#edge.renewalBytes : this.#edge.bytes;
    const fail = readBody({
      request,
      response,
      limits: route.body === 'value' ? this.#valueLimits : this.#documentLimits,
      budget,
      done: (body, heldBytes) => {
        over = true;
        exchange.hold(body, heldBytes, budget);
        try {
          this.#perform(exchange, route, target, query);
        } catch (error) {
          exchange.fail(error);
        }
        goOn(connection);
      },
      failed: (rejection) => {
        over = true;
        if (rejection === undefined) exchange.abandon();
        else if (connection?.broken === true) exchange.refuseAndClose(rejection);
        else exchange.refuse(rejection);
        goOn(connection);
      },
    });
    if (connection !== undefined && !over) connection.failReading = fail;
  }

  #perform(exchange: Exchange, route: Route, target: Target, query: unknown): void {
    const { request, body } = exchange;
    let input: unknown;
    if (route.body !== undefined && route.body !== 'value') {
      const document: Checked<unknown> =
        body.length === 0 ? { value: {} } : decodeDocument(exchange.bodyFormat, body);
      if ('refusal' in document) return exchange.refuse(document.refusal);
      const found = checked(route.body, document.value, 'body');
      if ('refusal' in found) return exchange.refuse(found.refusal);
      input = found.value;
    }
    const header = route.mutates ? request.headers['idempotency-key'] : undefined;
    if (header !== undefined) {
      const key = parseIdempotencyKey(String(header));
      if (typeof key !== 'string') return exchange.refuse(key);
      exchange.idempotency = idempotencyRequest(key, {
        method: route.method,
        path: target.path,
        query: target.query,
        contentType: request.headers['content-type'] ?? '',
        body,
        subject: exchange.bearer?.subject,
      });
    }
    if (exchange.span === undefined) route.handle(exchange, query, input);
    else exchange.span.during(() => route.handle(exchange, query, input));
  }
}

function isWithoutHost({ headers, httpVersion }: IncomingMessage, { authority }: Target): boolean {
  return authority === undefined && headers.host === undefined && httpVersion !== '1.0';
}

/** A body has been read: on to the requests behind it, until one of them has a body to be read. */
function goOn(connection: Connection | undefined): void {
  if (connection?.failReading === undefined) return;
  connection.failReading = undefined;
  release(connection);
}

function release(connection: Connection | undefined): void {
  if (connection === undefined) return;
  while (connection.failReading === undefined) {
    const next = connection.waiting.shift();
    if (next === undefined) return;
    next();
  }
}

function unknownQuery(query: Query): Checked<unknown> {
  const fields = Object.keys(query).map((name) => name.slice(0, 64));
  const detail = `Cannot take the query: unknown ${fields.slice(0, 8).join(', ')}`;
  return { refusal: reject('unknown-field', detail, { fields: fields.slice(0, 8) }) };
}

/** What the head says of a body, judged before the body is read. */
function fitBody(exchange: Exchange, route: Route): Rejection | undefined {
  const { headers } = exchange.request;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return reject('unsupported-media-type', 'Cannot take the body: it must not be encoded in transit');
  }
  if (headers['content-range'] !== undefined) {
    return reject('invalid-request', 'Cannot take the body: a part of a value cannot be replaced');
  }
  const contentType = headers['content-type'];
  if (route.body === 'value') {
    if (contentType === undefined || isMediaType(contentType)) return undefined;
    return reject('invalid-request', 'Cannot take the value: its Content-Type is not a media type');
  }
  if (!hasBody(exchange.request)) return undefined;
  const format = formatOfBody(contentType);
  if (typeof format !== 'string') return format;
  exchange.bodyFormat = format;
  return undefined;
}
