/** One call of a script, by its hash, or with its text where the server has lost it. */
import type { Argument } from './connection.ts';
import { RefusedError } from './faults.ts';
import type { Script } from './scripts.ts';

export type Send = (command: string, args: readonly Argument[]) => Promise<unknown>;

/** `args` from the number of keys on. @throws LedgerError */
export async function evaluate(
  send: Send, { sha, text }: Script, args: readonly Argument[],
): Promise<unknown> {
  try {
    return await send('evalsha', [sha, ...args]);
  } catch (error) {
    if (!(error instanceof RefusedError && error.complaint === 'no-script')) throw error;
    return send('eval', [text, ...args]);
  }
}
