/** What the edge asks of the process as a whole. Implemented where the parts are wired together. */
import type { Rejection } from '../errors.ts';
import type { ReadinessReason, ReadinessState } from '../readiness.ts';

export interface Readiness {
  readonly ready: boolean;
  /**
   * `degraded` is ready: taking the sidecar out would take its service out too. Only while it
   * repairs a divergence from the ledger it is not, so that nobody is told what is being mended.
   */
  readonly state: ReadinessState;
  readonly reasons: readonly ReadinessReason[];
}

export interface Operations {
  /** The whole status page, as it is sent, without what names a namespace that is not `seen`. */
  status(seen: (namespace: string) => boolean): object;
  readiness(): Readiness;
  /** The metrics, as Prometheus reads them, without series of namespaces that are not `seen`. */
  metrics(seen: (namespace: string) => boolean): string;
  /** false: the event loop has stood still for too long. */
  alive(): boolean;
  /** A round with the ledger now, and its outcome; `dryRun` only reports what it would repair. */
  reconcile(request: { readonly dryRun: boolean }): Promise<object | Rejection>;
}
