import type { Duration } from '../core/duration.js';
import { durationOption } from '../core/options.js';
import type { Rng } from '../core/random.js';
import type { Balancer, BalancerFactory, PickRequest } from './balancer.js';
import { EWMA_DECAY_MS } from './endpoint-latency.js';
import type { Endpoint } from './endpoint.js';
import { WeightedSampler } from './weighted-sampler.js';

export interface P2cEwmaOptions {
  /** An endpoint that got no call for so long, and has none in flight, is tried even if it was slow. @default '1s' @range 1ms– */
  idle?: Duration | undefined;
}

export const P2C_EWMA_DEFAULTS = { idleMs: 1_000 } as const;

/** Averages that differ by no more than this factor count as equal: what is noise should be left to the load. */
const SIMILAR = 1.25;
/** Below this all is noise; and a latency of 0 would make load count for nothing. */
const LATENCY_FLOOR_MS = 0.05;

/**
 * The better of two random endpoints, by peak latency average × load; load is 1 + calls in flight, these relative to the weight. The
 * default: it finds slow and stuck endpoints by itself, and clients that do not know of each other do not all choose the same one.
 *
 * - Weights decide who is drawn. Under different weights a draw may meet itself, so that nobody gets more than three times its share: a
 *   canary of 1 % that happens to be the fastest does not take half of the calls.
 * - Who is about as fast, or has not finished a call yet, counts as fast as its rival. So a new endpoint is not shunned, and as its calls
 *   in flight count, not flooded.
 * - An idle endpoint is tried, with one call at a time; an average fades while no call renews it.
 *
 * Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001; Finagle's `P2CPeakEwma`; the trial of idle
 * endpoints is from go-zero's `p2c`.
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function p2cEwma(options: P2cEwmaOptions = {}): BalancerFactory {
  const idleMs = durationOption('balancer.idle', options.idle, P2C_EWMA_DEFAULTS.idleMs, { min: 1 });
  return ({ rng }) => new P2cEwma(rng, idleMs);
}

class P2cEwma implements Balancer {
  private readonly sampler: WeightedSampler;
  /** What a call in flight adds to the load: mean weight / own weight. */
  private loadPerCall = new Float64Array();

  constructor(
    private readonly rng: Rng,
    private readonly idleMs: number,
  ) {
    this.sampler = new WeightedSampler(rng);
  }

  update(endpoints: readonly Endpoint[]): void {
    this.sampler.update(endpoints);
    const mean = endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0) / endpoints.length;
    this.loadPerCall = Float64Array.from(endpoints, (endpoint) => mean / endpoint.weight);
  }

  pick({ excluded }: PickRequest, nowMs: number): Endpoint | undefined {
    const { endpoints } = this.sampler;
    const first = this.sampler.drawExcept(excluded);
    if (first < 0) return undefined;
    const second = this.drawRival(first);
    if (second === first || excluded?.includes(endpoints[second]!)) return endpoints[first];
    const isBetter = this.isBetter(second, first, nowMs);
    const winner = endpoints[isBetter ? second : first]!;
    const loser = endpoints[isBetter ? first : second]!;
    return this.isIdle(loser, nowMs) && !this.isIdle(winner, nowMs) ? loser : winner;
  }

  /** Another endpoint where weights are equal; by weight, and so perhaps the same again, where they are not. */
  private drawRival(first: number): number {
    const { sampler } = this;
    const others = sampler.endpoints.length - 1;
    if (others === 0) return first;
    if (sampler.isEven) {
      const drawn = Math.floor(this.rng() * others);
      return drawn < first ? drawn : drawn + 1;
    }
    const drawn = sampler.draw();
    return drawn === first ? sampler.draw() : drawn;
  }

  private isBetter(challenger: number, holder: number, nowMs: number): boolean {
    const a = this.sampler.endpoints[challenger]!;
    const b = this.sampler.endpoints[holder]!;
    const loadA = 1 + a.inFlight * this.loadPerCall[challenger]!;
    const loadB = 1 + b.inFlight * this.loadPerCall[holder]!;
    if (!a.latency.hasSamples || !b.latency.hasSamples) return loadA < loadB;
    const latencyA = this.latency(a, nowMs);
    const latencyB = this.latency(b, nowMs);
    const isSimilar = latencyA <= latencyB * SIMILAR && latencyB <= latencyA * SIMILAR;
    return isSimilar ? loadA < loadB : latencyA * loadA < latencyB * loadB;
  }

  /** The average; of an idle endpoint, one that fades. */
  private latency({ latency, inFlight }: Endpoint, nowMs: number): number {
    const idleMs = inFlight > 0 ? 0 : nowMs - latency.updatedAtMs - this.idleMs;
    const average = idleMs > 0 ? latency.value * Math.exp(-idleMs / EWMA_DECAY_MS) : latency.value;
    return Math.max(LATENCY_FLOOR_MS, average);
  }

  private isIdle(endpoint: Endpoint, nowMs: number): boolean {
    return endpoint.inFlight === 0 && nowMs - endpoint.pickedAtMs >= this.idleMs;
  }
}
