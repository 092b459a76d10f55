/**
 * How a command ends. The codes are those of sysexits where it has one, so scripts can tell a
 * refusal from a sidecar that is not there.
 */
export const EXIT = {
  ok: 0,
  /** The sidecar understood and said no. */
  refused: 1,
  usage: 2,
  /** EX_UNAVAILABLE: nothing answers, or what answers is no sidecar. */
  unreachable: 69,
  /** EX_CONFIG. */
  configuration: 78,
} as const;

/** Ends the command with a code and a sentence on stderr. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}
