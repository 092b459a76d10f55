import { describe, expect, it } from 'vitest';
import { type Machine, requireRedis } from './require-redis.ts';

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

const ONE_LINE = /^The tests need redis-server [^\n]*apt-get install redis-server[^\n]*$/;

describe('the set-up of the tests', () => {
  it('takes the redis-server that is there', async () => {
    const { mine, ran, said } = machine(['redis-server', 'apt-get'], true);
    await expect(requireRedis(mine)).resolves.toBe('/bin/redis-server');
    expect([ran, said]).toEqual([[], []]);
  });

  it('installs a missing one when it may, and says so', async () => {
    const { mine, ran, said } = machine(['apt-get'], true);
    await expect(requireRedis(mine)).resolves.toBe('/bin/redis-server');
    expect(ran).toEqual([
      expect.stringMatching(/^\/bin\/apt-get .*\bupdate$/),
      expect.stringMatching(/^\/bin\/apt-get -qy .*\binstall .*\bredis-server$/),
    ]);
    expect(said).toHaveLength(1);
  });

  it('says in one line what to install where it may not, or cannot, or it did not work', async () => {
    const worlds = [
      machine(['apt-get'], false), machine([], true), machine(['apt-get'], true, false),
    ];
    for (const { mine } of worlds) await expect(requireRedis(mine)).rejects.toThrow(ONE_LINE);
    expect(worlds.slice(0, 2).map(({ ran }) => ran)).toEqual([[], []]);
  });
});
