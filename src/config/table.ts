/** The one table of options, read off the schemas: what documentation, printing and complaints use. */
import * as z from 'zod';
import { NAMESPACE_ALLOWED } from './namespace-options.ts';
import { noteOf, type OptionNote } from './option.ts';
import { fileSchema } from './schema.ts';

/** Stands in a path for the name of any namespace. */
export const ANY_NAME = '<name>';

export interface OptionRow extends OptionNote {
  readonly kind: 'option';
  readonly path: readonly string[];
}
/** A mapping that holds options. */
export interface GroupRow {
  readonly kind: 'group';
  readonly path: readonly string[];
  readonly meaning: string;
  /** Keys it may hold; undefined for the mapping from names to namespaces. */
  readonly keys: readonly string[] | undefined;
  readonly allowed: string;
}
export type Row = OptionRow | GroupRow;

function inside(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
}

function* walk(schema: z.ZodType, path: readonly string[]): Generator<Row> {
  const note = noteOf(schema);
  if (note !== undefined) {
    yield { kind: 'option', path, ...note };
    return;
  }
  const meaning = schema.description ?? '';
  const bare = inside(schema);
  if (bare instanceof z.ZodObject) {
    const shape = bare.shape as Record<string, z.ZodType>;
    const keys = Object.keys(shape);
    yield { kind: 'group', path, meaning, keys, allowed: `a mapping with ${keys.join(', ')}` };
    for (const key of keys) yield* walk(shape[key]!, [...path, key]);
  } else if (bare instanceof z.ZodRecord) {
    const allowed = `a mapping whose keys are each ${NAMESPACE_ALLOWED}`;
    yield { kind: 'group', path, meaning, keys: undefined, allowed };
    yield* walk(bare.valueType as z.ZodType, [...path, ANY_NAME]);
  } else {
    throw new Error(`Option ${path.join('.')} was made without a note`);
  }
}

/** Every option and group, in the order of the schemas; the file itself first, with an empty path. */
export const ROWS: readonly Row[] = [...walk(fileSchema, [])];

const byPath = new Map(ROWS.map((row) => [row.path.join('.'), row]));

/** The row of a path in a file, whatever the namespace is called. */
export function rowOf(path: readonly PropertyKey[]): Row | undefined {
  const general = path.map((part, index) =>
    index === 1 && path[0] === 'namespaces' ? ANY_NAME : String(part),
  );
  return byPath.get(general.join('.'));
}
