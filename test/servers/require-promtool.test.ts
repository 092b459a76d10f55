import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requirePromtool } from './require-promtool.ts';
import type { Machine } from './require-server.ts';

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'leasehold-promtool-'));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

/** A machine with these programs, on which fetching works or does not. */
function machine(programs: readonly string[], isRoot = true, fetches = true) {
  const ran: string[] = [];
  const mine: Machine = {
    isRoot,
    find: (name) => (programs.includes(name) ? `/bin/${name}` : undefined),
    async run(command, args) {
      ran.push(`${command} ${args[0]}`);
      if (command !== '/bin/sh') return 0;
      if (!fetches) return 100;
      const place = join(args.at(-1)!, 'usr/bin');
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, 'promtool'), '');
      chmodSync(join(place, 'promtool'), 0o755);
      return 0;
    },
    say: () => {},
  };
  return { mine, ran };
}

const DEBIAN = ['apt-get', 'dpkg-deb', 'sh'];

describe('the set-up of the tests, for promtool', () => {
  it('takes the one that is there', async () => {
    const { mine, ran } = machine(['promtool', ...DEBIAN]);
    await expect(requirePromtool(mine, cache)).resolves.toBe('/bin/promtool');
    expect(ran).toEqual([]);
  });

  it('fetches a missing one, once, and needs no rights for it', async () => {
    const { mine, ran } = machine(DEBIAN, false);
    await expect(requirePromtool(mine, cache)).resolves.toBe(join(cache, 'promtool'));
    await expect(requirePromtool(mine, cache)).resolves.toBe(join(cache, 'promtool'));
    expect(ran).toEqual(['/bin/sh -c']);
  });

  it('fills the lists of a fresh machine first, where it may', async () => {
    const { mine, ran } = machine(DEBIAN);
    await requirePromtool(mine, cache);
    expect(ran).toEqual(['/bin/apt-get -q', '/bin/sh -c']);
  });

  it('says in one line what to install where it cannot, or it did not work', async () => {
    const oneLine = /^The tests need promtool [^\n]*apt-get install prometheus[^\n]*$/;
    for (const { mine } of [machine(['sh']), machine(DEBIAN, true, false)]) {
      await expect(requirePromtool(mine, cache, 1)).rejects.toThrow(oneLine);
    }
  });
});
