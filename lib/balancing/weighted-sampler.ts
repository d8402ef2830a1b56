import type { Rng } from '../core/random.js';
import type { Endpoint } from './endpoint.js';

/** Draws that may hit an excluded endpoint before the list is scanned instead. */
const DRAWS = 3;

/**
 * Draws endpoints at random, each as often as its weight says, in O(1) however many there are.
 * Source: the alias method, A. J. Walker 1974, in M. D. Vose's numerically stable form, 1991.
 */
export class WeightedSampler {
  endpoints: readonly Endpoint[] = [];
  /** True where all weights are the same: then no table is needed. */
  isEven = true;
  private table: AliasTable = { keep: new Float64Array(), alias: new Uint32Array() };

  constructor(private readonly rng: Rng) {}

  update(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    const weights = Float64Array.from(endpoints, (endpoint) => endpoint.weight);
    this.isEven = weights.every((weight) => weight === weights[0]);
    if (!this.isEven) this.table = aliasTable(weights);
  }

  /** The index of a random endpoint; the list must not be empty. */
  draw(): number {
    const scaled = this.rng() * this.endpoints.length;
    const column = Math.floor(scaled);
    if (this.isEven || scaled - column < this.table.keep[column]!) return column;
    return this.table.alias[column]!;
  }

  /** The index of a random endpoint that is not excluded; -1 where there is none. */
  drawExcept(excluded: readonly Endpoint[] | undefined): number {
    if (this.endpoints.length === 0) return -1;
    if (excluded === undefined || excluded.length === 0) return this.draw();
    for (let draws = 0; draws < DRAWS; draws++) {
      const index = this.draw();
      if (!excluded.includes(this.endpoints[index]!)) return index;
    }
    return scanByWeight(this.endpoints, excluded, this.rng);
  }
}

/** As `drawExcept`, in O(n) and without a table: for the rare call that excludes what a draw would have found. -1 for none. */
export function scanByWeight(endpoints: readonly Endpoint[], excluded: readonly Endpoint[], rng: Rng): number {
  let total = 0;
  for (const endpoint of endpoints) if (!excluded.includes(endpoint)) total += endpoint.weight;
  let left = rng() * total;
  let last = -1;
  for (let index = 0; index < endpoints.length; index++) {
    if (excluded.includes(endpoints[index]!)) continue;
    last = index;
    left -= endpoints[index]!.weight;
    if (left < 0) break;
  }
  return last;
}

/** Column i is drawn with equal chance and means i in the share `keep[i]` of cases, `alias[i]` otherwise. */
interface AliasTable {
  readonly keep: Float64Array;
  readonly alias: Uint32Array;
}

function aliasTable(weights: Float64Array): AliasTable {
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  const keep = weights.map((weight) => weight / mean);
  const alias = new Uint32Array(weights.length);
  const light: number[] = [];
  const heavy: number[] = [];
  keep.forEach((share, index) => (share < 1 ? light : heavy).push(index));
  while (light.length > 0 && heavy.length > 0) {
    const filled = light.pop()!;
    const donor = heavy.at(-1)!;
    alias[filled] = donor;
    keep[donor]! -= 1 - keep[filled]!;
    if (keep[donor]! < 1) light.push(heavy.pop()!);
  }
  // What is left over is full but for rounding.
  for (const index of [...light, ...heavy]) keep[index] = 1;
  return { keep, alias };
}
