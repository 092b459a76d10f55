/**
 * The log as the parts of the sidecar see it: a sentence, and fields that are in the table
 * (`fields.ts`). The sentence is the same each time, so that it can be searched for and counted;
 * what differs from time to time is in the fields.
 */
import type { FieldName, LogFields } from './fields.ts';

/**
 * The fields of a line, held to the table also where they come from a variable: one that is not in
 * the table, or of another type there, does not compile.
 */
export type Known<Fields> = {
  readonly [Name in keyof Fields]: Name extends FieldName ? LogFields[Name] : never;
};

export type Line = <Fields extends object>(fields: Fields & Known<Fields>, message: string) => void;

export interface Log {
  readonly debug: Line;
  readonly info: Line;
  readonly warn: Line;
  readonly error: Line;
}
