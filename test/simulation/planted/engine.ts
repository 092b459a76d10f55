/** Mistakes of the single writer: what is answered when, what is journalled, and what comes back. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const ENGINE_FAULTS: readonly PlantedFault[] = [
  // A death between the answer and the write: at a failpoint, or while a slow disk holds the group.
  fault({
    name: 'answered-before-written',
    what: 'A reply counts the group that is still open as written.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: 'const pending = this.#flushScheduled || this.#lastPosition > this.#journal.writtenPosition;',
        replace: 'const pending = this.#lastPosition > this.#journal.writtenPosition + 1;',
      },
    ],
    invariants: ['fact-precedes-reply', 'acknowledged-is-kept'],
  }),
  // A renewal alone in its turn is answered at once and written with whatever comes next.
  fault({
    name: 'lone-renewal-unwritten',
    what: 'A renewal alone does not make a group, so a crash takes it back after it was answered.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: 'if (this.#handOn() || this.#core.state.renewed.length > 0) this.#scheduleFlush();',
        replace: 'if (this.#handOn()) this.#scheduleFlush();',
      },
    ],
    kinds: ['kill', 'failpoint', 'down'],
    invariants: ['fact-precedes-reply', 'acknowledged-is-kept', 'no-early-expiry', 'monotone-deadline'],
  }),
  // Any crash after an explicit lease has ended before its deadline: it is there again.
  fault({
    name: 'ending-unjournalled',
    what: 'The end of an explicit lease is told but not journalled.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: 'if (facts.journalled[index]!) {',
        replace: 'if (facts.journalled[index]! && facts.ofLease[index] !== true) {',
      },
    ],
    invariants: ['no-resurrection', 'one-ending', 'contiguous-sequence', 'acknowledged-is-kept'],
  }),
  // A crash between a request and its repeat.
  fault({
    name: 'answers-unjournalled',
    what: 'What was answered to an Idempotency-Key is journalled only where nothing is.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: "if (this.#levelOf(command) !== 'memory') {",
        replace: "if (this.#levelOf(command) === 'memory') {",
      },
    ],
    kinds: ['kill', 'failpoint', 'disk-slow'],
    invariants: ['idempotent-retry'],
  }),
  // A request that the network repeats at once, or a retry while the disk is slow.
  fault({
    name: 'repeat-runs-beside-the-first',
    what: 'A repeat of a request that is not answered yet is executed again.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: 'if (known !== undefined) {',
        replace: 'if (known?.essence !== undefined) {',
      },
    ],
    invariants: ['idempotent-retry'],
  }),
  // A machine that stops before something else has synced the segment.
  fault({
    name: 'fsync-answered-when-written',
    what: 'A reply of a namespace with durability fsync asks for no sync and is released at the written watermark.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: `        syncWanted = true;
        this.#untilSynced.push(waiting);`,
        replace: '        this.#untilWritten.push(waiting);',
      },
    ],
    kinds: ['power-cut', 'disk-slow', 'ledger-away', 'ledger-empty'],
    invariants: ['fact-precedes-reply', 'acknowledged-is-kept'],
  }),
  // A death while the disk holds a write up: watchers and the bus know what the journal does not.
  fault({
    name: 'told-before-written',
    what: 'Watchers and the bus are shown a group when it is sealed, not when it is written.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: 'if (next.position > writtenPosition) break;',
        replace: 'if (next.position > this.#lastPosition) break;',
      },
    ],
    invariants: ['fact-precedes-reply', 'one-ending', 'no-resurrection', 'contiguous-sequence'],
  }),
  // A crash with endings on their way: they come back under numbers that others have had.
  fault({
    name: 'journalled-number-one-off',
    what: 'The journal keeps the number on the bus of the event before, so a restart tells it as that one.',
    edits: [
      {
        file: 'src/engine/engine.ts',
        find: 'sequence, told === 0 ? 0 : stream, told);',
        replace: 'sequence, told === 0 ? 0 : stream, Math.max(0, told - 1));',
      },
    ],
    invariants: ['contiguous-sequence', 'every-ending-told'],
  }),
  // Any step of the wall clock, forwards (early) or back (late).
  fault({
    name: 'deadlines-follow-the-wall-clock',
    what: 'The timeline reads the wall clock, so a step of it moves every deadline.',
    edits: [
      {
        file: 'src/engine/timeline.ts',
        find: 'return this.#anchorNow + (this.#clocks.monotonicMs() - this.#anchorMonotonic);',
        replace: 'return this.#clocks.wallMs();',
      },
    ],
    invariants: ['no-early-expiry', 'no-late-expiry', 'monotone-deadline'],
  }),
  // A restart after seconds: everything lives that much longer.
  fault({
    name: 'downtime-not-counted',
    what: 'A restart continues the timeline where it stopped, as if no time had passed.',
    edits: [
      {
        file: 'src/engine/timeline.ts',
        find: 'this.#anchorNow = lastNowMs + elapsedMs;',
        replace: 'this.#anchorNow = lastNowMs;',
      },
    ],
    invariants: ['no-late-expiry'],
  }),
  // A slice that only moved leases within the wheel, in a time without commands.
  fault({
    name: 'sweep-not-armed-again',
    what: 'After a slice of the sweep that ended nothing, no timer waits for the next one.',
    edits: [
      {
        file: 'src/engine/ticker.ts',
        find: '    }\n    this.arm();\n  };',
        replace: '    }\n  };',
      },
    ],
    invariants: ['no-late-expiry', 'every-ending-told'],
  }),
  // A crash while the bus is away or behind.
  fault({
    name: 'owed-endings-not-recovered',
    what: 'Recovery puts events back into the outbox, but no endings.',
    edits: [
      {
        file: 'src/engine/recovery.ts',
        find: 'if (told.stream !== 0 && !isRestated(fact)) {',
        replace: 'if (told.stream > 1 && !isRestated(fact)) {',
      },
    ],
    invariants: ['every-ending-told', 'contiguous-sequence'],
  }),
  // A snapshot, then a crash, then the repeat of a request from before.
  fault({
    name: 'snapshot-without-answers',
    what: 'A snapshot leaves out what was answered to Idempotency-Keys.',
    edits: [
      {
        file: 'src/engine/snapshotter.ts',
        find: 'of idempotency.completed()) {',
        replace: 'of [...idempotency.completed()].slice(0, 0)) {',
      },
    ],
    kinds: ['kill', 'failpoint'],
    invariants: ['idempotent-retry'],
  }),
  // A snapshot while the bus is away, then a crash.
  fault({
    name: 'snapshot-without-owed-endings',
    what: 'A snapshot keeps how far the bus has come, and not what it has yet to be told.',
    edits: [
      {
        file: 'src/engine/snapshotter.ts',
        find: 'owedRecords(owed, timeline.now())) {',
        replace: 'owedRecords({ ...owed, logs: [] }, timeline.now())) {',
      },
    ],
    invariants: ['every-ending-told', 'contiguous-sequence'],
  }),
  // A delete while the ledger is away, a snapshot, then a crash.
  // A watcher that reads more slowly than the feed turns over.
  // Any restart: the new run numbers its writes and events from 1, under the old name.
  fault({
    name: 'actor-used-again',
    what: 'The actor is made of the name of the sidecar, so a restart mints the same dots and event ids.',
    edits: [
      {
        file: 'src/sidecar.ts',
        find: 'const actor = newActor();',
        replace: "const actor = Buffer.from(config.name.padStart(8, '-').slice(-8)).toString('hex');",
      },
    ],
    invariants: ['unique-dots', 'contiguous-sequence', 'every-ending-told', 'acknowledged-is-kept'],
  }),
];
