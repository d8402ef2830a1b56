import type { Duration } from '../core/duration.js';
import { durationOption, integerOption, numberOption } from '../core/options.js';
import type { Balancer, BalancerContext, BalancerFactory, CallSample, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { Narrowing } from './narrowing.js';

export interface OutlierEjectionOptions {
  /** Failures in a row after which an endpoint is ejected. @default 5 @range 1–1,000 */
  consecutiveFailures?: number | undefined;
  /** How long the first ejection lasts; the nth lasts n times as long. @default '30s' @range 1ms–1h */
  baseEjection?: Duration | undefined;
  /** The longest ejection. @default '300s' @range 1ms–24h */
  maxEjection?: Duration | undefined;
  /** Share of the endpoints that may be ejected at a time, at least one of several. @default 0.1, in sets under 10 0.5 @range 0–1 */
  maxEjectedShare?: number | undefined;
  /** While less than this share is left, ejections are ignored. @default 0.5 @range 0–1 */
  panicThreshold?: number | undefined;
}

export const OUTLIER_EJECTION_DEFAULTS = {
  consecutiveFailures: 5,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectedShare: 0.1,
  maxEjectedShareOfFew: 0.5,
  panicThreshold: 0.5,
} as const;

/** Sets with fewer members are few. */
const FEW = 10;

/**
 * Takes an endpoint that fails again and again out of the list for a while. The last one always stays, and where so many are ejected
 * that the rest would break under the load, all are used (panic).
 *
 * An endpoint that returns is on probation: until its first success a single failure ejects it again, for longer. Each `baseEjection` it
 * then serves without ejection is one ejection forgotten. Time is read from picks; there is no timer.
 *
 * Source: Envoy's outlier detection and panic threshold, with its constants; probation is ours.
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function withOutlierEjection(factory: BalancerFactory, options: OutlierEjectionOptions = {}): BalancerFactory {
  const checked = checkedOptions(options);
  return (context) => new OutlierEjection(factory(context), context, checked);
}

class OutlierEjection extends Narrowing {
  private ejected = 0;
  private nextReturnMs = Infinity;

  constructor(
    inner: Balancer,
    { rng }: BalancerContext,
    private readonly options: CheckedOptions,
  ) {
    super(inner, rng);
  }

  override pick(call: PickRequest, nowMs: number): Endpoint | undefined {
    if (nowMs >= this.nextReturnMs) this.readmit(nowMs);
    return super.pick(call, nowMs);
  }

  override observe(endpoint: Endpoint, sample: CallSample): void {
    super.observe(endpoint, sample);
    if (sample.result === 'failure' && this.mayEject(endpoint)) this.eject(endpoint, sample.nowMs);
  }

  protected choose(members: readonly Endpoint[]): readonly Endpoint[] {
    const healthy = members.filter((endpoint) => !endpoint.isEjected);
    this.ejected = members.length - healthy.length;
    this.nextReturnMs = members.reduce(
      (soonest, it) => (it.isEjected ? Math.min(soonest, it.ejectedUntilMs) : soonest),
      Infinity,
    );
    const isPanic = healthy.length === 0 || healthy.length < this.options.panicThreshold * members.length;
    return isPanic ? members : healthy;
  }

  private mayEject(endpoint: Endpoint): boolean {
    const { consecutiveFailures, maxEjectedShare } = this.options;
    if (endpoint.isEjected || endpoint.consecutiveFailures < consecutiveFailures) return false;
    const atMost = Math.max(1, Math.floor(maxEjectedShare(this.members.length) * this.members.length));
    return this.ejected < Math.min(atMost, this.members.length - 1);
  }

  private eject(endpoint: Endpoint, nowMs: number): void {
    const { baseEjectionMs, maxEjectionMs } = this.options;
    const forgotten = Math.floor((nowMs - endpoint.ejectedUntilMs) / baseEjectionMs);
    endpoint.timesEjected = Math.max(0, endpoint.timesEjected - forgotten) + 1;
    endpoint.ejectedUntilMs = nowMs + Math.min(maxEjectionMs, baseEjectionMs * endpoint.timesEjected);
    endpoint.isEjected = true;
    this.narrow();
  }

  /** Failures are not forgotten with it: that is the probation. */
  private readmit(nowMs: number): void {
    for (const endpoint of this.members) if (endpoint.ejectedUntilMs <= nowMs) endpoint.isEjected = false;
    this.narrow();
  }
}

type CheckedOptions = ReturnType<typeof checkedOptions>;

function checkedOptions(options: OutlierEjectionOptions) {
  const defaults = OUTLIER_EJECTION_DEFAULTS;
  const path = 'balancer.outlierEjection';
  const { maxEjectedShare, maxEjectedShareOfFew } = defaults;
  const share = numberOption(`${path}.maxEjectedShare`, options.maxEjectedShare, maxEjectedShare, { max: 1 });
  const shareOfFew = options.maxEjectedShare === undefined ? maxEjectedShareOfFew : share;
  return {
    consecutiveFailures: integerOption(
      `${path}.consecutiveFailures`,
      options.consecutiveFailures,
      defaults.consecutiveFailures,
      {
        min: 1,
        max: 1_000,
      },
    ),
    baseEjectionMs: durationOption(`${path}.baseEjection`, options.baseEjection, defaults.baseEjectionMs, {
      min: 1,
      max: 3_600_000,
    }),
    maxEjectionMs: durationOption(`${path}.maxEjection`, options.maxEjection, defaults.maxEjectionMs, {
      min: 1,
      max: 86_400_000,
    }),
    maxEjectedShare: (members: number) => (members < FEW ? shareOfFew : share),
    panicThreshold: numberOption(`${path}.panicThreshold`, options.panicThreshold, defaults.panicThreshold, { max: 1 }),
  };
}
