/**
 * What one may do with entries: put, get, delete. (`counters.ts` increments, `listing.ts` pages.)
 */
import type {
  Conditions, DeleteCommand, DeleteReply, GetCommand, GetReply, PutCommand, PutReply, SiblingView,
} from './command.ts';
import { type Context, parseContext } from './dot.ts';
import { buryCopy, endEntry, settleKey } from './endings.ts';
import { extendLease, namespaceNotFound } from './leases.ts';
import { LIVE } from './lease-table.ts';
import { wallOf } from './hybrid-clock.ts';
import type { Namespace } from './namespaces.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';
import {
  contextOf, type Coverage, etagOf, etagOfRow, isCovered, rowsOf, shownOf, touch, writeValue,
} from './write.ts';
import { counterText, counterValue } from './counter-value.ts';

const CONTENT_TYPE = /^[\x20-\x7e]{1,255}$/;
const CONTEXT_DOTS_TAKEN = 64;

export function entryNotFound(namespace: string, key: string): Refusal {
  return refuse('entry-not-found', `Cannot find entry "${key}" in "${namespace}"`);
}

/** undefined: the conditions hold for the version that is current (none: `etag` undefined). */
export function conditionRefusal(
  conditions: Conditions,
  etag: string | undefined,
  key: string,
): Refusal | undefined {
  const { ifMatch, ifNoneMatch } = conditions;
  const matches = (tags: readonly string[] | '*') =>
    etag !== undefined && (tags === '*' || tags.includes(etag));
  const failed =
    (ifMatch !== undefined && !matches(ifMatch)) ||
    (ifNoneMatch !== undefined && matches(ifNoneMatch));
  if (!failed) return undefined;
  return refuse(
    'version-mismatch',
    etag === undefined
      ? `Cannot change "${key}": it does not exist`
      : `Cannot change "${key}": its version is ${etag}`,
    etag === undefined ? {} : { current: `"${etag}"` },
  );
}

export function parsedContext(
  state: State,
  text: string | undefined,
): Context | undefined | Refusal {
  if (text === undefined) return undefined;
  const context = parseContext(text);
  if (context === undefined || context.seen.length > CONTEXT_DOTS_TAKEN) {
    return refuse('invalid-request', 'Cannot read the context: it is not one a read has given');
  }
  // The next write must pass it; one from far ahead would drag this clock along.
  const aheadMs = wallOf(context.hlc) - (state.now + state.wallOffsetMs);
  if (aheadMs <= state.contextAheadMs) return context;
  return refuse('invalid-request', 'Cannot take the context: its clock is ahead of this one');
}

export function put(state: State, command: PutCommand): PutReply | Refusal {
  const { key } = command;
  const namespace = state.namespaces.obtain(command.namespace);
  if (namespace === undefined) return namespaceNotFound(command.namespace);
  if (namespace.contract.conflict === 'counter') {
    return refuse(
      'wrong-class', `Cannot put "${key}": "${command.namespace}" holds counters, increment them`,
    );
  }
  if (command.value.length > state.limits.valueBytes) {
    return refuse(
      'value-too-large',
      `Cannot put "${key}": ${command.value.length} bytes, ${state.limits.valueBytes} at most`,
      { limit: state.limits.valueBytes },
    );
  }
  if (!CONTENT_TYPE.test(command.contentType)) {
    return refuse('invalid-request', `Cannot put "${key}": not a content type`);
  }
  const context = parsedContext(state, command.context);
  if (context !== undefined && isRefusal(context)) return context;

  state.probe.set(namespace.number, key);
  const head = settleKey(state, namespace.number);
  const rows = rowsOf(state, namespace, head);
  const etag = rows.length === 0 ? undefined : etagOf(state, shownOf(namespace, rows));
  const failed = conditionRefusal(command, etag, key);
  if (failed !== undefined) return failed;

  const coverage = coverageOf(state, namespace, rows, command, context);
  if (isRefusal(coverage)) return coverage;
  const stale =
    context !== undefined && rows.some((row) => !isCovered(state, row, context.seen));
  const written = writeValue(state, {
    namespace, key, rows, coverage, context, stale,
    value: command.value,
    contentType: command.contentType,
    lease: command.lease,
    ttlMs: command.ttlMs,
    bearer: command.bearer,
  });
  if (isRefusal(written)) return written;

  const lease = state.entries.lease[written.row]!;
  const reply: PutReply = {
    created: written.created,
    etag: etagOfRow(state, written.row),
    lease: state.leases.id(lease),
    remainingMs: state.remainingMs(lease),
  };
  if (namespace.contract.conflict !== 'siblings') return reply;
  const after = rowsOf(state, namespace, state.entries.find(namespace.number, state.probe));
  return { ...reply, etag: etagOf(state, after), context: contextOf(state, after) };
}

/** Which values a PUT replaces, by the namespace's policy and what the writer had seen. */
function coverageOf(
  state: State,
  namespace: Namespace,
  rows: readonly number[],
  command: PutCommand,
  context: Context | undefined,
): Coverage | Refusal {
  // Outside `siblings` this sidecar's own state is what a writer has seen, and the policy settles
  // the rest at once: nothing stays beside.
  if (namespace.contract.conflict !== 'siblings') return { covered: rows, beside: [] };
  if (context === undefined) {
    if (command.ifMatch !== undefined) return { covered: rows, beside: [] };
    if (rows.length < state.limits.siblings) return { covered: [], beside: rows };
    return refuse(
      'too-many-siblings',
      `Cannot put "${command.key}": it holds ${rows.length} concurrent values; read them, and ` +
        'write with the context of that read',
      { siblings: rows.length },
    );
  }
  const covered = rows.filter((row) => isCovered(state, row, context.seen));
  const beside = rows.filter((row) => !covered.includes(row));
  if (covered.length === 0 && beside.length >= state.limits.siblings) {
    return refuse(
      'too-many-siblings',
      `Cannot put "${command.key}": it holds ${rows.length} values newer than the context`,
      { siblings: rows.length },
    );
  }
  return { covered, beside };
}

export function get(state: State, command: GetCommand): GetReply | Refusal {
  const { entries, leases } = state;
  const namespace = state.namespaces.obtain(command.namespace);
  if (namespace === undefined) return namespaceNotFound(command.namespace);
  state.probe.set(namespace.number, command.key);
  let head = entries.find(namespace.number, state.probe);
  if (head === 0) return entryNotFound(command.namespace, command.key);
  const single = entries.link[head] === 0;
  if (!single) {
    // Values beside or below this one: record what is due, so that the right ones show.
    head = settleKey(state, namespace.number);
    if (head === 0) return entryNotFound(command.namespace, command.key);
  } else if (!state.isEntryLive(head)) {
    return entryNotFound(command.namespace, command.key);
  }
  const rows = rowsOf(state, namespace, head);
  if (rows.length === 0) return entryNotFound(command.namespace, command.key);
  const { contract } = namespace;
  const shown = shownOf(namespace, rows);
  for (const row of shown) {
    if (contract.sliding) slide(state, namespace, entries.lease[row]!);
    if (contract.capacity.eviction === 'leastRecentlyUsed') touch(state, row);
  }
  const newest = rows[0]!;
  const lease = entries.lease[newest]!;
  const reply: GetReply = {
    etag: etagOf(state, shown),
    contentType: entries.contentType(newest),
    lease: leases.id(lease),
    remainingMs: state.remainingMs(lease),
    context: contextOf(state, rows),
    value: entries.valueCopy(newest),
    source: shown.every((row) => state.isCopy(row)) ? 'mirror' : 'local',
  };
  if (shown.length === 1) return reply;
  if (contract.conflict === 'counter') {
    return { ...reply, value: counterText(counterValue(state, rows)) };
  }
  return { ...reply, siblings: shown.map((row) => siblingView(state, row)) };
}

function siblingView(state: State, row: number): SiblingView {
  const { entries, leases } = state;
  const lease = entries.lease[row]!;
  return {
    value: entries.valueCopy(row),
    contentType: entries.contentType(row),
    etag: etagOfRow(state, row),
    lease: leases.id(lease),
    remainingMs: state.remainingMs(lease),
    actor: state.actors.text(entries.dotActor[row]!),
  };
}

/** Reads extend implicit leases, at most once per ttl/8, so that reading costs no renewal each. */
function slide(state: State, namespace: Namespace, lease: number): void {
  const { leases } = state;
  if (leases.state[lease] !== LIVE || !leases.isImplicit(lease)) return;
  const ttlMs = leases.ttlMs[lease]!;
  if (state.now - leases.touchedAt[lease]! < ttlMs / 8) return;
  extendLease(state, namespace, lease, state.now + ttlMs);
}

export function remove(state: State, command: DeleteCommand): DeleteReply | Refusal {
  const { entries, leases } = state;
  const namespace = state.namespaces.obtain(command.namespace);
  if (namespace === undefined) return namespaceNotFound(command.namespace);
  const context = parsedContext(state, command.context);
  if (context !== undefined && isRefusal(context)) return context;
  state.probe.set(namespace.number, command.key);
  const head = settleKey(state, namespace.number);
  const rows = rowsOf(state, namespace, head);
  const etag = rows.length === 0 ? undefined : etagOf(state, shownOf(namespace, rows));
  const failed = conditionRefusal(command, etag, command.key);
  if (failed !== undefined) return failed;
  // Where concurrent values are kept, a delete with a context takes what its writer had seen.
  const seen = namespace.contract.conflict === 'siblings' ? context?.seen : undefined;
  const candidates = namespace.contract.onExpire === 'revert' ? allRows(state, head) : rows;
  const doomed = seen === undefined
    ? candidates
    : candidates.filter((row) => isCovered(state, row, seen));
  // Copies first: the end of the last own value would only have them forgotten.
  const own = doomed.filter((row) => !state.isCopy(row));
  for (const row of doomed) if (!own.includes(row)) buryCopy(state, row, 'deleted');
  for (const row of own) {
    const lease = entries.lease[row]!;
    endEntry(state, row, 'deleted');
    if (leases.isImplicit(lease) && leases.entryCount[lease] === 0) {
      state.endLease(lease, 'deleted', state.now);
    }
  }
  return { existed: doomed.length > 0 };
}

/** Every row of the key, those below others too. */
function allRows(state: State, head: number): number[] {
  const rows: number[] = [];
  for (let row = head; row !== 0; row = state.entries.link[row]!) rows.push(row);
  return rows;
}
