import { ZONE } from '../core/instance.js';
import { numberOption } from '../core/options.js';
import type { Balancer, BalancerContext, BalancerFactory } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { Narrowing } from './narrowing.js';

export interface ZonePreferenceOptions {
  /** Share of a fair zone's weight that the own zone must hold to be used alone. @default 0.5 @range 0–1 */
  minShare?: number | undefined;
}

export const ZONE_PREFERENCE_DEFAULTS = { minShare: 0.5 } as const;

/**
 * Keeps calls in the caller's own zone while that zone is strong enough, and spreads them over all zones by weight otherwise.
 *
 * Strong enough: the zone holds at least `minShare` of what it would hold if the weight were spread evenly over the zones. With callers
 * spread evenly its endpoints then carry at most 1/`minShare` (twice) the mean load. Spring Cloud's zone preference stays at home while
 * anybody is left there, which crushes the last one; Envoy's zone-aware routing sends just the surplus away, for which it must know how
 * many callers each zone has. A caller without a zone, and a service without zones, are not affected; endpoints without a zone count as
 * one zone of their own.
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function withZonePreference(factory: BalancerFactory, options: ZonePreferenceOptions = {}): BalancerFactory {
  const { minShare: fallback } = ZONE_PREFERENCE_DEFAULTS;
  const minShare = numberOption('balancer.zonePreference.minShare', options.minShare, fallback, { max: 1 });
  return (context) => {
    const { zone } = context;
    return zone === undefined ? factory(context) : new ZonePreference(factory(context), context, zone, minShare);
  };
}

class ZonePreference extends Narrowing {
  constructor(
    inner: Balancer,
    { rng }: BalancerContext,
    private readonly zone: string,
    private readonly minShare: number,
  ) {
    super(inner, rng);
  }

  protected choose(members: readonly Endpoint[]): readonly Endpoint[] {
    const local = members.filter((endpoint) => zoneOf(endpoint) === this.zone);
    const zones = new Set(members.map(zoneOf)).size;
    const fairWeight = totalWeight(members) / zones;
    return local.length > 0 && totalWeight(local) >= this.minShare * fairWeight ? local : members;
  }
}

function zoneOf({ instance }: Endpoint): string | undefined {
  return instance.metadata[ZONE];
}

/** Without warmth: an endpoint that warms up should not push calls into other zones. */
function totalWeight(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { instance }) => sum + instance.weight, 0);
}
