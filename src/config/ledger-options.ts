/**
 * The options of the ledger and of what goes on between it and this sidecar. Those that the sidecars
 * of one ledger must agree on say so.
 */
import * as z from 'zod';
import { LEDGER_URL_ALLOWED, parseLedgerUrl } from './ledger-url.ts';
import { derivedText, derivedWhole, filePath, ratio, special, text, whole } from './option.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Where no namespace asks for more. */
export const BEAT_MS_DEFAULT = 5_000;

const url = z.string().superRefine((written, context) => {
  const parsed = parseLedgerUrl(written);
  if (typeof parsed === 'string') context.addIssue({ code: 'custom', params: { sentence: parsed } });
});

const tls = z
  .strictObject({
    caFile: filePath('Who may have signed the certificate of the ledger, in PEM; none: the usual ones. Read again at each connect, as are the two below.'),
    certFile: filePath('The certificate this sidecar shows, in PEM. Goes with keyFile.'),
    keyFile: filePath('The key of that certificate, in PEM.'),
    serverName: derivedText({
      pattern: /^[A-Za-z0-9.-]{1,253}$/,
      allowed: 'a host name',
      default: 'the host of the URL',
      meaning: 'The name the certificate of the ledger must bear.',
    }),
  })
  .prefault({})
  .describe('For the rediss schemes only.');

export const ledgerSchema = z
  .strictObject({
    url: special(url.optional(), {
      allowed: LEDGER_URL_ALLOWED,
      default: 'the embedded ledger',
      fixed: false,
      secret: true,
      meaning:
        'The central ledger, with user:password@ before the hosts where it asks for them. Without ' +
        'one nothing is shared, and the other options here have no effect.',
    }),
    passwordFile: filePath(
      'Its first line is the password; read again at each connect, so that it can be rotated.',
    ),
    tls,
    partitions: whole({
      unit: 'count',
      min: 1,
      max: 1_024,
      default: 64,
      meaning:
        'Parts a namespace has in the ledger, each with a log of its own. 64 serve a million ' +
        'records, 256 more. Laid down by the first sidecar; the same at every one.',
    }),
    buckets: whole({
      unit: 'count',
      min: 16,
      max: 1_024,
      default: 256,
      meaning:
        'Digests per partition: more of them narrow down a difference further, and cost 12 bytes ' +
        'each in a truth check. The same at every sidecar.',
    }),
    keyPrefix: text({
      pattern: /^[A-Za-z0-9._:-]{0,64}$/,
      allowed: 'a text of at most 64 characters from A-Z, a-z, 0-9, ., _, : and -',
      default: 'lh:',
      meaning: 'What every key in the ledger begins with. The same at every sidecar.',
    }),
    beatMs: derivedWhole({
      unit: 'ms',
      min: 100,
      max: 10 * MINUTE_MS,
      default: '5000, or a third of the shortest autonomyMs where that is less',
      meaning:
        'How often it tells each partition it is active in that it lives. Less than half of every ' +
        'autonomyMs, so that one lost beat does no harm.',
    }),
    pullMs: whole({
      unit: 'ms',
      min: 10,
      max: 10 * MINUTE_MS,
      default: 500,
      meaning: 'How often a mirror follows the change log: how old its copies may be.',
    }),
    truthCheckMs: whole({
      unit: 'ms',
      min: 1_000,
      max: DAY_MS,
      default: 300_000,
      meaning: 'How often digests are compared although nothing seems wrong.',
    }),
    sweepMs: whole({
      unit: 'ms',
      min: 100,
      max: 10 * MINUTE_MS,
      default: 1_000,
      meaning: 'How often it looks for values in the ledger that are past their deadline.',
    }),
    timeoutMs: whole({
      unit: 'ms',
      min: 50,
      max: MINUTE_MS,
      default: 1_000,
      meaning: 'How long one request to the ledger may take.',
    }),
    readThroughMs: whole({
      unit: 'ms',
      min: 10,
      max: MINUTE_MS,
      default: 500,
      meaning: 'How long a read waits for the ledger before it is answered from what is here.',
    }),
    ackMs: whole({
      unit: 'ms',
      min: 50,
      max: 10 * MINUTE_MS,
      default: 5_000,
      meaning: 'How long a write of durability ledger waits; then 504 outcome-unknown.',
    }),
    windowMs: whole({
      unit: 'ms',
      min: 1_000,
      max: DAY_MS,
      default: 60_000,
      meaning:
        'How long what the ledger has acknowledged is kept here all the same, to be pushed again ' +
        'if a failover loses it: longer than failover, replica lag and detection together.',
    }),
    slackMs: whole({
      unit: 'ms',
      min: 0,
      max: MINUTE_MS,
      default: 1_000,
      meaning:
        'How far past a deadline others wait before they end a value: what the estimate of the ' +
        'ledger’s clock may be off by. The same at every sidecar.',
    }),
    stepMs: whole({
      unit: 'ms',
      min: 0,
      max: MINUTE_MS,
      default: 500,
      meaning:
        'What the clock of the ledger may jump by; added to the silence after which an owner ' +
        'counts as gone. The same at every sidecar.',
    }),
    driftRatio: ratio({
      min: 0,
      max: 0.1,
      default: 0.001,
      meaning: 'How much faster one clock may run than another. The same at every sidecar.',
    }),
    maxSkewMs: whole({
      unit: 'ms',
      min: 100,
      max: 10 * MINUTE_MS,
      default: 5_000,
      meaning:
        'A write stamped further ahead of the ledger’s clock than this is refused there until the ' +
        'clock of its sidecar has been put right. The same at every sidecar.',
    }),
    logEntries: whole({
      unit: 'count',
      min: 128,
      max: 10_000_000,
      default: 65_536,
      meaning:
        'Changes each partition remembers, 68 bytes each. A mirror that was away for longer ' +
        'compares digests instead. The same at every sidecar.',
    }),
    requestsInFlight: whole({
      unit: 'count',
      min: 1,
      max: 1_024,
      default: 32,
      meaning: 'Requests to the ledger at once, reads of single keys aside.',
    }),
    readThroughs: whole({
      unit: 'count',
      min: 1,
      max: 100_000,
      default: 1_024,
      meaning: 'Keys asked of the ledger at once; a read beyond it is answered from what is here.',
    }),
    waiters: whole({
      unit: 'count',
      min: 1,
      max: 1_000_000,
      default: 10_000,
      meaning: 'Writes that wait for the ledger at once; one beyond it gets 503 ledger-unavailable.',
    }),
  })
  .prefault({})
  .describe('The central ledger, through which sidecars share what is of class shared.');
