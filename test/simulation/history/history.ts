/** Everything that was asked, answered, told and broken in one run, in the order it happened. */
import type { Operation } from './operation.ts';

/** An event as a consumer that never sleeps received it from its stream. */
export interface ToldEvent {
  readonly atMs: number;
  readonly stream: 'endings' | 'events';
  /** Its place in the stream. */
  readonly place: number;
  /** When that stream was created: another instant means another stream under the name. */
  readonly created: string;
  readonly subject: string;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The CloudEvent, decoded from JSON. */
  readonly event: { readonly [member: string]: unknown };
}

/** Something that was broken or healed. */
export interface Incident {
  readonly atMs: number;
  /** A fault's name, as in the catalogue of faults: `power-cut`, `ledger-empty`. */
  readonly kind: string;
  /** `s1`, `ledger`, `bus`, `s1>ledger`, `c2`. */
  readonly where: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export class History {
  readonly operations: Operation[] = [];
  /** Those that were answered, in the order of the answers. */
  readonly answered: Operation[] = [];
  readonly told: ToldEvent[] = [];
  readonly incidents: Incident[] = [];
}
