/** What a journal stands on: files, clocks, and the places where a test can make the process die. */
import type { Clocks, Timers } from '../machine/machine.ts';
import type { Failpoints } from './failpoint.ts';
import type { FileSystem } from './file-system.ts';

export interface JournalHost {
  readonly fileSystem: FileSystem;
  readonly machine: Clocks & Timers;
  readonly failpoints: Failpoints;
}
