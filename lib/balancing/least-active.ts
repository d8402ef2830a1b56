import type { Rng } from '../core/random.js';
import type { Balancer, BalancerFactory, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { FairQueue } from './fair-queue.js';

/**
 * The endpoint with the fewest calls in flight per weight: the exact minimum, found in O(log n). Equals take turns by weight, so that a
 * client with one call at a time spreads it as weighted round robin does. See `FairQueue`.
 *
 * It knows this client's calls only: of many clients with few calls each, `p2cEwma` makes the better choice.
 *
 * @publicApi
 */
export function leastActive(): BalancerFactory {
  return ({ rng }) => new LeastActive(rng);
}

class LeastActive implements Balancer {
  private readonly queue: FairQueue;

  constructor(rng: Rng) {
    this.queue = new FairQueue(rng, true);
  }

  update(endpoints: readonly Endpoint[]): void {
    this.queue.update(endpoints);
  }

  pick({ excluded }: PickRequest): Endpoint | undefined {
    return this.queue.take(excluded);
  }

  observe(endpoint: Endpoint): void {
    this.queue.ended(endpoint);
  }
}
