/**
 * The scripts, as text and by the name Redis knows them by. Each is the prelude and one operation.
 * All of them write, if only the time. A script that Redis must not refuse when its memory is used
 * up says so in its first line; of `push` there are two, because ending things must go on then,
 * while new values must not come in.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Script {
  readonly text: Buffer;
  readonly sha: string;
}

const prelude = textOf('prelude');

function textOf(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
}

function script(name: string, flags = ' flags=allow-oom'): Script {
  const text = `#!lua${flags}\n${prelude}\n${textOf(name)}`;
  return { text: Buffer.from(text), sha: hash('sha1', text) };
}

export const SCRIPTS = {
  join: script('join'),
  push: script('push', ''),
  /** For pushes without values. */
  end: script('push'),
  pull: script('pull'),
  diff: script('diff'),
  beat: script('beat'),
  sweep: script('sweep'),
} as const;
