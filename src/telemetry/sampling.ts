/**
 * Which requests are recorded. The SDK has samplers too, but asking it means building a span's
 * context first, which costs a request a fifth of its time; so the standard ones are worked out here,
 * from a flag of the caller's context or one drawn number, and the SDK sees only what is recorded.
 */

/** What the `OTEL_TRACES_SAMPLER` variables ask for. */
export interface Sampling {
  /** Follows the decision of a caller that has made one. */
  readonly parentBased: boolean;
  /** The share of the other traces that is recorded, from 0 to 1. */
  readonly ratio: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const PARENT_BASED = 'parentbased_';
const FLAGS_AT = 24;
const SAMPLED = 1;
const TWO_32 = 4_294_967_296;

/** undefined: nothing is ever recorded. Adds to `warnings` what it cannot take. */
export function samplingOf(environment: Environment, warnings: string[]): Sampling | undefined {
  const asked = environment['OTEL_TRACES_SAMPLER']?.trim() || 'parentbased_always_on';
  const parentBased = asked.startsWith(PARENT_BASED);
  switch (parentBased ? asked.slice(PARENT_BASED.length) : asked) {
    case 'always_on':
      return { parentBased, ratio: 1 };
    case 'always_off':
      return parentBased ? { parentBased, ratio: 0 } : undefined;
    case 'traceidratio':
      return { parentBased, ratio: ratioOf(environment['OTEL_TRACES_SAMPLER_ARG'], warnings) };
    default:
      warnings.push(`OTEL_TRACES_SAMPLER "${asked}" is not known: parentbased_always_on is used`);
      return { parentBased: true, ratio: 1 };
  }
}

function ratioOf(text: string | undefined, warnings: string[]): number {
  const ratio = text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  warnings.push(`OTEL_TRACES_SAMPLER_ARG "${text ?? ''}" is not a ratio from 0 to 1: 1 is used`);
  return 1;
}

/** Decides, and makes the trace ids that go with the decision. */
export class Sampler {
  readonly #sampling: Sampling;
  /** Trace ids whose four words, joined by exclusive or, stay below it are recorded. */
  readonly #below: number;
  readonly #random: () => number;

  constructor(sampling: Sampling, random: () => number) {
    this.#sampling = sampling;
    this.#below = sampling.ratio === 1 ? TWO_32 : Math.floor(sampling.ratio * (TWO_32 - 1));
    this.#random = random;
  }

  /** `parent`: the caller's context. */
  samples(parent: Uint8Array | undefined): boolean {
    const { parentBased, ratio } = this.#sampling;
    if (parent === undefined) return ratio === 1 || this.#random() < ratio;
    if (parentBased) return (parent[FLAGS_AT]! & SAMPLED) === SAMPLED;
    return wordsOf(parent) < this.#below;
  }

  /**
   * 32 hexadecimal digits by which every other sampler with this ratio, in whatever process, comes to
   * the same decision: to record.
   */
  traceId(randomBytes: (count: number) => Buffer): string {
    const bytes = randomBytes(16);
    // Never all zeros, which is no id.
    bytes[0]! |= 1;
    const others = bytes.readUInt32BE(0) ^ bytes.readUInt32BE(4) ^ bytes.readUInt32BE(8);
    const joined = Math.floor(this.#random() * this.#below);
    bytes.writeUInt32BE((others ^ joined) >>> 0, 12);
    return bytes.toString('hex');
  }
}

/** The four words of the trace id, joined by exclusive or: what OpenTelemetry's own sampler reads. */
function wordsOf(trace: Uint8Array): number {
  const view = new DataView(trace.buffer, trace.byteOffset);
  return (view.getUint32(0) ^ view.getUint32(4) ^ view.getUint32(8) ^ view.getUint32(12)) >>> 0;
}
