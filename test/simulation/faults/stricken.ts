/** The world, as far as faults can reach into it. */
import type { ConfigChanges } from '../cluster/configuration.ts';
import type { SimulatedSidecar } from '../cluster/simulated-sidecar.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { BusServer } from '../network/bus-server.ts';
import type { LedgerServer } from '../network/ledger-server.ts';
import type { Network } from '../network/network.ts';
import type { Strike } from './fault.ts';

export interface Stricken {
  readonly kernel: Kernel;
  readonly network: Network;
  readonly ledger: LedgerServer;
  readonly bus: BusServer;
  readonly sidecars: readonly SimulatedSidecar[];
  sidecar(name: string): SimulatedSidecar;
  /** The process that runs there now, and no later one. */
  pause(strike: Strike): void;
  goOn(strike: Strike): void;
  /** What the next start of a sidecar reads. */
  configure(name: string, changes: ConfigChanges): void;
  crashNeighbour(strike: Strike): void;
  reviveNeighbour(strike: Strike): void;
  slowWatchers(slow: boolean): void;
}
