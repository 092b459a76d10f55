/**
 * The README's session, typed into a shell against a real sidecar and a real NATS server, must
 * answer as printed. Put in place of what the page says are the ports, which are free ones, and the
 * directories, which are temporary. What has a terminal of its own on the page is a child here:
 * `nats-server`, and `npm start`, which is the process entry itself: what npm adds is the
 * installation, and a line or two that the page leaves open.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAsPrinted, sessionOf } from './console-session.ts';
import { read, ROOT } from './repository.ts';
import { stopServers } from '../servers/child.ts';
import { startNats } from '../servers/nats.ts';

const PRINTED_URL = 'http://127.0.0.1:7117';
const PRINTED_DIRECTORY = '.leasehold';
const PRINTED_BUS = 'nats://127.0.0.1:4222';
/** With its environment before it, as a shell takes it. */
const START = 'npm start';
const START_BUS = 'nats-server -js -sd .leasehold-nats';
const END = '--- end of output ---';

const session = sessionOf(read('README.md'));

describe('the session of the README', () => {
  const started: ChildProcess[] = [];
  let directory: string;
  let shell: ChildProcess;
  let printed: AsyncIterator<string>;
  let url = PRINTED_URL;
  let busUrl = PRINTED_BUS;
  let sidecar: ChildProcess | undefined;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'leasehold-readme-'));
    const environment: NodeJS.ProcessEnv = { ...process.env };
    for (const name of Object.keys(environment)) {
      if (name.startsWith('LEASEHOLD_')) delete environment[name];
    }
    // A stranger's: the first node on it runs nothing, as one that is too old.
    writeFileSync(join(directory, 'node'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    environment['PATH'] = `${directory}:${environment['PATH']}`;
    shell = spawn('bash', [], { cwd: ROOT, env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
    started.push(shell);
    printed = shell.stdout!.setEncoding('utf8')[Symbol.asyncIterator]();
  });

  afterAll(async () => {
    for (const child of started) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await stopServers();
    rmSync(directory, { recursive: true, force: true });
  });

  function here(text: string): string {
    return text
      .replaceAll(PRINTED_URL, url)
      .replaceAll(PRINTED_BUS, busUrl)
      .replaceAll(PRINTED_DIRECTORY, join(directory, 'data'));
  }

  /** Starts the bus in its own terminal; what it prints the page leaves open. */
  async function startBus(): Promise<string> {
    busUrl = `nats://${(await startNats()).address}`;
    return '';
  }

  /**
   * Starts a sidecar in its own terminal, so to speak, after the one before has been interrupted
   * there; what it has printed once it is ready.
   */
  async function start(environment: string): Promise<string> {
    if (sidecar !== undefined && sidecar.exitCode === null && sidecar.signalCode === null) {
      sidecar.kill('SIGINT');
      await once(sidecar, 'exit');
    }
    const assigned = environment.split(' ').filter((word) => word !== '');
    const child = spawn(process.execPath, ['src/main.ts'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        LEASEHOLD_LISTEN: '127.0.0.1:0',
        LEASEHOLD_DATA_DIR: join(directory, 'data'),
        ...Object.fromEntries(assigned.map((word) => here(word).split('=', 2))),
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    started.push(child);
    sidecar = child;
    for await (const line of createInterface(child.stdout!)) {
      url = /^leasehold ready (\S+)/.exec(line)?.[1] ?? url;
      return line.replace(url, PRINTED_URL);
    }
    throw new Error('The sidecar ended without a word');
  }

  /** Types one command into the shell; what it prints. */
  async function type(command: string): Promise<string> {
    shell.stdin!.write(`export LEASEHOLD_URL=${url}\n${here(command)}\nprintf '\\n%s\\n' '${END}'\n`);
    let output = '';
    while (!output.endsWith(`\n${END}\n`)) {
      const chunk = await printed.next();
      if (chunk.done === true) throw new Error(`The shell ended while it ran: ${command}`);
      output += chunk.value;
    }
    return output.slice(0, -END.length - 2);
  }

  function run(command: string): Promise<string> {
    if (command === START_BUS) return startBus();
    if (command.endsWith(START)) return start(command.slice(0, -START.length));
    return type(command);
  }

  test('answers as printed', async () => {
    expect(session.length).toBeGreaterThan(12);
    for (const { command, expected } of session) {
      const output = await run(command);
      // A busy machine makes the loop late, and replies and events say so.
      const unpressed = output
        .replaceAll(/^Leasehold-Pressure: level=[a-z]+; source=loop[^\n]*\n/gm, '')
        .replaceAll(/^event: leasehold\.pressure\.changed\.v1\ndata: [^\n]*\n?/gm, '');
      const shown = unpressed.replaceAll(url, PRINTED_URL);
      if (!isAsPrinted(shown, expected)) {
        expect.fail(`$ ${command}\nprinted:\n${shown}\nthe README says:\n${expected.join('\n')}`);
      }
    }
  });

  test('comes after the two commands the page begins with', () => {
    const first = /```sh\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
    expect(first.split('\n').map((line) => line.replace(/\s+#.*/, ''))).toEqual([START, 'npm test', '']);
  });
});

describe('what is printed', () => {
  test.each<[string, string[], boolean]>([
    ['one\ntwo\n', ['one', 'two'], true],
    ['one\r\ntwo\r\n', ['one', 'two'], true],
    ['one\ntwo\n', ['one'], false],
    ['one\n', ['one', 'two'], false],
    ['{"a":17,"b":2}', ['{"a":…,"b":2}'], true],
    ['{"a":17,"b":3}', ['{"a":…,"b":2}'], false],
    ['one\ntwo\nthree', ['…', 'three'], true],
    ['three', ['…', 'three'], true],
    ['one\ntwo', ['…', 'three'], false],
    ['one (1)', ['one (…)'], true],
    ['anything', [], false],
    ['', [], true],
  ])('%j against %j: %s', (output, expected, same) => {
    expect(isAsPrinted(output, expected)).toBe(same);
  });

  test('is read from the blocks: commands, continued lines and outputs', () => {
    const page = 'Text\n```console\n$ one \\\n    more\nout\n$ two\n```\n```sh\n$ three\n```\n';
    expect(sessionOf(page)).toEqual([
      { command: 'one \\\n    more', expected: ['out'] },
      { command: 'two', expected: [] },
    ]);
  });
});
