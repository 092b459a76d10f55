import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import {
  ACTOR, closed, created, ended, makeStreams, OTHER_ACTOR, Publishing, SOURCE,
} from '../examples/publishing.ts';
import { ROOT } from '../house/repository.ts';
import { freePort, stopServers } from '../servers/child.ts';
import { type NatsOptions, type NatsServer, startNats } from '../servers/nats.ts';
import { leasehold, type Run, type Surroundings } from './support.ts';

const POLL_MS = 10;
const LOOKS_MAX = 1_000;

let server: NatsServer;
afterEach(() => stopServers());

/** A server with both streams, and what publishes there. */
async function bus(options: NatsOptions = {}): Promise<Publishing> {
  server = await startNats(options);
  const admin = await server.admin();
  if (options.jetstream !== false) await makeStreams(admin);
  return new Publishing(admin, options.jetstream !== false);
}

const url = (userInfo = ''): string => `nats://${userInfo}${server.address}`;

/** Watches in this process; delays asked for pass as they are. */
function watch(line: string, around: Surroundings = {}): Promise<Run> {
  const argv = ['watch', '--bus', url(), ...line.split(' ').filter((word) => word !== '')];
  return leasehold(argv, { onPause: (durationMs) => sleep(durationMs), random: 0.5, ...around });
}

/** Until `condition` holds. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    if (await condition()) return;
    await sleep(POLL_MS);
  }
  throw new Error('It never came to be');
}

/** Until both streams are read by somebody. */
async function reading(): Promise<void> {
  const manager = await (await server.admin()).jetstreamManager();
  const streams = Object.values(STREAM_NAMES);
  await until(async () => {
    const infos = await Promise.all(streams.map((stream) => manager.streams.info(stream)));
    return infos.every(({ state }) => state.consumer_count === 1);
  });
}

/** The last word of what the lines are about: `…/ann` gives `ann`. */
function keysOf(out: string): string[] {
  return [...out.matchAll(/ \w+\/(\S+) /g)].map((match) => match[1]!);
}

describe('watch --bus', () => {
  test('shows both streams from their start, one line an event', async () => {
    const publishing = await bus();
    await publishing.publish(created(1, 'ann'), created(2, 'bob'), ended(1, 'ann'));
    const { code, out, err } = await watch('--since start --max 3');
    expect(out.trim().split('\n').sort()).toEqual([
      '03:04:05.000 entry.created    sessions/ann holder=web-1 lease=l-1 size=5 contentType=text/plain etag="00000000000000aa.1"',
      '03:04:05.000 entry.created    sessions/bob holder=web-1 lease=l-1 size=5 contentType=text/plain etag="00000000000000aa.1"',
      '03:04:05.000 entry.ended      sessions/ann reason=expired latenessMs=0 holder=web-1 lease=l-1 size=5 contentType=text/plain etag="00000000000000aa.1"',
    ]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('starts now unless told otherwise, and ends when interrupted', async () => {
    const publishing = await bus();
    await publishing.publish(created(1, 'before'));
    const watching = watch('', {
      onWrite: (_out, interrupt) => interrupt(),
    });
    await reading();
    await publishing.publish(created(2, 'after'));
    const { code, out } = await watching;
    expect({ code, keys: keysOf(out) }).toEqual({ code: 0, keys: ['after'] });
  });

  test('starts at an age', async () => {
    const publishing = await bus();
    await publishing.publish(created(1, 'ann'));
    expect(keysOf((await watch('--since 1h --max 1')).out)).toEqual(['ann']);
    expect((await watch('--since yesterday')).code).toBe(2);
  });

  test('takes its filters, and --json for the CloudEvent', async () => {
    const publishing = await bus();
    await publishing.publish(created(1, 'ann'), ended(1, 'x'), ended(2, 'y', 'jobs'), ended(3, 'z'));
    const jobs = await watch('--since start --namespace jobs --max 1');
    expect(keysOf(jobs.out)).toEqual(['y']);
    const endings = await watch('--since start --endings --max 3');
    expect(keysOf(endings.out)).toEqual(['x', 'y', 'z']);
    const typed = await watch('--since start --types entry.created,lease.ended --max 1 --json');
    expect(JSON.parse(typed.out)).toMatchObject({
      id: `${ACTOR}:events:1`, source: SOURCE, data: { key: 'ann' },
    });
    const byKey = await watch('--since start --prefix z --lease l-1 --max 1');
    expect(keysOf(byKey.out)).toEqual(['z']);
  });

  test('reads binary mode as it reads the other', async () => {
    const publishing = await bus();
    const key = 'a key "50 %" of ünicode';
    await publishing.publish(
      { ...created(1, key), encoding: 'binary' },
      { ...created(2, key), encoding: 'structured' },
    );
    const { out } = await watch('--since start --max 2 --json');
    const [binary, structured] = out.trim().split('\n').map((line) => JSON.parse(line));
    expect(structured.subject).toBe(`sessions/${key}`);
    expect(binary).toEqual({
      ...structured, id: `${ACTOR}:events:1`, sequence: '0000000000000001',
    });
  });

  test('notes what is missing, and what comes late', async () => {
    const publishing = await bus();
    const told = [1, 2, 5, 3, 6].map((sequence) => ended(sequence, `k${sequence}`));
    await publishing.publish(...told);
    const { out, err } = await watch('--since start --endings --max 5');
    expect(keysOf(out)).toEqual(['k1', 'k2', 'k5', 'k3', 'k6']);
    expect(err.split('\n')).toEqual([
      `gap: sequences 3 to 4 of endings of ${SOURCE} are missing`,
      `late: sequence 3 of ${SOURCE} comes after later ones`,
    ]);
    const asJson = await watch('--since start --endings --max 5 --json');
    expect(asJson.out.split('\n').map((line) => (line === '' ? {} : JSON.parse(line)))).toContainEqual({
      gap: { source: SOURCE, stream: 'endings', from: 3, to: 4 },
    });
  });

  test('counts sequences by source and stream, also of what is filtered out', async () => {
    const publishing = await bus();
    await publishing.publish(
      created(1, 'a'), created(2, 'b', 'jobs'), created(3, 'c'),
      { ...created(1, 'd'), actor: OTHER_ACTOR }, ended(1, 'a'),
    );
    const { out, err } = await watch('--since start --namespace sessions --max 4');
    expect(keysOf(out).sort()).toEqual(['a', 'a', 'c', 'd']);
    expect(err).toBe('');
  });

  test('shows once what comes again, and an ending that two have told', async () => {
    const publishing = await bus();
    await publishing.publish(ended(1, 'ann'), { ...ended(1, 'ann'), actor: OTHER_ACTOR });
    // Beyond the memory of the server, which would have dropped it.
    await publishing.publish({ ...ended(1, 'ann'), messageId: 'forgotten' }, ended(2, 'bob'));
    const { out, err } = await watch('--since start --endings --max 2');
    expect(keysOf(out)).toEqual(['ann', 'bob']);
    expect(err.split('\n')).toEqual([
      'not shown: 1 events that came again',
      'not shown: 1 endings that another sidecar had told',
    ]);
  });

  test('shows a closed source with its last sequences', async () => {
    const publishing = await bus();
    await publishing.publish(closed(1, OTHER_ACTOR, { endings: 4, events: 7 }));
    const { out } = await watch('--since start --max 1');
    expect(out).toContain('source.closed');
    expect(out).toContain('{"endings":4,"events":7}');
  });

  test('passes over what is no event, with a note', async () => {
    const publishing = await bus();
    const admin = await server.admin();
    await admin.jetstream().publish('leasehold.v1.lease.granted.x', 'not \u001b an event');
    await publishing.publish(created(1, 'ann'));
    const { out, err } = await watch('--since start --max 1');
    expect(keysOf(out)).toEqual(['ann']);
    expect(err).toBe('passed over what is no event: not \\u001b an event');
  });

  test('goes on where it was when the server comes back', async () => {
    let publishing = await bus();
    await publishing.publish(created(1, 'ann'), ended(1, 'ann'));
    const noted: string[] = [];
    const watching = watch('--since start --max 4', {
      onWrite: (out) => {
        const lines = out.split('\n').length - 1;
        if (lines !== 2) return;
        noted.push('restarted');
        void (async () => {
          await server.restart();
          publishing = new Publishing(await server.admin());
          await publishing.publish(created(2, 'bob'), ended(2, 'bob'));
        })();
      },
    });
    const { code, out, err } = await watching;
    expect(code).toBe(0);
    expect(keysOf(out).sort()).toEqual(['ann', 'ann', 'bob', 'bob']);
    expect(err).toMatch(/^The connection to nats:\S+ is lost; trying again\nConnected to nats:\S+ again/);
    expect(err).not.toMatch(/gap|resync|not shown/);
    expect(noted).toEqual(['restarted']);
  });

  test('reads a stream that was replaced from its start', async () => {
    const publishing = await bus();
    await publishing.publish(ended(1, 'ann'), ended(2, 'bob'));
    const watching = watch('--since start --endings --max 3', {
      onWrite: (out) => {
        if (out.split('\n').length !== 3) return;
        void (async () => {
          await server.restart({ empty: true });
          const admin = await server.admin();
          await makeStreams(admin);
          await new Publishing(admin).publish(ended(2, 'bob'), ended(3, 'cid'));
        })();
      },
    });
    const { out, err } = await watching;
    expect(keysOf(out)).toEqual(['ann', 'bob', 'cid']);
    expect(err).toContain('resync (stream-replaced): LEASEHOLD_ENDINGS is another one now');
    expect(err).toContain('not shown: 1 events that came again');
  });

  test('listens without JetStream with --core', async () => {
    const monitor = `127.0.0.1:${await freePort()}`;
    const publishing = await bus({ jetstream: false, settings: { http: monitor } });
    const watching = watch('--core --max 2');
    await until(async () => {
      const seen = await fetch(`http://${monitor}/connz?subs=1`);
      const { connections } = (await seen.json()) as {
        readonly connections: readonly { readonly subscriptions_list?: readonly string[] }[];
      };
      return connections.some((one) => one.subscriptions_list?.includes('leasehold.v1.>') === true);
    });
    await publishing.publish(created(1, 'ann'), created(3, 'bob'));
    const { code, out, err } = await watching;
    expect({ code, keys: keysOf(out) }).toEqual({ code: 0, keys: ['ann', 'bob'] });
    expect(err).toBe(`gap: sequence 2 of events of ${SOURCE} is missing`);
  });
});

describe('watch --bus ends', () => {
  test('with 69 when no server is there', async () => {
    const port = await freePort();
    const { code, err } = await leasehold(['watch', '--bus', `nats://u:secret@127.0.0.1:${port}`]);
    expect(code).toBe(69);
    expect(err).toMatch(/^Cannot reach the bus at nats:\/\/u:\*\*\*@127\.0\.0\.1:\d+: /);
  });

  test('with 69 when the server has no JetStream, or no such stream', async () => {
    await bus({ jetstream: false });
    const bare = await watch('');
    expect(bare.code).toBe(69);
    expect(bare.err).toMatch(/has no JetStream: --core listens without it$/);
    await stopServers();
    server = await startNats();
    const none = await watch('--endings');
    expect(none.code).toBe(69);
    expect(none.err).toMatch(/^There is no stream LEASEHOLD_ENDINGS at nats:/);
  });

  test('with 69 when the connection stays away, after as many attempts as it may', async () => {
    const publishing = await bus();
    await publishing.publish(created(1, 'ann'));
    const { code, err } = await watch('--since start --retries 2', {
      random: 0.1,
      onWrite: () => void server.kill(),
    });
    expect(code).toBe(69);
    expect(err.split('\n').at(-1)).toMatch(/^Cannot reach the bus/);
  });

  test('with 1 when the bus does not let it in, or not at the stream', async () => {
    await bus({
      users: [
        {
          user: 'reader', password: 'pass',
          permissions: { publish: ['other'], subscribe: ['_INBOX.>'] },
        },
      ],
    });
    const stranger = await leasehold(['watch', '--bus', url()]);
    expect(stranger.code).toBe(1);
    expect(stranger.err).toMatch(/^The bus at \S+ refuses this user: /);
    const reader = await leasehold(['watch', '--bus', url('reader:pass@')]);
    expect(reader.code).toBe(1);
    expect(reader.err).toMatch(/^The bus at \S+ refuses permission: .*LEASEHOLD_ENDINGS/);
    const listener = await leasehold(['watch', '--core', '--bus', url('reader:pass@')]);
    expect(listener.code).toBe(1);
    expect(listener.err).toMatch(/refuses permission: .*"leasehold\.v1\.>"/);
  });

  test('with 2 when the credentials are none', async () => {
    await bus({ users: [{ user: 'reader', password: 'pass' }] });
    const { code, err } = await leasehold(
      ['watch', '--bus', url(), '--creds', 'a.creds'],
      { files: { 'a.creds': 'anything' } },
    );
    expect({ code, err }).toEqual({
      code: 2, err: 'Cannot read the credentials: it is no credentials file',
    });
  });

  test('with 1 when it is not let in any more', async () => {
    const users = [{ user: 'reader', password: 'pass' }];
    const publishing = await bus({ users });
    await publishing.publish(created(1, 'ann'));
    const watching = leasehold(
      ['watch', '--since', 'start', '--bus', url('reader:pass@')],
      { onWrite: () => void server.reload({ users: [] }), random: 0.1 },
    );
    const { code, err } = await watching;
    expect(code).toBe(1);
    expect(err.split('\n').at(-1)).toMatch(/^The bus at \S+ refuses this user: /);
  });

  test.each<[string, RegExp]>([
    ['--bus', /LEASEHOLD_BUS_URL/],
    ['--bus http://x', /has a scheme no bus has/],
    ['--bus nats://x --url http://y:1', /give one of them/],
    ['--bus nats://x --core --since start', /can only begin now/],
    ['--bus nats://x --creds none', /Cannot read the credentials/],
    ['--bus nats://x --max 0', /at least 1/],
    ['--endings', /goes with --bus only/],
  ])('with 2 for watch %s', async (line, message) => {
    const { code, err } = await leasehold(['watch', ...line.split(' ')]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('as a process', () => {
  test('no other command loads the client of the bus', async () => {
    const script = `
      import { createRequire } from 'node:module';
      const { cache } = createRequire(import.meta.url);
      const isLoaded = () => Object.keys(cache).some((path) => path.includes('/nats/'));
      await import('./src/cli/main.ts');
      const before = isLoaded();
      await import('./src/cli/watch-bus.ts');
      console.log(before, isLoaded());
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
    const [out] = await once(child.stdout.setEncoding('utf8'), 'data');
    expect(out).toBe('false true\n');
  });

  /** `watch --bus` of everything there is, in a process; its first line, and how it ended. */
  async function watched(environment: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, ['src/main.ts', 'watch', '--bus', '--since', 'start'], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    const exit = once(child, 'exit');
    const [line] = await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), exit]);
    child.kill('SIGINT');
    const [code] = await exit;
    return { line: String(line), code, err };
  }

  test('watch --bus takes its URL from the environment and ends cleanly at SIGINT', async () => {
    const publishing = await bus();
    await publishing.publish(created(1, 'ann'));
    const { line, code, err } = await watched({ LEASEHOLD_BUS_URL: url() });
    expect({ keys: keysOf(line), code, err }).toEqual({ keys: ['ann'], code: 0, err: '' });
  });

  test('watch --bus speaks TLS, to whom it trusts', async () => {
    server = await startNats({ tls: 'server' });
    const admin = await server.admin();
    await makeStreams(admin);
    await new Publishing(admin).publish(created(1, 'ann'));
    const environment = { LEASEHOLD_BUS_URL: `tls://${server.address}` };
    const stranger = await watched(environment);
    expect(stranger.code).toBe(69);
    expect(stranger.err).toMatch(/certificate/);
    const { caFile } = server.certificates!;
    const trusting = await watched({ ...environment, NODE_EXTRA_CA_CERTS: caFile });
    expect(keysOf(trusting.line)).toEqual(['ann']);
    expect(trusting.code).toBe(0);
  });
});
