/**
 * What was asked and what was answered, by route and status, and every refusal by class and code: a
 * number each in an array that was made at the start, because they are counted with every request.
 * A route counts as one with its method, as in its span's name; what was refused before a route was
 * found counts under one name for all, so that nobody can make series by asking for nonsense.
 */
import type { RequestClass } from '../admission/classes.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { REQUEST_MS } from '../measure/buckets.ts';
import { Histogram } from '../measure/histogram.ts';
import type { Route } from './route.ts';

export const NO_ROUTE = 'none';

/** Of the route that was refused; `none` before one was found. */
export type CountedClass = RequestClass | 'health' | 'none';
const CLASSES: readonly CountedClass[] = ['renew', 'read', 'put', 'grant', 'list', 'health', 'none'];

const CODES = Object.keys(ERRORS) as ErrorCode[];
const CODE_AT = new Map(CODES.map((code, index) => [code, index]));

export class RequestCounts {
  /** `PUT /v1/entries/{namespace}/{key}`, and so on. */
  readonly routes: readonly string[];
  /** Until the answer, or the head of one that goes on; by route. */
  readonly durationsMs: readonly Histogram[];
  readonly #indices: ReadonlyMap<Route, number>;
  readonly #statuses: readonly number[];
  readonly #columns: ReadonlyMap<number, number>;
  readonly #answers: Float64Array;
  readonly #refusals = new Float64Array(CLASSES.length * CODES.length);

  constructor(routes: readonly Route[]) {
    this.routes = [...routes.map(({ method, path }) => `${method} ${path}`), NO_ROUTE];
    this.durationsMs = this.routes.map(() => new Histogram(REQUEST_MS));
    this.#indices = new Map(routes.map((route, index) => [route, index]));
    const statuses = [
      ...routes.flatMap(({ replies }) => Object.keys(replies).map(Number)),
      ...Object.values(ERRORS).map(({ status }) => status),
    ];
    this.#statuses = [...new Set(statuses)].sort((left, right) => left - right);
    this.#columns = new Map(this.#statuses.map((status, column) => [status, column]));
    this.#answers = new Float64Array(this.routes.length * this.#statuses.length);
  }

  answered(route: Route | undefined, status: number, tookMs: number): void {
    const index = route === undefined ? this.routes.length - 1 : this.#indices.get(route)!;
    const column = this.#columns.get(status);
    // Routes say what they answer, so there is no other; were there one, it would not be counted wrong.
    if (column !== undefined) this.#answers[index * this.#statuses.length + column]!++;
    this.durationsMs[index]!.add(tookMs);
  }

  refused(route: Route | undefined, code: ErrorCode): void {
    const row = CLASSES.indexOf(route?.class ?? 'none');
    this.#refusals[row * CODES.length + CODE_AT.get(code)!]!++;
  }

  /** Something that did not become a request. */
  unread(code: ErrorCode): void {
    this.refused(undefined, code);
    const column = this.#columns.get(ERRORS[code].status)!;
    this.#answers[(this.routes.length - 1) * this.#statuses.length + column]!++;
  }

  /** What has been answered at least once. */
  *answers(): IterableIterator<{ route: string; status: number; count: number }> {
    for (const [index, route] of this.routes.entries()) {
      for (const [column, status] of this.#statuses.entries()) {
        const count = this.#answers[index * this.#statuses.length + column]!;
        if (count > 0) yield { route, status, count };
      }
    }
  }

  /** What has been refused at least once. */
  *refusals(): IterableIterator<{ class: CountedClass; code: ErrorCode; count: number }> {
    for (const [row, name] of CLASSES.entries()) {
      for (const [column, code] of CODES.entries()) {
        const count = this.#refusals[row * CODES.length + column]!;
        if (count > 0) yield { class: name, code, count };
      }
    }
  }
}
