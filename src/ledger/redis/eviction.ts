/**
 * Redis in front of a full memory may be told to throw things away. A ledger that does loses what
 * others rely on without anybody noticing, so it is refused before the first use.
 */
import { LedgerError } from '../ledger.ts';
import type { RedisConnection } from './connection.ts';
import { RefusedError } from './faults.ts';

/**
 * Every master that answers now; one that does not is of no use either. Where it may not be asked
 * (`INFO` refused) nothing is known, and heartbeats will tell what has gone.
 *
 * @throws LedgerError `misconfigured`; or with what made every master fail
 */
export async function checkEviction(connection: RedisConnection): Promise<void> {
  const masters = await connection.masters();
  const answers = await Promise.allSettled(
    masters.map((master) => connection.callOn(master, 'info', ['memory'])),
  );
  let failure: LedgerError | undefined;
  let answered = 0;
  for (const answer of answers) {
    if (answer.status === 'fulfilled') {
      answered += 1;
      check(String(answer.value));
    } else if (mayNotAsk(answer.reason)) {
      answered += 1;
    } else {
      failure = answer.reason as LedgerError;
    }
  }
  if (answered === 0 && failure !== undefined) throw failure;
}

function mayNotAsk(error: unknown): boolean {
  if (!(error instanceof RefusedError)) return false;
  return error.complaint === 'not-permitted' || error.complaint === 'unknown-command';
}

function check(info: string): void {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0);
  if (policy === undefined || policy === 'noeviction' || limit === 0) return;
  throw new LedgerError(
    'misconfigured',
    'The ledger would lose values without a word when its memory is full: ' +
      `its maxmemory-policy is ${policy}; set noeviction`,
  );
}
