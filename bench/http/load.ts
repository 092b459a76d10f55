/**
 * The load generator, a process of its own so that its work is not counted as the server's. Reads
 * one order a line on stdin, does it, and answers with one line of JSON.
 */
import { createInterface } from 'node:readline';
import { Histogram } from '../replay/histogram.ts';
import { type Exchange, HttpClient, hostOf, parseAddress } from '../replay/http-client.ts';

export interface Order {
  readonly url: string;
  readonly connections: number;
  readonly requests: number;
  /** Sent one after the other, round and round; texts without the `Host` line's value. */
  readonly requestTexts: readonly string[];
}

export interface Load {
  readonly wallMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Replies with a status of 400 or above. */
  readonly failed: number;
  /** The first of them. */
  readonly firstFailure?: string;
}

/** Stands for the address in request texts. */
export const HOST = '{host}';

const TIMEOUT_MS = 30_000;

function run(order: Order): Promise<Load> {
  const address = parseAddress(order.url);
  const host = hostOf(address);
  const texts = order.requestTexts.map((text) => text.replace(HOST, host));
  const latency = new Histogram();
  let sent = 0;
  let answered = 0;
  let failed = 0;
  let firstFailure: string | undefined;
  return new Promise((resolve) => {
    const settle = (): void => {
      answered += 1;
      if (answered < order.requests) return;
      const wallMs = performance.now() - startedAt;
      client.close();
      resolve({
        wallMs,
        p50Ms: latency.percentile(0.5),
        p99Ms: latency.percentile(0.99),
        failed,
        ...(firstFailure === undefined ? {} : { firstFailure }),
      });
    };
    const next = (): Exchange | undefined => {
      if (sent === order.requests) return undefined;
      const sentAt = performance.now();
      const text = texts[sent % texts.length]!;
      sent += 1;
      return {
        text,
        sentAt,
        onReply: (response, receivedAt) => {
          latency.record(receivedAt - sentAt);
          if (response.status >= 400) {
            failed += 1;
            firstFailure ??= `${response.status} ${response.body}`;
          }
          settle();
        },
        onLost: () => {
          failed += 1;
          firstFailure ??= 'lost';
          settle();
        },
      };
    };
    const client = new HttpClient({
      address,
      connections: order.connections,
      pipeline: 1,
      timeoutMs: TIMEOUT_MS,
      next,
    });
    const startedAt = performance.now();
    client.start();
  });
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Order))}\n`);
  }
}
