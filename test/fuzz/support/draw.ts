/** An integer in [0, below). */
export type Draw = (below: number) => number;

/** A repeatable source that can be seeded anew without being made anew. Source: mulberry32 (Tommy Ettinger, public domain). */
export class Dice {
  private state = 0;

  constructor(seed = 0) {
    this.seed(seed);
  }

  seed(seed: number): this {
    // Neighbouring seeds would otherwise begin alike.
    this.state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) >>> 0;
    return this;
  }

  readonly draw: Draw = (below) => {
    this.state = (this.state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) * 2 ** -32 * below);
  };
}

export function oneOf<T>(list: readonly T[], draw: Draw): T {
  return list[draw(list.length)]!;
}
