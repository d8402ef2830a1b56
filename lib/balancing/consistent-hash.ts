import { integerOption, numberOption } from '../core/options.js';
import type { Balancer, BalancerFactory, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { HashRing } from './hash-ring.js';
import { murmur3 } from './murmur3.js';
import { p2cEwma } from './p2c-ewma.js';

export interface ConsistentHashOptions {
  /**
   * Points on the ring of an endpoint of mean weight. More spread keys more evenly and cost 8 B each; thousands of endpoints can do with
   * fewer. All clients must agree on the number. @default 256 @range 1–10,000
   */
  virtualNodes?: number | undefined;
  /** An endpoint takes at most so many times its share of the calls in flight. @default 1.25 @range 1.01–1,000 */
  maxLoad?: number | undefined;
  /** Calls in flight that an endpoint always takes, so that a few calls at once stay where they belong. @default 4 @range 1–1e6 */
  minInFlight?: number | undefined;
}

export const CONSISTENT_HASH_DEFAULTS = { virtualNodes: 256, maxLoad: 1.25, minInFlight: 4 } as const;

/**
 * Calls with the same routing key go to the same endpoint, from every client, until it is full: then to the next on the ring. Calls
 * without a key go to the better of two random endpoints (`p2cEwma`).
 *
 * An endpoint that comes or goes moves only its own share of the keys. Slow start does not touch the ring. Not to be used within
 * `withSubset`: callers with different subsets would not agree where a key belongs.
 *
 * Sources: see `HashRing`; Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016.
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function consistentHash(options: ConsistentHashOptions = {}): BalancerFactory {
  const defaults = CONSISTENT_HASH_DEFAULTS;
  const checked = {
    virtualNodes: integerOption('balancer.virtualNodes', options.virtualNodes, defaults.virtualNodes, {
      min: 1,
      max: 10_000,
    }),
    maxLoad: numberOption('balancer.maxLoad', options.maxLoad, defaults.maxLoad, { min: 1.01, max: 1_000 }),
    minInFlight: integerOption('balancer.minInFlight', options.minInFlight, defaults.minInFlight, { min: 1, max: 1e6 }),
  };
  const withoutKey = p2cEwma();
  return (context) => new ConsistentHash(withoutKey(context), checked);
}

class ConsistentHash implements Balancer {
  private readonly ring: HashRing;
  private totalWeight = 0;
  /** Calls in flight to members of the ring. */
  private inFlight = 0;

  constructor(
    private readonly withoutKey: Balancer,
    private readonly options: { virtualNodes: number; maxLoad: number; minInFlight: number },
  ) {
    this.ring = new HashRing(options.virtualNodes);
  }

  update(endpoints: readonly Endpoint[]): void {
    this.ring.update(endpoints);
    this.withoutKey.update(endpoints);
    this.totalWeight = endpoints.reduce((sum, { instance }) => sum + instance.weight, 0);
    this.inFlight = endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
  }

  pick(call: PickRequest, nowMs: number): Endpoint | undefined {
    const endpoint =
      call.routingKey === undefined ? this.withoutKey.pick(call, nowMs) : this.owner(call.routingKey, call.excluded);
    if (endpoint) this.inFlight++;
    return endpoint;
  }

  observe(endpoint: Endpoint): void {
    if (this.ring.has(endpoint)) this.inFlight--;
  }

  /** The first on the ring that has room; where none has, the first that is not excluded. */
  private owner(routingKey: string, excluded: readonly Endpoint[] | undefined): Endpoint | undefined {
    const { ring } = this;
    const callsPerWeight = (this.options.maxLoad * (this.inFlight + 1)) / this.totalWeight;
    let firstChoice: Endpoint | undefined;
    let place = ring.find(murmur3(routingKey));
    for (let step = 0; step < ring.size; step++) {
      const endpoint = ring.ownerAt(place);
      if (!excluded?.includes(endpoint)) {
        if (this.hasRoom(endpoint, callsPerWeight)) return endpoint;
        firstChoice ??= endpoint;
      }
      place = place + 1 < ring.size ? place + 1 : 0;
    }
    return firstChoice;
  }

  private hasRoom({ inFlight, instance }: Endpoint, callsPerWeight: number): boolean {
    return inFlight < this.options.minInFlight || inFlight < Math.ceil(callsPerWeight * instance.weight);
  }
}
