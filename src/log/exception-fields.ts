/**
 * What was thrown, as fields: bounded, and without what the process was sent. Messages of our own
 * errors name no values; those of parsers quote the text they could not read.
 */
const TEXT_MAX = 500;
const FRAMES_MAX = 20;

export interface ExceptionFields {
  readonly 'exception.type': string;
  readonly 'exception.message'?: string;
  readonly 'exception.stacktrace'?: string;
}

/** Of something that was to be expected: a server that is away, a disk that is full. */
export function exceptionFields(thrown: unknown): ExceptionFields {
  if (!(thrown instanceof Error)) return { 'exception.type': typeof thrown };
  const type = { 'exception.type': thrown.name };
  return thrown instanceof SyntaxError ? type : { ...type, 'exception.message': bounded(thrown.message) };
}

/** Of what must not happen: with the frames that lead there. */
export function faultFields(thrown: unknown): ExceptionFields {
  const frames = thrown instanceof Error ? framesOf(thrown) : '';
  return { ...exceptionFields(thrown), ...(frames === '' ? {} : { 'exception.stacktrace': frames }) };
}

/** Text for people, as long as a line may carry. */
export function bounded(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
}

/** Without the head of the stack, which repeats the message. */
function framesOf({ stack = '' }: Error): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim())
    .join('\n');
}
