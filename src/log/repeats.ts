/**
 * Keeps a log readable, and its disk free, when one thing goes wrong a thousand times: of lines that
 * say the same (level, message, and the fields that tell what it is about) a few are written in a
 * minute, the others are counted. The count is told in one line, with the fields of the last one,
 * when the minute is over.
 *
 * What is remembered is bounded: where more different lines come within a minute, the one that was
 * first told longest ago is closed early, which may let it be told again sooner. A line is never
 * lost without being counted, but for a process that is killed.
 */
import type { Clocks, Timers } from '../machine/machine.ts';
import { LOG_FIELDS, type LogFields } from './fields.ts';
import { type LineLevel, LOG_LEVELS } from './levels.ts';

const WINDOW_MS = 60_000;
/** Different lines remembered. There are about a hundred messages; a few hundred bytes each. */
const REMEMBERED_MAX = 512;

/** Writes a line. */
export type Write = (level: LineLevel, fields: LogFields, message: string) => void;

interface Told {
  readonly level: LineLevel;
  readonly message: string;
  readonly since: number;
  count: number;
  unsaid: number;
  last: LogFields;
}

const TELLING = Object.entries(LOG_FIELDS)
  .filter(([, kind]) => 'tells' in kind)
  .map(([name]) => name as keyof LogFields);

export class Repeats {
  readonly #write: Write;
  readonly #machine: Pick<Clocks & Timers, 'monotonicMs' | 'after'>;
  /** In the order in which they were first told, so the first is the first to be over. */
  readonly #told = new Map<string, Told>();
  #cancel: (() => void) | undefined;

  constructor(write: Write, machine: Pick<Clocks & Timers, 'monotonicMs' | 'after'>) {
    this.#write = write;
    this.#machine = machine;
  }

  take(level: LineLevel, fields: LogFields, message: string): void {
    this.#closeThoseOver();
    const id = identity(level, fields, message);
    const told = this.#told.get(id);
    if (told === undefined) {
      if (this.#told.size >= REMEMBERED_MAX) this.#close(...this.#first()!);
      const since = this.#machine.monotonicMs();
      this.#told.set(id, { level, message, since, count: 1, unsaid: 0, last: fields });
      this.#write(level, fields, message);
      return;
    }
    told.count += 1;
    if (told.count <= LOG_LEVELS[level].repeatsPerMinute) {
      this.#write(level, fields, message);
      return;
    }
    told.unsaid += 1;
    told.last = fields;
    this.#awaitEnd();
  }

  /** Tells what was left out so far, and begins anew. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const [id, told] of this.#told) this.#close(id, told);
  }

  #first(): [string, Told] | undefined {
    const { value } = this.#told.entries().next();
    return value;
  }

  #closeThoseOver(): void {
    const now = this.#machine.monotonicMs();
    for (const [id, told] of this.#told) {
      if (now - told.since < WINDOW_MS) return;
      this.#close(id, told);
    }
  }

  #close(id: string, { level, message, unsaid, last }: Told): void {
    this.#told.delete(id);
    if (unsaid > 0) this.#write(level, { ...last, repeated: unsaid }, message);
  }

  /** One timer, and only while something was left out: it keeps the process alive. */
  #awaitEnd(): void {
    if (this.#cancel !== undefined) return;
    const since = this.#firstLeftOut();
    if (since === undefined) return;
    const waitMs = Math.max(0, since + WINDOW_MS - this.#machine.monotonicMs());
    this.#cancel = this.#machine.after(waitMs, () => {
      this.#cancel = undefined;
      this.#closeThoseOver();
      this.#awaitEnd();
    });
  }

  #firstLeftOut(): number | undefined {
    for (const { unsaid, since } of this.#told.values()) if (unsaid > 0) return since;
    return undefined;
  }
}

function identity(level: LineLevel, fields: LogFields, message: string): string {
  let id = `${level} ${message}`;
  for (const name of TELLING) {
    const value = fields[name];
    if (value !== undefined) id += `\n${name}=${String(value)}`;
  }
  return id;
}
