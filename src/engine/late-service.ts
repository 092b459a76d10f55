/** What stands in for the engine while the journal is read back. */
import type { Command } from '../core/command.ts';
import { reject } from '../errors.ts';
import type { IdempotencyRequest, Outcome, Service } from './service.ts';

/** Answers `recovering` until the engine is there. */
export class LateService implements Service {
  inner: Service | undefined;

  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: IdempotencyRequest,
  ): void {
    if (this.inner === undefined) {
      respond(reject('recovering', 'Cannot serve yet: the journal is being read back'), false);
      return;
    }
    this.inner.submit(command, respond, idempotency);
  }

  now(): number {
    return this.inner?.now() ?? 0;
  }

  toWallMs(instant: number): number {
    return this.inner?.toWallMs(instant) ?? instant;
  }
}
