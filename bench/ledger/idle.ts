/**
 * What a sidecar costs the ledger when nothing happens: bytes and processor time of a heartbeat, of
 * a look at the change log, and of a look for what silent owners have left; and what that comes to
 * at the default intervals.
 */
import type { NamespaceContract } from '../../src/core/contract.ts';
import type { Row } from '../row.ts';
import { pause, printRows, quick } from '../script.ts';
import { costOf, startPinnedRedis } from './measure.ts';
import { MeteredLedger, type Operation } from './metered-ledger.ts';
import { BenchSidecar, BenchTime, DEFAULTS, until } from './sidecar.ts';

const ENTRIES = quick ? 6_400 : 64_000;
const SECONDS = quick ? 2 : 20;
const TTL_MS = 36_000_000;
/** More often than by default, so that there is something to count. */
const BEAT_MS = 500;
const PULL_MS = 500;

const redis = await startPinnedRedis();
const time = new BenchTime();
const writer = connect('none', ENTRIES);
await writer.sidecar.start();
writer.sidecar.put(0, ENTRIES, () => TTL_MS);
writer.sidecar.changed();
await writer.sidecar.pushed();
const rows: Row[] = await measure('mirror: none', writer);
await writer.sidecar.close();
const follower = connect('all', 0);
await follower.sidecar.start();
await until('the mirror has everything', () => follower.sidecar.copies === ENTRIES);
rows.push(...(await measure('mirror: all', follower)));
await follower.sidecar.close();
await redis.stop();
printRows(rows);

function connect(mirror: NamespaceContract['mirror'], entries: number) {
  let link!: MeteredLedger;
  const sidecar = new BenchSidecar({
    redis, time, entries, mirror,
    copies: ENTRIES,
    settings: { beatMs: BEAT_MS, pullMs: PULL_MS },
    through: (ledger) => {
      link = new MeteredLedger(ledger, { oneAtATime: true });
      return link;
    },
  });
  return { sidecar, link };
}

async function measure(who: string, { link }: ReturnType<typeof connect>): Promise<Row[]> {
  await pause(2 * BEAT_MS);
  link.reset();
  const cost = await costOf(redis, 1_000, () => pause(SECONDS * 1_000));
  const used = (cost.redisUs + cost.clientUs).toFixed(0);
  const perSecond = (operation: Operation, everyMs: number): number => {
    const { requests, sent, received } = link.usage(operation);
    return requests === 0 ? 0 : ((sent + received) / requests) * (1_000 / everyMs) * DEFAULTS.partitions;
  };
  const idle =
    perSecond('beat', DEFAULTS.beatMs) +
    perSecond('sweep', DEFAULTS.sweepMs) / DEFAULTS.partitions +
    (link.usage('pull').requests === 0 ? 0 : perSecond('pull', DEFAULTS.pullMs));
  return [
    ...(['beat', 'pull', 'sweep'] as const).flatMap((operation) => row(who, operation, link)),
    {
      what: `an idle sidecar at the default intervals, ${DEFAULTS.partitions} partitions, ${who}: bytes a second`,
      value: idle,
      unit: 'B',
      note: `here, with ${link.requests} requests in ${SECONDS} s: ${used} ms of processor, Redis and sidecar together`,
    },
  ];
}

function row(who: string, operation: Operation, link: MeteredLedger): Row[] {
  const { requests, sent, received } = link.usage(operation);
  if (requests === 0) return [];
  return [
    {
      what: `an idle ${operation}, ${who}: bytes`,
      value: (sent + received) / requests,
      unit: 'B',
      note: `${Math.round(sent / requests)} B sent, ${Math.round(received / requests)} B received, of ${requests}`,
    },
  ];
}
