/**
 * `contiguous-sequence` (I-T2, I31, I32, I35, I37; docs/events.md): within one source and one
 * stream `sequence` counts 1, 2, 3 without a gap once everything has been told; a number always
 * stands for the same event, byte for byte; a source that was closed tells nothing beyond the
 * numbers it was closed with, and is closed once.
 *
 * Numbers may come out of order after a failed publish, so gaps are judged at rest only. Forgiven:
 * whatever is wrong with the numbers of a run whose machine lost its power (the journal kept neither
 * events nor numbers of the last moments, and its successor closes it with what it knows), and the
 * same of events of durability `memory` (SPEC, Gaps: P3). Whose the numbers were that never came is
 * not known: so any gap of a run that is over, while there are such namespaces.
 */
import { type Checker, Violation } from './checker.ts';
import { documentOf, lineOfTold, numberOf, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'contiguous-sequence';

interface Line {
  readonly place: string;
  readonly source: string;
  readonly firstAtMs: number;
  readonly seen: Map<number, Told>;
  highest: number;
}

export function contiguousSequence({ world, story, clocks }: Room): Checker {
  const eachTold = newOnes(story.told);
  const lines = new Map<string, Line>();
  const closed = new Map<string, Told>();

  function lineOf(told: Told): Line {
    const name = `${told.source} ${told.stream}`;
    let line = lines.get(name);
    if (line === undefined) {
      const { place, source, atMs } = told;
      line = { place, source, firstAtMs: atMs, seen: new Map(), highest: 0 };
      lines.set(name, line);
    }
    return line;
  }

  function judge(told: Told): void {
    const line = lineOf(told);
    const { sequence } = told;
    const same = line.seen.get(sequence);
    if (same === undefined) {
      if (!Number.isSafeInteger(sequence) || sequence < 1) {
        throw new Violation(NAME, `${told.sequence} is no number of an event`, [lineOfTold(told)]);
      }
      line.seen.set(sequence, told);
      line.highest = Math.max(line.highest, sequence);
    } else if (JSON.stringify(same.raw.event) !== JSON.stringify(told.raw.event)) {
      const evidence = [lineOfTold(same), lineOfTold(told)];
      throw new Violation(NAME, `${told.id} stands for two events`, evidence);
    }
    if (told.id !== `${told.actor}:${told.stream}:${sequence}`) {
      throw new Violation(NAME, `${told.id} is not what its source and number say`, [lineOfTold(told)]);
    }
    if (told.what === 'source.closed') close(told);
    const last = closed.get(told.source);
    const lastNumber = last === undefined ? undefined : lastOf(last, told.stream);
    if (lastNumber !== undefined && sequence > lastNumber && !mayBeForgotten(told)) {
      const evidence = [lineOfTold(last!), lineOfTold(told)];
      throw new Violation(NAME, `${told.source} told something after it was closed`, evidence);
    }
  }

  function close(told: Told): void {
    const source = textOf(told.data, 'source') ?? '';
    const before = closed.get(source);
    if (before === undefined) {
      closed.set(source, told);
      for (const stream of ['endings', 'events'] as const) {
        const line = lines.get(`${source} ${stream}`);
        const last = lastOf(told, stream);
        const beyond = [...(line?.seen.values() ?? [])].filter(({ sequence }) => sequence > last);
        const known = beyond.find((each) => !mayBeForgotten(each));
        if (known === undefined) continue;
        const evidence = [lineOfTold(known), lineOfTold(told)];
        throw new Violation(NAME, `${source} was closed below what it had told`, evidence);
      }
    } else if (!sameNumbers(before, told) && !mayBeForgotten(before)) {
      const evidence = [lineOfTold(before), lineOfTold(told)];
      throw new Violation(NAME, `${source} was closed with two sets of numbers`, evidence);
    }
  }

  /** The journal may not have kept that it was told: whoever closes the source does not know. */
  function mayBeForgotten({ place, data }: Told): boolean {
    if (story.powerLostSince(place, -Infinity)) return true;
    return story.namespace(textOf(data, 'namespace') ?? '')?.durability === 'memory';
  }

  function mayHaveGaps({ place, source, firstAtMs }: Line): boolean {
    const isOver =
      closed.has(source) || clocks.runAt(place, firstAtMs) !== clocks.runAt(place, world.nowMs);
    if (!isOver) return false;
    // What such a run told may have come to the bus only from its successor, after the cut.
    if (story.powerLostSince(place, -Infinity)) return true;
    return world.namespaces.some(({ durability }) => durability === 'memory');
  }

  return {
    invariant: NAME,
    afterEvent: () => eachTold(judge),
    atRest() {
      for (const [name, line] of lines) {
        const end = closed.get(line.source);
        const stream = name.slice(line.source.length + 1) as Told['stream'];
        const last = end === undefined ? line.highest : Math.max(line.highest, lastOf(end, stream));
        if (line.seen.size === last || mayHaveGaps(line)) continue;
        const missing: number[] = [];
        for (let each = 1; each <= last && missing.length < 10; each++) {
          if (!line.seen.has(each)) missing.push(each);
        }
        throw new Violation(NAME, `${name}: ${missing.join(', ')} of ${last} never came`);
      }
    },
  };
}

function lastOf({ data }: Told, stream: Told['stream']): number {
  return numberOf(documentOf(data['lastSequences']), stream) ?? Infinity;
}

function sameNumbers(one: Told, other: Told): boolean {
  return JSON.stringify(one.data['lastSequences']) === JSON.stringify(other.data['lastSequences']);
}
