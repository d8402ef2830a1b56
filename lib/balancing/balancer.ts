import type { Clock } from '../core/clock.js';
import type { Rng } from '../core/random.js';
import type { Endpoint } from './endpoint.js';

/**
 * Chooses an endpoint for each call. A balancer holds the list it was last given and whatever its algorithm needs; statistics live on
 * the endpoints. Wrappers (zone preference, slow start, subset, outlier ejection) are balancers around a balancer that change the list.
 *
 * @publicApi
 */
export interface Balancer {
  /**
   * Called with the full membership before the first pick and after each change of it, and again when weights have changed. Order is
   * stable for endpoints that stay; every weight is above 0. The list is never changed afterwards: it may be kept, not written to.
   */
  update(endpoints: readonly Endpoint[]): void;

  /**
   * The endpoint for one call, in O(1) or O(log n); `undefined` only when the list is empty or every member is excluded.
   * The caller pairs each pick with exactly one `observe`, and counts the call in `inFlight` as soon as `pick` returns.
   *
   * @param nowMs the clock's reading, taken once for all layers
   */
  pick(call: PickRequest, nowMs: number): Endpoint | undefined;

  /**
   * How a picked call ended. The endpoint's `inFlight`, `latency` and `consecutiveFailures` are already updated; it may have left the
   * list since it was picked.
   */
  observe?(endpoint: Endpoint, sample: CallSample): void;

  /** Ends timers the balancer may have started. */
  close?(): void;
}

/** What a balancer may know of a call. */
export interface PickRequest {
  /** Calls with the same key go to the same endpoint, under a hashing balancer. */
  readonly routingKey?: string | undefined;
  /** Endpoints that already failed this call; never picked while another is left. At most as many as a call has attempts. */
  readonly excluded?: readonly Endpoint[] | undefined;
}

export interface CallSample {
  /** `failure` counts against the endpoint: unreachable, lost, silent, timed out. Errors a handler answered with are `success`. */
  readonly result: 'success' | 'failure' | 'cancelled';
  readonly latencyMs: number;
  readonly nowMs: number;
}

/** Makes the balancer of one service; called once per service and client. */
export type BalancerFactory = (context: BalancerContext) => Balancer;

export interface BalancerContext {
  readonly serviceName: string;
  readonly clock: Clock;
  readonly rng: Rng;
  /** The caller's own zone, where it has one. */
  readonly zone?: string | undefined;
  /** The caller's own instance id: seeds deterministic subsets. */
  readonly callerId: string;
}
