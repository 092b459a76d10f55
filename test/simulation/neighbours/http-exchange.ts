/**
 * One HTTP request to a sidecar and its answer, or the reason why there is none. The request enters
 * the process as an event of it, so a paused process answers late and a dead one never.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpHandler } from '../../../src/http/server.ts';
import { type Cancel, PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import { type Caller, whenDead } from './loopback.ts';
import { type RequestHead, SimulatedRequest, SimulatedResponse } from './messages.ts';

/** A sidecar as its clients find it, now. */
export interface Serving {
  readonly name: string;
  /** Of its processes, counted from 1. */
  readonly run: number;
  readonly process: SimulatedProcess | undefined;
  /** Undefined while nobody listens. */
  readonly handler: HttpHandler | undefined;
}

export interface HttpRequest extends RequestHead {
  /** Of true time, until the client gives up. What it asked may still take effect. */
  readonly timeoutMs: number;
}

export type NoAnswer = 'connection-refused' | 'connection-reset' | 'timeout';

export interface HttpAnswer {
  /** 0: none. */
  readonly status: number;
  readonly code?: NoAnswer;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Bodies that come behind their heads, as a share of all, and how far behind. */
const LATE_BODIES = 1 / 8;
const LATE_BODY_MS = 1;
const NOTHING = Buffer.alloc(0);

export function withoutAnswer(code: NoAnswer): HttpAnswer {
  return { status: 0, code, headers: {}, body: NOTHING };
}

/**
 * Calls `done` exactly once, later: unless what it returns is called before, which is the client
 * going away.
 */
export function ask(
  caller: Caller,
  { name, process, handler }: Serving,
  request: HttpRequest,
  done: (answer: HttpAnswer) => void,
): Cancel {
  const { kernel, chance } = caller;
  if (process?.alive !== true || handler === undefined) {
    return kernel.after(caller.latencyMs(), PRIORITY.arrival, `${name} refuses`, () =>
      done(withoutAnswer('connection-refused')),
    );
  }

  let status = 0;
  let headers: HttpAnswer['headers'] = {};
  let body: Buffer = NOTHING;
  let over = false;
  const response = new SimulatedResponse(process, {
    head: (itsStatus, itsHeaders) => {
      status = itsStatus;
      headers = itsHeaders;
    },
    data: (piece) => {
      body = typeof piece === 'string' ? Buffer.from(piece) : piece;
      return true;
    },
    end: () => {
      // On its way: what becomes of the process now makes no difference.
      noReset();
      if (response.listens('close')) process.schedule(0, PRIORITY.turn, 'sent', () => response.close());
      kernel.at(process.trueMs + caller.latencyMs(), PRIORITY.arrival, `${name} answers`, () =>
        finish({ status, headers, body }),
      );
    },
  });
  const goAway = (): void => {
    over = true;
    noTimeout();
    noReset();
  };
  const finish = (answer: HttpAnswer): void => {
    if (over) return;
    goAway();
    done(answer);
  };
  /** The client hangs up. */
  const hangUp = (): void => {
    process.schedule(caller.latencyMs(), PRIORITY.arrival, 'hang-up', () => response.close());
  };
  const noTimeout = kernel.after(request.timeoutMs, PRIORITY.timer, 'client gives up', () => {
    hangUp();
    finish(withoutAnswer('timeout'));
  });
  const noReset = whenDead(process, () => {
    kernel.after(caller.latencyMs(), PRIORITY.arrival, `${name} resets`, () =>
      finish(withoutAnswer('connection-reset')),
    );
  });

  const lateMs = chance.happens(LATE_BODIES) ? chance.between(0, LATE_BODY_MS) : undefined;
  process.schedule(caller.latencyMs(), PRIORITY.arrival, 'request', () => {
    const incoming = new SimulatedRequest(request, caller.socketTo(process), (deliver) => {
      if (lateMs === undefined) deliver();
      else process.schedule(lateMs, PRIORITY.arrival, 'body', deliver);
    });
    handler(incoming as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  return () => {
    if (over) return;
    goAway();
    hangUp();
  };
}
