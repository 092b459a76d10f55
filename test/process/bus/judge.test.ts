import { beforeEach, describe, expect, it } from 'vitest';
import type { StreamName } from '../../../src/events/bus.ts';
import { Account } from './account.ts';
import { Archive } from './archive.ts';
import { type Circumstances, judge, type Rest } from './judge.ts';

const ACTOR = '00000000000000aa';
const SOURCE = `/leasehold/tested/${ACTOR}`;

let account: Account;
let archive: Archive;
let numbers: Record<StreamName, number>;

/** As the stream has it; numbered by itself. */
function message(type: string, data: object, change: { readonly sequence?: number } = {}) {
  const stream: StreamName = type.endsWith('.ended') ? 'endings' : 'events';
  numbers[stream] = change.sequence ?? numbers[stream] + 1;
  const sequence = numbers[stream];
  const id = `${ACTOR}:${stream}:${sequence}`;
  const event = {
    id, source: SOURCE, sequence: String(sequence).padStart(16, '0'),
    type: `leasehold.${type}.v1`, data: { at: '2026-01-01T00:00:00.000Z', ...data },
  };
  return { stream, subject: `leasehold.v1.${type}`, id, body: Buffer.from(JSON.stringify(event)) };
}

function told(type: string, data: object, change: { readonly sequence?: number } = {}): void {
  archive.take(message(type, data, change));
}

function closed(endings = numbers.endings): void {
  const lastSequences = { endings, events: numbers.events + 1 };
  told('source.closed', { source: SOURCE, lastSequences });
}

/** What is wrong, when these are all that is there. */
function verdict(rest: Partial<Rest> = {}, circumstances: Partial<Circumstances> = {}): string[] {
  return judge(
    account, archive,
    { leases: new Set(), etags: new Set(), watched: new Set(), ...rest },
    { eventsLost: false, ...circumstances },
  );
}

/** A lease with an entry that was written twice; both are over but for what a test leaves out. */
function life(): void {
  account.leases.add('l');
  const run = account.written({ key: 'k', lease: 'l', etag: 'a.1', created: true }, undefined);
  account.written({ key: 'k', lease: 'l', etag: 'a.2', created: false }, run);
  told('lease.granted', { lease: 'l' });
  told('entry.created', { lease: 'l', etag: 'a.1' });
  told('entry.updated', { lease: 'l', etag: 'a.2', previousEtag: 'a.1' });
}
const LEASE_ENDED = ['lease.ended', { lease: 'l', endingId: 'of-l', reason: 'expired' }] as const;
const ENTRY_ENDED = ['entry.ended', { etag: 'a.2', endingId: 'of-k', reason: 'expired' }] as const;

beforeEach(() => {
  account = new Account();
  archive = new Archive();
  numbers = { endings: 0, events: 0 };
});

describe('the judge of what the streams tell', () => {
  it('has nothing to say where each grant ended once, or is there', () => {
    life();
    told(...LEASE_ENDED);
    told(...ENTRY_ENDED);
    account.leases.add('alive');
    told('lease.granted', { lease: 'alive' });
    closed();
    expect(verdict({ leases: new Set(['alive']), watched: new Set(['of-l', 'of-k']) })).toEqual([]);
  });

  it('misses an ending', () => {
    life();
    told(...LEASE_ENDED);
    closed();
    expect(verdict()).toEqual(['1 entries are gone without an ending: a.1']);
    expect(verdict({ etags: new Set(['a.2']) })).toEqual([]);
    expect(verdict({ etags: new Set(['a.2']), watched: new Set(['of-k']) })).toEqual([
      '1 endings that watchers were told are in no stream: of-k',
    ]);
  });

  it('sees a second ending of one life, by whichever of its versions, and one of what is there', () => {
    life();
    told(...LEASE_ENDED);
    told(...ENTRY_ENDED);
    told('entry.ended', { etag: 'a.1', endingId: 'another', reason: 'deleted' });
    closed();
    expect(verdict()).toEqual(['1 entries ended more than once: a.1 as expired and deleted']);
    expect(verdict({ leases: new Set(['l']) })).toContain('1 leases are there although they ended: l');
  });

  it('takes an ending that is told again for the same, under its number and under another', () => {
    life();
    told(...LEASE_ENDED);
    told(...LEASE_ENDED, { sequence: 1 });
    told(...ENTRY_ENDED);
    told(...ENTRY_ENDED);
    closed();
    expect(verdict()).toEqual([]);
    expect([archive.repeats, archive.retold]).toEqual([1, 1]);
  });

  it('sees other bytes under a number, and an id that is not its own', () => {
    life();
    told(...LEASE_ENDED);
    told('lease.ended', { lease: 'l', endingId: 'of-l', reason: 'released' }, { sequence: 1 });
    told(...ENTRY_ENDED);
    archive.take({ ...message(...ENTRY_ENDED), id: `${ACTOR}:endings:7` });
    closed(2);
    expect(verdict()).toEqual([
      `${ACTOR}:endings:1 came again with other bytes`,
      `${ACTOR}:endings:7 in endings says it is ${ACTOR}:endings:3, 0000000000000003 of ${SOURCE}`,
    ]);
  });

  it('sees a number that never came, and lets one pass where events were lost with their stream', () => {
    life();
    told(...LEASE_ENDED);
    told(...ENTRY_ENDED, { sequence: 3 });
    numbers.events = 4;
    closed();
    expect(verdict()).toEqual([
      `1 numbers never came in endings: ${ACTOR}:endings:2`,
      `1 numbers never came in events: ${ACTOR}:events:4`,
    ]);
    expect(verdict({}, { eventsLost: true })).toEqual([
      `1 numbers never came in endings: ${ACTOR}:endings:2`,
    ]);
  });

  it('wants each run to be said to be over, where it was', () => {
    life();
    told(...LEASE_ENDED);
    told(...ENTRY_ENDED);
    expect(verdict()).toEqual([`Nobody said that run ${ACTOR} is over`]);
    closed(1);
    expect(verdict()).toEqual([`Run ${ACTOR} is said to have ended at 1 in endings, and 2 was read`]);
  });

  it('joins what was told to what was answered: a write over another lease is another life', () => {
    account.leases.add('l').add('m');
    const first = account.written({ key: 'k', lease: 'l', etag: 'a.1', created: true }, undefined);
    account.written({ key: 'k', lease: 'm', etag: 'a.2', created: false }, first);
    for (const lease of ['l', 'm']) told('lease.granted', { lease });
    told('entry.created', { lease: 'l', etag: 'a.1' });
    told('entry.updated', { lease: 'm', etag: 'a.2', previousEtag: 'a.1', previousLease: 'l' });
    // Its answer was lost.
    told('entry.updated', { lease: 'm', etag: 'a.3', previousEtag: 'a.2' });
    told('entry.ended', { etag: 'a.1', endingId: 'superseded', reason: 'superseded' });
    closed();
    const leases = new Set(['l', 'm']);
    expect(verdict({ leases, etags: new Set(['a.3']) })).toEqual([]);
    expect(verdict({ leases })).toEqual(['1 entries are gone without an ending: a.2']);
  });

  it('sees what was answered and never told, and what was told of nothing', () => {
    account.leases.add('l');
    account.written({ key: 'k', lease: 'l', etag: 'a.1', created: true }, undefined);
    told('entry.ended', { etag: 'a.9', endingId: 'stranger', reason: 'expired' });
    closed();
    expect(verdict({ leases: new Set(['l']), etags: new Set(['a.1']) })).toEqual([
      '1 leases were granted, and nobody was told: l',
      '1 writes were answered, and nobody was told: a.1',
      '1 versions are there or ended that were never written: a.9',
    ]);
  });
});
