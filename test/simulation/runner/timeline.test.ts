import { describe, expect, test } from 'vitest';
import type { Found, Line } from '../outcome.ts';
import { START_MS } from '../world.ts';
import { timeline } from './timeline.ts';

const noise = (count: number, fromMs: number): Line[] =>
  Array.from({ length: count }, (_, index) => ({ atMs: fromMs + index, who: 'c1', what: 'get key → 404' }));

const lines: Line[] = [
  { atMs: 0, who: 's1', what: 'run 1 starts' },
  ...noise(40, 100),
  { atMs: 1_234.5, who: 'fault', what: 'pause s1' },
  ...noise(3, 1_300),
  { atMs: 2_000, who: 'c2', what: 'put jobs/k3 = c2.1#7 → 201' },
  ...noise(50, 2_100),
  { atMs: 3_000, who: 'fault', what: 'pause ends s1' },
  ...noise(30, 3_100),
  { atMs: 9_999, who: 'c2', what: 'get key\u001b[2J → 200' },
];
const found: Found = {
  invariant: 'acknowledged-is-kept', detail: 'the value c2.1#7 is gone',
  evidence: [`${START_MS + 2_000} c2 wrote it`, 's1 lost it, and not 1234567890123 of them'], atMs: 9_999.25,
};

describe('a timeline', () => {
  const shown = timeline(lines, found, { colours: false });

  test('has time, who and what; what breaks and heals is marked', () => {
    expect(shown[0]).toBe('   0.000    s1        run 1 starts');
    expect(shown).toContain('   1.234 >> fault     pause s1');
    expect(shown).toContain('   3.000 << fault     pause ends s1');
  });

  test('folds what is of no interest, but not a few lines, nor the last ones', () => {
    expect(shown[1]).toBe('             … 40 lines in 0.039 s');
    expect(shown.filter((line) => line.startsWith('   1.30'))).toHaveLength(3);
    expect(shown.filter((line) => line.includes('…'))).toHaveLength(3);
    expect(shown.filter((line) => line.startsWith('   3.1') && line.includes('404'))).toHaveLength(24);
  });

  test('keeps what the violation speaks of', () => {
    expect(shown).toContain('   2.000    c2        put jobs/k3 = c2.1#7 → 201');
  });

  test('ends with the violation, what it means and what shows it', () => {
    expect(shown.slice(-6)).toEqual([
      '',
      '   9.999  acknowledged-is-kept does not hold',
      expect.stringMatching(/^ {10}An acknowledged write stays .* \(SPEC P4/),
      '          Here: the value c2.1#7 is gone',
      '            2.000 c2 wrote it',
      '            s1 lost it, and not 1234567890123 of them',
    ]);
  });

  test('is fit for a terminal', () => {
    expect(shown.join('\n')).not.toContain('\u001b');
    expect(shown.join('\n')).toContain('\\u001b[2J');
  });

  test('has colours where they are wanted, and the same text', () => {
    const coloured = timeline(lines, found, { colours: true }).join('\n');
    expect(coloured).toContain('\u001b[31m   1.234 >> fault');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours begin with
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(shown.join('\n'));
  });

  test('shows every line where that is wanted', () => {
    expect(timeline(lines, undefined, { colours: false, whole: true })).toHaveLength(lines.length);
  });
});
