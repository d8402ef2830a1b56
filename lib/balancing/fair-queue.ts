import type { Rng } from '../core/random.js';
import type { Endpoint } from './endpoint.js';
import { IndexedHeap } from './indexed-heap.js';

/**
 * Endpoints in the order of their turns, each turn 1/weight after the one before, in O(log n). Any Σweight calls in a row give every
 * endpoint exactly its weight of them (whole weights, nobody excluded). The first turn of an endpoint is at a random phase, so clients
 * do not walk in step, and a newcomer gets neither a burst nor a gap.
 *
 * With `byLoad`, calls in flight per weight come first and turns decide among equals. Who was too busy to take its turns has lost them.
 *
 * Source: earliest deadline first as Envoy's `EdfScheduler`; the rule for lost turns is start-time fair queueing (Goyal et al. 1996).
 */
export class FairQueue {
  private endpoints: readonly Endpoint[] = [];
  private slots = new Map<Endpoint, number>();
  private weights = new Float64Array();
  private heap = new IndexedHeap(0);
  /** The turn that was taken last. */
  private now = 0;
  private readonly setAside: number[] = [];

  constructor(
    private readonly rng: Rng,
    private readonly byLoad: boolean,
  ) {}

  update(endpoints: readonly Endpoint[]): void {
    const shares = Float64Array.from(endpoints, (endpoint) => this.shareUntilTurn(endpoint));
    this.endpoints = endpoints;
    this.slots = new Map(endpoints.map((endpoint, slot) => [endpoint, slot]));
    this.weights = Float64Array.from(endpoints, (endpoint) => endpoint.weight);
    this.heap = new IndexedHeap(endpoints.length);
    this.now = 0;
    for (let slot = 0; slot < endpoints.length; slot++) {
      this.heap.turn[slot] = shares[slot]! / this.weights[slot]!;
      this.heap.rank[slot] = this.rankOf(slot);
    }
    this.heap.order();
  }

  /** The endpoint whose turn it is; the call is counted as in flight. `undefined` where all are excluded. */
  take(excluded: readonly Endpoint[] | undefined): Endpoint | undefined {
    const slot = excluded === undefined || excluded.length === 0 ? this.top : this.topExcept(excluded);
    if (slot < 0) return undefined;
    const { heap } = this;
    this.now = Math.max(this.now, heap.turn[slot]!);
    heap.turn[slot] = this.now + 1 / this.weights[slot]!;
    heap.rank[slot] = this.rankOf(slot, 1);
    heap.moved(slot);
    return this.endpoints[slot];
  }

  /** Takes over the endpoint's `inFlight` after a call has ended. */
  ended(endpoint: Endpoint): void {
    const slot = this.slots.get(endpoint);
    if (slot === undefined) return;
    this.setRank(slot, this.rankOf(slot));
  }

  private get top(): number {
    return this.heap.size === 0 ? -1 : this.heap.top;
  }

  private shareUntilTurn(endpoint: Endpoint): number {
    const slot = this.slots.get(endpoint);
    return slot === undefined ? this.rng() : Math.max(0, this.heap.turn[slot]! - this.now) * this.weights[slot]!;
  }

  /** Sends excluded endpoints to the end for the length of one look; they keep their turns. */
  private topExcept(excluded: readonly Endpoint[]): number {
    const { heap, setAside } = this;
    let top = this.top;
    while (top >= 0 && excluded.includes(this.endpoints[top]!)) {
      setAside.push(top);
      this.setRank(top, Infinity);
      top = heap.rank[heap.top] === Infinity ? -1 : heap.top;
    }
    for (let slot = setAside.pop(); slot !== undefined; slot = setAside.pop()) this.setRank(slot, this.rankOf(slot));
    return top;
  }

  private rankOf(slot: number, newCalls = 0): number {
    return this.byLoad ? (this.endpoints[slot]!.inFlight + newCalls) / this.weights[slot]! : 0;
  }

  private setRank(slot: number, rank: number): void {
    this.heap.rank[slot] = rank;
    this.heap.moved(slot);
  }
}
