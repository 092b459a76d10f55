/**
 * Several sidecars of one ledger, each with a link of its own to it, and what can happen to them.
 * A sidecar that is started again listens elsewhere; whoever talks to it asks where.
 */
import { TcpProxy } from '../../servers/tcp-proxy.ts';
import { scratchDirectory, type Sidecar, start } from '../support.ts';

const LOG_SHOWN = 2_000;

interface Member {
  readonly dataDirectory: string;
  readonly link: TcpProxy | undefined;
  readonly ledgerUrl: string;
  sidecar: Sidecar | undefined;
  up: PromiseWithResolvers<string>;
}

export class Fleet {
  readonly #members: readonly Member[];
  readonly #configuration: string;
  /** How sidecars ended that should not have. */
  readonly wrong: string[] = [];

  private constructor(members: readonly Member[], configuration: string) {
    this.#members = members;
    this.#configuration = configuration;
  }

  /** `ledger`: a URL that all of them use, or a server that each reaches over a link of its own. */
  static async start(
    size: number,
    ledger: string | { readonly host: string; readonly port: number },
    configuration: string,
  ): Promise<Fleet> {
    const members: Member[] = [];
    for (let index = 0; index < size; index++) {
      const link = typeof ledger === 'string' ? undefined : await TcpProxy.start(ledger);
      members.push({
        link,
        dataDirectory: scratchDirectory(),
        ledgerUrl: typeof ledger === 'string' ? ledger : `redis://127.0.0.1:${link!.port}`,
        sidecar: undefined,
        up: Promise.withResolvers(),
      });
    }
    const fleet = new Fleet(members, configuration);
    await Promise.all(members.map((_, index) => fleet.start(index)));
    return fleet;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Where a sidecar listens, as soon as it does. */
  urlOf(index: number): Promise<string> {
    return this.#members[index]!.up.promise;
  }

  link(index: number): TcpProxy {
    const { link } = this.#members[index]!;
    if (link === undefined) throw new Error('These sidecars have no links of their own');
    return link;
  }

  async start(index: number): Promise<void> {
    const member = this.#members[index]!;
    const sidecar = await start({
      dataDirectory: member.dataDirectory,
      configuration: this.#configuration,
      environment: { LEASEHOLD_NAME: `s${index}`, LEASEHOLD_LEDGER_URL: member.ledgerUrl },
    });
    member.sidecar = sidecar;
    void sidecar.ended.then(({ code, signal }) => {
      if (member.sidecar !== sidecar) return;
      const log = sidecar.err().slice(-LOG_SHOWN);
      this.wrong.push(`sidecar ${index} ended by itself with ${code ?? signal}: ${log}`);
    });
    member.up.resolve(sidecar.url);
  }

  logOf(index: number): string {
    return this.#members[index]!.sidecar?.err() ?? '';
  }

  /** SIGKILL, or SIGTERM and a clean end. */
  async end(index: number, how: 'killed' | 'stopped'): Promise<void> {
    const member = this.#members[index]!;
    const { sidecar } = member;
    if (sidecar === undefined) throw new Error(`Sidecar ${index} does not run`);
    member.up = Promise.withResolvers();
    member.sidecar = undefined;
    const { code } = await (how === 'killed' ? sidecar.kill() : sidecar.stop());
    if (how === 'stopped' && code !== 0) {
      this.wrong.push(`sidecar ${index} stopped with ${code}: ${sidecar.err().slice(-LOG_SHOWN)}`);
    }
  }

  signal(index: number, name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#members[index]!.sidecar?.child.kill(name);
  }

  /** Stops all of them cleanly. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((_, index) => this.end(index, 'stopped')));
    await Promise.all(this.#members.map(({ link }) => link?.close()));
  }
}
