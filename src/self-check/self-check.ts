/**
 * The self-check: is what is held here what a restart would bring back? Every so often the whole
 * journal is read back, at a pace that nobody notices, and compared with memory, a share of rows at a
 * time. Reading verifies every checksum, so a disk that forgets is found while memory still has
 * everything.
 *
 * A difference is counted, logged, told as an event and a reason not to be ready, and repaired: memory is
 * what neighbours were answered from, so a snapshot of it replaces the journal. Then the same share is
 * looked at again. Rows that differ even from a journal just made of them mean that one of the two is
 * broken in itself; the process stops rather than go on wrong.
 */
import type { Journal } from '../journal/journal.ts';
import type { Clocks, Timers } from '../machine/machine.ts';
import type { DegradedReason } from '../readiness.ts';
import { exceptionFields } from '../log/exception-fields.ts';
import type { Log } from '../log/log.ts';
import { InventoryFullError } from './inventory.ts';
import { type Capture, type Finding, look, type LookParts } from './look.ts';
import { CheckStoppedError, Pace } from './pace.ts';
import type { Share } from './stocktaking.ts';

export interface SelfCheckSettings {
  /** From one look to the next; 0: never. */
  readonly intervalMs: number;
  readonly readPerSecondBytes: number;
  /** Leases and entries looked at at once. */
  readonly rows: number;
}

/** What the check needs of memory. */
export interface CheckedMemory {
  /** Live leases and own entries. */
  rows(): number;
  /** Nothing has changed that the journal was not told of yet. */
  isToldOf(): boolean;
  isJournalled(namespace: string): boolean;
  /** Journalled namespaces that hold something, with how many leases and entries. */
  holding(): readonly { readonly namespace: string; readonly rows: number }[];
  /** `restated`: leases and entries written to the journal again; `ended`: gone from it now. */
  tellRepaired(namespace: string, restated: number, ended: number): void;
}

export interface CheckedSnapshots {
  readonly running: boolean;
  readonly capture: Capture;
  /** Resolves with whether the snapshot stands in the end. */
  begin(): Promise<boolean>;
}

export interface SelfCheckParts {
  readonly memory: CheckedMemory;
  readonly journal: Pick<Journal, 'extent' | 'readBack' | 'state'>;
  readonly snapshots: CheckedSnapshots;
  readonly machine: Clocks & Timers;
  readonly settings: SelfCheckSettings;
  readonly log: Log;
  /** Called once: memory and a journal just made of it differ. */
  readonly onFatal: (error: Error) => void;
}

/** How often it is asked whether nothing is on its way to the journal, and for how long. */
const QUIET_RETRY_MS = 20;
const QUIET_TRIES = 500;
/** Looks at one share that snapshots may overtake; the next one is due an interval later anyway. */
const OVERTAKEN_TRIES = 3;
/** A share that its inventory does not hold is halved up to here. */
const SHARES_MAX = 65_536;
/** Room for rows to come while a look is under way. */
const FILL = 0.8;
/** The first wait after a repair that has not helped; doubled each time, up to the interval. */
const REPAIR_RETRY_MS = 1_000;

/** The sidecar stops without what waits for the disk for longer. */
const STOP_WAIT_MS = 1_000;

/** A finding, or that there was none to be had. */
type Outcome = Finding | { readonly outcome: 'given-up'; readonly why: string };

type Bad = Extract<Finding, { readonly outcome: 'differs' | 'damaged' }>;

function isBad(outcome: Outcome): outcome is Bad {
  return outcome.outcome === 'differs' || outcome.outcome === 'damaged';
}

export class SelfCheck {
  readonly #parts: SelfCheckParts;
  readonly #look: LookParts;
  #share: Share = { number: -1, of: 1 };
  #state: 'idle' | 'checking' | 'repairing' = 'idle';
  #round: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};
  #pace: Pace | undefined;
  #stopped = false;

  /** How looks ended. */
  readonly outcomes = { same: 0, differs: 0, damaged: 0, overtaken: 0, 'given-up': 0 };
  /** Leases and entries that differed, records that did not fit and files that were damaged. */
  readonly differences = { missing: 0, surplus: 0, altered: 0, misfits: 0, damaged: 0 };
  #repairs = 0;
  #lastAtMs: number | undefined;
  #lastDurationMs = 0;
  #lastReadBytes = 0;
  #lastRows = 0;

  constructor(parts: SelfCheckParts) {
    this.#parts = parts;
    this.#look = {
      journal: parts.journal,
      capture: (take, restWhenDue) => parts.snapshots.capture(take, restWhenDue),
      isJournalled: (namespace) => parts.memory.isJournalled(namespace),
      rowsMax: parts.settings.rows,
    };
  }

  start(): void {
    const { intervalMs } = this.#parts.settings;
    this.#cancel();
    if (intervalMs === 0 || this.#stopped) return;
    this.#cancel = this.#parts.machine.after(intervalMs, () => void this.checkNow());
  }

  /** The next look, now, or after the one under way. Resolves when what it found is put right. */
  checkNow(): Promise<void> {
    this.#round = this.#round.then(() => this.#checkNext()).then(() => this.start());
    return this.#round;
  }

  /**
   * A look under way ends at once. One that waits for the disk, to read or for a snapshot, ends when the
   * disk answers, which is waited for a moment only: nothing comes of it any more.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    this.#pace?.stop();
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.machine.after(STOP_WAIT_MS, resolve);
      void this.#round.then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Why the sidecar is degraded; while the disk is full nothing can be done about it, and that is told. */
  reasons(): readonly DegradedReason[] {
    return this.#state === 'repairing' && this.#parts.journal.state === 'ok' ? ['repairing'] : [];
  }

  status() {
    const { settings, machine } = this.#parts;
    return {
      state: settings.intervalMs === 0 ? ('off' as const) : this.#state,
      outcomes: { ...this.outcomes },
      differences: { ...this.differences },
      repairs: this.#repairs,
      share: Math.max(0, this.#share.number),
      shares: this.#share.of,
      lastAgeMs: this.#lastAtMs === undefined ? null : Math.round(machine.monotonicMs() - this.#lastAtMs),
      lastDurationMs: Math.round(this.#lastDurationMs),
      lastReadBytes: this.#lastReadBytes,
      lastRows: this.#lastRows,
    };
  }

  /** Looks at the next share, and at what is wrong there until it is right. Never rejects. */
  async #checkNext(): Promise<void> {
    if (this.#stopped) return;
    const { machine, settings, log } = this.#parts;
    const pace = new Pace(machine, settings.readPerSecondBytes);
    this.#pace = pace;
    this.#share = this.#nextShare();
    const startedMs = machine.monotonicMs();
    this.#state = 'checking';
    try {
      const first = await this.#lookAt(this.#share, pace);
      if (isBad(first)) await this.#putRight(first, this.#share, pace);
    } catch (error) {
      if (!(error instanceof CheckStoppedError)) {
        this.outcomes['given-up']++;
        log.warn(exceptionFields(error), 'self-check given up');
      }
    }
    this.#state = 'idle';
    this.#pace = undefined;
    this.#lastAtMs = machine.monotonicMs();
    this.#lastDurationMs = this.#lastAtMs - startedMs;
    this.#lastReadBytes = pace.bytesRead;
  }

  #nextShare(): Share {
    const { memory, settings } = this.#parts;
    const of = Math.min(SHARES_MAX, Math.max(1, Math.ceil(memory.rows() / (FILL * settings.rows))));
    return { number: (this.#share.number + 1) % of, of };
  }

  async #lookAt(share: Share, pace: Pace): Promise<Outcome> {
    for (let tries = 0; tries < OVERTAKEN_TRIES; tries++) {
      let finding: Finding | undefined;
      try {
        finding = await this.#onceQuiet(pace, () => look(this.#look, share, pace));
      } catch (error) {
        this.#endWhenStopped();
        if (error instanceof InventoryFullError) return this.#lookAtHalves(share, pace);
        return this.#gaveUp((error as Error).message);
      }
      this.#endWhenStopped();
      if (finding === undefined) return this.#gaveUp('the journal is never without a group on its way');
      if (finding.outcome !== 'overtaken') {
        this.#note(finding);
        return finding;
      }
      this.outcomes.overtaken++;
    }
    return this.#gaveUp('snapshots overtook it');
  }

  /** Rows are not spread evenly, or more of them came and went than there are at any time. */
  async #lookAtHalves({ number, of }: Share, pace: Pace): Promise<Outcome> {
    if (of >= SHARES_MAX) return this.#gaveUp('no share is small enough');
    const lower = await this.#lookAt({ number, of: 2 * of }, pace);
    return lower.outcome === 'same' ? this.#lookAt({ number: number + of, of: 2 * of }, pace) : lower;
  }

  #gaveUp(why: string): Outcome {
    this.outcomes['given-up']++;
    this.#parts.log.warn({ detail: why }, 'self-check given up');
    return { outcome: 'given-up', why };
  }

  #note(finding: Finding): void {
    const { log } = this.#parts;
    const counts = this.differences;
    this.outcomes[finding.outcome]++;
    if (finding.outcome === 'same') {
      this.#lastRows = finding.rows;
    } else if (finding.outcome === 'damaged') {
      const { file, offset } = finding;
      counts.damaged++;
      log.error({ file, offsetBytes: offset }, 'the journal is damaged on the disk; a snapshot of memory replaces it');
    } else if (finding.outcome === 'differs') {
      counts.misfits += finding.misfits;
      for (const { missing, surplus, altered, namespace } of finding.differences) {
        counts.missing += missing;
        counts.surplus += surplus;
        counts.altered += altered;
        log.error({ namespace, missing, surplus, altered }, 'memory and journal differ; a snapshot of memory replaces the journal');
      }
      if (finding.misfits > 0) {
        log.error({ misfits: finding.misfits }, 'the journal tells of what it does not have; a snapshot of memory replaces it');
      }
    }
  }

  /** Returns when a look found memory and journal the same, or none was to be had. */
  async #putRight(first: Bad, share: Share, pace: Pace): Promise<void> {
    const { onFatal, log, settings } = this.#parts;
    this.#state = 'repairing';
    this.#tell(first);
    let before = first;
    for (let waitMs = REPAIR_RETRY_MS; ; waitMs = Math.min(2 * waitMs, settings.intervalMs)) {
      if (await this.#writeSnapshot(pace)) {
        this.#repairs++;
        const after = await this.#lookAt(share, pace);
        if (after.outcome === 'same') {
          log.warn({}, 'memory and journal agree again');
          return;
        }
        if (after.outcome === 'differs' && before.outcome === 'differs') {
          onFatal(new Error('Cannot go on: memory differs from a journal that was just made of it'));
          return;
        }
        if (isBad(after)) before = after;
      }
      await pace.rest(waitMs);
    }
  }

  #tell(finding: Bad): void {
    const { memory } = this.#parts;
    if (finding.outcome === 'differs' && finding.misfits === 0) {
      for (const { namespace, missing, altered, surplus } of finding.differences) {
        memory.tellRepaired(namespace, missing + altered, surplus);
      }
      return;
    }
    // What cannot be read back may be anything of any namespace: everything is written again.
    for (const { namespace, rows } of memory.holding()) memory.tellRepaired(namespace, rows, 0);
  }

  /** false: it was given up, as on a disk that is full. */
  async #writeSnapshot(pace: Pace): Promise<boolean> {
    if (this.#parts.journal.state !== 'ok') return false;
    return (await this.#onceQuiet(pace, () => this.#parts.snapshots.begin())) ?? false;
  }

  /**
   * Does `work` at an instant at which the journal has everything that is in memory and no snapshot is
   * under way; undefined: there was none. Not a microtask may come between seeing that and beginning.
   */
  async #onceQuiet<T>(pace: Pace, work: () => Promise<T>): Promise<T | undefined> {
    const { memory, journal, snapshots } = this.#parts;
    for (let tries = 0; tries < QUIET_TRIES; tries++) {
      this.#endWhenStopped();
      if (!snapshots.running && memory.isToldOf() && journal.extent() !== undefined) return work();
      await pace.rest(QUIET_RETRY_MS);
    }
    return undefined;
  }

  #endWhenStopped(): void {
    if (this.#stopped) throw new CheckStoppedError('The check was stopped');
  }
}
