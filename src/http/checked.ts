/**
 * Validation by schema, and its refusals. The first complaint decides the code: fields nobody knows
 * come first, since a misspelt field is what a client most needs to hear about.
 */
import type * as z from 'zod';
import { reject, type Rejection } from '../errors.ts';

/** What a check found: the value to go on with, or why there is none. */
export type Checked<T> = { readonly value: T } | { readonly refusal: Rejection };

const COMPLAINTS_SHOWN = 8;

type Issue = z.core.$ZodIssue;

function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text;
}

function refusalOf(issues: readonly Issue[], what: string): Rejection {
  const unknown = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => pathText([...issue.path, key.slice(0, 64)]))
      : [],
  );
  if (unknown.length > 0) {
    const fields = unknown.slice(0, COMPLAINTS_SHOWN);
    return reject('unknown-field', `Cannot take the ${what}: unknown ${fields.join(', ')}`, { fields });
  }
  const errors = issues.slice(0, COMPLAINTS_SHOWN).map(({ path, message }) => ({
    path: pathText(path),
    message,
  }));
  const detail = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  return reject('invalid-request', `Cannot take the ${what}: ${detail.join('; ')}`, { errors });
}

/** `what` names the thing for people: body, query. */
export function checked<S extends z.ZodType>(
  schema: S,
  input: unknown,
  what: 'body' | 'query',
): Checked<z.output<S>> {
  const result = schema.safeParse(input);
  if (result.success) return { value: result.data };
  return { refusal: refusalOf(result.error.issues, what) };
}
