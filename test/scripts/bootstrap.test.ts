/** The bootstrap, run in a clone of its own with an npm that only notes that it was called. */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../../scripts/bootstrap.cjs');

let root: string;
const at = (...parts: string[]) => join(root, ...parts);

/** Installs what the lock file says, as npm would record it, and adds a line to `installs`. */
const FAKE_NPM = `
const fs = require('node:fs');
const root = process.cwd();
fs.appendFileSync(root + '/installs', process.argv.slice(2).join(' ') + '\\n');
if (fs.existsSync(root + '/npm-fails')) process.exit(7);
const { packages } = JSON.parse(fs.readFileSync(root + '/package-lock.json', 'utf8'));
delete packages[''];
setTimeout(() => {
  fs.mkdirSync(root + '/node_modules', { recursive: true });
  fs.writeFileSync(root + '/node_modules/.package-lock.json', JSON.stringify({ packages }));
}, 20);
`;

function lock(version: string): void {
  const packages = {
    '': { name: 'clone' },
    'node_modules/a': { version, integrity: `sha-${version}` },
    'node_modules/other-platform': { version: '1.0.0', optional: true },
  };
  writeFileSync(at('package-lock.json'), JSON.stringify({ packages }));
}

type Packages = Readonly<Record<string, { version: string; integrity: string }>>;

/** npm's record as if somebody had installed by hand. */
function installByHand(packages: Packages): void {
  mkdirSync(at('node_modules'), { recursive: true });
  writeFileSync(at('node_modules/.package-lock.json'), JSON.stringify({ packages }));
}
const RIGHT = { version: '1.0.0', integrity: 'sha-1.0.0' };

function bootstrap(): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [at('scripts/bootstrap.cjs')], {
    env: { ...process.env, npm_execpath: at('npm-cli.js') },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

const installs = () =>
  existsSync(at('installs')) ? readFileSync(at('installs'), 'utf8').trim().split('\n') : [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'leasehold-bootstrap-'));
  mkdirSync(at('scripts'));
  copyFileSync(SCRIPT, at('scripts/bootstrap.cjs'));
  writeFileSync(at('npm-cli.js'), FAKE_NPM);
  writeFileSync(at('package.json'), JSON.stringify({ engines: { node: '>=22.15' } }));
  lock('1.0.0');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('bootstrap', () => {
  test('installs on a fresh clone, once, and is silent afterwards', async () => {
    const first = await bootstrap();
    expect(first).toMatchObject({ code: 0, out: '' });
    expect(first.err).toMatch(/^bootstrap: installing .*\nbootstrap: installed in \d+ s\n$/);
    expect(installs()).toEqual([expect.stringMatching(/^ci --include=dev/)]);
    expect(await bootstrap()).toEqual({ code: 0, out: '', err: '' });
    expect(installs()).toHaveLength(1);
  });

  test('installs again when the lock file has changed', async () => {
    await bootstrap();
    lock('1.0.1');
    await bootstrap();
    expect(installs()).toHaveLength(2);
  });

  test('accepts what was installed by hand if it is what the lock file asks for', async () => {
    installByHand({ 'node_modules/a': RIGHT });
    expect(await bootstrap()).toEqual({ code: 0, out: '', err: '' });
    expect(installs()).toEqual([]);
  });

  test.each<[string, Packages]>([
    ['of another version', { 'node_modules/a': { ...RIGHT, version: '0.9.0' } }],
    ['of other content', { 'node_modules/a': { ...RIGHT, integrity: 'sha-other' } }],
    ['something less', {}],
    ['something more', { 'node_modules/a': RIGHT, 'node_modules/b': RIGHT }],
  ])('replaces what was installed by hand if it is %s', async (_, packages) => {
    installByHand(packages);
    await bootstrap();
    expect(installs()).toHaveLength(1);
  });

  test('installs again when the packages came from another kind of machine', async () => {
    await bootstrap();
    const stamp = readFileSync(at('node_modules/.leasehold-bootstrap'), 'utf8');
    writeFileSync(at('node_modules/.leasehold-bootstrap'), stamp.replace(/ .*\n/, ' plan9-mips\n'));
    await bootstrap();
    expect(installs()).toHaveLength(2);
  });

  test('two at once install once', async () => {
    const both = await Promise.all([bootstrap(), bootstrap()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(installs()).toHaveLength(1);
    expect(existsSync(at('.bootstrap-lock'))).toBe(false);
  });

  test('takes over from one that was killed', async () => {
    mkdirSync(at('.bootstrap-lock'));
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(at('.bootstrap-lock'), longAgo, longAgo);
    const { code, err } = await bootstrap();
    expect(code).toBe(0);
    expect(err).toContain('taking over');
    expect(installs()).toHaveLength(1);
  });

  test('says when npm fails, and lets the next one try', async () => {
    writeFileSync(at('npm-fails'), '');
    const { code, err } = await bootstrap();
    expect(code).toBe(1);
    expect(err).toContain('npm ci failed (exit code 7)');
    expect(existsSync(at('.bootstrap-lock'))).toBe(false);
    rmSync(at('npm-fails'));
    expect((await bootstrap()).code).toBe(0);
  });

  test('says when no Node comes with the packages and the one at hand is too old', async () => {
    writeFileSync(at('package.json'), JSON.stringify({ engines: { node: '>=99.5' } }));
    const { code, err } = await bootstrap();
    expect(code).toBe(1);
    expect(err).toMatch(/put Node 99\.5 or newer on the PATH/);
  });

  test('says when the clone is not whole', async () => {
    rmSync(at('package-lock.json'));
    expect(await bootstrap()).toMatchObject({
      code: 1,
      err: expect.stringContaining('is missing'),
    });
  });
});
