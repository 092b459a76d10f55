/** Whose a lease is: what callers of one subject may do with it, and those of another may not. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Bearer } from '../../src/core/bearer.ts';
import type { BatchReply, Command, GrantReply, LeasePage, RenewManyReply } from '../../src/core/command.ts';
import { Core } from '../../src/core/core.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';

const bearer = (subject: string, ...namespaces: string[]): Bearer => ({
  subject, namespaces: new Set(namespaces),
});
const WEB = bearer('web', 'a');
/** The same namespace, another subject; and the same subject name without the namespace. */
const JOBS = bearer('jobs', 'a');
const ELSEWHERE = bearer('web', 'b');
const ANYWHERE: Bearer = { subject: 'jobs', namespaces: undefined };

const OPTIONS = { ...optionsWith([contractOf('a'), contractOf('b')]), autoCreateNamespaces: false };
let core: Core;
const ask = (command: Command): object => core.step(command, START);
const codeOf = (reply: object): string => ('refused' in reply ? String(reply.refused) : 'done');
const value = Buffer.from('v');

beforeEach(() => {
  core = new Core(OPTIONS, START);
  ask({ op: 'grant', namespace: 'a', id: 'x', holder: 'h', labels: { zone: 'z' }, bearer: WEB });
  ask({ op: 'grant', namespace: 'a', id: 'nobodys', holder: 'h' });
});

const underX: readonly (readonly [string, (asked: { bearer: Bearer }) => Command])[] = [
  ['renew', (asked) => ({ op: 'renew', id: 'x', ...asked })],
  ['transfer', (asked) => ({ op: 'transfer', id: 'x', holder: 'h2', ...asked })],
  ['release', (asked) => ({ op: 'release', id: 'x', ...asked })],
  ['get-lease', (asked) => ({ op: 'get-lease', id: 'x', ...asked })],
  ['grant', (asked) => ({ op: 'grant', namespace: 'a', id: 'x', holder: 'h', ...asked })],
  ['put', (asked) => ({
    op: 'put', namespace: 'a', key: 'k', value, contentType: 'text/plain', lease: 'x', ...asked,
  })],
  ['increment', (asked) => ({ op: 'increment', namespace: 'a', key: 'n', by: 1, lease: 'x', ...asked })],
];

describe.each(underX)('%s', (_name, command) => {
  test('is done for its subject, whichever token that shows', () => {
    expect(codeOf(ask(command({ bearer: { ...WEB, namespaces: undefined } })))).toBe('done');
  });
  test.each([JOBS, ELSEWHERE, ANYWHERE])('is forbidden to others, live or ended, and changes nothing', (other) => {
    const before = core.facts.count;
    expect(codeOf(ask(command({ bearer: other })))).toBe('forbidden');
    expect(core.facts.count).toBe(before);
    const isGrant = command({ bearer: other }).op === 'grant';
    ask({ op: 'release', id: 'x', bearer: WEB });
    // An id whose lease has ended may be granted to anybody.
    if (!isGrant) expect(codeOf(ask(command({ bearer: other })))).toBe('forbidden');
  });
  test('of a lease that nobody knows says so', () => {
    const { id: _id, lease: _lease, ...rest } = command({ bearer: JOBS }) as Command & { id?: string; lease?: string };
    if (rest.op === 'grant') return;
    const unknown = 'namespace' in rest ? { ...rest, lease: 'y' } : { ...rest, id: 'y' };
    expect(codeOf(ask(unknown as Command))).toBe('lease-not-found');
  });
});

test('a lease without a subject is everybody’s in its namespace, and nobody’s outside', () => {
  for (const other of [WEB, JOBS, ANYWHERE]) {
    expect(codeOf(ask({ op: 'renew', id: 'nobodys', bearer: other }))).toBe('done');
  }
  expect(codeOf(ask({ op: 'renew', id: 'nobodys', bearer: ELSEWHERE }))).toBe('forbidden');
});

test('an implicit lease is its namespace’s', () => {
  const put = { op: 'put', namespace: 'a', key: 'k', value, contentType: 'text/plain', ttlMs: 1000 } as const;
  const { lease } = ask({ ...put, bearer: WEB }) as { lease: string };
  expect(codeOf(ask({ op: 'renew', id: lease, bearer: JOBS }))).toBe('done');
  expect(codeOf(ask({ op: 'renew', id: lease, bearer: ELSEWHERE }))).toBe('forbidden');
});

test('a listing shows each what it may look at alone', () => {
  ask({ op: 'grant', namespace: 'b', id: 'z', holder: 'h', bearer: ELSEWHERE });
  const idsFor = (asked: { bearer?: Bearer }): string[] => {
    const ids: string[] = [];
    let after: string | undefined;
    do {
      const from = after === undefined ? {} : { after };
      const page = ask({ op: 'list-leases', limit: 1, ...from, ...asked }) as LeasePage;
      ids.push(...page.leases.map(({ id }) => id));
      after = page.last;
    } while (after !== undefined);
    return ids;
  };
  expect(idsFor({ bearer: WEB })).toEqual(['nobodys', 'x']);
  expect(idsFor({ bearer: JOBS })).toEqual(['nobodys']);
  expect(idsFor({ bearer: ELSEWHERE })).toEqual(['z']);
  expect(idsFor({})).toEqual(['nobodys', 'x', 'z']);
});

test('bulk renewals and batches are judged one by one', () => {
  const { results } = ask({ op: 'renew-many', ids: ['x', 'nobodys', 'y'], bearer: JOBS }) as RenewManyReply;
  expect(results.map(({ reply }) => codeOf(reply))).toEqual(['forbidden', 'done', 'lease-not-found']);
  const refusal = { refused: 'forbidden', detail: 'at the edge' } as const;
  const operations = [
    { op: 'renew', id: 'x', bearer: JOBS }, { op: 'renew', id: 'nobodys', bearer: JOBS },
    { op: 'refused', refusal },
  ] as const;
  const batch = ask({ op: 'batch', atomic: false, operations }) as BatchReply;
  expect(batch.results.map(codeOf)).toEqual(['forbidden', 'done', 'forbidden']);
  expect(ask({ op: 'batch', atomic: true, operations: operations.slice(1) })).toMatchObject({
    refused: 'batch-refused', members: { results: [{ lease: { id: 'nobodys' } }, refusal] },
  });
});

test('the subject stays with the lease and is shown to nobody', () => {
  const { lease } = ask({ op: 'transfer', id: 'x', holder: 'h2', bearer: WEB }) as GrantReply;
  expect(lease.labels).toEqual({ zone: 'z' });
  const records: Uint8Array[] = [];
  core.beginSnapshot();
  while (!core.snapshotNext(100, (bytes, start, end) => records.push(bytes.slice(start, end))));
  const next = new Core({ ...OPTIONS, actor: 'aaaaaaaaaaaaaaa2' }, START);
  for (const record of records) next.restore(record);
  next.snapshotRestored();
  next.resume(START);
  core = next;
  expect(codeOf(ask({ op: 'renew', id: 'x', bearer: JOBS }))).toBe('forbidden');
  expect(ask({ op: 'renew', id: 'x', bearer: WEB })).toMatchObject({ lease: { labels: { zone: 'z' } } });
});
