/** What is wrong with a configuration: every complaint at once, each with its place. */
export interface Complaint {
  /** Dotted path in the file, or the name of the environment variable. */
  readonly path: string;
  /** Reads on after the path: `must be an integer from 1 to 10, got 0`. */
  readonly message: string;
  /** What would be taken instead. */
  readonly allowed: string;
}

export class ConfigurationError extends Error {
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    const count = complaints.length === 1 ? '1 complaint' : `${complaints.length} complaints`;
    const lines = complaints.map(({ path, message }) => `  ${path}: ${message}`);
    super(`The configuration is refused, ${count}:\n${lines.join('\n')}`);
    this.name = 'ConfigurationError';
    this.complaints = complaints;
  }
}
