/** A source of numbers in [0, 1). */
export type Rng = () => number;

export const systemRng: Rng = Math.random;

/** A reproducible source: mulberry32 (Tommy Ettinger, public domain), good enough for tests and simulations. */
export function seededRng(seed: number): Rng {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A value spread evenly over ± `share` of `value`: `spread(5000, 0.2)` is 4,000 to 6,000. */
export function spread(value: number, share: number, rng: Rng): number {
  return value * (1 + share * (2 * rng() - 1));
}
