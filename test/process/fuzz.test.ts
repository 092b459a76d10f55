/** Whatever callers send, the sidecar goes on, answers as documented and tells nobody of others. */
import { afterEach, expect, test } from 'vitest';
import { fuzz } from '../fuzz/campaign.ts';
import { cleanUp } from './support.ts';

/** `npm run fuzz` sends millions. */
const REQUESTS = 4_000;

afterEach(cleanUp);

test('two callers who send anything to every route find no fault and nothing of each other', async () => {
  const outcome = await fuzz({ seed: 2026, goesOn: (requests) => requests < REQUESTS });
  expect(outcome.complaints).toEqual([]);
  expect(outcome.watched).toBeGreaterThan(10_000);
  // It is of no use if little gets through, or nothing is refused.
  const seen = new Set(outcome.answers.keys());
  const expected = [
    'grantLease 201', 'grantLease 403', 'renewLease 200', 'renewLease 403', 'putEntry 201', 'putEntry 403',
    'getEntry 200', 'getEntry 403', 'listEntries 200', 'incrementEntry 200', 'batch 200', 'batch 409', 'batch 400',
    'releaseLease 204', 'releaseLease 403', 'listLeases 200', 'renewLeases 200', 'watch 200', 'status 200', 'metrics 200', 'live 200',
  ];
  expect(expected.filter((each) => !seen.has(each))).toEqual([]);
});
