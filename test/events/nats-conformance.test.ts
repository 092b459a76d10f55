/** What every bus does, by the NATS adapter on a real server, with streams and without. */
import { afterAll } from 'vitest';
import { stopServers } from '../servers/child.ts';
import { startNats } from '../servers/nats.ts';
import { describeBus, describeCoreBus } from './bus-conformance.ts';
import { natsWorld } from './nats-world.ts';

afterAll(stopServers);

describeBus('NATS with JetStream', async () => natsWorld(await startNats(), 'jetstream'));
describeCoreBus('NATS without streams', async () =>
  natsWorld(await startNats({ jetstream: false }), 'core'),
);
