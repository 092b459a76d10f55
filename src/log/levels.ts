/**
 * The levels of the log: what each means to whoever reads it, and how often a line may be repeated.
 * The first line about something is always written; those that say the same within the minute are
 * counted beyond this number, and one line tells how many there were.
 */
export const LOG_LEVELS = {
  error: {
    repeatsPerMinute: 10,
    meaning: 'Something is wrong that does not heal by itself, or must not happen: somebody has to look.',
  },
  warn: {
    repeatsPerMinute: 5,
    meaning:
      'Something is lost, put off or being repaired, and the sidecar goes on: look when it stays or comes back.',
  },
  info: {
    repeatsPerMinute: 20,
    meaning: 'What the process did: started, joined, drained. A sidecar that is left alone is quiet.',
  },
  debug: {
    repeatsPerMinute: 100,
    meaning: 'What helps to understand the sidecar itself.',
  },
} as const satisfies Record<string, { readonly repeatsPerMinute: number; readonly meaning: string }>;

/** Of a line. */
export type LineLevel = keyof typeof LOG_LEVELS;
