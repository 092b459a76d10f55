/** What the SDK says of itself: once in a while, in the sidecar's own log. */
import { DiagLogLevel } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { Diagnostics, diagnosticsLevel } from '../../src/telemetry/otel/diagnostics.ts';

function world() {
  const lines: object[] = [];
  let now = 0;
  const line = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const diagnostics = new Diagnostics(log, () => now);
  return { lines, diagnostics, pass: (ms: number) => { now += ms; } };
}

test('one kind of line is told once a minute, with how many there were', () => {
  const { lines, diagnostics, pass } = world();
  for (const count of [1, 20, 300]) diagnostics.warn(`Dropped ${count} spans`, new Error('full'));
  diagnostics.warn('another thing');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ level: 'warn', detail: 'Dropped 1 spans full' });
  pass(60_000);
  diagnostics.warn('Dropped 4 spans', new Error('full'));
  expect(lines.at(-1)).toMatchObject({ detail: 'Dropped 4 spans full', repeated: 2 });
});

test('kinds beyond what is remembered are told again; nothing grows', () => {
  const { lines, diagnostics } = world();
  const kind = (index: number) => 'x'.repeat(index + 1);
  for (let index = 0; index < 33; index++) diagnostics.error(kind(index));
  diagnostics.error(kind(32));
  expect(lines).toHaveLength(33);
  diagnostics.error(kind(0));
  expect(lines).toHaveLength(34);
});

test('an error of it is a warning of ours, and what it is busy with is for debugging', () => {
  const { lines, diagnostics } = world();
  diagnostics.error('a');
  diagnostics.info('b');
  expect(lines).toMatchObject([{ level: 'warn' }, { level: 'debug' }]);
  expect([diagnosticsLevel(undefined), diagnosticsLevel(' Debug '), diagnosticsLevel('loud')])
    .toEqual([DiagLogLevel.WARN, DiagLogLevel.DEBUG, DiagLogLevel.WARN]);
});

test('an error that is told as JSON is told as its message', () => {
  const { lines, diagnostics } = world();
  diagnostics.error(JSON.stringify({ stack: 'Error: refused\n    at far away', message: 'refused', code: '400' }));
  diagnostics.error('{"stack": no JSON');
  diagnostics.error('{"stack":no JSON either');
  expect(lines).toMatchObject([
    { detail: 'refused' }, { detail: '{"stack": no JSON' }, { detail: '{"stack":no JSON either' },
  ]);
});
