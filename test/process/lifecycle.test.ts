/** How the process starts, stops, and refuses to start: ready line, signals, exit codes. */
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openRaw } from './raw-connection.ts';
import { ask, askJson, jsonOf } from './requests.ts';
import { cleanUp, launch, scratchDirectory, start, until } from './support.ts';

afterEach(cleanUp);

async function recoveryOf(url: string) {
  return jsonOf(await ask(url, 'GET', '/v1/status')).recovery;
}

describe('a start', () => {
  test('says on one line of stdout where it can be reached, with the ports it got', async () => {
    const socket = join(scratchDirectory(), 'socket');
    const environment = { LEASEHOLD_LISTEN: `127.0.0.1:0,unix:${socket},[::1]:0` };
    const sidecar = await start({ dataDirectory: scratchDirectory(), environment });
    expect(sidecar.out()).toMatch(
      /^leasehold ready http:\/\/127\.0\.0\.1:[1-9]\d* unix:\/\S+ http:\/\/\[::1\]:[1-9]\d*\n$/,
    );
    expect(sidecar.urls[1]).toBe(`unix:${socket}`);
    for (const url of sidecar.urls.slice(0, 2)) {
      expect(jsonOf(await ask(url, 'GET', '/readyz'))).toEqual({ ready: true, state: 'ready', reasons: [] });
    }
  });

  test('finds its entries by one address that were put by another', async () => {
    const socket = join(scratchDirectory(), 'socket');
    const environment = { LEASEHOLD_LISTEN: `127.0.0.1:0,unix:${socket}` };
    const { urls } = await start({ dataDirectory: scratchDirectory(), environment });
    expect((await ask(urls[0]!, 'PUT', '/v1/entries/default/a', { body: 'b' })).status).toBe(201);
    expect((await ask(urls[1]!, 'GET', '/v1/entries/default/a')).body.toString()).toBe('b');
  });

  test('replaces the socket file of a process that was killed, and not that of a living one', async () => {
    const environment = { LEASEHOLD_LISTEN: `unix:${join(scratchDirectory(), 'socket')}` };
    const first = await start({ dataDirectory: scratchDirectory(), environment });
    const rival = launch({ dataDirectory: scratchDirectory(), environment });
    expect(await rival.ended).toEqual({ code: 78, signal: null });
    expect(rival.err()).toContain('EADDRINUSE');
    await first.kill();
    const second = await start({ dataDirectory: scratchDirectory(), environment });
    expect((await ask(second.url, 'GET', '/livez')).status).toBe(200);
  });
});

/** For NODE_OPTIONS: has the process tell itself to stop when it is about to load what serves. */
const STOPPED_WHILE_LOADING = encodeURIComponent(
  "import { registerHooks } from 'node:module';" +
    'registerHooks({ resolve(specifier, context, next) {' +
    "  if (specifier === './serve.ts') process.kill(process.pid, 'SIGTERM');" +
    '  return next(specifier, context);' +
    '} });',
);

describe('SIGTERM', () => {
  test('is heard before anything is loaded: the first process of a container would not get it again', async () => {
    const environment = { NODE_OPTIONS: `--import=data:text/javascript,${STOPPED_WHILE_LOADING}` };
    const sidecar = launch({ dataDirectory: scratchDirectory(), environment });
    // Unheard, it would end this process by its default action, and that of a container not at all.
    expect(await sidecar.ended).toEqual({ code: 0, signal: null });
  });

  test('ends it with 0, and the next start finds a clean end and everything as it was', async () => {
    const dataDirectory = scratchDirectory();
    const first = await start({ dataDirectory });
    expect(await recoveryOf(first.url)).toMatchObject({ found: false });
    await askJson(first.url, 'POST', '/v1/leases', { holder: 'h', id: 'l' });
    const put = await ask(first.url, 'PUT', '/v1/entries/default/a?lease=l', { body: 'value' });
    expect(await first.stop()).toEqual({ code: 0, signal: null });

    const second = await start({ dataDirectory });
    expect(await recoveryOf(second.url)).toMatchObject({
      found: true, clean: true, tornBytes: 0, leases: 1, entries: 1,
    });
    const got = await ask(second.url, 'GET', '/v1/entries/default/a');
    expect([got.body.toString(), got.headers.etag]).toEqual(['value', put.headers.etag]);
    await second.kill();

    const third = await start({ dataDirectory });
    expect(await recoveryOf(third.url)).toMatchObject({ found: true, clean: false, entries: 1 });
  });

  test('lets requests under way be answered, takes no new connections and no new leases', async () => {
    const dataDirectory = scratchDirectory();
    const first = await start({ dataDirectory });
    const put = await openRaw(first.url);
    put.send('PUT /v1/entries/default/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ');
    const grant = await openRaw(first.url);
    const body = '{"holder":"late"}';
    grant.send(
      'POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    const idle = await openRaw(first.url);
    idle.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('the idle connection has its answer', () => idle.received().includes('alive'));

    const ended = first.stop();
    await until('it drains', () => first.err().includes('"draining"'));
    await until('it takes no connections', () => ask(first.url, 'GET', '/livez').then(() => false, () => true));
    await idle.closed();
    expect(first.end()).toBeUndefined();
    grant.send(body.slice(5));
    expect(await grant.closed()).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: [\s\S]*"code":"draining"/);
    put.send('whole');
    expect(await put.closed()).toMatch(/^HTTP\/1\.1 201 [\s\S]*\r\nConnection: close\r\n/i);
    expect(await ended).toEqual({ code: 0, signal: null });

    const second = await start({ dataDirectory });
    expect((await ask(second.url, 'GET', '/v1/entries/default/slow')).body.toString()).toBe('half whole');
  });

  test('waits for a request that never ends no longer than the grace period', async () => {
    const sidecar = await start({
      dataDirectory: scratchDirectory(),
      environment: { LEASEHOLD_DRAIN_MS: '100' },
    });
    const stuck = await openRaw(sidecar.url);
    stuck.send('PUT /v1/entries/default/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ');
    expect(await sidecar.stop()).toEqual({ code: 0, signal: null });
  });

  test('ends watchers, who find their place again after the next start', async () => {
    const dataDirectory = scratchDirectory();
    const first = await start({ dataDirectory });
    const watcher = await openRaw(first.url);
    watcher.send('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('the stream is open', () => watcher.received().includes('\nid: '));
    await ask(first.url, 'PUT', '/v1/entries/default/seen', { body: '1' });
    await until('it has told of the entry', () => watcher.received().includes('entry.created'));
    const [, cursor] = /id: (\S+)\nevent: leasehold\.entry/.exec(watcher.received())!;
    await ask(first.url, 'PUT', '/v1/entries/default/missed', { body: '2' });
    const ended = first.stop();
    await watcher.closed();
    expect(await ended).toEqual({ code: 0, signal: null });

    const second = await start({ dataDirectory });
    const again = await openRaw(second.url);
    again.send(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: ${cursor}\r\n\r\n`);
    await until('it tells what was missed', () => again.received().includes('default/missed'));
    expect(again.received()).not.toMatch(/resync|default\/seen/);
  });
});

test('SIGHUP does not end it', async () => {
  const sidecar = await start({ dataDirectory: scratchDirectory() });
  sidecar.child.kill('SIGHUP');
  expect((await ask(sidecar.url, 'GET', '/livez')).status).toBe(200);
  expect(await sidecar.stop()).toEqual({ code: 0, signal: null });
});

describe('it does not start', () => {
  test('on the data directory of another one, which goes on: 75', async () => {
    const dataDirectory = scratchDirectory();
    const first = await start({ dataDirectory });
    const second = launch({ dataDirectory });
    expect(await second.ended).toEqual({ code: 75, signal: null });
    expect(second.err()).toContain(dataDirectory);
    expect(second.err()).toContain(`pid ${first.pid},`);
    expect(second.out()).toBe('');
    expect((await ask(first.url, 'PUT', '/v1/entries/default/a', { body: 'b' })).status).toBe(201);
    await first.kill();
    const third = await start({ dataDirectory });
    expect((await ask(third.url, 'GET', '/v1/entries/default/a')).status).toBe(200);
  });

  test('with a bad configuration, and names all that is wrong with it: 78', async () => {
    const dataDirectory = join(scratchDirectory(), 'data');
    const program = launch({
      dataDirectory,
      configuration: 'namespaces:\n  jobs: { ttl: { minMs: -1 } }\n  UPPER: {}\nlimits: { leses: 5 }\n',
      environment: { LEASEHOLD_DRAIN_MS: 'soon', LEASEHOLD_LISTN: '127.0.0.1:1' },
    });
    expect(await program.ended).toEqual({ code: 78, signal: null });
    expect(program.out()).toBe('');
    for (const said of [
      /5 complaints/, /namespaces\.jobs\.ttl\.minMs: .*from 1 to/, /UPPER/, /limits\.leses/,
      /LEASEHOLD_DRAIN_MS|drainMs/, /LEASEHOLD_LISTN: .*did you mean LEASEHOLD_LISTEN/,
    ]) {
      expect(program.err()).toMatch(said);
    }
    expect(() => statSync(dataDirectory)).toThrow('ENOENT');
  });

  test('when at worst it would need more memory than its limit: 78', async () => {
    const program = launch({
      dataDirectory: scratchDirectory(),
      configuration: 'namespaces: { default: { capacity: { bytes: 1Gi } } }\n',
      environment: { LEASEHOLD_MEMORY_LIMIT_MB: '512' },
    });
    expect(await program.ended).toEqual({ code: 78, signal: null });
    expect(program.err()).toMatch(/the worst case of this configuration is \d+Mi, above the limit of 512Mi/);
  });

  test('on an address that is taken, and leaves no trace: 78', async () => {
    const first = await start({ dataDirectory: scratchDirectory() });
    const { port } = new URL(first.url);
    const second = launch({
      dataDirectory: scratchDirectory(),
      environment: { LEASEHOLD_LISTEN: `127.0.0.1:${port}` },
    });
    expect(await second.ended).toEqual({ code: 78, signal: null });
    expect(second.err()).toContain('EADDRINUSE');
  });

  test('on a data directory that is a file, and says so: 78', async () => {
    const dataDirectory = join(scratchDirectory(), 'data');
    writeFileSync(dataDirectory, '');
    const program = launch({ dataDirectory });
    expect(await program.ended).toEqual({ code: 78, signal: null });
    expect(program.err()).toMatch(/EEXIST.*"cannot start"/);
  });

  test('on a damaged journal, and names file and byte: 70; with onCorruption it keeps what came before', async () => {
    const dataDirectory = mkdtempSync(join(scratchDirectory(), 'data-'));
    const first = await start({ dataDirectory });
    for (const key of ['a', 'b', 'c']) {
      await ask(first.url, 'PUT', `/v1/entries/default/${key}`, { body: 'x'.repeat(500) });
    }
    await first.kill();
    const file = readdirSync(dataDirectory).find((name) => name.startsWith('journal-'))!;
    const path = join(dataDirectory, file);
    const bytes = readFileSync(path);
    // In the value of the second entry, with the third one whole behind it.
    const at = bytes.indexOf('x'.repeat(500), bytes.indexOf('x'.repeat(500)) + 500) + 250;
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);

    const refused = launch({ dataDirectory });
    expect(await refused.ended).toEqual({ code: 70, signal: null });
    const [, offset] = new RegExp(`${file}\\\\" at byte (\\d+)`).exec(refused.err()) ?? [];
    expect(Number(offset)).toBeGreaterThan(500);
    expect(Number(offset)).toBeLessThan(at);
    expect(readFileSync(path).equals(bytes)).toBe(true);

    const kept = await start({ dataDirectory, configuration: 'journal: { onCorruption: truncate }\n' });
    expect(await recoveryOf(kept.url)).toMatchObject({ clean: false, entries: 1 });
    expect((await ask(kept.url, 'GET', '/v1/entries/default/a')).body.toString()).toBe('x'.repeat(500));
    for (const key of ['b', 'c']) {
      expect((await ask(kept.url, 'GET', `/v1/entries/default/${key}`)).status).toBe(404);
    }
  });
});
