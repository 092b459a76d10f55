/**
 * A mistake as somebody might have made it: a few words of the product's text exchanged for others.
 * It stands here as text, so that the product carries no trace of it.
 */
export interface PlantedEdit {
  /** From the root of the repository. */
  readonly file: `src/${string}`;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface PlantedFault {
  readonly name: string;
  /** The mistake, in one sentence. */
  readonly what: string;
  /** In one file, or two where one alone would be made up for by the other. */
  readonly edits: readonly PlantedEdit[];
  /** Invariants, of which any may catch it. */
  readonly invariants: readonly string[];
  /** It must be found within so many seeds. */
  readonly seedsMax: number;
  /** Where it takes several kinds of trouble at once to show: only these are drawn. */
  readonly kinds?: readonly string[];
}

const SEEDS_MAX = 150;

export function fault(
  description: Omit<PlantedFault, 'seedsMax'> & { readonly seedsMax?: number },
): PlantedFault {
  return { seedsMax: SEEDS_MAX, ...description };
}
