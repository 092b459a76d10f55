#!/usr/bin/env node
/**
 * The process entry. Without arguments it serves; with arguments it is the command line.
 */
import { enableCompileCache } from 'node:module';
import { EXIT_CODES } from './exit-codes.ts';
import { nextStopSignal } from './stop-signal.ts';

const args = process.argv.slice(2);
const serves = args.length === 0 || (args.length === 1 && args[0] === 'serve');
// First of all: loading the rest takes longer than a platform needs to change its mind.
const stopSignal = serves ? nextStopSignal() : undefined;

// Types are stripped and code is compiled once per machine, not once per start: half the time to
// ready and a third of the memory. Where nothing can be written, it is done anew each time.
enableCompileCache();

const LINGER_MS = 100;

if (serves) {
  // The command line's own modules are not needed to serve.
  const { serve } = await import('./serve.ts');
  process.exitCode = await serve(stopSignal);
  // Everything is closed by now. What a library still waits for, as for a collector that does not
  // answer, is not waited for.
  setTimeout(() => process.exit(), LINGER_MS).unref();
} else if (args[0] === 'health' && args.slice(1).every((each) => each === '--ready')) {
  // Asked every few seconds, so it starts without what other commands need.
  const { probeHealth } = await import('./cli/health-command.ts');
  const { processIo } = await import('./cli/command-io.ts');
  process.exitCode = await probeHealth({ ready: args.length > 1 }, processIo());
} else {
  const { runLeasehold } = await import('./cli/main.ts');
  process.exitCode = await runLeasehold(args);
}
if (process.exitCode !== EXIT_CODES.clean) process.exit();
