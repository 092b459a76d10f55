/** What a sidecar's process really takes, and what its status page says meanwhile. */
import { readFileSync } from 'node:fs';
import { type Document, jsonOf } from '../requests.ts';
import type { Sidecar } from '../support.ts';
import { read } from './patient.ts';

export class Gauge {
  /** The most that was resident at any time, by the kernel's count, and what was promised. */
  peakBytes = 0;
  boundBytes = 0;
  /** Fullest that the outbox was, of either stream. */
  fullest = 0;
  readonly levels = new Set<string>();
  /** Events that found no room. */
  dropped = 0;

  /** @throws Lost when the sidecar is gone */
  async look({ url, pid }: Pick<Sidecar, 'url' | 'pid'>): Promise<Document> {
    const status = jsonOf(await read(url, '/v1/status'));
    this.peakBytes = Math.max(this.peakBytes, peakOf(pid));
    this.boundBytes = status.memory.worstCaseBytes;
    const { endings, events } = status.outbox;
    const fills = [endings, events].map(({ pending, limit }) => pending / limit);
    this.fullest = Math.max(this.fullest, ...fills);
    this.levels.add(status.pressure.level);
    this.dropped = Math.max(this.dropped, events.dropped);
    return status;
  }
}

const KIBIBYTE = 1024;

/** 0 where the kernel does not tell. */
function peakOf(pid: number): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1] ?? 0) * KIBIBYTE;
  } catch {
    return 0;
  }
}
