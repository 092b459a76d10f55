/**
 * Sizes in bytes as people write them: `65536`, `64Ki`, `64Mi`, `1Gi`, with or without a final `B`.
 * Binary units only: a decimal `MB` beside a binary `Mi` is how limits end up 5 % apart.
 */
const UNITS = new Map([
  ['', 1],
  ['ki', 1024],
  ['mi', 1024 ** 2],
  ['gi', 1024 ** 3],
  ['ti', 1024 ** 4],
]);

/** Bytes, or undefined when it is not a size. Fractions (`1.5Gi`) are taken if they give whole bytes. */
export function parseSize(written: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]i)?b?$/i.exec(String(written).trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (UNITS.get((match[2] ?? '').toLowerCase()) ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact form: 67108864 → `64Mi`, 1000 → `1000`. `parseSize` reads it back. */
export function formatSize(bytes: number): string {
  let size = bytes;
  let unit = '';
  for (const next of ['Ki', 'Mi', 'Gi', 'Ti']) {
    if (size === 0 || size % 1024 !== 0) break;
    size /= 1024;
    unit = next;
  }
  return `${size}${unit}`;
}
