/**
 * The bus that the configuration names. Its adapter is loaded only when there is one: nothing of it
 * is paid for otherwise.
 */
import { parseBusUrl } from './config/bus-url.ts';
import type { BusConfig } from './config/config.ts';
import type { Bus } from './events/bus.ts';
import type { BusLog } from './events/nats/options.ts';
import type { Scheduler } from './resilience/scheduler.ts';

/** Connects in the background; a server that is away is no error. */
export async function openBus(
  config: BusConfig,
  connectionName: string,
  scheduler: Scheduler,
  log: BusLog,
): Promise<Bus> {
  const { NatsBus } = await import('./events/nats/nats-bus.ts');
  const address = parseBusUrl(config.url);
  if (typeof address === 'string') throw new Error(`Cannot use the bus URL: it ${address}`);
  const { mode, payloadBytes, replicas, endings, events, ackMs, connectMs } = config;
  return new NatsBus(
    {
      servers: address.servers.map(({ host, port }) => `${host}:${port}`),
      tls: address.tls && config.tls,
      name: connectionName,
      mode, payloadBytes, replicas, endings, events, ackMs, connectMs,
      ...given('user', address.user),
      ...given('password', address.password),
      ...given('passwordFile', config.passwordFile),
      ...given('tokenFile', config.tokenFile),
      ...given('credentialsFile', config.credentialsFile),
      ...given('nkeyFile', config.nkeyFile),
    },
    scheduler,
    log,
  );
}

function given<K extends string>(name: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: string });
}
