/**
 * Names of spans and attributes, once: OpenTelemetry's semantic conventions where they have one
 * (https://opentelemetry.io/docs/specs/semconv/), `leasehold.` before our own. `docs/tracing.md` says
 * what each means, and a test holds the two together.
 *
 * Requests are named by method and route, calls of the ledger by script, messages by subject; see
 * where they are made.
 */
export const SPANS = {
  recovery: 'leasehold.recovery',
  journalCommit: 'leasehold.journal.commit',
  leaseExpire: 'leasehold.lease.expire',
  leaseEvict: 'leasehold.lease.evict',
  leaseSweep: 'leasehold.lease.sweep',
  leaseRepair: 'leasehold.lease.repair',
  leaseEnd: 'leasehold.lease.end',
  entryConflict: 'leasehold.entry.conflict',
  roundJoin: 'leasehold.round.join',
  roundRejoin: 'leasehold.round.rejoin',
  roundPush: 'leasehold.round.push',
  roundPull: 'leasehold.round.pull',
  roundBeat: 'leasehold.round.beat',
  roundTruthCheck: 'leasehold.round.truth_check',
  roundSweep: 'leasehold.round.sweep',
} as const;

export const ATTRIBUTES = {
  /* Of the conventions. */
  requestMethod: 'http.request.method',
  route: 'http.route',
  statusCode: 'http.response.status_code',
  urlScheme: 'url.scheme',
  errorType: 'error.type',
  dbSystem: 'db.system.name',
  dbOperation: 'db.operation.name',
  dbProcedure: 'db.stored_procedure.name',
  dbStatusCode: 'db.response.status_code',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  messagingSystem: 'messaging.system',
  messagingOperation: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingTemplate: 'messaging.destination.template',
  messageId: 'messaging.message.id',
  eventId: 'cloudevents.event_id',
  eventSource: 'cloudevents.event_source',
  eventType: 'cloudevents.event_type',
  /* Our own. */
  linkKind: 'leasehold.link.kind',
  namespace: 'leasehold.namespace',
  lease: 'leasehold.lease',
  partition: 'leasehold.partition',
  operation: 'leasehold.operation',
  refusal: 'leasehold.refusal',
  reason: 'leasehold.ending.reason',
  cause: 'leasehold.ending.cause',
  latenessMs: 'leasehold.ending.lateness_ms',
  endings: 'leasehold.endings',
  records: 'leasehold.batch.records',
  outcome: 'leasehold.outcome',
  pushed: 'leasehold.repairs.pushed',
  pulled: 'leasehold.repairs.pulled',
  ended: 'leasehold.repairs.ended',
  stream: 'leasehold.stream',
  duplicate: 'leasehold.publish.duplicate',
  republished: 'leasehold.publish.again',
  replayedRecords: 'leasehold.recovery.replayed_records',
  tornBytes: 'leasehold.recovery.torn_bytes',
  leases: 'leasehold.recovery.leases',
  entries: 'leasehold.recovery.entries',
  downtimeMs: 'leasehold.recovery.downtime_ms',
} as const;
