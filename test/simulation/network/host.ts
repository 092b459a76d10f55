/**
 * A server's end of the network: a place that connections lead to, and the ways in which it is not
 * there. Away, it refuses everybody; frozen, it takes everything in and does nothing, until it goes
 * on where it stopped.
 */
import type { Network } from './network.ts';

/** The client's end of a connection, as its server knows it. */
export interface HostedConnection {
  readonly place: string;
  /** Its process is there, and has not closed it. */
  readonly isUsed: boolean;
  /** The server has closed it; told over the network. */
  reset(): void;
}

export class Host {
  readonly place: string;
  readonly network: Network;
  #isAway = false;
  #isFrozen = false;
  /** What came while it was frozen. */
  #held: (() => void)[] = [];
  #connections: HostedConnection[] = [];

  constructor(network: Network, place: string) {
    this.network = network;
    this.place = place;
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  connect(connection: HostedConnection): void {
    this.#connections.push(connection);
  }

  /** Nobody listens: connections break, and new ones are refused. */
  goAway(): void {
    this.#isAway = true;
    this.#held = [];
    this.breakConnections();
  }

  comeBack(): void {
    this.#isAway = false;
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const work of this.#held.splice(0)) work();
  }

  /** As when the process behind them ends: of all of them, or of those that `isMeant` names. */
  breakConnections(isMeant: (place: string) => boolean = () => true): void {
    this.#connections = this.#connections.filter(({ isUsed }) => isUsed);
    for (const connection of this.#connections) {
      if (isMeant(connection.place)) connection.reset();
    }
  }

  /** Something arrived: `refuse` when nobody listens, else `accept` as soon as it runs. */
  admit(accept: () => void, refuse: () => void): void {
    if (this.#isAway) refuse();
    else if (this.#isFrozen) this.#held.push(accept);
    else accept();
  }
}
