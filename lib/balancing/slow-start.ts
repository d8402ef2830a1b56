import type { Duration } from '../core/duration.js';
import { durationOption, numberOption } from '../core/options.js';
import type { Clock } from '../core/clock.js';
import type { Balancer, BalancerFactory, CallSample, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';

export interface SlowStartOptions {
  /** How long an endpoint takes to its full weight. @default '30s' @range 100ms–1h */
  window?: Duration | undefined;
  /** Share of its weight that it begins with. @default 0.1 @range 0.001–1 */
  minShare?: number | undefined;
  /** 1 rises evenly, more rises early, less rises late. @default 1 @range 0.1–10 */
  aggression?: number | undefined;
}

export const SLOW_START_DEFAULTS = { windowMs: 30_000, minShare: 0.1, aggression: 1 } as const;

/** Steps of a window, and how far apart they may be. */
const STEPS = 30;
const MIN_STEP_MS = 100;
const MAX_STEP_MS = 1_000;

/**
 * Gives an endpoint that has just joined a rising share of its calls: its code is not yet compiled, its caches and pools are empty. It
 * sets `warmth`, which is part of the endpoint's weight, and shows the inner balancer the new weights: in steps, when calls are made,
 * without a timer. Endpoints of the first list are all equally new to this client and start warm.
 *
 * Source: Envoy's slow start: weight × max(minShare, (age / window)^(1 / aggression)).
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function withSlowStart(factory: BalancerFactory, options: SlowStartOptions = {}): BalancerFactory {
  const defaults = SLOW_START_DEFAULTS;
  const path = 'balancer.slowStart';
  const checked = {
    windowMs: durationOption(`${path}.window`, options.window, defaults.windowMs, { min: 100, max: 3_600_000 }),
    minShare: numberOption(`${path}.minShare`, options.minShare, defaults.minShare, { min: 0.001, max: 1 }),
    aggression: numberOption(`${path}.aggression`, options.aggression, defaults.aggression, { min: 0.1, max: 10 }),
  };
  return (context) => new SlowStart(factory(context), context.clock, checked);
}

class SlowStart implements Balancer {
  private endpoints: readonly Endpoint[] = [];
  private firstListMs: number | undefined;
  private nextStepMs = Infinity;
  private readonly stepMs: number;

  constructor(
    private readonly inner: Balancer,
    private readonly clock: Clock,
    private readonly options: { windowMs: number; minShare: number; aggression: number },
  ) {
    this.stepMs = Math.min(MAX_STEP_MS, Math.max(MIN_STEP_MS, options.windowMs / STEPS));
  }

  update(endpoints: readonly Endpoint[]): void {
    const nowMs = this.clock.now();
    if (endpoints.length > 0) this.firstListMs ??= nowMs;
    this.endpoints = endpoints;
    this.step(nowMs);
  }

  pick(call: PickRequest, nowMs: number): Endpoint | undefined {
    if (nowMs >= this.nextStepMs) this.step(nowMs);
    return this.inner.pick(call, nowMs);
  }

  observe(endpoint: Endpoint, sample: CallSample): void {
    this.inner.observe?.(endpoint, sample);
  }

  close(): void {
    this.inner.close?.();
  }

  private step(nowMs: number): void {
    let isWarming = false;
    for (const endpoint of this.endpoints) {
      endpoint.warmth = this.warmth(endpoint, nowMs);
      isWarming ||= endpoint.warmth < 1;
    }
    this.nextStepMs = isWarming ? nowMs + this.stepMs : Infinity;
    this.inner.update(this.endpoints);
  }

  private warmth({ addedAtMs }: Endpoint, nowMs: number): number {
    const { windowMs, minShare, aggression } = this.options;
    if (addedAtMs <= this.firstListMs! || nowMs >= addedAtMs + windowMs) return 1;
    return Math.max(minShare, ((nowMs - addedAtMs) / windowMs) ** (1 / aggression));
  }
}
