/**
 * Versions in text. A dot names one write by one run of one sidecar, so a strong ETag needs no
 * hash: the dots of the values an entry shows are its version, the same on every sidecar, and
 * every PUT makes a new one. A context lists, per actor, the highest write its reader had seen
 * (a dotted version vector: Preguiça et al. 2010), with the highest hybrid clock among them.
 */
import type { Dot } from './fact.ts';

const ACTOR = /^[0-9a-f]{16}$/;
/** Decimal: it is the only base in which a number above 2^31 becomes text quickly. */
const SEQUENCE = /^[0-9]{1,16}$/;

export function dotText(actor: string, seq: number): string {
  return `${actor}.${seq}`;
}

function parseDot(text: string): Dot | undefined {
  const actor = text.slice(0, 16);
  const seqText = text.slice(17);
  if (text[16] !== '.' || !ACTOR.test(actor) || !SEQUENCE.test(seqText)) return undefined;
  const seq = Number(seqText);
  return Number.isSafeInteger(seq) ? { actor, seq } : undefined;
}

export interface Context {
  /** The writer's hybrid clock must pass this. */
  readonly hlc: number;
  readonly seen: readonly Dot[];
}

/** `<hlc>;<actor>.<seq>,…`: fits a header, and is opaque to clients. */
export function contextText(hlc: number, seen: readonly Dot[]): string {
  let text = `${hlc};`;
  for (let index = 0; index < seen.length; index++) {
    if (index > 0) text += ',';
    text += dotText(seen[index]!.actor, seen[index]!.seq);
  }
  return text;
}

/** The usual context: one dot. */
export function contextOfDot(hlc: number, actor: string, seq: number): string {
  return `${hlc};${actor}.${seq}`;
}

/** undefined: not a context. */
export function parseContext(text: string): Context | undefined {
  const semicolon = text.indexOf(';');
  if (semicolon < 0) return undefined;
  const hlcText = text.slice(0, semicolon);
  if (!SEQUENCE.test(hlcText)) return undefined;
  const hlc = Number(hlcText);
  if (!Number.isSafeInteger(hlc)) return undefined;
  const rest = text.slice(semicolon + 1);
  const seen: Dot[] = [];
  if (rest !== '') {
    for (const part of rest.split(',')) {
      const dot = parseDot(part);
      if (dot === undefined) return undefined;
      seen.push(dot);
    }
  }
  return { hlc, seen };
}

export function covers(seen: readonly Dot[], actor: string, seq: number): boolean {
  for (const dot of seen) if (dot.actor === actor && dot.seq >= seq) return true;
  return false;
}
