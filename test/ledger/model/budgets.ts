/**
 * What may happen in a search, and how often. Each budget is about one danger and leaves out what
 * has nothing to do with it, so that a search with few states gets far.
 */
import type { Budget } from './explore.ts';

const ANY = Infinity;

/** A promises, and B sweeps: restarts and lost answers in between. */
const renewals: Budget = {
  tick: 14, 'A write': 2, 'A renew': 6, 'A push': ANY, 'A push-unanswered': 1, 'A push-delayed': 1,
  'A late-push': ANY, 'A beat': ANY, 'A truth-check': ANY, 'A crash': 1, 'A restart': 1,
  'A sweep-own': ANY, 'B sweep-orphans': ANY,
};
/** B replaces and ends what A promises on meanwhile. */
const thirdParty: Budget = {
  tick: 12, 'A write': 2, 'A renew': 6, 'A end': 1, 'A push': ANY, 'A push-delayed': 1,
  'A late-push': ANY, 'A beat': ANY, 'A sweep-own': ANY, 'B pull': ANY, 'B write': 1, 'B end': 1,
  'B delete': 1, 'B push': ANY, 'B sweep-orphans': ANY,
};
/** The ledger goes back while both are there. */
const rollback: Budget = {
  tick: 12, save: 1, rollback: 1, 'A write': 2, 'A renew': 6, 'A end': 1, 'A push': ANY,
  'A pull': ANY, 'A beat': ANY, 'A truth-check': ANY, 'A forget': 1, 'B pull': 2, 'B write': 1,
  'B push': ANY, 'B sweep-orphans': ANY,
};
/** It goes back under somebody who restarts. */
const rollbackAndCrash: Budget = {
  tick: 10, save: 1, rollback: 1, 'A write': 1, 'A renew': 6, 'A end': 1, 'A push': ANY,
  'A push-delayed': 1, 'A late-push': ANY, 'A pull': ANY, 'A beat': ANY, 'A truth-check': ANY,
  'A crash': 1, 'A restart': 1, 'B sweep-orphans': ANY,
};
/** Both write and end, with everything that networks do. */
const writers: Budget = {
  tick: 4, 'A write': 2, 'A write-blind': 1, 'A push': ANY, 'A push-unanswered': 1,
  'A push-delayed': 1, 'A late-push': ANY, 'A pull': ANY, 'A delete': 1, 'A end': 1, 'A crash': 1,
  'A restart': 1, 'B write': 2, 'B push': ANY, 'B push-unanswered': 1, 'B pull': ANY,
  'B delete': 1, 'B end': 1,
};
/** Sweeps and goodbyes that come late. */
const stragglers: Budget = {
  tick: 14, 'A write': 2, 'A renew': 6, 'A push': ANY, 'A pull': ANY, 'A beat': ANY,
  'A truth-check': ANY, 'A crash': 1, 'A restart': 1, 'A retire': 1, 'A retire-delayed': 1,
  'A sweep-own': ANY, 'A sweep-own-delayed': 1, 'A late-request': ANY, 'B sweep-orphans': ANY,
};

const OF_EITHER: Budget = {
  write: 3, 'write-blind': 1, renew: 6, end: 2, delete: 1, push: ANY, 'push-unanswered': 1,
  'push-delayed': 1, 'late-push': ANY, beat: ANY, 'truth-check': ANY, pull: ANY, 'sweep-own': ANY,
  'sweep-own-delayed': 1, 'sweep-orphans': ANY, retire: 1, 'retire-delayed': 1,
  'late-request': ANY, crash: 1, restart: ANY, forget: 1,
};
/** Everything, for walks: too much to be searched. */
const everything: Budget = {
  tick: 30, save: 1, rollback: 1,
  ...Object.fromEntries(
    Object.entries(OF_EITHER).flatMap(([does, times]) => [
      [`A ${does}`, times], [`B ${does}`, times],
    ]),
  ),
};

export const SEARCHED = { renewals, thirdParty, rollback, rollbackAndCrash, writers, stragglers };
export const WALKED = { ...SEARCHED, everything };
