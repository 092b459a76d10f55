/** `join`: the registry of a ledger, which is a partition of its own. */
import type { JoinReply, JoinRequest } from '../ledger.ts';

export interface Member {
  readonly instance: string;
  readonly name: string;
  readonly versionMin: number;
  readonly versionMax: number;
  /** When it joined last. */
  readonly seen: number;
}

export interface Registry {
  tmax: number;
  /** 0: nobody has joined yet. */
  partitions: number;
  buckets: number;
  /** By actor. */
  members: Map<string, Member>;
}

/** A member that has not joined for so long has no say, and is forgotten. */
const MEMBER_MS = 24 * 60 * 60 * 1000;

export function emptyRegistry(): Registry {
  return { tmax: 0, partitions: 0, buckets: 0, members: new Map() };
}

export function cloneRegistry(registry: Registry): Registry {
  return { ...registry, members: new Map(registry.members) };
}

export function join(registry: Registry, time: number, request: JoinRequest): JoinReply {
  const { actor, instance, name, partitions, buckets, versionMin, versionMax } = request;
  const now = Math.max(time, registry.tmax);
  registry.tmax = now;
  const laidOut = registry.partitions > 0;
  if (laidOut && (registry.partitions !== partitions || registry.buckets !== buckets)) {
    return { status: 'layout', partitions: registry.partitions, buckets: registry.buckets };
  }
  const known = registry.members.get(actor);
  if (known !== undefined && known.instance !== instance) return { status: 'actor-clash' };
  const others = [...registry.members].filter(
    ([other, { seen }]) => other !== actor && now - seen <= MEMBER_MS,
  );
  const lowest = Math.max(...others.map(([, member]) => member.versionMin));
  const highest = Math.min(...others.map(([, member]) => member.versionMax));
  const version = Math.min(versionMax, highest);
  if (others.length > 0 && version < Math.max(versionMin, lowest)) {
    return { status: 'version', versionMin: lowest, versionMax: highest };
  }
  registry.partitions = partitions;
  registry.buckets = buckets;
  registry.members = new Map(others);
  registry.members.set(actor, { instance, name, versionMin, versionMax, seen: now });
  const members = [...new Set(others.map(([, member]) => member.name))].sort();
  return { status: 'joined', now, version, members };
}
