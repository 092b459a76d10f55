/** Durations as people write them: `1500`, `1500ms`, `1.5s`, `2m`. */
export const DURATION_ALLOWED = 'a duration: 1500, 1500ms, 1.5s or 2m';

const FACTORS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** In milliseconds; undefined: it is none. */
export function parseDuration(written: unknown): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(String(written));
  if (match === null) return undefined;
  return Number(match[1]) * FACTORS[match[2] ?? 'ms']!;
}

/** To be read back as exactly the same. */
export function durationText(durationMs: number): string {
  return durationMs % 1_000 === 0 ? `${durationMs / 1_000}s` : `${durationMs}ms`;
}
