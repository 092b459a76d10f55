/** What a look at a fact's head says is what decoding it says. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Command } from '../../src/core/command.ts';
import { Core } from '../../src/core/core.ts';
import { ENTRY_CONFLICT, ENTRY_ENDED, LEASE_ENDED, RECORD_HEADER_BYTES } from '../../src/core/fact-format.ts';
import { recordedKind } from '../../src/core/fact-peek.ts';
import { decodeFact, isRestated } from '../../src/core/fact-reader.ts';
import { sampledTrace } from '../../src/core/trace.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';

const KINDS: Record<string, number> = {
  'lease.ended': LEASE_ENDED, 'entry.ended': ENTRY_ENDED, 'entry.conflict': ENTRY_CONFLICT,
};
/** None, one of an unrecorded request, one of a recorded one. */
const trace = fc.constantFrom(undefined, 0, 1).map((flag) => {
  if (flag === undefined) return {};
  const bytes = new Uint8Array(25).fill(7);
  bytes[24] = flag;
  return { trace: bytes };
});
const long = (text: string) => text.repeat(60);
const namespace = fc.constantFrom('n', long('n').slice(0, 60));
const holder = fc.constantFrom('h', long('hö'), long('holder'));
const command = fc.oneof(
  fc.record({ op: fc.constant('grant' as const), namespace, holder, id: fc.constantFrom('a', long('b'), 'c') }),
  fc.record({ op: fc.constant('renew' as const), id: fc.constantFrom('a', 'c') }),
  fc.record({ op: fc.constant('release' as const), id: fc.constantFrom('a', long('b'), 'c') }),
  fc.record({
    op: fc.constant('put' as const), namespace, key: fc.constantFrom('k', long('key')),
    value: fc.constant(new Uint8Array(3)), contentType: fc.constant('text/plain'),
  }),
  fc.record({ op: fc.constant('delete' as const), namespace, key: fc.constantFrom('k', long('key')) }),
);

test('a fact names its kind where one of its two requests was recorded, and nothing otherwise', () => {
  let looked = 0;
  let told = 0;
  fc.assert(fc.property(fc.array(fc.tuple(command, trace), { minLength: 5, maxLength: 40 }), (asked) => {
    const core = new Core(optionsWith([contractOf('default')]), START);
    for (const [at, [each, traced]] of asked.entries()) {
      core.step({ ...each, ...traced } as Command, START + at);
    }
    core.tellRenewals();
    core.tick(START + 100_000, 1000);
    const { bytes, starts, count } = core.facts;
    for (let index = 0; index < count; index++) {
      const fact = decodeFact(bytes, starts[index]!, starts[index + 1]!);
      if (isRestated(fact)) throw new Error('Not here');
      const recorded = [fact.traceparent, fact.actingTraceparent].some((text) => sampledTrace(text) !== undefined);
      const kind = recordedKind(bytes, starts[index]! + RECORD_HEADER_BYTES);
      expect(kind > 0).toBe(recorded);
      if (recorded && fact.kind in KINDS) expect(kind).toBe(KINDS[fact.kind]);
      looked += 1;
      told += recorded ? 1 : 0;
    }
  }));
  expect(looked).toBeGreaterThan(500);
  expect(told).toBeGreaterThan(100);
});
