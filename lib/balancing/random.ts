import type { Rng } from '../core/random.js';
import type { Balancer, BalancerFactory, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { WeightedSampler } from './weighted-sampler.js';

/**
 * Any endpoint, as often as its weight says. The cheapest balancer, and as fair as chance is: see `p2cEwma` for one that looks at load.
 *
 * @publicApi
 */
export function random(): BalancerFactory {
  return ({ rng }) => new RandomBalancer(rng);
}

class RandomBalancer implements Balancer {
  private readonly sampler: WeightedSampler;

  constructor(rng: Rng) {
    this.sampler = new WeightedSampler(rng);
  }

  update(endpoints: readonly Endpoint[]): void {
    this.sampler.update(endpoints);
  }

  pick({ excluded }: PickRequest): Endpoint | undefined {
    const index = this.sampler.drawExcept(excluded);
    return index < 0 ? undefined : this.sampler.endpoints[index];
  }
}
