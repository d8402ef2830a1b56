import type { Rng } from '../core/random.js';
import type { Balancer, BalancerFactory, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { FairQueue } from './fair-queue.js';

/**
 * Each endpoint in turn, exactly as often as its weight says, its turns evenly spaced. The shares are those of nginx's smooth weighted
 * round robin; a pick costs O(log n) instead of its O(n). See `FairQueue`.
 *
 * @publicApi
 */
export function weightedRoundRobin(): BalancerFactory {
  return ({ rng }) => new WeightedRoundRobin(rng);
}

class WeightedRoundRobin implements Balancer {
  private readonly queue: FairQueue;

  constructor(rng: Rng) {
    this.queue = new FairQueue(rng, false);
  }

  update(endpoints: readonly Endpoint[]): void {
    this.queue.update(endpoints);
  }

  pick({ excluded }: PickRequest): Endpoint | undefined {
    return this.queue.take(excluded);
  }
}
