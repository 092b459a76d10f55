/**
 * The kinds of option there are. Each builder makes a zod schema and notes beside it what people need
 * to know: unit, allowed values, default, meaning. The table in `table.ts`, the complaints, the
 * printed configuration and `docs/configuration.md` all come from these notes, so a bound and the
 * sentence about it cannot part.
 */
import * as z from 'zod';
import { formatSize, parseSize } from './sizes.ts';

export interface OptionNote {
  readonly unit: '' | 'ms' | 'bytes' | 'count';
  /** Reads on after "must be ". */
  readonly allowed: string;
  /** As a person would write it in the file. */
  readonly default: string;
  /** false: the default depends on the machine or on other options; `default` describes it. */
  readonly fixed: boolean;
  /** What it does and why one would move it. */
  readonly meaning: string;
  /** Values that belong to a later version, with the sentence that refuses them. */
  readonly later: Readonly<Record<string, string>>;
  /** It may hold a password: what was written is not repeated in complaints. */
  readonly secret: boolean;
}

type Optional = 'later' | 'fixed' | 'secret';

const notes = z.registry<OptionNote>();

export function noteOf(schema: z.ZodType): OptionNote | undefined {
  return notes.get(schema);
}

function noted<S extends z.ZodType>(
  schema: S,
  note: Omit<OptionNote, Optional> & Partial<Pick<OptionNote, Optional>>,
): S {
  const described = schema.describe(note.meaning) as S;
  notes.add(described, { later: {}, fixed: true, secret: false, ...note });
  return described;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

function wholeSchema({ min, max }: Bounds) {
  return z.int().min(min).max(max);
}

const wholeAllowed = ({ min, max }: Bounds) => `an integer from ${min} to ${max}`;

/** A whole number. */
export function whole(
  options: Bounds & { unit: 'ms' | 'count'; default: number; meaning: string },
) {
  return noted(wholeSchema(options).default(options.default), {
    unit: options.unit,
    allowed: wholeAllowed(options),
    default: String(options.default),
    meaning: options.meaning,
  });
}

/** A whole number whose default is worked out at start. */
export function derivedWhole(
  options: Bounds & { unit: 'ms' | 'count'; default: string; meaning: string },
) {
  return noted(wholeSchema(options).optional(), {
    unit: options.unit,
    allowed: wholeAllowed(options),
    default: options.default,
    fixed: false,
    meaning: options.meaning,
  });
}

function sizeSchema({ min, max }: Bounds) {
  return z.union([z.int(), z.string()]).transform((written, context) => {
    const bytes = parseSize(written);
    if (bytes !== undefined && bytes >= min && bytes <= max) return bytes;
    context.addIssue({ code: 'custom' });
    return z.NEVER;
  });
}

const sizeAllowed = ({ min, max }: Bounds) =>
  `a size from ${formatSize(min)} to ${formatSize(max)} (bytes, or with Ki, Mi, Gi, Ti)`;

/** A number of bytes. */
export function size(options: Bounds & { default: number; meaning: string }) {
  return noted(sizeSchema(options).default(options.default), {
    unit: 'bytes',
    allowed: sizeAllowed(options),
    default: formatSize(options.default),
    meaning: options.meaning,
  });
}

/** A number of bytes whose default is worked out at start. */
export function derivedSize(options: Bounds & { default: string; meaning: string }) {
  return noted(sizeSchema(options).optional(), {
    unit: 'bytes',
    allowed: sizeAllowed(options),
    default: options.default,
    fixed: false,
    meaning: options.meaning,
  });
}

/** One of a few words. `later` names words of a later version and why they are refused. */
export function choice<const T extends readonly [string, ...string[]]>(options: {
  values: T;
  default: NoInfer<T[number]>;
  meaning: string;
  later?: Readonly<Record<string, string>>;
}) {
  const schema = z.enum(options.values).default(options.default as never);
  return noted(schema, {
    unit: '',
    allowed:
      options.values.length === 1 ? `${options.values[0]}` : `one of ${options.values.join(', ')}`,
    default: options.default,
    meaning: options.meaning,
    later: options.later ?? {},
  });
}

/** A share or a factor: a number that need not be whole. */
export function ratio(options: Bounds & { default: number; meaning: string }) {
  const { min, max } = options;
  return noted(z.number().min(min).max(max).default(options.default), {
    unit: '',
    allowed: `a number from ${min} to ${max}`,
    default: String(options.default),
    meaning: options.meaning,
  });
}

export function flag(options: { default: boolean; meaning: string }) {
  return noted(z.boolean().default(options.default), {
    unit: '',
    allowed: 'true or false',
    default: String(options.default),
    meaning: options.meaning,
  });
}

/** A flag whose default is worked out at start. */
export function derivedFlag(options: { default: string; meaning: string }) {
  return noted(z.boolean().optional(), {
    unit: '',
    allowed: 'true or false',
    default: options.default,
    fixed: false,
    meaning: options.meaning,
  });
}

export function text(options: {
  pattern: RegExp;
  allowed: string;
  default: string;
  meaning: string;
}) {
  return noted(z.string().regex(options.pattern).default(options.default), {
    unit: '',
    allowed: options.allowed,
    default: options.default,
    meaning: options.meaning,
  });
}

/** A text whose default is worked out at start. */
export function derivedText(options: {
  pattern: RegExp;
  allowed: string;
  default: string;
  meaning: string;
}) {
  return noted(z.string().regex(options.pattern).optional(), {
    unit: '',
    allowed: options.allowed,
    default: options.default,
    fixed: false,
    meaning: options.meaning,
  });
}

/** A file that is read when it is needed; none by default. */
export function filePath(meaning: string) {
  return derivedText({
    pattern: /^[^\0]{1,4096}$/,
    allowed: 'the path of a readable file',
    default: 'none',
    meaning,
  });
}

/** Anything with a schema of its own. */
export function special<S extends z.ZodType>(
  schema: S,
  note: {
    allowed: string;
    default: string;
    meaning: string;
    fixed?: boolean;
    secret?: boolean;
  },
): S {
  return noted(schema, { unit: '', ...note });
}
