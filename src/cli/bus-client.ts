/**
 * The connection of `leasehold watch --bus` to NATS, and what can go wrong with it as exit codes
 * and sentences. Loaded by that command only: the client library is large.
 */
import {
  connect,
  type ConnectionOptions,
  credsAuthenticator,
  DebugEvents,
  ErrorCode,
  Events,
  type NatsConnection,
  NatsError,
} from 'nats';
import { type BusAddress, maskedBusUrl, parseBusUrl } from '../config/bus-url.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { printable } from './printable.ts';

/** Against a server that takes connections and says nothing. */
const CONNECT_MAX_MS = 5_000;
const BACKOFF_BASE_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** Of the JetStream API: no stream of this name. */
const STREAM_NOT_FOUND = 10_059;

const DENIED = new Set<string>([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AccountExpired,
  ErrorCode.BadAuthentication,
  ErrorCode.PermissionsViolation,
]);

export interface BusOptions {
  /** `nats://` or `tls://`, with several servers if there are. */
  readonly url: string;
  /** Path of a credentials file. */
  readonly creds?: string;
  /** Failed attempts in a row, for each server, until a lost connection is given up. */
  readonly retries: number;
}

export interface BusClient {
  readonly nats: NatsConnection;
  /** Without the password. */
  readonly url: string;
  isConnected(): boolean;
  /** Why the connection ended for good; undefined when this side closed it. */
  readonly ended: Promise<CommandFailure | undefined>;
}

/**
 * Connects, and keeps the connection from then on. Tells when it is lost and when it is back.
 *
 * @throws CommandFailure at once when no server takes the connection now
 */
export async function connectToBus(options: BusOptions, io: CommandIo): Promise<BusClient> {
  const address = parseBusUrl(options.url);
  if (typeof address === 'string') throw new CommandFailure(EXIT.usage, `The bus URL ${address}`);
  const url = maskedBusUrl(options.url);
  const credentials = await credentialsOf(address, options.creds, io);
  let attempts = 0;
  let nats: NatsConnection;
  try {
    nats = await connect({
      servers: address.servers.map(({ host, port }) => `${bracketed(host)}:${port}`),
      name: 'leasehold watch',
      timeout: CONNECT_MAX_MS,
      ...credentials,
      ...(address.tls ? { tls: {} } : {}),
      reconnect: options.retries > 0,
      maxReconnectAttempts: options.retries,
      // Full jitter below a doubling bound: many readers of a restarted server do not return in step.
      reconnectDelayHandler: () =>
        io.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** attempts),
    });
  } catch (error) {
    throw busFailure(error, url);
  }

  let isConnected = true;
  void (async () => {
    for await (const { type } of nats.status()) {
      if (type === Events.Disconnect) {
        isConnected = false;
        io.tell(`The connection to ${url} is lost; trying again`);
      } else if (type === DebugEvents.Reconnecting) {
        attempts++;
      } else if (type === Events.Reconnect) {
        attempts = 0;
        isConnected = true;
        io.tell(`Connected to ${url} again`);
      }
    }
  })();
  return {
    nats,
    url,
    isConnected: () => isConnected,
    ended: nats.closed().then((error) => (error ? busFailure(error, url) : undefined)),
  };
}

async function credentialsOf(
  address: BusAddress,
  file: string | undefined,
  io: CommandIo,
): Promise<ConnectionOptions> {
  if (file === undefined) {
    const { user, password: pass } = address;
    return user === undefined ? {} : { user, pass: pass ?? '' };
  }
  try {
    return { authenticator: credsAuthenticator(await io.readFile(file)) };
  } catch (error) {
    const message = `Cannot read the credentials: ${sentenceOf(error)}`;
    throw new CommandFailure(EXIT.usage, message, { cause: error });
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Whether trying again could help. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof CommandFailure) || error.exitCode === EXIT.unreachable;
}

/** What the client says, as how the command ends. `stream`: what was asked for. */
export function busFailure(error: unknown, url: string, stream?: string): CommandFailure {
  if (error instanceof CommandFailure) return error;
  const options = { cause: error };
  const code = error instanceof NatsError ? error.code : '';
  if (error instanceof NatsError && error.api_error?.err_code === STREAM_NOT_FOUND) {
    const message =
      `There is no stream ${stream} at ${url}: ` +
      'a sidecar with this bus makes it when it first connects';
    return new CommandFailure(EXIT.unreachable, message, options);
  }
  if (code === ErrorCode.BadCreds) {
    const message = 'Cannot read the credentials: it is no credentials file';
    return new CommandFailure(EXIT.usage, message, options);
  }
  if (DENIED.has(code)) {
    const what = code === ErrorCode.PermissionsViolation ? 'permission' : 'this user';
    const message = `The bus at ${url} refuses ${what}: ${sentenceOf(error)}`;
    return new CommandFailure(EXIT.refused, message, options);
  }
  if (code === ErrorCode.NoResponders) {
    const message = `The server at ${url} has no JetStream: --core listens without it`;
    return new CommandFailure(EXIT.unreachable, message, options);
  }
  const message = `Cannot reach the bus at ${url}: ${sentenceOf(error)}`;
  return new CommandFailure(EXIT.unreachable, message, options);
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  return printable(error.message || error.name);
}
