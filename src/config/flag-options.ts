/** The feature flags, as the file writes them. */
import * as z from 'zod';
import { FLAG_STATES } from './flags.ts';
import { choice } from './option.ts';

const flagged = (meaning: string) => choice({ values: FLAG_STATES, default: 'on', meaning });

export const flagsSchema = z
  .strictObject({
    sweep: flagged(
      'Ending what a silent sidecar left in the ledger, once its deadline and its autonomy are over.',
    ),
    adoption: flagged('Taking over a lease that a draining sidecar has handed over.'),
    merge: flagged('Taking in what other sidecars wrote.'),
    eviction: flagged('Ending entries early where a namespace evicts to make room.'),
  })
  .prefault({})
  .describe(
    'Risky transitions: off (not done), shadow (decided, counted and logged, but not done) or on. ' +
      'Read again on SIGHUP; all else needs a restart.',
  );
