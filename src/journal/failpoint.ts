/**
 * Named places where a test can kill the process as a power cut would: SIGKILL, no handler, no
 * flush. Switched on only by the environment, `LEASEHOLD_FAILPOINT=name` or `name:count` (die at
 * the count-th time the place is reached). Switched off, a place costs one comparison.
 */

export const FAILPOINTS = [
  'before-write',
  'after-half-write',
  'after-write',
  'before-sync',
  'after-sync',
  'before-rotate',
  'after-rotate',
  'snapshot-begin',
  'snapshot-half',
  'snapshot-before-rename',
  'snapshot-after-rename',
  'snapshot-after-delete',
  'recover-after-truncate',
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];

/** What `LEASEHOLD_FAILPOINT` asks for; a name that is not known is refused, or a test would pass by a typo. */
export function parseFailpoint(text: string): { name: FailpointName; count: number } {
  const [name, count = '1'] = text.split(':');
  if (!FAILPOINTS.includes(name as FailpointName) || !/^[1-9][0-9]*$/.test(count)) {
    throw new Error(
      `Cannot use LEASEHOLD_FAILPOINT "${text}": want name or name:count, the name one of ${FAILPOINTS.join(', ')}`,
    );
  }
  return { name: name as FailpointName, count: Number(count) };
}

/** Where a process can be made to die. */
export interface Failpoints {
  /** True when the process must now die at `name`: for places that have something to do first. */
  reached(name: FailpointName): boolean;
  /** Not one more instruction of the program runs. */
  die(): never;
}

/** Dies here when `name` is armed and its count is used up. */
export function failpoint(failpoints: Failpoints, name: FailpointName): void {
  if (failpoints.reached(name)) failpoints.die();
}

const setting = process.env.LEASEHOLD_FAILPOINT;
const armed = setting === undefined || setting === '' ? undefined : parseFailpoint(setting);
let remaining = armed?.count ?? 0;

/** Those of this process, as its environment arms them. */
export const processFailpoints: Failpoints = {
  reached(name) {
    if (armed === undefined || armed.name !== name) return false;
    remaining -= 1;
    return remaining === 0;
  },
  die() {
    process.kill(process.pid, 'SIGKILL');
    // The signal is on its way; nothing may run meanwhile.
    for (;;);
  },
};
