import { describe, expect, it } from 'vitest';
import { requireNats } from './require-nats.ts';
import { requireRedis } from './require-redis.ts';
import { type Machine, thisMachine } from './require-server.ts';

/** A machine with these programs, on which installing works or does not. */
function machine(programs: readonly string[], isRoot: boolean, installs = true) {
  const there = new Set(programs);
  const ran: string[] = [];
  const said: string[] = [];
  const mine: Machine = {
    isRoot,
    find: (name) => (there.has(name) ? `/bin/${name}` : undefined),
    run(command, args) {
      ran.push([command, ...args].join(' '));
      if (installs && args.includes('install')) there.add(args.at(-1)!);
      return Promise.resolve(installs ? 0 : 100);
    },
    say: (line) => void said.push(line),
  };
  return { mine, ran, said };
}

describe.each([
  { binary: 'redis-server', require: requireRedis },
  { binary: 'nats-server', require: requireNats },
])('the set-up of the tests, for $binary', ({ binary, require }) => {
  const oneLine = new RegExp(
    `^The tests need ${binary} [^\\n]*apt-get install ${binary}[^\\n]*$`,
  );

  it('takes the one that is there', async () => {
    const { mine, ran, said } = machine([binary, 'apt-get'], true);
    await expect(require(mine)).resolves.toBe(`/bin/${binary}`);
    expect([ran, said]).toEqual([[], []]);
  });

  it('installs a missing one when it may, and says so', async () => {
    const { mine, ran, said } = machine(['apt-get'], true);
    await expect(require(mine)).resolves.toBe(`/bin/${binary}`);
    expect(ran).toEqual([
      expect.stringMatching(/^\/bin\/apt-get .*\bupdate$/),
      expect.stringMatching(new RegExp(`^/bin/apt-get -qy .*\\binstall .*\\b${binary}$`)),
    ]);
    expect(said).toHaveLength(1);
  });

  it('says in one line what to install where it may not, or cannot, or it did not work', async () => {
    const worlds = [
      machine(['apt-get'], false), machine([], true), machine(['apt-get'], true, false),
    ];
    for (const { mine } of worlds) await expect(require(mine)).rejects.toThrow(oneLine);
    expect(worlds.slice(0, 2).map(({ ran }) => ran)).toEqual([[], []]);
  });
});

it('looks where servers are put, too, whatever the PATH says', () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  try {
    // Every Linux has one of them there, and no ordinary user has that on the PATH.
    const found = ['ldconfig', 'chroot', 'useradd'].map((name) => thisMachine().find(name));
    expect(found.some((file) => file !== undefined && /\/sbin\//.test(file))).toBe(true);
  } finally {
    process.env['PATH'] = path;
  }
});
