/** The options of admission: from when on who is refused, and how much one caller may ask for. */
import * as z from 'zod';
import { derivedWhole, ratio, whole } from './option.ts';

/** How full something is: 1 is at its limit. */
const fill = (standard: number, meaning: string) =>
  ratio({ min: 0.01, max: 1, default: standard, meaning });

export const admissionSchema = z
  .strictObject({
    elevatedFill: fill(
      0.5,
      'How full the fullest bounded thing is when the level becomes elevated: announced, and nothing ' +
        'refused.',
    ),
    highFill: fill(
      0.75,
      'When it becomes high: grants are refused, and listings too where memory is short.',
    ),
    criticalFill: fill(
      0.9,
      'When it becomes critical: writes are refused too. Renewals and releases never are.',
    ),
    hysteresis: ratio({
      min: 0,
      max: 0.5,
      default: 0.1,
      meaning: 'How far below its threshold the fill must fall before a level is left.',
    }),
    memoryHighFill: fill(
      0.85,
      'The share of memoryLimitBytes resident at which the level becomes high. Memory has ' +
        'thresholds of its own, since most of it is taken at start and stays.',
    ),
    memoryCriticalFill: fill(0.92, 'The share at which it becomes critical.'),
    queueMs: whole({
      unit: 'ms',
      min: 1,
      max: 10_000,
      default: 20,
      meaning:
        'How long the mean turn of the event loop may take, which is what requests wait for; beyond ' +
        'it fewer are let in. Time in the queue, not of the answer: a slow disk is no reason to ' +
        'refuse reads.',
    }),
    settleMs: whole({
      unit: 'ms',
      min: 0,
      max: 60_000,
      default: 1_000,
      meaning: 'How long the fill must stay below before a level is left, so that it does not flap.',
    }),
    holdMs: whole({
      unit: 'ms',
      min: 0,
      max: 10_000,
      default: 1_000,
      meaning:
        'How long a request that is too much waits for room before it is refused, half of this to ' +
        'all of it, so that a caller who asks again at once is slowed down. 0: not at all.',
    }),
    heldRefusals: whole({
      unit: 'count',
      min: 0,
      max: 100_000,
      default: 12_000,
      meaning:
        'Requests that wait so at once; one beyond it is refused at once. With fewer than there are ' +
        'connections, those who do not heed Retry-After can keep the sidecar busy with refusing.',
    }),
  })
  .prefault({})
  .describe('How pressure is turned into refusals, before anything bounded overflows.');

const PER_S_MAX = 1_000_000;

/** A rate that is not limited unless given. */
const perSecond = (meaning: string) =>
  derivedWhole({ unit: 'count', min: 1, max: PER_S_MAX, default: 'none: not limited', meaning });

const burst = (standard: string) =>
  derivedWhole({
    unit: 'count',
    min: 1,
    max: 10 * PER_S_MAX,
    default: standard,
    meaning: 'How many may come at once after a quiet time.',
  });

/** Of one namespace, over all callers. */
export const quotaSchema = z
  .strictObject({
    grantsPerS: perSecond('Grants of leases a second. Beyond it 429 quota-exceeded.'),
    putsPerS: perSecond('Writes a second: puts, increments, deletes; those of a batch each count.'),
    burst: burst('one second of the larger of the two rates'),
  })
  .prefault({})
  .describe('How fast the namespace may be filled. Renewals, releases and reads are not counted.');

/** Of one caller, over all namespaces. */
export const callerQuotaSchema = z
  .strictObject({
    requestsPerS: perSecond(
      'Grants and writes a second of one caller: an address, or everybody on a Unix socket ' +
        'together. Beyond it 429 quota-exceeded.',
    ),
    burst: burst('one second of requestsPerS'),
    callers: whole({
      unit: 'count',
      min: 1,
      max: 1_000_000,
      default: 4_096,
      meaning: 'Callers counted at once. Beyond it the one unheard of for longest is forgotten.',
    }),
  })
  .prefault({})
  .describe('How much one caller may ask for.');
