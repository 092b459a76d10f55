/**
 * What a client has seen of each key, as sidecars gave it: opaque, carried from reads and writes to
 * the next write. A client has one request about a key under way at a time, so the last is the best.
 */
import type { Answer, Asked, Delete, Increment, Write } from '../history/operation.ts';

interface Place {
  readonly namespace: string;
  readonly key: string;
}

export class Contexts {
  readonly #byPlace = new Map<string, string>();

  of(place: Place): { readonly context?: string } {
    const context = this.#byPlace.get(nameOf(place));
    return context === undefined ? {} : { context };
  }

  learn(asked: Asked, answer: Answer): void {
    if (asked.kind === 'get') {
      if (answer.context !== undefined) this.#byPlace.set(nameOf(asked), answer.context);
    } else if (answer.status >= 200 && answer.status < 300) {
      if (asked.kind === 'put') this.#wrote(asked, answer.context);
      else if (asked.kind === 'increment') this.#wrote(asked, undefined);
      else if (asked.kind === 'batch') for (const part of asked.operations) this.#wroteInBatch(part);
    }
  }

  #wroteInBatch(part: Write | Delete | Increment): void {
    // Results of a batch carry no context; what a delete had seen stays true.
    if (part.kind !== 'delete') this.#wrote(part, undefined);
  }

  /** An older context would not cover the client's own write. */
  #wrote(place: Place, context: string | undefined): void {
    if (context === undefined) this.#byPlace.delete(nameOf(place));
    else this.#byPlace.set(nameOf(place), context);
  }
}

function nameOf({ namespace, key }: Place): string {
  return `${namespace}/${key}`;
}
