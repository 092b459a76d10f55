import type { Log as WholeLog } from '../log/log.ts';

/** What the edge needs of a log. */
export type Log = Pick<WholeLog, 'info' | 'warn' | 'error'>;
