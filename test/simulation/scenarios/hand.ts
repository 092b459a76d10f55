/**
 * A client that does what a script says, one line at a time: it asks over the simulated HTTP as
 * neighbours do, and into the same history, so that every checker judges what it was told.
 */
import type { Answer, Asked, Operation, Write } from '../history/operation.ts';
import { answerOf, requestOf } from '../neighbours/api.ts';
import { ask, type HttpAnswer } from '../neighbours/http-exchange.ts';
import { Caller } from '../neighbours/loopback.ts';
import type { World } from '../world.ts';
import { until } from './until.ts';

/** Longer than any answer takes that comes at all. */
const TIMEOUT_MS = 5_000;
/** The ledger hears of a change within this, when all is well. */
const HEARD_WITHIN_MS = 1_000;

export type WriteFields = Omit<Write, 'kind' | 'namespace' | 'key' | 'value'>;

export interface Hand {
  /** Asks, and does not wait: time stands still until the world runs. */
  ask(asked: Asked): Operation;
  /** Lets the world run until `operation` is answered. */
  answer(operation: Operation): Promise<Answer>;
  put(namespace: string, key: string, value: string, fields?: WriteFields): Promise<Answer>;
  get(namespace: string, key: string): Promise<Answer>;
  delete(namespace: string, key: string, ifMatch?: string): Promise<Answer>;
  grant(namespace: string, ttlMs: number): Promise<Answer>;
  renew(lease: string): Promise<Answer>;
  /**
   * Renews, and looks again when the ledger has heard of it: beyond the autonomy bound a renewal
   * counts from then on.
   */
  renewFully(lease: string): Promise<Answer>;
  release(lease: string): Promise<Answer>;
  getLease(lease: string): Promise<Answer>;
  /** What operators see: not for checkers. */
  status(): Promise<StatusPage>;
}

/** The part of `/v1/status` that scenarios look at. */
export interface StatusPage {
  readonly actor: string;
  readonly reasons: readonly string[];
  readonly ledger: { readonly clockSteps: number; readonly unpushed: number };
  readonly rounds: { readonly refused: { readonly clockAhead: number } };
}

/** A client beside the sidecar of this name; to be had again is the same one. */
export function hand(world: World, name: string): Hand {
  const { kernel, history } = world;
  const client = `hand of ${name}`;
  const caller = new Caller(kernel, kernel.chance.fork(client));
  const sidecar = world.sidecar(name);

  function send(asked: Asked): Operation {
    const id = history.operations.length;
    const operation: Operation = {
      id, asked, client,
      intent: id,
      session: client,
      sidecar: name,
      run: sidecar.run,
      askedAtMs: kernel.nowMs,
    };
    history.operations.push(operation);
    ask(caller, sidecar, { ...requestOf(asked), timeoutMs: TIMEOUT_MS }, (answer) => {
      operation.answer = answerOf(asked, answer, kernel.nowMs);
      history.answered.push(operation);
    });
    return operation;
  }

  async function answer(operation: Operation): Promise<Answer> {
    await until(world, `an answer to ${operation.asked.kind}`, () => operation.answer !== undefined);
    return operation.answer!;
  }

  const asking = (asked: Asked): Promise<Answer> => answer(send(asked));
  return {
    ask: send,
    answer,
    put: (namespace, key, value, fields = {}) => asking({ kind: 'put', namespace, key, value, ...fields }),
    get: (namespace, key) => asking({ kind: 'get', namespace, key }),
    delete: (namespace, key, ifMatch) =>
      asking({ kind: 'delete', namespace, key, ...(ifMatch === undefined ? {} : { ifMatch }) }),
    grant: (namespace, ttlMs) => asking({ kind: 'grant', namespace, ttlMs, holder: client }),
    renew: (lease) => asking({ kind: 'renew', lease }),
    async renewFully(lease) {
      await asking({ kind: 'renew', lease });
      await world.run(HEARD_WITHIN_MS);
      return asking({ kind: 'get-lease', lease });
    },
    release: (lease) => asking({ kind: 'release', lease }),
    getLease: (lease) => asking({ kind: 'get-lease', lease }),
    async status() {
      let page: HttpAnswer | undefined;
      const request = { method: 'GET', path: '/v1/status', headers: {}, timeoutMs: TIMEOUT_MS };
      ask(caller, sidecar, request, (answered) => {
        page = answered;
      });
      await until(world, `the status of ${name}`, () => page !== undefined);
      return JSON.parse(page!.body.toString()) as StatusPage;
    },
  };
}

/** The id of the lease that an answer to a grant, or to a write, is about. */
export function leaseIn({ document, headers }: Answer): string {
  const granted = document as { readonly id?: string } | undefined;
  return headers['leasehold-lease'] ?? granted!.id!;
}
