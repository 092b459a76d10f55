/**
 * A control group with a memory limit, as a container has one: what is in it is killed by the
 * kernel when it needs more. Version 1 and 2; it takes root, and a hierarchy that may be written
 * to, which a build inside a container often lacks.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MEBIBYTE = 1024 ** 2;
const ROOT = '/sys/fs/cgroup';

export interface MemoryGroup {
  /**
   * What `begin` starts is in the group from its first byte on: this process enters it meanwhile,
   * as children are where their parent is, and what was there before does not move with a process.
   */
  within<T>(begin: () => Promise<T>): Promise<T>;
  /** Processes that the kernel killed for want of memory. */
  kills(): number;
  /** The most it ever held, page cache included. */
  peakBytes(): number;
  /** For when nothing runs in it any more. */
  remove(): void;
}

/** Undefined where no group can be made. */
export function memoryGroup(limitMb: number): MemoryGroup | undefined {
  const name = `leasehold-${process.pid}-${Math.floor(performance.now())}`;
  const isFirst = existsSync(join(ROOT, 'memory', 'memory.limit_in_bytes'));
  const path = isFirst ? join(ROOT, 'memory', name) : join(ROOT, name);
  const number = (file: string, pattern: RegExp): number =>
    Number(pattern.exec(readFileSync(join(path, file), 'utf8'))?.[1] ?? 0);
  const limits: Readonly<Record<string, number>> = isFirst
    ? { 'memory.limit_in_bytes': limitMb * MEBIBYTE, 'memory.memsw.limit_in_bytes': limitMb * MEBIBYTE }
    : { 'memory.max': limitMb * MEBIBYTE, 'memory.swap.max': 0 };
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  try {
    for (const [file, bytes] of Object.entries(limits)) {
      // Without accounting of swap there is none to be limited.
      if (existsSync(join(path, file)) || !file.includes('sw')) writeFileSync(join(path, file), String(bytes));
    }
  } catch {
    rmdirSync(path);
    return undefined;
  }
  const enter = (group: string): void => writeFileSync(join(group, 'cgroup.procs'), String(process.pid));
  return {
    async within(begin) {
      const own = /^(?:\d+:memory|0:):(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
      enter(path);
      try {
        return await begin();
      } finally {
        enter(join(isFirst ? join(ROOT, 'memory') : ROOT, own));
      }
    },
    kills: () =>
      isFirst ? number('memory.oom_control', /oom_kill (\d+)/) : number('memory.events', /oom_kill (\d+)/),
    peakBytes: () =>
      isFirst ? number('memory.max_usage_in_bytes', /(\d+)/) : number('memory.peak', /(\d+)/),
    remove: () => rmdirSync(path),
  };
}
