/**
 * The ninth of the nastiest scenarios (PROTOCOL §12): very many leases expire in one moment, at full
 * capacity, with the bus away and the disk 99 % full. The endings must all be there when the bus is
 * back, and until then whoever wants more is told to come back, not all at the same time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type Document } from '../requests.ts';
import type { BusCampaign, Surroundings } from './campaign.ts';
import { smallDisk } from './small-disk.ts';
import { percentile, type Verdict } from './traffic.ts';

const NAMESPACE = 'storm';
const GRANTERS = 16;
/** To have them all granted in, before they expire. */
const GRANT_MS_EACH = 0.8;
const GRANT_LEAST_MS = 10_000;
const FREE_SHARE = 0.01;
const MEBIBYTE = 1024 ** 2;
/** Records of a lease in the journal, and of its ending, with room to spare. */
const JOURNAL_BYTES_EACH = 1_024;
/** What renewals write a second, at the fastest they come. */
const JOURNAL_BYTES_PER_S = 2 * MEBIBYTE;
const PROBES = 8;
const PROBE_PAUSE_MS = 500;
/** So long a measurement says something about latencies. */
const MEASURED_FROM_MS = 60_000;
const P99_GROWTH_MAX = 4;
const P99_ALWAYS_FINE_MS = 100;

/** The disk, and room for so many leases beside what the others have. */
export function stormSurroundings(leases: number, spanMs: number): Surroundings {
  const reserveBytes = Math.ceil(
    32 * MEBIBYTE + leases * JOURNAL_BYTES_EACH + (spanMs / 1000) * JOURNAL_BYTES_PER_S,
  );
  const disk = smallDisk(4 * reserveBytes);
  return {
    ...(disk === undefined ? {} : { disk }),
    moreRoom: leases,
    moreNamespaces: `${NAMESPACE}: { class: local, capacity: { leases: ${leases}, entries: 1 } }`,
    moreConfiguration: `journal: { reserveBytes: ${reserveBytes} }`,
  };
}

/** The storm comes and goes; the bus is away and the disk full for `spanMs` of it. */
export async function expiryStorm(
  campaign: BusCampaign, leases: number, spanMs: number,
): Promise<void> {
  const { traffic, disk } = campaign;
  const expireAt = performance.now() + Math.max(GRANT_LEAST_MS, leases * GRANT_MS_EACH);
  const granted = await grantAll(campaign, leases, expireAt);
  campaign.say(`${granted} of ${leases} leases granted`);
  const complain = (sentence: string): void => void campaign.wrong.push(sentence);
  if (granted < leases) complain(`Only ${granted} of ${leases} leases could be granted`);

  await campaign.nats.kill();
  disk?.fill(FREE_SHARE);
  await campaign.pass(expireAt - performance.now());
  const before = traffic.tookMs.length;
  await campaign.until('all of them have expired', async () => {
    return leasesOf(await campaign.status()) === 0;
  });
  const { pending } = (await campaign.status()).outbox.endings;
  if (pending < granted) complain(`Only ${pending} endings wait for the bus, of ${granted}`);
  await refuseProbes(campaign, spanMs);
  const [calm, stormy] = [traffic.tookMs.slice(0, before), traffic.tookMs.slice(before)]
    .map((tookMs) => percentile(tookMs, 0.99)) as [number, number];
  const times = `${calm.toFixed(1)} ms before, ${stormy.toFixed(1)} ms in the storm (p99)`;
  campaign.say(`renewals and releases: ${times}`);
  if (spanMs >= MEASURED_FROM_MS && stormy > Math.max(P99_ALWAYS_FINE_MS, P99_GROWTH_MAX * calm)) {
    complain(`Renewals and releases are not steady: ${times}`);
  }

  // The disk is still full when the bus comes back.
  await campaign.nats.restart();
  await campaign.until('the bus has been told of them', async () => {
    return (await campaign.status()).outbox.endings.pending < granted / 10;
  });
  disk?.relieve();
  await campaign.until('there is room for such leases again', async () => {
    const id = `${NAMESPACE}-again-${campaign.between(0, 1e9)}`;
    return (await grantOne(campaign, id, 100)) === 'taken';
  });
}

async function grantAll(campaign: BusCampaign, leases: number, expireAt: number): Promise<number> {
  let next = 0;
  let granted = 0;
  const granter = async (): Promise<void> => {
    const connection = new Connection(campaign.sidecar.url);
    while (next < leases && performance.now() < expireAt) {
      const id = `${NAMESPACE}-${next++}`;
      for (;;) {
        const ttlMs = Math.ceil(expireAt - performance.now());
        if (ttlMs < 100) break;
        const verdict = await grantOne(campaign, id, ttlMs, connection);
        if (verdict === 'taken') granted++;
        if (typeof verdict !== 'object') break;
        await sleep(verdict.waitMs);
      }
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: GRANTERS }, granter));
  return granted;
}

async function grantOne(
  { account, traffic, sidecar }: BusCampaign, id: string, ttlMs: number, on?: Connection,
): Promise<Verdict> {
  const connection = on ?? new Connection(sidecar.url);
  const asked = performance.now();
  const answer = await connection.ask({
    method: 'POST', path: '/v1/leases', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id, namespace: NAMESPACE, holder: NAMESPACE, ttlMs }),
  });
  if (on === undefined) connection.close();
  const verdict = traffic.judge('grant', answer, performance.now() - asked);
  if (verdict === 'taken') account.leases.add(id);
  return verdict;
}

/** Many at once are refused, and not all told the same. */
async function refuseProbes(campaign: BusCampaign, spanMs: number): Promise<void> {
  campaign.traffic.waitsMs.clear();
  const until = performance.now() + spanMs;
  do {
    const verdicts = await Promise.all(
      Array.from({ length: PROBES }, (_, index) => grantOne(campaign, `${NAMESPACE}-late-${index}`, 1_000)),
    );
    if (verdicts.includes('taken')) campaign.wrong.push('A grant was taken beyond the capacity');
    await campaign.pass(PROBE_PAUSE_MS);
  } while (performance.now() < until);
  const { size } = campaign.traffic.waitsMs;
  if (size < PROBES) campaign.wrong.push(`All were told to come back in one of ${size} times`);
}

function leasesOf({ namespaces }: Document): number {
  return namespaces.find(({ name }: Document) => name === NAMESPACE).leases;
}
