/** The options of the bus: how it is reached, its two streams, and how events go there. */
import * as z from 'zod';
import { BUS_URL_ALLOWED, parseBusUrl } from './bus-url.ts';
import { choice, derivedText, filePath, size, special, whole } from './option.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const url = z.string().superRefine((written, context) => {
  const parsed = parseBusUrl(written);
  if (typeof parsed === 'string') context.addIssue({ code: 'custom', params: { sentence: parsed } });
});

const tls = z
  .strictObject({
    caFile: filePath('Who may have signed the certificate of the bus, in PEM; none: the usual ones.'),
    certFile: filePath('The certificate this sidecar shows, in PEM. Goes with keyFile.'),
    keyFile: filePath('The key of that certificate, in PEM.'),
    serverName: derivedText({
      pattern: /^[A-Za-z0-9.-]{1,253}$/,
      allowed: 'a host name',
      default: 'the host of each server',
      meaning: 'The name the certificate of the bus must bear.',
    }),
  })
  .prefault({})
  .describe('For the tls scheme only.');

/** What a stream is created with; where it is there already, differences are told, never mended. */
function stream(
  meaning: string,
  overflow: string,
  defaults: { maxAgeMs: number; duplicateWindowMs: number },
) {
  return z
    .strictObject({
      maxBytes: size({
        min: MEBIBYTE,
        max: 1024 ** 5,
        default: GIBIBYTE,
        meaning: `What the stream may hold on the disk of each replica. ${overflow}`,
      }),
      maxAgeMs: whole({
        unit: 'ms',
        min: 1_000,
        max: 366 * DAY_MS,
        default: defaults.maxAgeMs,
        meaning: 'How long it keeps an event: longer than a consumer is ever away.',
      }),
      duplicateWindowMs: whole({
        unit: 'ms',
        min: 100,
        max: DAY_MS,
        default: defaults.duplicateWindowMs,
        meaning:
          'How long it recognises an event that is sent again. Costs the server about 150 bytes ' +
          'for each event in it.',
      }),
    })
    .prefault({})
    .describe(meaning);
}

export const busSchema = z
  .strictObject({
    url: special(url.optional(), {
      allowed: BUS_URL_ALLOWED,
      default: 'the embedded bus',
      fixed: false,
      secret: true,
      meaning:
        'The NATS servers, with user:password@ before the first where they ask for them. Without ' +
        'one events are told to watchers only, and the other options here have no effect.',
    }),
    mode: choice({
      values: ['jetstream', 'core'],
      default: 'jetstream',
      meaning:
        'jetstream: an event leaves the outbox when a stream has it, at least once. core: when a ' +
        'server has it; whoever listens just then gets it, at most once, and nothing is kept.',
    }),
    encoding: choice({
      values: ['structured', 'binary'],
      default: 'structured',
      meaning:
        'How a CloudEvent becomes a message: structured (whole, as JSON) or binary (attributes as ' +
        'ce- headers, the data as body; a later text of the binding, which fewer readers know).',
    }),
    passwordFile: filePath(
      'Its first line is the password of the user in the URL; read again at each connect, as are ' +
        'the three below, so that they can be rotated.',
    ),
    tokenFile: filePath('Its first line is a token.'),
    credentialsFile: filePath('A .creds file, as nsc writes it: a JWT and its seed.'),
    nkeyFile: filePath('Its first line is the seed of an NKey.'),
    tls,
    replicas: whole({
      unit: 'count',
      min: 1,
      max: 5,
      default: 1,
      meaning:
        'Copies of each stream on servers of their own. 3 outlive the loss of one server; 1 is all ' +
        'that a single server can do.',
    }),
    endings: stream(
      'The stream LEASEHOLD_ENDINGS: how everything ended.',
      'Beyond it it takes no more, the outbox fills, and in the end grants are refused.',
      { maxAgeMs: 7 * DAY_MS, duplicateWindowMs: 5 * MINUTE_MS },
    ),
    events: stream(
      'The stream LEASEHOLD_EVENTS: everything else that is told.',
      'Beyond it the oldest leave.',
      { maxAgeMs: DAY_MS, duplicateWindowMs: 2 * MINUTE_MS },
    ),
    payloadBytes: size({
      min: 64 * KIBIBYTE,
      max: 64 * MEBIBYTE,
      default: MEBIBYTE,
      meaning:
        'The largest message the servers take: their max_payload. Where events tell values whole, ' +
        'limits.valueBytes must fit in, as base64.',
    }),
    window: whole({
      unit: 'count',
      min: 1,
      max: 65_536,
      default: 1_024,
      meaning:
        'Events of each stream that are sent and not yet acknowledged: what one round trip can ' +
        'carry. At a round trip of 10 ms, 1024 are up to 100000 events a second.',
    }),
    ackMs: whole({
      unit: 'ms',
      min: 50,
      max: MINUTE_MS,
      default: 5_000,
      meaning: 'How long an acknowledgement is waited for; then the event is sent again.',
    }),
    connectMs: whole({
      unit: 'ms',
      min: 50,
      max: MINUTE_MS,
      default: 2_000,
      meaning: 'How long one attempt to connect may take.',
    }),
    checkMs: whole({
      unit: 'ms',
      min: 100,
      max: 60 * MINUTE_MS,
      default: 10_000,
      meaning:
        'How often the streams are looked at: whether they are there, as they should be, and still ' +
        'hold what they acknowledged.',
    }),
    keptMs: whole({
      unit: 'ms',
      min: 1_000,
      max: DAY_MS,
      default: 5 * MINUTE_MS,
      meaning:
        'How long acknowledged endings are kept, to be sent again when a stream turns out to be ' +
        'another one or to have gone back. At least checkMs.',
    }),
    retryCapMs: whole({
      unit: 'ms',
      min: 100,
      max: 10 * MINUTE_MS,
      default: 10_000,
      meaning: 'The longest pause between attempts while the bus is away or takes nothing.',
    }),
  })
  .prefault({})
  .describe('The bus: where every lifecycle event is published, for whoever wants to know.');
