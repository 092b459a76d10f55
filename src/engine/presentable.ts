/**
 * Refusals as the edges show them: instants of the timeline, wherever they stand, become
 * wall-clock time.
 */
import type { Command, Reply, ReplyOf } from '../core/command.ts';
import { Instant } from '../core/leases.ts';
import { isRefusal, type Refusal } from '../core/refusal.ts';

export interface WallClock {
  toWallMs(instant: number): number;
}

/** The reply with every refusal in it made presentable; most replies are returned as they are. */
export function presentableReply(command: Command, reply: Reply, clock: WallClock): Reply {
  if (isRefusal(reply)) return presentable(reply, clock);
  if (command.op === 'batch') {
    const { applied, results } = reply as ReplyOf['batch'];
    return { applied, results: results.map((result) => inner(result, clock)) };
  }
  if (command.op === 'renew-many') {
    const { results } = reply as ReplyOf['renew-many'];
    return { results: results.map((each) => ({ id: each.id, reply: inner(each.reply, clock) })) };
  }
  return reply;
}

function presentable(refusal: Refusal, clock: WallClock): Refusal {
  if (refusal.members === undefined) return refusal;
  const members: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(refusal.members)) {
    members[name] =
      value instanceof Instant
        ? new Date(clock.toWallMs(value.at)).toISOString()
        : Array.isArray(value)
          ? value.map((item) => inner(item, clock))
          : value;
  }
  return { ...refusal, members };
}

function inner<T>(value: T, clock: WallClock): T {
  const refused = typeof value === 'object' && value !== null && isRefusal(value);
  return refused ? (presentable(value, clock) as T) : value;
}
