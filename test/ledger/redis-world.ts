/** A ledger on a real server by its real clock, and somebody who asks it. */
import type { Terms } from '../../src/ledger/ledger.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import type { Sibling } from '../../src/ledger/record.ts';
import type { RedisAddress, RedisLedgerOptions } from '../../src/ledger/redis/options.ts';
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { A, Asker, caller, TERMS, value } from './fixtures.ts';

const POLL_MS = 20;
/** Against a hang only. */
const EVENTUALLY_MAX_MS = 20_000;

/** As `TERMS`, with a silence that no test reaches by being slow. */
export const PATIENT: Terms = {
  ...TERMS, autonomyMs: 600_000, silenceMs: 700_000, horizonMs: 900_000,
};
export const AT = { namespace: 'n', partition: 3 };

export interface World {
  readonly ledger: RedisLedger;
  ask(actor?: string, change?: Partial<Terms>): Asker;
}

const open = new Set<RedisLedger>();

/** Closed by `closeLedgers`. */
export function worldOn(address: RedisAddress, change: Partial<RedisLedgerOptions> = {}): World {
  const ledger = new RedisLedger({ address, keyPrefix: 'lh:', timeoutMs: 1_000, ...change });
  open.add(ledger);
  return {
    ledger,
    ask: (actor = A, terms = {}) => new Asker(ledger, AT, caller(actor), { ...PATIENT, ...terms }),
  };
}

export async function closeLedgers(): Promise<void> {
  for (const ledger of open) await ledger.close();
  open.clear();
}

/** A value that lives for an hour. */
export function lasting(actor: string, seq: number, change: object = {}): Sibling {
  return value(actor, seq, { deadline: Date.now() + 3_600_000, wall: Date.now(), ...change });
}

/** What an operation met with; undefined: nothing. */
export async function faultOf(work: Promise<unknown>): Promise<LedgerError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof LedgerError) return error;
    throw error;
  }
}

/** Asks again and again until it is so. @throws Error when that takes too long */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + EVENTUALLY_MAX_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Waited in vain: ${what}`);
    await sleep(POLL_MS);
  }
}

/** Until an operation is answered again. */
export function answered<T>(ask: () => Promise<T>): Promise<T> {
  return eventually('an answer', async () => {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof LedgerError) return undefined;
      throw error;
    }
  });
}
