/**
 * A binary heap of the slots 0 to n-1, least first: by `rank`, among equals by `turn`. Each slot knows its place, so that a changed key
 * costs O(log n). Write the keys, then call `order()` once for all or `moved(slot)` for one.
 */
export class IndexedHeap {
  readonly rank: Float64Array;
  readonly turn: Float64Array;
  private readonly slots: Uint32Array;
  private readonly places: Uint32Array;

  constructor(readonly size: number) {
    this.rank = new Float64Array(size);
    this.turn = new Float64Array(size);
    this.slots = Uint32Array.from({ length: size }, (_, slot) => slot);
    this.places = this.slots.slice();
  }

  /** The least slot; the heap must not be empty. */
  get top(): number {
    return this.slots[0]!;
  }

  order(): void {
    for (let place = (this.size >>> 1) - 1; place >= 0; place--) this.sink(place);
  }

  moved(slot: number): void {
    this.sink(this.rise(this.places[slot]!));
  }

  private rise(from: number): number {
    const slot = this.slots[from]!;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (!this.isBefore(slot, this.slots[above]!)) break;
      this.put(place, this.slots[above]!);
      place = above;
    }
    this.put(place, slot);
    return place;
  }

  private sink(from: number): void {
    const slot = this.slots[from]!;
    let place = from;
    for (let below = this.lesserBelow(place); below < this.size; below = this.lesserBelow(place)) {
      if (!this.isBefore(this.slots[below]!, slot)) break;
      this.put(place, this.slots[below]!);
      place = below;
    }
    this.put(place, slot);
  }

  private lesserBelow(place: number): number {
    const left = 2 * place + 1;
    const right = left + 1;
    return right < this.size && this.isBefore(this.slots[right]!, this.slots[left]!) ? right : left;
  }

  private isBefore(a: number, b: number): boolean {
    const difference = this.rank[a]! - this.rank[b]!;
    return difference < 0 || (difference === 0 && this.turn[a]! < this.turn[b]!);
  }

  private put(place: number, slot: number): void {
    this.slots[place] = slot;
    this.places[slot] = place;
  }
}
