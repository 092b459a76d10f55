/**
 * Random lives of one sidecar's core, in lockstep with the model. A life is a list of small
 * numbers, which fast-check makes and, when something breaks, shortens; what they mean is decided
 * while they run, from what is there then. The seed is printed with the failure.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BatchOperation, Command, Conditions } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';
import { Lockstep } from './lockstep.ts';

/** Lives of one run, and moves of one life on average: together more than 100 000 steps. */
const LIVES = 620;
const MOVES = 200;

const TIGHT = { leases: 5, entries: 6, bytes: 1 << 20 };
const namespaces: NamespaceContract[] = [
  contractOf('default', {}),
  contractOf('reverting', { class: 'local', onExpire: 'revert' }),
  contractOf('siblings', { conflict: 'siblings' }),
  contractOf('owned', { conflict: 'ownerWins' }),
  contractOf('counters', { conflict: 'counter' }),
  contractOf('sliding', { sliding: true }),
  contractOf('volatile', { durability: 'memory' }),
  contractOf('tight', { capacity: { ...TIGHT, eviction: 'refuse' } }),
  contractOf('evicting', { capacity: { ...TIGHT, leases: 9, eviction: 'soonestDeadline' } }),
];

const NAMESPACES = [...namespaces.map(({ name }) => name), 'made-up', 'No Such'];
const BATCHABLE = NAMESPACES.filter((name) => name !== 'evicting');
const KEYS = ['a', 'b', 'b/1', 'b/é', 'b/\u{10000}', 'b/\uffff'];
const HOLDERS = ['ann', 'bob'];
const LEASES = ['one', 'two', 'three', 'four', 'five', 'six'];
const TTLS = [100, 101, 700, 3000, 20_000, 60_000, 60_000, 99, 60_001, 0, 1.5];

/** What a move may be, and how often. */
const WEIGHTS = {
  put: 10, get: 3, delete: 2, increment: 3,
  grant: 4, renew: 4, 'renew-many': 1, transfer: 2, release: 2, 'get-lease': 1,
  'list-entries': 1, 'list-leases': 1, batch: 4, crowd: 1,
  wait: 4, jump: 1, tick: 3, 'tick-a-little': 2, group: 2, snapshot: 2, crash: 1,
};
type Kind = keyof typeof WEIGHTS;
const KINDS = Object.entries(WEIGHTS).flatMap(([kind, weight]) => {
  return Array.from({ length: weight }, () => kind as Kind);
});

/** One move: what to do, and dice for the rest. */
interface Move {
  readonly kind: Kind;
  readonly where: number;
  readonly which: number;
  readonly how: number;
  readonly much: number;
}
const die = fc.nat(999);
const move: fc.Arbitrary<Move> = fc.record(
  { kind: fc.constantFrom(...KINDS), where: die, which: die, how: die, much: die },
  { noNullPrototype: true },
);

function pick<T>(list: readonly T[], die: number): T {
  return list[die % list.length] as T;
}

/** Turns moves into commands: which words have been seen decides what the dice mean. */
class Player {
  readonly lockstep = new Lockstep(optionsWith(namespaces), START);
  /** Lease ids, ETags and contexts the core has given, the newest last. */
  readonly #leases: string[] = [];
  readonly #leaseOf = new Map<string, string>();
  readonly #etags = new Map<string, string[]>();
  readonly #contexts = new Map<string, string[]>();
  steps = 0;

  play(life: readonly Move[]): void {
    for (const each of life) this.#play(each);
    const { lockstep } = this;
    lockstep.inspect();
    lockstep.now += 10 * 3_600_000;
    lockstep.tick();
    lockstep.inspect();
    lockstep.endGroup();
    const { leases, entries } = lockstep.core.usage();
    expect({ leases, entries }).toEqual({ leases: 0, entries: 0 });
  }

  #play(each: Move): void {
    const { lockstep } = this;
    this.steps += 1;
    switch (each.kind) {
      case 'wait':
        lockstep.now += pick([0.25, 1, 40.5, 99.75, 100, 600, 2900], each.how);
        return;
      case 'jump':
        lockstep.now += pick([-5000, 10_000, 60_000, 130_000, 700_000, 5 * 3_600_000], each.how);
        return;
      case 'tick':
        return lockstep.tick();
      case 'tick-a-little':
        return lockstep.tick(1 + (each.how % 4));
      case 'group':
        return lockstep.endGroup();
      case 'snapshot':
        return lockstep.snapshot(1 + (each.how % 40));
      case 'crash':
        lockstep.crash(pick([0.125, 1, 500, 20_000, 700_000], each.how));
        return lockstep.inspect();
      case 'crowd':
        return this.#crowd(each);
      default:
        this.#step(this.#command(each, NAMESPACES));
    }
  }

  #step(command: Command): void {
    const reply = this.lockstep.step(command) as Record<string, unknown>;
    if (typeof reply['lease'] === 'string') this.#leases.push(reply['lease']);
    const lease = reply['lease'] as { id?: string } | undefined;
    if (typeof lease?.id === 'string') this.#leases.push(lease.id);
    if (!('key' in command)) return;
    const place = `${command.namespace} ${command.key}`;
    if (typeof reply['lease'] === 'string') this.#leaseOf.set(place, reply['lease']);
    for (const [member, words] of [['etag', this.#etags], ['context', this.#contexts]] as const) {
      const word = reply[member];
      if (typeof word !== 'string') continue;
      const known = words.get(place) ?? [];
      words.set(place, [...known.slice(-3), word]);
    }
  }

  /** One lease with more entries than are ended in one step. */
  #crowd(each: Move): void {
    const id = pick(LEASES, each.which);
    this.#step({ op: 'grant', namespace: 'default', holder: pick(HOLDERS, each.how), id });
    for (let index = 0; index < 40; index += 1) {
      this.#step({
        op: 'put', namespace: 'default', key: `crowd/${index}`, lease: id,
        value: Buffer.from('x'), contentType: 'text/plain',
      });
    }
    if (each.much % 2 === 0) this.#step({ op: 'release', id, reason: 'revoked', cause: 'crowded' });
  }

  #leaseId(die: number): string {
    // Mostly one that was heard of lately, so that moves meet.
    if (die % 2 === 0 && this.#leases.length > 0) return pick(this.#leases.slice(-5), die >>> 1);
    if (die % 97 === 1) return 'never-granted';
    return pick(LEASES, die);
  }

  /** Which lease a write goes under: neither, a TTL, a lease, now and then both. */
  #under(each: Move): { lease?: string; ttlMs?: number } {
    const ttlMs = pick(TTLS, each.much);
    const lease = this.#leaseId(each.much);
    const choices = [{}, {}, {}, { ttlMs }, { ttlMs }, { lease }, { lease }, { lease }];
    return each.how % 41 === 0 ? { lease, ttlMs } : pick<object>(choices, each.how);
  }

  #conditions(place: string, each: Move): Conditions & { context?: string } {
    const etags = this.#etags.get(place) ?? ['none'];
    const contexts = this.#contexts.get(place) ?? [];
    const latest = etags.at(-1) as string;
    switch (Math.floor(each.how / 10) % 12) {
      case 0:
        return { ifMatch: [latest] };
      case 1:
        return { ifMatch: etags };
      case 2:
        return { ifMatch: '*' };
      case 3:
        return { ifNoneMatch: '*' };
      case 4:
        return { ifNoneMatch: [latest] };
      case 5:
      case 6:
      case 7:
        return contexts.length === 0 ? {} : { context: pick(contexts, each.much) };
      default:
        return {};
    }
  }

  #command(each: Move, namespaces: readonly string[]): Command {
    const namespace = pick(namespaces, each.where);
    const key = pick(KEYS, each.which);
    const place = `${namespace} ${key}`;
    const optional = (present: boolean, members: object): object => (present ? members : {});
    switch (each.kind) {
      case 'put':
        return {
          op: 'put', namespace, key, ...this.#under(each), ...this.#conditions(place, each),
          value: Buffer.from(pick(['1', '-7', 'text', '', '9007199254740991', 'x'.repeat(65)], each.much)),
          contentType: pick(['text/plain', 'application/octet-stream', 'image/png'], each.which),
        };
      case 'get':
        return { op: 'get', namespace, key };
      case 'delete':
        return { op: 'delete', namespace, key, ...this.#conditions(place, each) };
      case 'increment':
        return {
          op: 'increment', namespace, key, ...this.#under(each),
          by: pick([1, 1, 5, -3, 0, Number.MAX_SAFE_INTEGER], each.which + each.much),
        };
      case 'grant':
        return {
          op: 'grant', namespace, holder: pick(HOLDERS, each.which),
          ...optional(each.how % 4 > 0, { id: each.how % 89 === 1 ? 'renew' : pick(LEASES, each.how) }),
          ...optional(each.much % 3 > 0, { ttlMs: pick(TTLS, each.much) }),
          ...optional(each.much % 5 === 0, { maxLifetimeMs: pick([700, 5000, 120_001], each.which) }),
          ...optional(each.which % 2 === 0, { labels: { team: 'web', tier: String(each.which) } }),
        };
      case 'renew':
        return {
          op: 'renew', id: this.#leaseId(each.which),
          ...optional(each.how % 3 === 0, { ttlMs: pick(TTLS, each.much) }),
        };
      case 'renew-many':
        return { op: 'renew-many', ids: [each.where, each.which, each.how].map((die) => this.#leaseId(die)) };
      case 'transfer':
        return { op: 'transfer', id: this.#leaseId(each.which), holder: pick(HOLDERS, each.how) };
      case 'release':
        return {
          op: 'release', id: this.#leaseId(each.which),
          ...optional(each.how % 4 === 0, { reason: 'revoked', cause: 'drain' }),
        };
      case 'list-entries':
        return {
          op: 'list-entries', namespace, prefix: pick(['', 'b', 'b/', 'c'], each.which),
          limit: pick([1, 2, 10, 50, 0, 51], each.how), values: each.much % 2 === 0,
          ...optional(each.much % 3 === 0, { after: pick(KEYS, each.much) }),
        };
      case 'list-leases':
        return {
          op: 'list-leases', limit: pick([1, 3, 50, 0], each.how), implicit: each.which % 2 === 0,
          state: pick(['live', 'live', 'ended'], each.much),
          ...optional(each.how % 3 === 0, { namespace }),
          ...optional(each.how % 5 === 0, { holder: pick(HOLDERS, each.which) }),
          ...optional(each.much % 4 === 0, { after: this.#leaseId(each.where) }),
        };
      case 'batch':
        return { op: 'batch', atomic: each.how % 3 > 0, operations: this.#operations(each) };
      default:
        return { op: 'get-lease', id: this.#leaseId(each.which) };
    }
  }

  #operations(each: Move): BatchOperation[] {
    const kinds = ['put', 'put', 'increment', 'delete', 'get', 'renew'] as const;
    // One namespace for most of a batch, so that its operations meet each other.
    const home = BATCHABLE[each.where % BATCHABLE.length] as string;
    return Array.from({ length: 1 + (each.much % 5) }, (_, index) => {
      const dice = (each.which + 1) * (index + 7) * 31 + each.how * 17 * (index + 1);
      const operation: Move = {
        kind: pick(kinds, dice), where: dice, which: (dice >>> 3) % 3, how: dice >>> 2, much: dice >>> 4,
      };
      const command = this.#command(operation, index % 4 === 3 ? BATCHABLE : [home]);
      // Mostly the lease of a key that the batch is about.
      const lease = this.#leaseOf.get(`${home} ${pick(KEYS, operation.which)}`);
      if (command.op === 'renew' && lease !== undefined) return { op: 'renew', id: lease };
      return command as BatchOperation;
    });
  }
}

test('a core and its model agree on every answer and every fact, whatever happens', () => {
  let steps = 0;
  let compared = 0;
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 2 * MOVES, size: 'max' }), (life) => {
      const player = new Player();
      player.play(life);
      steps += player.steps;
      compared += player.lockstep.compared;
    }),
    // A failure is shortened for as long as this, then shown as short as it has become.
    { numRuns: LIVES, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect(steps).toBeGreaterThan(100_000);
  // With what the journal says, before each crash.
  expect(compared).toBeGreaterThan(5_000);
}, 120_000);
