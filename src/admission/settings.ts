/** The bounds of admission, from the configuration (`admission`, and the quotas). */

export interface AdmissionSettings {
  /** Fills at which a level is entered; memory has its own, since most of it is taken at start. */
  readonly elevatedFill: number;
  readonly highFill: number;
  readonly criticalFill: number;
  readonly memoryHighFill: number;
  readonly memoryCriticalFill: number;
  /** How far below its threshold the fill must be before a level is left. */
  readonly hysteresis: number;
  /** And for how long. */
  readonly settleMs: number;
  /** How long requests may wait for their turn. */
  readonly queueMs: number;
  /** The longest a refusal is held back. */
  readonly holdMs: number;
  /** Refusals held back at once. */
  readonly heldRefusals: number;
}

/** Of one namespace, over all callers. A rate that is absent is not limited. */
export interface NamespaceQuota {
  readonly grantsPerS?: number;
  readonly putsPerS?: number;
  /** How many may come at once after a quiet time. */
  readonly burst: number;
}

/** Of one caller's grants and writes, over all namespaces. */
export interface CallerQuota {
  readonly requestsPerS: number;
  readonly burst: number;
  /** Callers counted at once; beyond it the one unheard of for longest is forgotten. */
  readonly callers: number;
}

export interface QuotaSettings {
  /** By name; a namespace without a quota is not among them. */
  readonly namespaces: ReadonlyMap<string, NamespaceQuota>;
  /** What all namespaces share that are made on demand. */
  readonly onDemand?: NamespaceQuota;
  /** The names that are not made on demand. */
  readonly configured: ReadonlySet<string>;
  readonly caller?: CallerQuota;
}
