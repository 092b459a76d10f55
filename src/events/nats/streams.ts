/**
 * The two streams: what they should be, what they are, and the difference in words. One that is
 * there is never changed: its settings may be an operator's decision, and some changes lose
 * messages.
 */
import {
  DiscardPolicy, type JetStreamManager, type NatsConnection, type NatsError, nanos,
  RetentionPolicy, StorageType, type StreamConfig, type StreamInfo,
} from 'nats';
import { STREAMS, type StreamName, type StreamState } from '../bus.ts';
import { STREAM_SUBJECTS } from '../subject.ts';
import { sentenceOf } from './faults.ts';
import type { NatsBusOptions, StreamLimits } from './options.ts';

export const STREAM_NAMES: Readonly<Record<StreamName, string>> = {
  endings: 'LEASEHOLD_ENDINGS',
  events: 'LEASEHOLD_EVENTS',
};

const DESCRIPTIONS: Readonly<Record<StreamName, string>> = {
  endings: 'Endings told by Leasehold sidecars; full, it takes no more',
  events: 'Other events of Leasehold sidecars; full, it loses the oldest',
};

const NO_RESPONDERS = '503';
const STREAM_NOT_FOUND = 10_059;
const NAME_IN_USE = 10_058;
/** The first release with direct reads, which consumers re-list by. */
const SERVER_MIN = [2, 9] as const;

/**
 * Creates what is absent. `pause`: waited for before a stream is created that was there before.
 * @throws Error with a sentence
 */
export async function prepareStreams(
  connection: NatsConnection, options: NatsBusOptions, pause?: () => Promise<void>,
): Promise<Readonly<Record<StreamName, StreamState>>> {
  checkVersion(connection);
  // Its own look at the account would need one permission more.
  const manager = await connection.jetstreamManager({ timeout: options.ackMs, checkAPI: false });
  const small = smallPayload(connection, options);
  const states = {} as Record<StreamName, StreamState>;
  for (const stream of STREAMS) {
    const name = STREAM_NAMES[stream];
    try {
      const state = await prepareStream(manager, stream, options, pause);
      states[stream] = { ...state, differences: [...state.differences, ...small] };
    } catch (cause) {
      throw new Error(`Cannot prepare the stream ${name}: ${reasonOf(cause)}`, { cause });
    }
  }
  return states;
}

function checkVersion({ info }: NatsConnection): void {
  const version = info?.version ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = SERVER_MIN;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  const least = SERVER_MIN.join('.');
  throw new Error(`Cannot prepare the streams: the server is ${version}, older than ${least}`);
}

/** A message that the server does not take would hold up its stream for good. */
function smallPayload({ info }: NatsConnection, { payloadBytes }: NatsBusOptions): string[] {
  const most = info?.max_payload ?? payloadBytes;
  if (most >= payloadBytes) return [];
  return [`the server takes messages of ${most} bytes and should take ${payloadBytes}`];
}

async function prepareStream(
  manager: JetStreamManager, stream: StreamName, options: NatsBusOptions,
  pause: (() => Promise<void>) | undefined,
): Promise<StreamState> {
  const wanted = configOf(stream, options[stream], options.replicas);
  let found = await infoOf(manager, wanted.name);
  if (found === undefined && pause !== undefined) {
    await pause();
    found = await infoOf(manager, wanted.name);
  }
  if (found !== undefined) return stateOf(found, wanted);
  try {
    return stateOf(await manager.streams.add(wanted), wanted);
  } catch (error) {
    if (codeOf(error) !== NAME_IN_USE) throw error;
    // Another sidecar was faster.
    return stateOf(await manager.streams.info(wanted.name), wanted);
  }
}

async function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (codeOf(error) === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

type WantedConfig = ReturnType<typeof configOf>;

function configOf(stream: StreamName, limits: StreamLimits, replicas: number) {
  return {
    name: STREAM_NAMES[stream],
    description: DESCRIPTIONS[stream],
    subjects: [...STREAM_SUBJECTS[stream]],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: stream === 'endings' ? DiscardPolicy.New : DiscardPolicy.Old,
    max_bytes: limits.maxBytes,
    max_age: nanos(limits.maxAgeMs),
    duplicate_window: nanos(limits.duplicateWindowMs),
    num_replicas: replicas,
    deny_delete: true,
    allow_direct: true,
  };
}

function stateOf({ config, created, state }: StreamInfo, wanted: WantedConfig): StreamState {
  return {
    name: wanted.name,
    created: String(created),
    lastSequence: state.last_seq,
    messages: state.messages,
    bytes: state.bytes,
    differences: differencesOf(config, wanted),
  };
}

/** The settings compared as they are, and bounds that nobody asked for. */
function differencesOf(is: StreamConfig, wanted: WantedConfig): readonly string[] {
  const differences: string[] = [];
  const compare = (what: string, value: unknown, should: unknown, matters = ''): void => {
    if (value === should) return;
    differences.push(`${what} is ${value} and should be ${should}${matters}`);
  };
  const missing = wanted.subjects.filter((subject) => !is.subjects.includes(subject));
  if (missing.length > 0) differences.push(`it does not take the subjects ${missing.join(', ')}`);
  const others = is.subjects.filter((subject) => !wanted.subjects.includes(subject));
  if (others.length > 0) differences.push(`it also takes the subjects ${others.join(', ')}`);
  const { discard } = wanted;
  const loses = discard === DiscardPolicy.New ? ': full, it loses endings' : ': full, it refuses events';
  compare('discard', is.discard, discard, loses);
  compare('retention', is.retention, wanted.retention, ': consumers take events from one another');
  compare('storage', is.storage, wanted.storage);
  compare('num_replicas', is.num_replicas, wanted.num_replicas);
  compare('duplicate_window', durationOf(is.duplicate_window), durationOf(wanted.duplicate_window));
  compare('max_age', durationOf(is.max_age), durationOf(wanted.max_age));
  compare('max_bytes', is.max_bytes, wanted.max_bytes);
  compare('deny_delete', is.deny_delete, wanted.deny_delete);
  compare('allow_direct', is.allow_direct === true, wanted.allow_direct);
  for (const bound of ['max_msgs', 'max_msgs_per_subject', 'max_msg_size'] as const) {
    if (is[bound] > 0) differences.push(`${bound} is ${is[bound]} and should not be set`);
  }
  if (is.no_ack === true) differences.push('no_ack is set: it acknowledges nothing');
  if (is.sealed) differences.push('it is sealed: it takes nothing');
  return differences;
}

function durationOf(nanoseconds: number): string {
  return nanoseconds === 0 ? 'unlimited' : `${nanoseconds / 1e6} ms`;
}

function codeOf(error: unknown): number | undefined {
  return (error as NatsError).api_error?.err_code;
}

function reasonOf(error: unknown): string {
  const { code, api_error: answer } = error as NatsError;
  if (answer !== undefined) return `${answer.description} (${answer.err_code})`;
  if (code === NO_RESPONDERS) return 'JetStream is off there, or has no leader just now';
  if (code === 'TIMEOUT') return 'no answer in time';
  return sentenceOf(error);
}
