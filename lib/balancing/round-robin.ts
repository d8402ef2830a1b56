import type { Rng } from '../core/random.js';
import type { Balancer, BalancerFactory, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';

/**
 * Each endpoint in turn, whatever its weight or load. Every client starts at a random one, so that clients that start together do not
 * walk in step. An excluded endpoint loses its turn.
 *
 * @publicApi
 */
export function roundRobin(): BalancerFactory {
  return ({ rng }) => new RoundRobin(rng);
}

class RoundRobin implements Balancer {
  private endpoints: readonly Endpoint[] = [];
  private next = 0;

  constructor(private readonly rng: Rng) {}

  update(endpoints: readonly Endpoint[]): void {
    const due = this.endpoints[this.next];
    const index = due === undefined ? Math.floor(this.rng() * endpoints.length) : endpoints.indexOf(due);
    // Where the endpoint that was due has left, its successor has moved up to about its place.
    if (index >= 0) this.next = index;
    else if (this.next >= endpoints.length) this.next = 0;
    this.endpoints = endpoints;
  }

  pick({ excluded }: PickRequest): Endpoint | undefined {
    for (let tried = 0; tried < this.endpoints.length; tried++) {
      const endpoint = this.endpoints[this.next]!;
      this.next = this.next + 1 < this.endpoints.length ? this.next + 1 : 0;
      if (!excluded?.includes(endpoint)) return endpoint;
    }
    return undefined;
  }
}
