/**
 * Contact: the instant of the last request that vouched for everything this sidecar owns in a
 * namespace; renewals promise no more than the autonomy bound beyond it (PROTOCOL §3.5, rule 4).
 * It is the least over the partitions the namespace is active in, since each can be swept alone.
 * Where nothing is owned there is nothing to sweep: any answer is contact.
 */
import type { NamespaceContract } from '../core/contract.ts';
import type { Partition } from './partition.ts';

/** Telling the replica costs a fact: not more often than this, and than a tenth of the bound. */
const TELL_MS = 1_000;

export class Contacts {
  readonly #tell: (namespace: string, sentAt: number) => void;
  readonly #told = new Map<string, number>();

  constructor(tell: (namespace: string, sentAt: number) => void) {
    this.#tell = tell;
  }

  /** Of the namespace, as last told; undefined before the first contact of this run. */
  of(namespace: string): number | undefined {
    return this.#told.get(namespace);
  }

  /** A partition of the namespace has been vouched for, or has gone. */
  consider(contract: NamespaceContract, active: Iterable<Partition>, answeredAt?: number): void {
    let least: number | undefined;
    for (const { contact } of active) {
      if (contact === undefined) return;
      least = Math.min(least ?? contact, contact);
    }
    least ??= answeredAt;
    if (least === undefined) return;
    const told = this.#told.get(contract.name);
    const step = Math.min(TELL_MS, contract.autonomyMs / 10);
    if (told !== undefined && least < told + step) return;
    this.#told.set(contract.name, least);
    this.#tell(contract.name, least);
  }

  /** How long ago, for a namespace that owns something; undefined before the first contact. */
  ageMs(namespace: string, now: number): number | undefined {
    const told = this.#told.get(namespace);
    return told === undefined ? undefined : now - told;
  }

  /** Another actor goes on: nobody has vouched for that one yet. */
  forget(): void {
    this.#told.clear();
  }
}
