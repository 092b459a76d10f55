/**
 * What can happen to a bus, one scenario each: what it does to everybody while the clients work.
 * That everything is healed in the end is the scenario's duty; the campaign compares afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { STREAMS } from '../../../src/events/bus.ts';
import { STREAM_NAMES } from '../../../src/events/nats/streams.ts';
import { BusCampaign, type CampaignSettings, type Figures, type Surroundings } from './campaign.ts';
import { expiryStorm, stormSurroundings } from './expiry-storm.ts';
import { slowConsumers } from './slow-consumers.ts';

export interface Scenario {
  /** Completes "…, no ending is lost". */
  readonly what: string;
  surroundings?(scale: Scale): Surroundings;
  play(campaign: BusCampaign, scale: Scale): Promise<void>;
}

export interface Scale {
  /** How long the bus is not as it should be. */
  readonly spanMs: number;
  /** That expire in one moment, where that is the scenario. */
  readonly leases: number;
}

/** Looks at whether events go on, in the scenario about slow consumers. */
const SLOW_PARTS = 5;
/** More than a campaign fills. */
const ROOMY_BYTES = 1024 ** 3;
const MEBIBYTE = 1024 ** 2;
/** Everybody works, and something is in the streams. */
const CALM_MS = 500;
const ACK_MS = 500;
/** As short as it may be: what is told again stands in the stream again, and can be compared. */
const FORGETFUL_MS = ACK_MS;
/** So that there are snapshots, and what waits for the bus is in them. */
const SMALL_JOURNAL = 'journal: { segmentBytes: 1Mi, snapshotAfterBytes: 1Mi, reserveBytes: 1Mi }';
const SIDECAR = { user: 'sidecar', password: 'first' };

export const SCENARIOS = {
  away: {
    what: 'a bus that is away for long',
    async play(campaign, { spanMs }) {
      await campaign.nats.kill();
      await campaign.pass(spanMs);
      await campaign.untilRefused();
      await campaign.nats.restart();
    },
  },

  killed: {
    what: 'a bus that is killed while it takes events, again and again',
    async play(campaign, { spanMs }) {
      await forSpan(spanMs, async () => {
        await campaign.nats.kill();
        await campaign.pass(campaign.between(0, 300));
        await campaign.nats.restart();
        await campaign.pass(campaign.between(300, 1_200));
      });
    },
  },

  emptied: {
    what: 'a bus that comes back with nothing in it',
    surroundings: () => ({ eventsLost: true }),
    async play(campaign, { spanMs }) {
      await campaign.pass(spanMs / 2);
      campaign.streamsLostAt = Date.now();
      await campaign.nats.restart({ empty: true });
      await campaign.pass(spanMs / 2);
    },
  },

  full: {
    what: 'a stream that is full until it is given room',
    surroundings: () => ({ endingsBytes: MEBIBYTE }),
    async play(campaign, { spanMs }) {
      await campaign.untilRefused();
      await campaign.pass(spanMs);
      await makeRoom(campaign);
    },
  },

  deleted: {
    what: 'streams that are deleted under it',
    surroundings: () => ({ eventsLost: true }),
    async play(campaign, { spanMs }) {
      await forSpan(spanMs, async () => {
        await deleteStreams(campaign);
        // Each time everything that is kept is published again: not as often where that is much.
        await campaign.pass(campaign.between(500, 2_000) + spanMs / 20);
      });
    },
  },

  slow: {
    what: 'consumers that are slow',
    async play(campaign, { spanMs }) {
      const consumers = await slowConsumers(campaign.nats);
      // Clients at full speed may fill the outbox by themselves; the bus must take events all the same.
      for (let part = 0; part < SLOW_PARTS; part++) {
        const before = await acknowledgedIn(campaign);
        await campaign.pass(spanMs / SLOW_PARTS);
        if ((await acknowledgedIn(campaign)) === before) {
          campaign.wrong.push('The bus took nothing while a consumer was slow');
        }
      }
      await consumers.close();
    },
  },

  revoked: {
    what: 'credentials that are revoked and restored',
    surroundings: () => ({
      nats: { users: [SIDECAR] },
      login: `${SIDECAR.user}:${SIDECAR.password}@`,
    }),
    async play(campaign, { spanMs }) {
      await campaign.nats.reload({ users: [{ ...SIDECAR, password: 'second' }] });
      await campaign.pass(spanMs);
      await campaign.untilRefused();
      await campaign.nats.reload({ users: [SIDECAR] });
    },
  },

  crashes: {
    what: 'a sidecar that is killed while the bus comes and goes',
    surroundings: () => ({
      deaths: true,
      duplicateWindowMs: FORGETFUL_MS,
      moreConfiguration: SMALL_JOURNAL,
    }),
    async play(campaign, { spanMs }) {
      let isOver = false;
      const bus = forSpan(spanMs, async () => {
        await sleep(campaign.between(100, 1_000));
        await campaign.nats.kill();
        await sleep(campaign.between(100, 1_500));
        await campaign.nats.restart();
      }).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        await campaign.pass(campaign.between(50, 1_500));
        await campaign.killSidecar();
        await campaign.startSidecar();
      }
      await bus;
    },
  },

  stopped: {
    what: 'a sidecar that is stopped and started again under load',
    surroundings: () => ({ deaths: true, moreConfiguration: SMALL_JOURNAL }),
    async play(campaign, { spanMs }) {
      await forSpan(spanMs, async () => {
        await campaign.pass(campaign.between(200, 1_000));
        await campaign.stopSidecar();
        await campaign.startSidecar();
      });
    },
  },

  paused: {
    what: 'a bus that answers too late',
    surroundings: () => ({ duplicateWindowMs: FORGETFUL_MS }),
    async play(campaign, { spanMs }) {
      await forSpan(spanMs, async () => {
        campaign.nats.pause();
        await campaign.pass(ACK_MS + campaign.between(100, 1_500));
        campaign.nats.resume();
        await campaign.pass(campaign.between(200, 800));
      });
    },
  },

  storm: {
    what: 'very many leases that expire while the bus is away and the disk is full',
    surroundings: ({ leases, spanMs }) => stormSurroundings(leases, spanMs),
    play: (campaign, { leases, spanMs }) => expiryStorm(campaign, leases, spanMs),
  },
} as const satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof SCENARIOS;

/**
 * Plays one from the first lease to the comparison; `onStart` is called when everybody works.
 */
export async function play(
  scenario: Scenario, settings: CampaignSettings, scale: Scale,
  onStart: (campaign: BusCampaign) => void = () => {},
): Promise<{ readonly wrong: readonly string[]; readonly figures: Figures }> {
  const campaign = await BusCampaign.start(settings, scenario.surroundings?.(scale));
  onStart(campaign);
  await campaign.pass(CALM_MS);
  await scenario.play(campaign, scale);
  const figures = await campaign.finish();
  return { wrong: campaign.wrong, figures };
}

async function forSpan(spanMs: number, work: () => Promise<void>): Promise<void> {
  const until = performance.now() + spanMs;
  do await work();
  while (performance.now() < until);
}

async function deleteStreams(campaign: BusCampaign): Promise<void> {
  const connection = await campaign.nats.admin();
  const manager = await connection.jetstreamManager();
  campaign.streamsLostAt = Date.now();
  for (const stream of STREAMS) {
    // One that the sidecar has not made again yet cannot be deleted again.
    await manager.streams.delete(STREAM_NAMES[stream]).catch(() => {});
  }
  await connection.close();
}

async function acknowledgedIn(campaign: BusCampaign): Promise<number> {
  const { endings, events } = (await campaign.status()).outbox.publisher.streams;
  return endings.acknowledged + events.acknowledged;
}

/**
 * An operator gives the stream more bytes. Purging what has been read would make room too, but
 * nats-server 2.9.10 loses messages that it acknowledges in that moment, whoever sends them.
 */
async function makeRoom({ nats }: BusCampaign): Promise<void> {
  const connection = await nats.admin();
  const manager = await connection.jetstreamManager();
  const { config } = await manager.streams.info(STREAM_NAMES.endings);
  await manager.streams.update(STREAM_NAMES.endings, { ...config, max_bytes: ROOMY_BYTES });
  await connection.close();
}
