/**
 * Text from elsewhere, made fit for a terminal: keys and details may hold anything, and a control
 * character in a terminal is a command.
 */
export function printable(text: string): string {
  return text.replace(
    // Control characters, line separators and those that turn the direction of writing.
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Milliseconds as a person says them: `850 ms`, `12.3 s`, `4 min 05 s`, `3 h 12 min`. */
export function spoken(durationMs: number): string {
  if (durationMs < 1_000) return `${durationMs} ms`;
  if (durationMs < 60_000) return `${(Math.floor(durationMs / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(durationMs / 1_000);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3_600)} h ${two(Math.floor((seconds % 3_600) / 60))} min`;
}
