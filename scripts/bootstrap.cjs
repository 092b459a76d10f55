/**
 * Makes a fresh clone ready: `npm start` and `npm test` run this first.
 *
 * It runs `npm ci` when what is installed is not what `package-lock.json` asks for, and is silent
 * when there is nothing to do. CommonJS without dependencies, because it runs before anything is
 * installed and under whatever Node (18 or newer) happens to be on the PATH; the project's own Node
 * comes with the packages.
 *
 * Two at once: a lock directory. It stays empty (git does not see empty directories) and its owner
 * touches it every two seconds, so one left behind by a killed process is known by its age, whatever
 * container or host made it. Given up: two waiters that find the same stale lock in the same
 * millisecond may both install; the worst of that is an install that fails and is run again.
 */
'use strict';

const { spawn, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const LOCK_FILE = path.join(ROOT, 'package-lock.json');
const INSTALLED_FILE = path.join(ROOT, 'node_modules', '.package-lock.json');
const STAMP_FILE = path.join(ROOT, 'node_modules', '.leasehold-bootstrap');
const GUARD = path.join(ROOT, '.bootstrap-lock');
const PLATFORM_NODE = path.join(
  ROOT,
  'node_modules',
  '.bin',
  process.platform === 'win32' ? 'node.cmd' : 'node',
);

const TOUCH_MS = 2_000;
/** Five missed touches and a margin: a busy machine is not a dead one. */
const STALE_MS = 15_000;
/** A cold install over a slow line takes minutes; beyond this something else is wrong. */
const WAIT_MAX_MS = 600_000;

function say(message) {
  process.stderr.write(`bootstrap: ${message}\n`);
}

function readOrUndefined(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** What the stamp must say: this lock file, on this kind of machine (packages differ by platform). */
function wantedStamp(lockText) {
  const hash = createHash('sha256').update(lockText).digest('hex');
  return `${hash} ${process.platform}-${process.arch}\n`;
}

/** True when npm's own record of `node_modules` agrees with the lock file, package by package. */
function installedMatches(lockText, installedText) {
  let wanted;
  let installed;
  try {
    wanted = JSON.parse(lockText).packages ?? {};
    installed = JSON.parse(installedText).packages ?? {};
  } catch {
    return false;
  }
  for (const [name, there] of Object.entries(installed)) {
    const asked = wanted[name];
    if (asked === undefined || asked.version !== there.version) return false;
    if (asked.integrity !== there.integrity) return false;
  }
  return Object.entries(wanted).every(
    ([name, asked]) => name === '' || asked.optional || installed[name] !== undefined,
  );
}

function needsInstall() {
  const lockText = readOrUndefined(LOCK_FILE);
  if (lockText === undefined) {
    throw new Error(`${LOCK_FILE} is missing: this is not a whole clone`);
  }
  const installedText = readOrUndefined(INSTALLED_FILE);
  if (installedText === undefined) return true;
  const stamp = readOrUndefined(STAMP_FILE);
  const wanted = wantedStamp(lockText);
  if (stamp === wanted) return false;
  const platform = ` ${process.platform}-${process.arch}\n`;
  if (stamp !== undefined && !stamp.endsWith(platform)) return true;
  // Installed by hand with npm: accept it if it is the same thing, and remember that.
  if (!installedMatches(lockText, installedText)) return true;
  fs.writeFileSync(STAMP_FILE, wanted);
  return false;
}

/** Returns true when this process holds the guard, false when another one does. */
function tryGuard() {
  try {
    fs.mkdirSync(GUARD);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

function guardIsStale() {
  try {
    return Date.now() - fs.statSync(GUARD).mtimeMs > STALE_MS;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function dropGuard() {
  try {
    fs.rmdirSync(GUARD);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

async function takeGuard() {
  const giveUpAt = Date.now() + WAIT_MAX_MS;
  let told = false;
  while (!tryGuard()) {
    if (guardIsStale()) {
      say('an earlier install was killed; taking over');
      dropGuard();
      continue;
    }
    if (!told) say('another install is running here; waiting for it');
    told = true;
    if (Date.now() > giveUpAt) throw new Error(`waited too long; remove ${GUARD} and try again`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Runs `npm ci`; its chatter goes to stderr, since stdout belongs to whoever called us. */
function runInstall() {
  const npmScript = process.env.npm_execpath;
  // Development packages always: `npm test` needs them even where NODE_ENV says production.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const underNpm = npmScript !== undefined && /npm-cli\.[cm]?js$/.test(npmScript);
  const command = underNpm ? process.execPath : 'npm';
  const child = spawn(command, underNpm ? [npmScript, ...args] : args, {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: !underNpm && process.platform === 'win32',
  });
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`cannot run npm: ${error.message}`)));
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ci failed (${signal ?? `exit code ${code}`}), see above`));
    });
  });
}

async function install() {
  const startedAt = Date.now();
  const touch = setInterval(() => {
    const now = new Date();
    fs.utimes(GUARD, now, now, () => {});
  }, TOUCH_MS);
  try {
    say('installing what package-lock.json lists (npm ci); the first time takes a minute or so');
    await runInstall();
    fs.writeFileSync(STAMP_FILE, wantedStamp(fs.readFileSync(LOCK_FILE, 'utf8')));
    say(`installed in ${Math.round((Date.now() - startedAt) / 1000)} s`);
  } finally {
    clearInterval(touch);
  }
}

/** Says plainly when neither the packages nor the PATH have a Node that can run the project. */
function checkNode() {
  if (fs.existsSync(PLATFORM_NODE)) return;
  const engines = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')).engines;
  const wanted = /(\d+)\.(\d+)/.exec(engines.node);
  const [major, minor] = process.versions.node.split('.').map(Number);
  const wantedMajor = Number(wanted[1]);
  if (major > wantedMajor || (major === wantedMajor && minor >= Number(wanted[2]))) return;
  throw new Error(
    `no Node comes with the packages for ${process.platform}-${process.arch}, and the one on the ` +
      `PATH is ${process.versions.node}: put Node ${wanted[0]} or newer on the PATH`,
  );
}

/** A Node that came with the packages but cannot run here would fail later, without a reason. */
function checkPlatformNode() {
  if (!fs.existsSync(PLATFORM_NODE)) return;
  const tried = spawnSync(PLATFORM_NODE, ['--version'], { encoding: 'utf8' });
  if (tried.status === 0) return;
  const reason = tried.error?.message ?? tried.stderr?.trim() ?? `exit code ${tried.status}`;
  throw new Error(`the Node that came with the packages does not run here: ${reason}`);
}

async function main() {
  if (needsInstall()) {
    await takeGuard();
    try {
      if (needsInstall()) {
        await install();
        checkPlatformNode();
      }
    } finally {
      dropGuard();
    }
  }
  checkNode();
}

main().catch((error) => {
  say(error.message);
  process.exitCode = 1;
});
