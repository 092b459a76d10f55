/**
 * Seeded randomness: sfc32, 128 bits of state, passes PractRand. Small enough to be read, fast
 * enough to be drawn from several times a request, and the same on every machine for one seed.
 */
export interface Random {
  /** Uniform in [0, 1), 32 bits of resolution. */
  next(): number;
}

/** A generator that gives the same sequence for the same `seed` (an integer, taken modulo 2^32). */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  // The first outputs of near-by seeds resemble each other; a dozen rounds mix them apart.
  for (let round = 0; round < 12; round += 1) next();
  return { next };
}
