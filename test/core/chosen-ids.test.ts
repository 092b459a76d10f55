/** Ids that clients choose, and that look like those a sidecar gives: nothing meets itself there. */
import { beforeEach, expect, test } from 'vitest';
import type { Command, GrantReply, LeasePage } from '../../src/core/command.ts';
import { Core } from '../../src/core/core.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';

let core: Core;
const ask = (command: Command): object => core.step(command, START);
const grant = (id?: string): object =>
  ask({ op: 'grant', namespace: 'a', holder: 'h', ...(id === undefined ? {} : { id }) });
const idOf = (reply: object): string => (reply as GrantReply).lease.id;

beforeEach(() => {
  core = new Core(optionsWith([contractOf('a')]), START);
});

test('an id that would have been given next is passed over', () => {
  const first = idOf(grant());
  const given = (ahead: number): string => first.replace(/\d+$/, (number) => String(Number(number) + ahead));
  // It may be live, or remembered.
  for (const id of [given(3), given(4)]) expect(idOf(grant(id))).toBe(id);
  ask({ op: 'release', id: given(3) });
  const ids = [idOf(grant()), idOf(grant())];
  expect(new Set([first, given(3), given(4), ...ids]).size).toBe(5);
  const { leases } = ask({ op: 'list-leases', limit: 10 }) as LeasePage;
  expect(leases.map(({ id }) => id).sort()).toEqual([first, given(4), ...ids].sort());
});

test.each([
  ['of an implicit lease that has ended', (lease: string) => lease],
  ['of one to come', (lease: string) => lease.replace(/\d+$/, '50')],
  ['of one, written otherwise', (lease: string) => lease.replace(/\d+$/, '0$&')],
])('an id %s is not granted', (_whose, idFrom) => {
  const value = Buffer.from('v');
  const { lease } = ask({ op: 'put', namespace: 'a', key: 'k', value, contentType: 'text/plain', ttlMs: 1000 }) as { lease: string };
  ask({ op: 'release', id: lease });
  for (let times = 0; times < 2; times++) {
    expect(grant(idFrom(lease))).toMatchObject({ refused: 'invalid-request' });
  }
});
