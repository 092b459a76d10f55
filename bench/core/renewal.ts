/**
 * One renewal in the core, its coalesced fact included, over a loop that only picks the ids: of
 * leases as neighbours hold them, and of the implicit ones that come with entries.
 */
import type { Core } from '../../src/core/core.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { seededRandom } from '../replay/random.ts';
import { atMost, type Row } from '../row.ts';
import { median, printRows, quick } from '../script.ts';
import { fill, keyOf, NAMESPACE, newCore } from './population.ts';

const LIVE = quick ? 50_000 : 1_000_000;
const ROUNDS = quick ? 3 : 9;
const PER_ROUND = quick ? 200_000 : 1_000_000;
/** Renewals between two ends of a group, as at 100 000/s and a turn of 10 ms. */
const PER_GROUP = 1_000;
const TTL_MS = 3_600_000;

const random = seededRandom(1);
const order = Uint32Array.from({ length: PER_ROUND }, () => Math.floor(random.next() * LIVE));
let guard = 0;

printRows([
  measure('renewal in the core', 'explicit', atMost(0.5, 0.1)),
  measure('renewal of an implicit lease in the core', 'implicit', undefined),
]);
if (guard === 0) throw new Error('Cannot measure: the empty loop was empty');

function measure(what: string, kind: 'explicit' | 'implicit', bar: Row['bar']): Row {
  const { core, timeline } = newCore(LIVE);
  const now = timeline.now();
  const ids =
    kind === 'implicit'
      ? fill(core, { from: 0, to: LIVE }, now, () => TTL_MS, () => true)
      : grantAll(core, now);
  renewAll(core, ids, now + 1);
  const costsUs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const empty = time(() => pickAll(ids));
    const full = time(() => renewAll(core, ids, now + 2 + round));
    costsUs.push(((full - empty) * 1_000) / PER_ROUND);
  }
  const [low, high] = [Math.min(...costsUs), Math.max(...costsUs)];
  return {
    what: `${what}, ${LIVE / 1000} 000 live`,
    value: median(costsUs),
    unit: 'µs',
    note: `${low.toFixed(2)} to ${high.toFixed(2)} µs in ${ROUNDS} rounds`,
    ...(bar === undefined ? {} : { bar }),
  };
}

function grantAll(core: Core, now: number): string[] {
  return Array.from({ length: LIVE }, (_, index) => {
    const reply = core.step(
      { op: 'grant', namespace: NAMESPACE, holder: 'bench', id: keyOf(index), ttlMs: TTL_MS },
      now,
    );
    if (isRefusal(reply)) throw new Error(`Cannot measure: ${reply.detail}`);
    core.facts.reset();
    return reply.lease.id;
  });
}

function renewAll(core: Core, ids: readonly string[], at: number): void {
  let renewed = 0;
  for (let index = 0; index < PER_ROUND; index += 1) {
    const reply = core.step({ op: 'renew', id: ids[order[index]!]! }, at);
    if ('lease' in reply) renewed += 1;
    if (index % PER_GROUP === 0) {
      core.tellRenewals();
      core.facts.reset();
    }
  }
  if (renewed !== PER_ROUND) throw new Error('Cannot measure: renewals were refused');
}

function pickAll(ids: readonly string[]): void {
  for (let index = 0; index < PER_ROUND; index += 1) guard += ids[order[index]!]!.length;
}

function time(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}
