/** The thread of a lane: runs the plans it is given, one after the other. */
import { parentPort } from 'node:worker_threads';
import { runPlan } from '../run-plan.ts';
import type { Task } from './worker-lane.ts';

parentPort!.on('message', async ({ plan, keepsLines }: Task) => {
  parentPort!.postMessage(await runPlan(plan, { keepsLines }));
});
