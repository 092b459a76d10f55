/**
 * Several sidecars of one ledger and one bus, each with addresses that stay as they are when it is
 * restarted: a port, and a socket file beside it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisServer } from '../../servers/redis.ts';
import { freePort } from '../../servers/child.ts';
import { ask, jsonOf } from '../requests.ts';
import { scratchDirectory, type Sidecar, start, until } from '../support.ts';

const LOG_SHOWN = 2_000;

export interface FleetSettings {
  readonly size: number;
  readonly configuration: string;
  readonly redis: RedisServer;
  readonly busUrl: string;
}

export interface Restart {
  /** From SIGTERM until it was gone, and from there until it was ready again. */
  readonly leavingMs: number;
  readonly startingMs: number;
}

interface Member {
  readonly name: string;
  readonly url: string;
  readonly unixUrl: string;
  dataDirectory: string;
  sidecar: Sidecar | undefined;
}

export class Fleet {
  readonly redis: RedisServer;
  /** How sidecars ended that should not have so. */
  readonly wrong: string[] = [];
  readonly #settings: FleetSettings;
  readonly #members: Member[] = [];

  private constructor(settings: FleetSettings) {
    this.#settings = settings;
    this.redis = settings.redis;
  }

  static async start(settings: FleetSettings): Promise<Fleet> {
    const fleet = new Fleet(settings);
    for (let index = 0; index < settings.size; index++) {
      fleet.#members.push({
        name: `s${index}`,
        url: `http://127.0.0.1:${await freePort()}`,
        unixUrl: `unix:${join(scratchDirectory(), 'socket')}`,
        dataDirectory: scratchDirectory(),
        sidecar: undefined,
      });
    }
    await Promise.all(fleet.#members.map((member) => fleet.#start(member)));
    return fleet;
  }

  get sidecars(): readonly Pick<Member, 'url' | 'unixUrl'>[] {
    return this.#members;
  }

  /**
   * SIGTERM, and again a sidecar at the same addresses as soon as it is gone. `whileDown`: what is
   * to be done in between.
   */
  async restart(index: number, disk: 'kept' | 'new', whileDown: () => void): Promise<Restart> {
    const member = this.#members[index]!;
    const since = performance.now();
    await this.#stop(member);
    const goneAt = performance.now();
    if (disk === 'new') {
      rmSync(member.dataDirectory, { recursive: true });
      member.dataDirectory = scratchDirectory();
    }
    whileDown();
    await this.#start(member);
    return { leavingMs: goneAt - since, startingMs: performance.now() - goneAt };
  }

  /** Stops all of them. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#stop(member)));
  }

  log(): string {
    return this.#members.map(({ name, sidecar }) => `${name}: ${sidecar?.err().slice(-LOG_SHOWN)}`).join('\n');
  }

  async #start(member: Member): Promise<void> {
    const { configuration, redis, busUrl } = this.#settings;
    const { name, url, unixUrl, dataDirectory } = member;
    const sidecar = await start({
      dataDirectory, configuration,
      environment: {
        LEASEHOLD_NAME: name,
        LEASEHOLD_LISTEN: `${new URL(url).host},${unixUrl}`,
        LEASEHOLD_LEDGER_URL: redis.url,
        LEASEHOLD_BUS_URL: busUrl,
      },
    });
    member.sidecar = sidecar;
    void sidecar.ended.then(({ code, signal }) => {
      if (member.sidecar !== sidecar) return;
      this.wrong.push(`${name} ended by itself with ${code ?? signal}: ${sidecar.err().slice(-LOG_SHOWN)}`);
    });
    await until(`${name} is ready`, async () => jsonOf(await ask(url, 'GET', '/readyz')).state === 'ready');
  }

  async #stop(member: Member): Promise<void> {
    const { sidecar, name } = member;
    if (sidecar === undefined) return;
    member.sidecar = undefined;
    const { code, signal } = await sidecar.stop();
    if (code !== 0) this.wrong.push(`${name} stopped with ${code ?? signal}: ${sidecar.err().slice(-LOG_SHOWN)}`);
  }
}
