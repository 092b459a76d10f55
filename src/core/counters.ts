/**
 * Increments. In an ordinary namespace an increment reads the text and writes it back, changed. In
 * a `counter` namespace each value is the amount that one run added under one lease: an increment
 * replaces only its own part, so that sidecars which never heard of each other still add up, and
 * the end of a lease takes away exactly what was added under it.
 */
import type { IncrementCommand, IncrementReply } from './command.ts';
import { counterText, counterValue, parseInteger } from './counter-value.ts';
import { settleKey } from './endings.ts';
import { liveLease, namespaceNotFound } from './leases.ts';
import type { Namespace } from './namespaces.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';
import { etagOf, rowsOf, shownOf, writeValue } from './write.ts';

const COUNTER_CONTENT_TYPE = 'text/plain; charset=utf-8';

export function increment(state: State, command: IncrementCommand): IncrementReply | Refusal {
  const namespace = state.namespaces.obtain(command.namespace);
  if (namespace === undefined) return namespaceNotFound(command.namespace);
  if (!Number.isSafeInteger(command.by)) {
    return refuse('invalid-request', `Cannot add ${command.by} to "${command.key}": not an integer`);
  }
  state.probe.set(namespace.number, command.key);
  const rows = rowsOf(state, namespace, settleKey(state, namespace.number));
  return namespace.contract.conflict === 'counter'
    ? addPart(state, namespace, command, rows)
    : addToText(state, namespace, command, rows);
}

function overflow(command: IncrementCommand): Refusal {
  return refuse(
    'counter-overflow',
    `Cannot add ${command.by} to "${command.key}": it would leave ±(2^53 − 1)`,
  );
}

function addToText(
  state: State,
  namespace: Namespace,
  command: IncrementCommand,
  rows: readonly number[],
): IncrementReply | Refusal {
  const row = rows[0] ?? 0;
  if (shownOf(namespace, rows).length > 1) {
    return refuse(
      'not-an-integer',
      `Cannot add to "${command.key}": it holds ${rows.length} concurrent values`,
    );
  }
  const before = row === 0 ? 0 : parseInteger(state.entries.valueView(row));
  if (before === undefined) {
    return refuse('not-an-integer', `Cannot add to "${command.key}": its value is not an integer`);
  }
  const value = before + command.by;
  if (!Number.isSafeInteger(value)) return overflow(command);
  const written = writeValue(state, {
    namespace, rows, value: counterText(value),
    key: command.key,
    contentType: row === 0 ? COUNTER_CONTENT_TYPE : state.entries.contentType(row),
    lease: command.lease,
    ttlMs: command.ttlMs,
    bearer: command.bearer,
    context: undefined,
    coverage: { covered: rows, beside: [] },
    stale: false,
  });
  if (isRefusal(written)) return written;
  return reply(state, namespace, written.row, written.created, value);
}

function addPart(
  state: State,
  namespace: Namespace,
  command: IncrementCommand,
  rows: readonly number[],
): IncrementReply | Refusal {
  const { entries, actors } = state;
  const mine = rows.filter((row) => entries.dotActor[row] === actors.self);
  let part = mine[0] ?? 0;
  if (command.lease !== undefined) {
    const lease = liveLease(state, command.lease, 'increment under', command.bearer);
    if (typeof lease !== 'number') return lease;
    part = mine.find((row) => entries.lease[row] === lease) ?? 0;
  }
  const before = part === 0 ? 0 : (parseInteger(entries.valueView(part)) ?? 0);
  const amount = before + command.by;
  const total = counterValue(state, rows) + command.by;
  if (!Number.isSafeInteger(amount) || !Number.isSafeInteger(total)) return overflow(command);
  const covered = part === 0 ? [] : [part];
  const written = writeValue(state, {
    namespace, rows, value: counterText(amount),
    key: command.key,
    contentType: COUNTER_CONTENT_TYPE,
    lease: command.lease,
    ttlMs: command.ttlMs,
    bearer: command.bearer,
    context: undefined,
    coverage: { covered, beside: rows.filter((row) => row !== part) },
    stale: false,
  });
  if (isRefusal(written)) return written;
  return reply(state, namespace, written.row, written.created, total);
}

function reply(
  state: State,
  namespace: Namespace,
  row: number,
  created: boolean,
  value: number,
): IncrementReply {
  const rows = rowsOf(state, namespace, state.entries.find(namespace.number, state.probe));
  const lease = state.entries.lease[row]!;
  return {
    value,
    created,
    etag: etagOf(state, rows),
    lease: state.leases.id(lease),
    remainingMs: state.remainingMs(lease),
  };
}
