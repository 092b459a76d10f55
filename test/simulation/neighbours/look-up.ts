/** A GET by whoever looks at the world from outside: no network, no client, and no history. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PRIORITY } from '../kernel/kernel.ts';
import type { Serving } from './http-exchange.ts';
import { SimulatedRequest, SimulatedResponse } from './messages.ts';

/** What a sidecar answered. */
export interface LookedUp {
  /** True time. */
  readonly atMs: number;
  readonly status: number;
  /** By name, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A value's text, or a decoded JSON document. */
  readonly document?: unknown;
}

/** Asks in an event of the process; `answered` is called once, or never where nobody answers. */
export function lookUp({ handler, process }: Serving, path: string, answered: (seen: LookedUp) => void): void {
  if (handler === undefined || process === undefined) return;
  process.schedule(0, PRIORITY.arrival, 'look', () => {
    let status = 0;
    let headers: LookedUp['headers'] = {};
    let body = '';
    const response = new SimulatedResponse(process, {
      head: (itsStatus, itsHeaders) => {
        status = itsStatus;
        headers = itsHeaders;
      },
      data: (piece) => {
        body += piece.toString();
        return true;
      },
      end: () => {
        const isJson = (headers['content-type'] ?? '').includes('json');
        answered({ atMs: process.trueMs, status, headers, document: isJson ? JSON.parse(body) : body });
      },
    });
    const request = new SimulatedRequest({ method: 'GET', path, headers: {} }, {}, (deliver) => deliver());
    handler(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
}
