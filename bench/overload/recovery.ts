/** Asks a sidecar how it is, until it says for a while that nothing presses. */
import type { PressureLevel } from '../../src/admission/signals.ts';
import { pause } from '../script.ts';
import { LEVELS } from './tally.ts';
import type { Sample } from './verdict.ts';

const ASK_MS = 50;
/** Nominal for so long is nominal, and no gap between two crossings. */
const STEADY_MS = 2_000;
const GIVE_UP_MS = 30_000;

/** The levels it tells, as indices of `LEVELS`, from now on until it has been nominal for a while. */
export async function watchUntilNominal(url: string, mayEnd: () => boolean): Promise<Sample[]> {
  const levels: Sample[] = [];
  const givenUpAt = performance.now() + GIVE_UP_MS;
  while (performance.now() < givenUpAt) {
    const response = await fetch(`${url}/v1/status`);
    const announced = response.headers.get('leasehold-pressure');
    const body = (await response.json()) as { pressure?: { level?: PressureLevel } };
    const at = performance.timeOrigin + performance.now();
    const told = /level=(\w+)/.exec(announced ?? '')?.[1] ?? body.pressure?.level ?? 'critical';
    levels.push({ at, value: LEVELS.indexOf(told as PressureLevel) });
    const since = nominalSince(levels);
    if (mayEnd() && since !== undefined && at - since >= STEADY_MS) break;
    await pause(ASK_MS);
  }
  return levels;
}

/** When the last of the levels that are all nominal began; undefined: the last is not. */
export function nominalSince(levels: readonly Sample[]): number | undefined {
  const lastPressed = levels.findLastIndex(({ value }) => value > 0);
  return levels[lastPressed + 1]?.at;
}
