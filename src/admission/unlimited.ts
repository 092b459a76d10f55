/** For an edge without a sidecar around it: everybody is let in, and nothing is ever measured. */
import { Admission } from './admission.ts';

export function unlimitedAdmission(): Admission {
  return new Admission({
    settings: {
      elevatedFill: 1, highFill: 1, criticalFill: 1, memoryHighFill: 1, memoryCriticalFill: 1,
      hysteresis: 0, settleMs: 0, queueMs: 1, holdMs: 0, heldRefusals: 0,
    },
    quotas: { namespaces: new Map(), configured: new Set() },
    scheduler: { now: () => 0, after: () => () => {}, random: Math.random },
    readLoop: () => ({ activeMs: 0, turns: 0 }),
    afterTurn: setImmediate,
    wallMs: Date.now,
    onChange: () => {},
  });
}
