import type { Endpoint } from './endpoint.js';
import { murmur3 } from './murmur3.js';

/** A point is hash × 2²¹ + slot of its owner: exact in a double, and sorted as a number. */
const SLOTS = 2 ** 21;

/**
 * Points of endpoints on a ring of hashes, as many as the instance's weight says. Where a point lies depends on the instance id only, so
 * every client builds the same ring, and who comes or goes takes or leaves only its own arcs.
 *
 * Weights count relative to their mean, rounded to a power of two: weights around 1, 100 or 10,000 make rings of one size, and the scale
 * hardly ever changes. An update sorts only the points that are new and merges them, in O(points).
 *
 * Source: Karger et al., "Consistent Hashing and Random Trees", 1997.
 */
export class HashRing {
  private points = new Float64Array();
  private readonly slots = new Map<Endpoint, number>();
  private readonly owners: (Endpoint | undefined)[] = [];
  private readonly pointCounts: number[] = [];
  private readonly freeSlots: number[] = [];

  /** @param virtualNodes points of an endpoint of mean weight, to within √2 */
  constructor(private readonly virtualNodes: number) {}

  /** Points in all. */
  get size(): number {
    return this.points.length;
  }

  has(endpoint: Endpoint): boolean {
    return this.slots.has(endpoint);
  }

  update(endpoints: readonly Endpoint[]): void {
    const wanted = pointCounts(endpoints, this.virtualNodes);
    this.removeAllBut(wanted);
    this.addMissing(wanted);
  }

  /** The place of the first point at or after a hash; the ring must not be empty. */
  find(hash: number): number {
    const wanted = hash * SLOTS;
    let low = 0;
    let high = this.points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.points[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low < this.points.length ? low : 0;
  }

  ownerAt(place: number): Endpoint {
    return this.owners[slotOf(this.points[place]!)]!;
  }

  private removeAllBut(wanted: ReadonlyMap<Endpoint, number>): void {
    const isLeaving = new Uint8Array(this.owners.length);
    let leaving = 0;
    for (const [endpoint, slot] of this.slots) {
      if (wanted.get(endpoint) === this.pointCounts[slot]) continue;
      this.slots.delete(endpoint);
      this.owners[slot] = undefined;
      this.freeSlots.push(slot);
      isLeaving[slot] = 1;
      leaving++;
    }
    if (leaving > 0) this.points = withoutSlots(this.points, isLeaving);
  }

  private addMissing(wanted: ReadonlyMap<Endpoint, number>): void {
    const missing = [...wanted].filter(([endpoint]) => !this.slots.has(endpoint));
    const added = new Float64Array(missing.reduce((sum, [, count]) => sum + count, 0));
    let place = 0;
    for (const [endpoint, count] of missing) {
      const slot = this.assignSlot(endpoint, count);
      for (let node = 0; node < count; node++) added[place++] = murmur3(endpoint.instanceId, node) * SLOTS + slot;
    }
    if (added.length > 0) this.points = merged(this.points, added.toSorted());
  }

  private assignSlot(endpoint: Endpoint, points: number): number {
    const slot = this.freeSlots.pop() ?? this.owners.length;
    this.slots.set(endpoint, slot);
    this.owners[slot] = endpoint;
    this.pointCounts[slot] = points;
    return slot;
  }
}

function slotOf(point: number): number {
  return point - Math.floor(point / SLOTS) * SLOTS;
}

/** The instance's own weight, without warmth: keys should not wander while an endpoint warms up. */
function pointCounts(endpoints: readonly Endpoint[], virtualNodes: number): Map<Endpoint, number> {
  const mean = endpoints.reduce((sum, { instance }) => sum + instance.weight, 0) / endpoints.length;
  const perWeight = virtualNodes / 2 ** Math.round(Math.log2(mean));
  return new Map(endpoints.map((it) => [it, Math.max(1, Math.round(perWeight * it.instance.weight))]));
}

/** A loop, not `filter`, which is ten times slower on a typed array. */
function withoutSlots(points: Float64Array, isLeaving: Uint8Array): Float64Array<ArrayBuffer> {
  const kept = new Float64Array(points.length);
  let count = 0;
  for (let place = 0; place < points.length; place++) {
    if (isLeaving[slotOf(points[place]!)] === 0) kept[count++] = points[place]!;
  }
  return kept.slice(0, count);
}

function merged(left: Float64Array, right: Float64Array): Float64Array<ArrayBuffer> {
  const all = new Float64Array(left.length + right.length);
  for (let place = 0, l = 0, r = 0; place < all.length; place++) {
    all[place] = r >= right.length || left[l]! < right[r]! ? left[l++]! : right[r++]!;
  }
  return all;
}
