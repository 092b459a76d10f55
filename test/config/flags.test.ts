/** Feature flags, and reading the file again while the process runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LiveFlags } from '../../src/config/flags.ts';
import { loadConfig } from '../../src/config/load.ts';
import { rereadFlags } from '../../src/config/reload.ts';
import { COSTS, load, MACHINE, told } from './loading.ts';

const ALL_ON = { sweep: 'on', adoption: 'on', merge: 'on', eviction: 'on' };

describe('flags', () => {
  test('are on unless said', () => {
    expect(load().flags).toEqual(ALL_ON);
    expect(load('flags: { sweep: shadow, merge: off }').flags).toEqual({
      ...ALL_ON, sweep: 'shadow', merge: 'off',
    });
  });

  test('are off, shadow or on, and no others are known', () => {
    expect(told('flags: { sweep: true }')).toEqual([
      'flags.sweep: must be one of off, shadow, on, got true',
    ]);
    expect(told('flags: { sweeps: off }')).toEqual([
      'flags.sweeps: is not an option; did you mean sweep?',
    ]);
  });
});

describe('reading the file again', () => {
  let directory: string;
  let path: string;
  let said: [string, object, string][];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'leasehold-flags-'));
    path = join(directory, 'leasehold.yaml');
    said = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function running(yaml: string) {
    writeFileSync(path, yaml);
    const sources = {
      environment: { LEASEHOLD_CONFIG: path, LEASEHOLD_MEMORY_LIMIT_MB: '4096' }, costs: COSTS, machine: MACHINE,
    };
    const config = loadConfig(sources);
    const flags = new LiveFlags(config.flags);
    const say = (level: string) => (fields: object, message: string) =>
      void said.push([level, fields, message]);
    const log = { info: say('info'), warn: say('warn'), error: say('error') };
    const reread = (next: string) => {
      writeFileSync(path, next);
      rereadFlags({ config, sources, flags, log });
    };
    return { config, current: flags.current, reread };
  }

  test('changes the flags, wherever they were handed on to', () => {
    const { config, current, reread } = running('flags: { sweep: off }');
    reread('flags: { sweep: off, eviction: shadow }');
    expect(current()).toEqual({ ...ALL_ON, sweep: 'off', eviction: 'shadow' });
    expect(said).toEqual([['info', { changed: ['eviction: on -> shadow'] }, 'flags changed']]);
    expect(config.flags.eviction).toBe('on');
    reread('');
    expect(current()).toEqual(ALL_ON);
  });

  test('says when no flag changed', () => {
    const { current, reread } = running('');
    reread('');
    expect(current()).toEqual(ALL_ON);
    expect(said).toEqual([['info', { changed: [] }, 'no flag changed']]);
  });

  test('names whatever else differs, without its value, and leaves it', () => {
    const { current, reread } = running(
      'drainMs: 1\nledger: { url: "redis://:hunter2@a" }\nnamespaces: { b: {}, c: {} }',
    );
    reread(`
      drainMs: 2
      ledger: { url: "redis://:hunter3@a" }
      namespaces: { c: { ttl: { maxMs: 50000 } }, b: {}, d: {} }
      flags: { merge: off }
    `);
    expect(current().merge).toBe('off');
    expect(said[0]).toEqual(['warn', expect.anything(), 'needs a restart to take effect']);
    const { options } = said[0]![1] as { options: string[] };
    expect(options.filter((one) => !one.startsWith('limits.')).sort()).toEqual([
      'drainMs', 'ledger.url', 'namespaces.c.ttl.maxMs', 'namespaces.d',
    ]);
    expect(JSON.stringify(said)).not.toMatch(/hunter/);
  });

  test('changes nothing at all when the file is refused', () => {
    const { current, reread } = running('flags: { sweep: off }');
    reread('flags: { sweep: on, merge: maybe }');
    expect(current().sweep).toBe('off');
    expect(said).toHaveLength(1);
    expect(said[0]).toEqual(['error', expect.anything(), expect.stringMatching(/stays as it was/)]);
    expect(JSON.stringify(said)).toContain('flags.merge');
  });

  test('survives a file that has gone', () => {
    const { current, reread } = running('flags: { sweep: off }');
    rmSync(path);
    expect(() => reread('a: [')).not.toThrow();
    expect(current().sweep).toBe('off');
  });
});
