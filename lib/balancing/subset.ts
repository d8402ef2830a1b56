import { integerOption } from '../core/options.js';
import type { Balancer, BalancerContext, BalancerFactory } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { murmur3 } from './murmur3.js';
import { Narrowing } from './narrowing.js';

export interface SubsetOptions {
  /** Endpoints this caller talks to. @default 20 @range 1–100,000 */
  size?: number | undefined;
}

export const SUBSET_DEFAULTS = { size: 20 } as const;

/**
 * Talks to `size` endpoints only: of a thousand callers and a thousand endpoints, each pair would otherwise hold a connection.
 *
 * Which ones is decided by rendezvous hashing of the caller's id with theirs: the same whenever this caller
 * looks, others for each caller, and an endpoint that comes or goes changes at most one of the subset. Load is even on average, not exactly
 * as in the SRE book's deterministic subsetting, which in turn needs callers that are numbered.
 *
 * Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998.
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function withSubset(factory: BalancerFactory, options: SubsetOptions = {}): BalancerFactory {
  const size = integerOption('balancer.subset.size', options.size, SUBSET_DEFAULTS.size, { min: 1, max: 100_000 });
  return (context) => new Subset(factory(context), context, size);
}

class Subset extends Narrowing {
  private readonly seed: number;

  constructor(
    inner: Balancer,
    { rng, callerId }: BalancerContext,
    private readonly size: number,
  ) {
    super(inner, rng);
    this.seed = murmur3(callerId);
  }

  /** In the members' order, not by score: balancers may rely on it. */
  protected choose(members: readonly Endpoint[]): readonly Endpoint[] {
    if (members.length <= this.size) return members;
    const scored = members.map((endpoint) => ({ endpoint, score: murmur3(endpoint.instanceId, this.seed) }));
    scored.sort((a, b) => b.score - a.score || (a.endpoint.instanceId < b.endpoint.instanceId ? -1 : 1));
    const chosen = new Set(scored.slice(0, this.size).map(({ endpoint }) => endpoint));
    return members.filter((endpoint) => chosen.has(endpoint));
  }
}
