/** How the process ends, for supervisors and scripts (sysexits.h where it has a word). */
export const EXIT_CODES = {
  clean: 0,
  /** A broken invariant or a journal that cannot be trusted: it stops rather than go on wrong. */
  brokenInvariant: 70,
  directoryInUse: 75,
  badConfiguration: 78,
} as const;
