/** The text of the scripts: what their headers say, and what they must never do. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { REASONS_BY_RANK } from '../../src/ledger/record.ts';
import { SCRIPTS } from '../../src/ledger/redis/scripts.ts';
import { POLICIES, PUSH_CODES } from '../../src/ledger/redis/wire.ts';

const directory = new URL('../../src/ledger/redis/', import.meta.url);
const files = readdirSync(directory).filter((name) => name.endsWith('.lua'));
const textOf = (name: string): string => readFileSync(new URL(name, directory), 'utf8');
const codeOf = (name: string): string => textOf(name).replace(/--.*$/gm, '');

describe('the scripts', () => {
  test('are all there are, each with its header', () => {
    expect(files.sort()).toEqual([
      'beat.lua', 'diff.lua', 'join.lua', 'prelude.lua', 'pull.lua', 'push.lua', 'sweep.lua',
    ]);
    for (const name of files) expect(textOf(name), name).toMatch(/^(--.*\n)+-- ARGV {2}/);
    for (const name of files.filter((file) => file !== 'prelude.lua')) {
      expect(textOf(name), name).toMatch(/^(--.*\n)+-- Reply 1 /);
    }
  });

  test('count their codes, policies and reasons as their readers do', () => {
    const numbered = (words: readonly string[]) => words.map((word, number) => `${number} ${word}`);
    const header = textOf('push.lua').replace(/\n--\s*/g, ' ');
    expect(header).toContain(`codes, a byte each (${numbered(PUSH_CODES).join(', ')})`);
    expect(header).toContain(`(${numbered(POLICIES).join(', ')})`);
    const constants = (source: string, ...names: string[]): Record<string, number> => {
      const found = new RegExp(`local ${names.join(', ')} =\\s+([\\d, ]+)\\n`).exec(source);
      if (found === null) throw new Error(`No line of constants ${names.join(', ')}`);
      return Object.fromEntries(found[1]!.split(', ').map((text, at) => [names[at]!, Number(text)]));
    };
    expect(constants(codeOf('prelude.lua'), 'EXPIRED', 'SUPERSEDED')).toEqual({
      EXPIRED: REASONS_BY_RANK.indexOf('expired'), SUPERSEDED: REASONS_BY_RANK.indexOf('superseded'),
    });
    expect(constants(codeOf('push.lua'), 'LWW', 'OWNER_WINS', 'FIRST_WINS')).toEqual({
      LWW: POLICIES.indexOf('lww'), OWNER_WINS: POLICIES.indexOf('ownerWins'),
      FIRST_WINS: POLICIES.indexOf('firstWins'),
    });
  });

  // A key that is not declared works on one server, and fails in a cluster or for a user with rules.
  test.each(files)('%s uses no key but those it is given', (name) => {
    const calls = [...codeOf(name).matchAll(/\b(?:p?call|callWith)\('(\w+)'(?:, ([\w']+))?/g)];
    const others = calls.filter(([, command, first]) => {
      if (command === 'TIME') return first !== undefined;
      if (command === 'INFO') return first !== "'replication'";
      return !/^KEY_[MRDXLO]$/.test(first ?? '');
    });
    expect(others.map(([call]) => call)).toEqual([]);
  });

  test.each(files)('%s orders no binary strings, and prints no numbers by itself', (name) => {
    // `tostring` and %d lose digits; < on strings goes by the locale.
    expect(codeOf(name)).not.toMatch(/\btostring\b|\bformat\([^)]*%[dsg]/);
    for (const [, order] of codeOf(name).matchAll(/table\.sort\((\w+(?:, \w+)?)\)/g)) {
      expect(order).toMatch(/^(buckets|\w+, \w+)$/);
    }
  });

  test('only new values are kept out of a full memory', () => {
    for (const [name, { text }] of Object.entries(SCRIPTS)) {
      const first = text.toString().split('\n')[0];
      expect([name, first]).toEqual([name, name === 'push' ? '#!lua' : '#!lua flags=allow-oom']);
    }
    expect(SCRIPTS.push.sha).not.toBe(SCRIPTS.end.sha);
  });
});
