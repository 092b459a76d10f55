/** What docs/simulation.md says of the harness, against the harness. */
import { describe, expect, test } from 'vitest';
import { read, section, tableRows } from '../../house/repository.ts';
import { createHarness } from './harness.ts';

const PART = section(read('docs/simulation.md'), '## Testing your own code');

describe('"Testing your own code"', () => {
  test('shows a test that runs as it stands there', () => {
    const shown = /```ts\n([\s\S]*?)```/.exec(PART)?.[1];
    const run = read('test/examples/own-code.test.ts');
    expect(shown).toBe(run.replace('../../examples/lease-holder/', './'));
  });

  test('has a row for everything a harness has', async () => {
    const harness = await createHarness();
    harness.close();
    const rows = tableRows(PART).map(([name]) => name!.slice(1, -1));
    expect(rows.toSorted()).toEqual(Object.keys(harness).toSorted());
  });

  test('names what a clock, a sidecar and a client have', async () => {
    const harness = await createHarness();
    harness.close();
    const rowOf = (name: string) => tableRows(PART).find(([first]) => first === `\`${name}\``)!.join(' ');
    const named = (name: string) => Object.keys(harness.client('client')).filter((key) => !rowOf(name).includes(`\`${key}`));
    expect(named('client')).toEqual(['name']);
    expect(Object.keys(harness.clock).filter((key) => !rowOf('clock').includes(`\`${key}\``))).toEqual([]);
    expect(Object.keys(harness.sidecar('s1')).filter((key) => !rowOf('sidecar').includes(`\`${key}\``))).toEqual([]);
  });
});
