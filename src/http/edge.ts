/** What every request can reach: the sidecar behind the edge, and what the edge shares itself. */
import type { Access } from './access.ts';
import type { Admission } from '../admission/admission.ts';
import type { RequestClass } from '../admission/classes.ts';
import type { FeedFact, FeedPort, Service } from '../engine/service.ts';
import type { CloudEvent } from '../events/cloud-event.ts';
import type { LeaseStory } from '../tracing/lease-story.ts';
import type { ByteBudget, Gate } from './gate.ts';
import type { Log } from './log.ts';
import type { Operations } from './operations.ts';
import type { HttpOptions } from './options.ts';
import type { RequestCounts } from './request-counts.ts';
import type { Watchers } from './watchers.ts';

/** undefined: a fact that is not told as an event. */
export type EventOf = (fact: FeedFact) => CloudEvent | undefined;

export interface Edge {
  readonly service: Service;
  readonly feed: FeedPort;
  readonly operations: Operations;
  readonly admission: Admission;
  /** Absent: there are no tokens, and everybody may do everything. */
  readonly access: Access | undefined;
  readonly options: HttpOptions;
  readonly log: Log;
  readonly gates: Readonly<Record<RequestClass, Gate>>;
  readonly bytes: ByteBudget;
  /** For bodies of renewals and releases alone: a flood of values must not refuse them. */
  readonly renewalBytes: ByteBudget;
  readonly watchers: Watchers;
  readonly counts: RequestCounts;
  /** Replies to scrapes that nobody has read yet. */
  readonly scrapes: Gate;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
  /** Absent: no request is traced. */
  readonly story?: LeaseStory;
  /** true once the server lets its connections go: every answer is the last on its connection. */
  draining: boolean;
}
