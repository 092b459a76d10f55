import { describe, expect, test } from 'vitest';
import { parseTraceparent } from '../../src/core/trace.ts';
import { RootLog } from '../../src/log/root-log.ts';
import { FakeMachine } from './fake-machine.ts';

const ACTIVE = parseTraceparent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')!;

function world(isOn = () => true) {
  const written: unknown[] = [];
  const machine = new FakeMachine();
  const log = new RootLog((...line) => void written.push(line), isOn, machine);
  return { log, written, machine };
}

describe('the log of the process', () => {
  test('writes nothing of a level that is not wanted', () => {
    const { log, written } = world(() => false);
    log.error({}, 'unheard');
    expect(written).toEqual([]);
  });

  test('hands every line that it writes, and none that it leaves out, to whoever is attached', () => {
    const { log, written } = world();
    const attached: unknown[] = [];
    log.info({}, 'before');
    log.attach({ write: (...line) => void attached.push(line) });
    for (let count = 0; count < 8; count++) log.warn({ left: count }, 'after');
    log.flush();
    expect(attached).toEqual(written.slice(1));
    expect(attached).toHaveLength(6);
  });

  test('adds the trace that is being worked on, unless the line has one', () => {
    const { log, written } = world();
    log.attach({ active: () => ACTIVE });
    log.info({}, 'within');
    log.info({ trace_id: 'f'.repeat(32), span_id: 'e'.repeat(16) }, 'its own');
    expect(written).toEqual([
      ['info', { trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331' }, 'within'],
      ['info', { trace_id: 'f'.repeat(32), span_id: 'e'.repeat(16) }, 'its own'],
    ]);
  });

  test('cuts off what is said at too great a length', () => {
    const { log, written } = world();
    log.warn({ detail: 'd'.repeat(5_000) }, 'long');
    expect(JSON.stringify(written).length).toBeLessThan(600);
  });
});
