import { expect, test } from 'vitest';
import { emptyPartition } from '../../src/ledger/specification/partition.ts';
import { push } from '../../src/ledger/specification/push.ts';
import { chainAfter } from '../../src/reconcile/chain.ts';
import { A, caller, START, TERMS, value } from '../ledger/fixtures.ts';

test('the chain computed here is the one the ledger computes', () => {
  const partition = emptyPartition();
  const server = { time: START, replid: 'x' };
  const first = value(A, 1, { deadline: START + 9000 });
  const second = value(A, 2, { deadline: START + 9000 });
  const records = [
    { id: 'key', bucket: 3, siblings: [first], context: [{ actor: A, seq: 1, until: 0 }], ends: [] },
    { id: 'other', bucket: 4, siblings: [second], context: [{ actor: A, seq: 2, until: 0 }], ends: [] },
    { id: 'key', bucket: 3, siblings: [], context: [{ actor: A, seq: 1, until: 0 }], ends: [] },
  ];
  let chain = partition.chain;
  for (const record of records) {
    const { results } = push(partition, server, {
      caller: caller(A), terms: TERMS, batch: 1, records: [record], version: 2, rejoining: false,
    });
    expect(results[0]?.code).toBe('applied');
    chain = chainAfter(chain, record);
    expect(chain).toBe(partition.chain);
  }
});
