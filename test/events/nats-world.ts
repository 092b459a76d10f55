/** Buses on real NATS servers, for tests. */
import type { JetStreamManager, Msg, StoredMsg } from 'nats';
import type { StreamName } from '../../src/events/bus.ts';
import { NatsBus } from '../../src/events/nats/nats-bus.ts';
import type { BusLog, NatsBusOptions } from '../../src/events/nats/options.ts';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import type { NatsServer } from '../servers/nats.ts';
import { TcpProxy } from '../servers/tcp-proxy.ts';
import { ACK_MS, type BusWorld, type FoundMessage, LIMITS } from './bus-conformance.ts';

const open: NatsBus[] = [];

/** Closes every bus made here: for `afterEach`. */
export async function closeBuses(): Promise<void> {
  await Promise.all(open.splice(0).map((bus) => bus.close(0)));
}

/** A bus on these servers, with what it told its log. */
export function busOn(
  servers: readonly Pick<NatsServer, 'address'>[], change: Partial<NatsBusOptions> = {},
): NatsBus & { readonly said: string[] } {
  const said: string[] = [];
  const say = (_fields: object, sentence: string): void => void said.push(sentence);
  const log: BusLog = { debug: () => {}, info: say, warn: say };
  const bus = new NatsBus(
    {
      servers: servers.map(({ address }) => address),
      tls: false,
      name: 'leasehold-test',
      mode: 'jetstream',
      replicas: 1,
      payloadBytes: 1 << 20,
      endings: LIMITS,
      events: LIMITS,
      ackMs: ACK_MS,
      connectMs: 1_000,
      ...change,
    },
    schedulerOn(systemMachine, performance),
    log,
  );
  open.push(bus);
  return Object.assign(bus, { said });
}

/** What a stream holds, oldest first. */
export async function storedIn(server: NatsServer, stream: StreamName): Promise<FoundMessage[]> {
  const manager = await managerOf(server);
  const name = STREAM_NAMES[stream];
  const { state } = await manager.streams.info(name);
  if (state.messages === 0) return [];
  const found: FoundMessage[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    found.push(asFound(await manager.streams.getMessage(name, { seq })));
  }
  return found;
}

export async function managerOf(server: NatsServer): Promise<JetStreamManager> {
  await server.disconnect();
  return (await server.admin()).jetstreamManager();
}

export function asFound(message: Pick<Msg | StoredMsg, 'subject' | 'data'> & {
  readonly headers?: Msg['headers'];
  readonly header?: StoredMsg['header'];
}): FoundMessage {
  const headers = message.headers ?? message.header;
  return {
    subject: message.subject,
    headers: Object.fromEntries(headers?.keys().map((name) => [name, headers.get(name)]) ?? []),
    body: new TextDecoder().decode(message.data),
  };
}

/** A bus on a server of its own, as the conformance suite wants it. */
export async function natsWorld(server: NatsServer, mode: 'jetstream' | 'core'): Promise<BusWorld> {
  // A process takes a moment to stop, and may answer in it; a link is silent at once.
  const link = await TcpProxy.start(server);
  const bus = busOn([{ address: `${server.host}:${link.port}` }], { mode });
  const heard: FoundMessage[] = [];
  const listener = await server.admin();
  if (mode === 'core') {
    listener.subscribe('leasehold.v1.>', {
      callback: (_error, message) => void heard.push(asFound(message)),
    });
    await listener.flush();
  }
  return {
    bus,
    stored: async (stream) => {
      if (mode === 'jetstream') return storedIn(server, stream);
      // What the server has passed on arrives before this is answered.
      await listener.flush();
      return heard;
    },
    leave: async () => link.cut(),
    comeBack: async () => link.heal(),
    fallSilent: () => link.spoil({ isSilent: true }),
    speakAgain: () => link.heal(),
    deleteStream: async (stream) => {
      await (await managerOf(server)).streams.delete(STREAM_NAMES[stream]);
    },
    resize: async (stream, maxBytes) => {
      const manager = await managerOf(server);
      const { config } = await manager.streams.info(STREAM_NAMES[stream]);
      await manager.streams.update(config.name, { ...config, max_bytes: maxBytes });
    },
    close: async () => {
      await closeBuses();
      await link.close();
      await server.kill();
    },
  };
}
