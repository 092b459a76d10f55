/**
 * `unique-dots` (I-V1, Assumption: actors are unique): a dot names one write of one key, whatever
 * else happens; its value and fingerprint never differ, in the ledger, in events or in answers.
 * Nothing is forgiven.
 */
import { type Checker, Violation } from './checker.ts';
import { dotsOf, dotText, lineOfTold, placeName, textOf } from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'unique-dots';

interface Named {
  readonly place: string;
  /** As far as it is known. */
  hash?: string;
  value?: string;
}

export function uniqueDots({ world, story, watch }: Room): Checker {
  const eachTold = newOnes(story.told);
  const eachAnswered = newOnes(world.history.answered);
  const named = new Map<string, Named>();

  function name(dot: string, place: string, what: Omit<Named, 'place'>, line: string): void {
    const before = named.get(dot);
    if (before === undefined) {
      named.set(dot, { place, ...what });
      return;
    }
    const differs =
      before.place !== place ||
      (before.hash !== undefined && what.hash !== undefined && before.hash !== what.hash) ||
      (before.value !== undefined && what.value !== undefined && before.value !== what.value);
    if (differs) {
      const was = `before: ${before.place} ${before.value ?? ''} ${before.hash ?? ''}`;
      throw new Violation(NAME, `${dot} names two writes`, [was, line]);
    }
    if (what.hash !== undefined) before.hash = what.hash;
    if (what.value !== undefined) before.value = what.value;
  }

  watch.onChange(({ namespace, records, atMs }) => {
    for (const { id, before, after } of records) {
      for (const sibling of after?.siblings ?? []) {
        if (before?.siblings.includes(sibling) === true) continue;
        const { dot, value, hashHigh, hashLow } = sibling;
        const hash = `${hashHigh}:${hashLow}`;
        const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
        const line = `${Math.round(atMs)} in the ledger: ${placeName(namespace, id)} ${text} ${hash}`;
        name(dotText(dot), placeName(namespace, id), { hash, value: text }, line);
      }
    }
  });

  return {
    invariant: NAME,
    afterEvent() {
      watch.raise();
      eachTold((told) => {
        const { data, what } = told;
        const key = textOf(data, 'key');
        // A conflict is told of what it is between; the others are about one value.
        if (key === undefined || !what.startsWith('entry.') || what === 'entry.conflict') return;
        const base64 = textOf(data, 'value');
        const value = base64 === undefined ? {} : { value: Buffer.from(base64, 'base64').toString() };
        for (const dot of dotsOf(textOf(data, 'etag'))) {
          name(dotText(dot), placeName(textOf(data, 'namespace') ?? '', key), value, lineOfTold(told));
        }
      });
      eachAnswered((operation) => {
        const { asked, answer } = operation;
        const [value, ...others] = answer?.values ?? [];
        const [dot, ...otherDots] = dotsOf(answer?.etag);
        if (asked.kind !== 'get' || value === undefined || dot === undefined) return;
        if (others.length > 0 || otherDots.length > 0) return;
        const where = placeName(asked.namespace, asked.key);
        name(dotText(dot), where, { value }, `#${operation.id} ${operation.sidecar} answered ${value}`);
      });
    },
  };
}
