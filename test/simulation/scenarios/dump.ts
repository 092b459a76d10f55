import { START_MS, type World } from '../world.ts';
import { heard } from './looking.ts';
export function dump(world: World, lease?: string): void {
  for (const { what, place, reason, endingId, atMs, data } of heard(world)) if (lease === undefined || data['lease'] === lease)
    console.log(Math.round(atMs - START_MS), place, what, reason, endingId, data['key'], data['cause']);
  console.log(world.history.operations.map((o) => `${Math.round(o.askedAtMs - START_MS)} ${o.sidecar} ${o.asked.kind} ${(o.asked as any).key ?? ''} ${(o.asked as any).value ?? ''} → ${Math.round((o.answer?.atMs ?? 0) - START_MS)} ${o.answer?.status} ${o.answer?.code ?? ''} ${o.answer?.values ?? ''}`).join('\n'));
  console.log(world.kernel.trace.lines.filter((l) => / log/.test(l.who) && !/memory at worst|boot/.test(l.what)).map((l) => `${Math.round(l.atMs - START_MS)} ${l.who} ${l.what}`).slice(-60).join('\n'));
}
