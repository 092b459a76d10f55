/** The consumer that the documentation points to: its parts, and as people run it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { LeaseholdEvent } from '../../examples/consumer/event.ts';
import { Presence } from '../../examples/consumer/presence.ts';
import { Progress } from '../../examples/consumer/progress.ts';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import { type FakeSidecar, fakeSidecar, json } from '../cli/support.ts';
import { ROOT } from '../house/repository.ts';
import { serverDirectory, stopServers } from '../servers/child.ts';
import { type NatsServer, startNats } from '../servers/nats.ts';
import {
  ACTOR, closed, created, ended, makeStreams, OTHER_ACTOR, Publishing, SOURCE,
} from './publishing.ts';

const OTHER_SOURCE = `/leasehold/one/${OTHER_ACTOR}`;

describe('progress', () => {
  const take = (progress: Progress, ...sequences: number[]): boolean[] =>
    sequences.map((sequence) => progress.isNew('endings', 'a', sequence, 0));

  test('takes each place of a source and stream once', () => {
    const progress = new Progress();
    expect(take(progress, 1, 2, 2, 1, 3)).toEqual([true, true, false, false, true]);
    expect(progress.isNew('events', 'a', 1, 0)).toBe(true);
    expect(progress.isNew('endings', 'b', 1, 0)).toBe(true);
  });

  test('takes what comes late once, and what is still missing is given up after a while', () => {
    const progress = new Progress();
    expect(take(progress, 1, 6, 3, 3, 6)).toEqual([true, true, true, false, false]);
    expect(progress.giveUp(100, 99)).toEqual([]);
    expect(progress.giveUp(100, 100)).toEqual(['2 to 2 of endings of a', '4 to 5 of endings of a']);
    expect(progress.giveUp(100, 1_000)).toEqual([]);
    expect(take(progress, 4, 7)).toEqual([false, true]);
  });

  test('misses what came before the first it hears of', () => {
    const progress = new Progress();
    take(progress, 4);
    expect(progress.giveUp(0, 0)).toEqual(['1 to 3 of endings of a']);
  });

  test('misses what a closed source still owes, and nothing of one that owes nothing', () => {
    const progress = new Progress();
    take(progress, 1, 2);
    progress.close('a', { endings: 4, events: 0 }, 0);
    expect(take(progress, 3)).toEqual([true]);
    expect(progress.giveUp(0, 0)).toEqual(['4 to 4 of endings of a']);
  });

  test('knows an ending again, as many as it remembers', () => {
    const progress = new Progress();
    expect(progress.isNewEnding('first')).toBe(true);
    expect(progress.isNewEnding('first')).toBe(false);
    for (let count = 0; count < 10_000; count++) progress.isNewEnding(String(count));
    expect(progress.isNewEnding('9999')).toBe(false);
    expect(progress.isNewEnding('first')).toBe(true);
  });

  test('is bounded by sources too, and survives as JSON', () => {
    const progress = new Progress();
    for (let count = 0; count < 1_500; count++) progress.isNew('events', String(count), 1, 0);
    take(progress, 1, 3);
    progress.isNewEnding('x');
    const saved = progress.save();
    expect(saved.places).toHaveLength(1_000);
    const again = new Progress(JSON.parse(JSON.stringify(saved)));
    expect(again.isNewEnding('x')).toBe(false);
    expect(take(again, 3, 2)).toEqual([false, true]);
  });
});

describe('presence', () => {
  const at = (second: number): string => `2026-01-02T03:04:${String(second).padStart(2, '0')}.000Z`;
  const eventOf = (verb: string, second: number, etag: string, more = {}): LeaseholdEvent => ({
    source: 'a',
    type: `leasehold.entry.${verb}.v1`,
    sequence: 1,
    data: { namespace: 'n', key: 'k', at: at(second), etag, ...more },
  });
  const view = (...events: LeaseholdEvent[]): Presence => {
    const presence = new Presence('n', () => {});
    for (const event of events) presence.apply(event);
    return presence;
  };
  const [made, updated, gone] = [
    eventOf('created', 1, 'A'), eventOf('updated', 2, 'B'), eventOf('ended', 3, 'B'),
  ];

  test('follows writes and endings, whichever comes first', () => {
    expect(view(made).keys).toEqual(['k']);
    expect(view(made, updated, gone).keys).toEqual([]);
    expect(view(gone, made, updated).keys).toEqual([]);
    expect(view(made, gone, updated).keys).toEqual([]);
  });

  test('keeps what took the place of what ended at the same instant', () => {
    const superseded = eventOf('ended', 3, 'B', { reason: 'superseded' });
    const next = eventOf('updated', 3, 'C');
    expect(view(made, next, superseded).keys).toEqual(['k']);
    expect(view(made, superseded, next).keys).toEqual(['k']);
  });

  test('minds its own namespace only', () => {
    expect(view(eventOf('created', 1, 'A', { namespace: 'other' })).keys).toEqual([]);
  });

  test('takes a listing for the truth, and events for what came after it', () => {
    const said: string[] = [];
    const presence = new Presence('n', (line) => said.push(line));
    presence.apply(made);
    presence.replace(new Map([['j', { at: at(5), etag: 'J' }]]), at(5));
    presence.apply(updated);
    presence.apply(eventOf('ended', 4, 'I', { key: 'j' }));
    expect(presence.keys).toEqual(['j']);
    presence.apply(eventOf('ended', 6, 'J', { key: 'j' }));
    presence.apply(eventOf('created', 5, 'K', { key: 'new' }));
    expect(presence.keys).toEqual(['new']);
    expect(said.slice(1, 3)).toEqual(['gone  k, as the listing shows', 'here  j, as the listing shows']);
  });
});

describe('the example, run', () => {
  let server: NatsServer;
  let sidecar: FakeSidecar | undefined;
  let listed: string[] = [];
  const children: ChildProcessWithoutNullStreams[] = [];

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await sidecar?.close();
    sidecar = undefined;
    await stopServers();
  });

  async function world(): Promise<Publishing> {
    server = await startNats();
    listed = [];
    sidecar = await fakeSidecar(({ url }, response) => {
      // Pages of one, so that the way from page to page is walked.
      const after = Number(new URL(url, 'http://x').searchParams.get('cursor') ?? 0);
      const entries = listed.slice(after, after + 1).map((key) => ({ key, etag: `"${key}"` }));
      const more = after + 1 < listed.length ? { cursor: String(after + 1) } : {};
      json(response, 200, { entries, ...more }, { 'leasehold-cursor': `${ACTOR}.9` });
    });
    const admin = await server.admin();
    await makeStreams(admin);
    return new Publishing(admin);
  }

  interface Running {
    readonly child: ChildProcessWithoutNullStreams;
    lines(): string[];
    /** Resolves when it has printed this line, and nothing else matters. */
    said(line: string): Promise<void>;
    stop(): Promise<number | null>;
  }

  function run(...more: string[]): Running {
    const child = spawn(
      process.execPath,
      [
        join(ROOT, 'examples/consumer/main.ts'), '--bus', `nats://${server.address}`,
        '--sidecar', sidecar!.url, '--namespace', 'sessions', '--ack-wait-ms', '5000', ...more,
      ],
      { env: { PATH: process.env['PATH'] } },
    );
    children.push(child);
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (out += text));
    const lines = (): string[] => out.split('\n').slice(0, -1);
    return {
      child,
      lines,
      async said(line) {
        const deadline = performance.now() + 20_000;
        while (!lines().includes(line)) {
          if (performance.now() > deadline) throw new Error(`It never said "${line}":\n${out}`);
          await sleep(20);
        }
      },
      async stop() {
        child.kill('SIGTERM');
        const [code] = (await once(child, 'exit')) as [number | null];
        return code;
      },
    };
  }

  async function unacknowledged(): Promise<number> {
    const manager = await (await server.admin()).jetstreamManager();
    const infos = await Promise.all(
      Object.values(STREAM_NAMES).map((stream) => manager.consumers.info(stream, 'presence')),
    );
    return infos.reduce((sum, info) => sum + info.num_ack_pending + info.num_pending, 0);
  }

  test('tells who comes and who goes, acknowledges, and goes on after a restart', async () => {
    const publishing = await world();
    listed = ['old', 'older'];
    await publishing.publish(
      created(1, 'past'), ended(1, 'past'), { ...ended(2, 'bob'), encoding: 'binary' },
    );
    const directory = serverDirectory();
    const first = run('--state', join(directory, 'state.json'));
    await first.said('ended bob (expired)');
    expect(first.lines()).toContain(`list  2 keys at ${ACTOR}.9`);
    expect(first.lines()).toContain('here  older, as the listing shows');
    expect(await first.stop()).toBe(0);
    expect(await unacknowledged()).toBe(0);

    await publishing.publish({ ...ended(2, 'bob'), messageId: 'forgotten' }, ended(3, 'cid'));
    const second = run('--state', join(directory, 'state.json'));
    await second.said('ended cid (expired)');
    expect(await second.stop()).toBe(0);
    expect(second.lines()).toContain(`again 2 of endings of ${SOURCE}`);
    expect(second.lines().filter((line) => /^(gap|error|ended bob)/.test(line))).toEqual([]);
  });

  test('drops an ending that another sidecar has told', async () => {
    const publishing = await world();
    await publishing.publish(ended(1, 'ann'), { ...ended(1, 'ann'), actor: OTHER_ACTOR });
    await publishing.publish(ended(2, 'bob'));
    const consumer = run();
    await consumer.said('ended bob (expired)');
    expect(consumer.lines().filter((line) => line.startsWith('ended'))).toEqual([
      'ended ann (expired)', 'ended bob (expired)',
    ]);
    expect(consumer.lines().join('\n')).toMatch(new RegExp(`again ending \\S+, told by ${OTHER_SOURCE}`));
  });

  test('lists again when something stays missing, also at the end of a source', async () => {
    const publishing = await world();
    await publishing.publish(created(1, 'ann'), ended(1, 'x'), ended(3, 'z'));
    const consumer = run('--ack-wait-ms', '1000');
    await consumer.said('ended z (expired)');
    const listings = (): number =>
      consumer.lines().filter((line) => line.startsWith('list ')).length;
    expect(listings()).toBe(1);
    await consumer.said(`gap   2 to 2 of endings of ${SOURCE} stayed missing`);
    listed = ['late'];
    await publishing.publish(closed(2, ACTOR, { endings: 5, events: 2 }));
    await consumer.said(`gap   4 to 5 of endings of ${SOURCE} stayed missing`);
    await consumer.said('here  late, as the listing shows');
    // The line after it.
    await consumer.said(`list  1 keys at ${ACTOR}.9`);
    expect(consumer.lines()).toContain(`over  ${SOURCE}`);
    expect(listings()).toBe(3);
  });

  test('goes on when the server has been away, or has lost its streams', async () => {
    const publishing = await world();
    await publishing.publish(ended(1, 'ann'));
    const consumer = run();
    await consumer.said('ended ann (expired)');
    await server.restart();
    await new Publishing(await server.admin()).publish(ended(2, 'bob'));
    await consumer.said('ended bob (expired)');
    await server.restart({ empty: true });
    const admin = await server.admin();
    await makeStreams(admin);
    await new Publishing(admin).publish(ended(2, 'bob'), ended(3, 'cid'));
    await consumer.said('ended cid (expired)');
    expect(consumer.lines()).toContain(`again 2 of endings of ${SOURCE}`);
    expect(await consumer.stop()).toBe(0);
  });

  test('passes over what is no event', async () => {
    const publishing = await world();
    const admin = await server.admin();
    await admin.jetstream().publish('leasehold.v1.lease.granted.x', 'no event');
    await publishing.publish(created(1, 'ann', 'other'), ended(1, 'bob'));
    const consumer = run();
    await consumer.said('ended bob (expired)');
    await consumer.said('skip  message 1 of events is no event');
    expect(await consumer.stop()).toBe(0);
    expect(await unacknowledged()).toBe(0);
  });
});
