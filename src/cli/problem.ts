/** Problem documents (RFC 9457) read as a sentence. */
import * as z from 'zod';
import { CommandFailure, EXIT } from './exit.ts';
import { printable } from './printable.ts';

const problemSchema = z.looseObject({
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  code: z.string(),
  retryable: z.boolean().optional(),
  retryAfterMs: z.number().optional(),
});

export type Problem = z.output<typeof problemSchema>;

/** The sidecar said no; carries its problem document. */
export class Refused extends CommandFailure {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(EXIT.refused, sentenceOf(problem));
    this.name = 'Refused';
    this.problem = problem;
  }
}

/** `title: detail (code)`, what to do about a token, and when to come back where the sidecar says so. */
export function sentenceOf(problem: Problem): string {
  const detail = problem.detail === undefined ? '' : `: ${problem.detail}`;
  const again =
    problem.retryAfterMs === undefined ? '' : `; try again in ${problem.retryAfterMs} ms`;
  const token =
    problem.code === 'unauthenticated' ? '; --token-file or LEASEHOLD_TOKEN_FILE names a file with one' : '';
  return printable(`${problem.title}${detail} (${problem.code})${token}${again}`);
}

/** undefined: this is no problem document, so what answered may be no sidecar. */
export function readProblem(body: unknown): Problem | undefined {
  const parsed = problemSchema.safeParse(body);
  return parsed.success ? parsed.data : undefined;
}
