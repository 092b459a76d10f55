/**
 * A run as people read it: when, who, what. Shown in full is what broke and healed, what sidecars
 * say of themselves, what the violation speaks of, and everything shortly before it; the rest is
 * folded. The violation comes last.
 */
import { styleText } from 'node:util';
import { printable } from '../../../src/cli/printable.ts';
import type { Found, Line } from '../outcome.ts';
import { START_MS } from '../world.ts';
import { invariantOf } from './invariants.ts';

export interface TimelineOptions {
  readonly colours: boolean;
  /** Every line, nothing folded. */
  readonly whole?: boolean;
}

type Kind = 'strike' | 'heal' | 'shown' | 'dull';
type Style = Parameters<typeof styleText>[0];

const MARKS: Readonly<Record<Kind, string>> = { strike: '>>', heal: '<<', shown: '  ', dull: '  ' };
const STYLES: Readonly<Record<Kind, Style | undefined>> = {
  strike: 'red', heal: 'green', shown: undefined, dull: 'dim',
};

/** As the world names whoever breaks things. */
const FAULT = 'fault';
/** So many lines before the violation are shown, whatever they are. */
const LAST_LINES = 25;
/** Fewer dull lines in a row than this are no trouble to read. */
const FOLD_LINES = 4;
const WHO_WIDTH = 8;
const DAY_MS = 86_400_000;
/** What does not fit is mostly what a log line is decorated with. */
const WHAT_WIDTH = 180;

export function timeline(lines: readonly Line[], found: Found | undefined, options: TimelineOptions): string[] {
  const { colours, whole = false } = options;
  const paint = (style: Style | undefined, text: string): string =>
    colours && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
  const row = ({ atMs, who, what }: Line, mark: string): string => {
    const text = readable(what);
    const cut = whole || text.length <= WHAT_WIDTH ? text : `${text.slice(0, WHAT_WIDTH)}…`;
    return `${seconds(atMs).padStart(8)} ${mark} ${who.padEnd(WHO_WIDTH)}  ${cut}`;
  };
  const names = found === undefined ? new Set<string>() : namesIn([found.detail, ...found.evidence]);
  const shown: string[] = [];
  let dull: Line[] = [];
  const unfold = (): void => {
    const fold = !whole && dull.length > FOLD_LINES;
    if (fold) {
      const tookMs = dull.at(-1)!.atMs - dull[0]!.atMs;
      shown.push(paint('dim', `${' '.repeat(13)}… ${dull.length} lines in ${seconds(tookMs)} s`));
    } else shown.push(...dull.map((line) => paint(STYLES.dull, row(line, MARKS.dull))));
    dull = [];
  };
  for (const [index, line] of lines.entries()) {
    const kind = kindOf(line, names, index >= lines.length - LAST_LINES);
    if (kind === 'dull') {
      dull.push(line);
      continue;
    }
    unfold();
    shown.push(paint(STYLES[kind], row(line, MARKS[kind])));
  }
  unfold();
  if (found !== undefined) shown.push('', ...violation(found, paint));
  return shown;
}

/** What was found, and what it means. */
function violation(found: Found, paint: (style: Style | undefined, text: string) => string): string[] {
  const invariant = invariantOf(found.invariant);
  return [
    paint(['bold', 'red'], `${seconds(found.atMs).padStart(8)}  ${found.invariant} does not hold`),
    ...(invariant === undefined ? [] : [`          ${invariant.what} (${invariant.where})`]),
    `          Here: ${readable(found.detail)}`,
    ...found.evidence.map((line) => `            ${readable(line)}`),
  ];
}

/** With instants as the first column has them, whoever wrote them down. */
function readable(text: string): string {
  return printable(text).replaceAll(/\b\d{13}\b(?:\.\d+)?/g, (instant) => {
    const sinceMs = Number(instant) - START_MS;
    return sinceMs >= 0 && sinceMs < DAY_MS ? seconds(sinceMs) : instant;
  });
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}

function kindOf({ who, what }: Line, names: ReadonlySet<string>, isLast: boolean): Kind {
  if (who === FAULT) return /^\S+ ends |^everything is healed/.test(what) ? 'heal' : 'strike';
  const isOwnWord = !who.includes(' ') && /^s\d+$/.test(who);
  if (isLast || isOwnWord) return 'shown';
  for (const word of wordsOf(what)) if (names.has(word)) return 'shown';
  return 'dull';
}

/** Words that stand for one thing: keys, values, dots, ids. Others are everywhere. */
function namesIn(texts: readonly string[]): Set<string> {
  return new Set(texts.flatMap((text) => wordsOf(text).filter(isName)));
}

function wordsOf(text: string): string[] {
  return text.split(/[^\w/.#-]+/).map((word) => word.replace(/[.#-]+$/, ''));
}

function isName(word: string): boolean {
  return word.length >= 4 && /\d/.test(word) && /[a-z]/i.test(word) && !/^\d+(?:ms|s|m)$/.test(word);
}
