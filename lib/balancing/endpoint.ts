import { instanceAddress, type ServiceInstance } from '../core/instance.js';
import { EndpointLatency } from './endpoint-latency.js';

/**
 * One target and everything learnt about it. Endpoints outlive registry updates (see `EndpointSet`): the record may be replaced,
 * the statistics and connections stay.
 */
export class Endpoint {
  /** Calls begun and not ended. */
  inFlight = 0;
  /** Latency of ended calls, in ms. */
  readonly latency = new EndpointLatency();
  /** Failures since the last success; cancelled calls do not count. */
  consecutiveFailures = 0;
  /** Monotonic time of the last pick, in ms. */
  pickedAtMs = 0;
  /** Set by the slow-start wrapper: 1 for a warm endpoint. */
  warmth = 1;
  /** False while it cannot be connected to, or is draining: not in the balancer's list unless all are. */
  isReachable = true;
  /** Set by the outlier-ejection wrapper: while true it gets calls only where no other endpoint is left, or in panic. */
  isEjected = false;
  /** Monotonic time at which its last ejection ends or ended, in ms. */
  ejectedUntilMs = 0;
  /** Ejections not yet forgotten; each makes the next one longer. */
  timesEjected = 0;

  constructor(
    public instance: ServiceInstance,
    /** Monotonic time at which it was first seen, in ms. */
    readonly addedAtMs: number,
  ) {}

  get instanceId(): string {
    return this.instance.instanceId;
  }

  get address(): string {
    return instanceAddress(this.instance);
  }

  /** The share it should get relative to its siblings. */
  get weight(): number {
    return this.instance.weight * this.warmth;
  }
}
