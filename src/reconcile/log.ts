/** What reconciliation needs of a log: an event with its fields, and a sentence. */
type Entry = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface Log {
  readonly debug: Entry;
  readonly info: Entry;
  readonly warn: Entry;
  readonly error: Entry;
}
