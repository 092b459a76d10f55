/**
 * From method and path to a route. `find-my-way` does it for all but the entries: it decodes a path
 * before it matches, and a key must not be touched by anything but `key.ts`. Entry paths have one
 * shape, so two slices find namespace and key.
 */
import findMyWay from 'find-my-way';
import { NAMESPACE_NAME } from '../core/namespaces.ts';
import { reject, type Rejection } from '../errors.ts';
import { keyOf, percentDecoded } from './key.ts';
import type { Method, Route } from './route.ts';

const ENTRIES = '/v1/entries/';
const INCREMENT = '/increment';
const METHODS: readonly Method[] = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];
/** Lease ids end at 128; anything longer is looked for and not found. */
const PARAMETER_LENGTH_MAX = 65_536;

export interface Found {
  readonly route: Route;
  readonly id: string;
  readonly namespace: string;
  readonly key: string;
}

/** The path is known, the method is not. */
export interface OtherMethods {
  readonly allow: readonly Method[];
}

export type Sought = Found | OtherMethods | Rejection;

const routeNotFound = reject('route-not-found', 'Cannot find a route for this path');

export class Router {
  readonly #others = findMyWay({ caseSensitive: true, maxParamLength: PARAMETER_LENGTH_MAX });
  readonly #entry = new Map<string, Route>();
  readonly #page = new Map<string, Route>();
  readonly #increment: Route | undefined;
  readonly #keyBytes: number;

  constructor(routes: readonly Route[], keyBytes: number) {
    this.#keyBytes = keyBytes;
    this.#increment = routes.find(({ path }) => path === '/v1/entries/{namespace}/{key}/increment');
    for (const route of routes) {
      if (route === this.#increment) continue;
      if (route.path === '/v1/entries/{namespace}/{key}') this.#entry.set(route.method, route);
      else if (route.path === '/v1/entries/{namespace}') this.#page.set(route.method, route);
      else this.#register(route);
    }
    // Whoever may GET may ask for the head alone; of a stream there is no head to have.
    for (const [method, route] of this.#page) if (method === 'GET') this.#page.set('HEAD', route);
  }

  #register(route: Route): void {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    const unused = (): void => {};
    this.#others.on(route.method, path, unused, route);
    const streams = Object.values(route.replies).some(({ content }) => content === 'events');
    if (route.method === 'GET' && !streams) this.#others.on('HEAD', path, unused, route);
  }

  /** `path` is raw: what stood in the request before the question mark. */
  find(method: string, path: string): Sought {
    if (path.startsWith(ENTRIES)) return this.#findEntries(method, path.slice(ENTRIES.length));
    const match = this.#others.find(method as Method, path);
    if (match !== null) {
      return { route: match.store, id: match.params['id'] ?? '', namespace: '', key: '' };
    }
    const allow = METHODS.filter((other) => this.#others.find(other, path) !== null);
    return allow.length > 0 ? { allow } : routeNotFound;
  }

  #findEntries(method: string, rest: string): Sought {
    const slash = rest.indexOf('/');
    const rawNamespace = slash < 0 ? rest : rest.slice(0, slash);
    const namespace = percentDecoded(rawNamespace);
    if (typeof namespace !== 'string' || !NAMESPACE_NAME.test(namespace)) {
      return reject('namespace-not-found', 'Cannot find the namespace: no namespace is called that');
    }
    if (slash < 0) {
      const route = this.#page.get(method);
      return route === undefined
        ? { allow: [...this.#page.keys()] as Method[] }
        : { route, id: '', namespace, key: '' };
    }
    let rawKey = rest.slice(slash + 1);
    let route = this.#entry.get(method);
    if (method === 'POST' && rawKey.endsWith(INCREMENT)) {
      route = this.#increment;
      rawKey = rawKey.slice(0, -INCREMENT.length);
    }
    if (route === undefined) {
      const allow = [...this.#entry.keys()] as Method[];
      return { allow: rawKey.endsWith(INCREMENT) ? [...allow, 'POST'] : allow };
    }
    const key = keyOf(rawKey, this.#keyBytes);
    return typeof key === 'string' ? { route, id: '', namespace, key } : key;
  }
}
