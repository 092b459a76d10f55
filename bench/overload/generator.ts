/**
 * The load generator, a process of its own so that its work is not counted as the sidecar's. Reads
 * one order a line on stdin, carries it out, and answers with one line of JSON.
 */
import { createInterface } from 'node:readline';
import { Phase, type PhaseOrder, Releasable } from './phase.ts';
import type { PhaseReport } from './tally.ts';

export interface Order {
  readonly phase: PhaseOrder;
  /** Numbers of leases that are there to be released, if they are others than before. */
  readonly spare?: { readonly from: number; readonly to: number };
}

if (import.meta.main) {
  const releasable = new Releasable();
  for await (const line of createInterface({ input: process.stdin })) {
    const { phase, spare } = JSON.parse(line) as Order;
    if (spare !== undefined) releasable.provide(spare.from, spare.to);
    const report: PhaseReport = await new Phase(phase, releasable).run();
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
}
